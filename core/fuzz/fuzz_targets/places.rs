//! A URL that is admitted is one of https to a browser's parser too, or leads to the own machine; and an
//! address that is public is none of the standard library's special ones, nor has one of them inside.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    address::is_public,
    client::{URL_LEN_MAX, UrlPolicy},
};
use url::{Host, Url};

// A URL or an address as text, and the first bytes as addresses.
fuzz_target!(|data: &[u8]| {
    if let Some(bits) = data.first_chunk::<4>() {
        address(Ipv4Addr::from(*bits).into());
        address(Ipv4Addr::from(*bits).to_ipv6_mapped().into());
    }
    if let Some(bits) = data.first_chunk::<16>() {
        address(Ipv6Addr::from(*bits).into());
    }
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(parsed) = text.parse::<IpAddr>() {
        address(parsed);
    }
    let strict = UrlPolicy::HttpsOnly.admit(text).is_ok();
    let lenient = UrlPolicy::HttpsOrLoopback.admit(text).is_ok();
    assert!(lenient || !strict);
    if lenient {
        admitted(text, strict);
    }
    let for_server = UrlPolicy::for_server(text);
    assert!(for_server == UrlPolicy::HttpsOnly || text.starts_with("http://"));
});

fn admitted(text: &str, is_https: bool) {
    assert!(text.len() <= URL_LEN_MAX);
    assert!(text.bytes().all(|byte| matches!(byte, b'!'..=b'~')), "{text}");
    assert!(text.starts_with(if is_https { "https://" } else { "http://" }), "{text}");
    // Names that only a browser refuses (bad punycode, say) cannot be fetched by it either.
    let Ok(theirs) = Url::parse(text) else { return };
    assert_eq!(theirs.scheme(), if is_https { "https" } else { "http" });
    assert!(
        theirs.username().is_empty() && theirs.password().is_none() && theirs.fragment().is_none()
    );
    if is_https {
        return;
    }
    match theirs.host().expect("http has a host") {
        Host::Domain(domain) => assert_eq!(domain, "localhost"),
        Host::Ipv4(address) => assert_eq!(address, Ipv4Addr::LOCALHOST),
        Host::Ipv6(address) => assert_eq!(address, Ipv6Addr::LOCALHOST),
    }
}

fn address(address: IpAddr) {
    if is_public(address) {
        match address {
            IpAddr::V4(v4) => assert!(!is_special(v4), "{v4}"),
            IpAddr::V6(v6) => {
                assert!(!v6.is_multicast() && !v6.is_unique_local() && !v6.is_unicast_link_local());
                assert!(v6.to_ipv4().is_none(), "{v6}");
                // 6to4 and Teredo have an address of the other family inside.
                let [first, second, ..] = v6.segments();
                assert!(first != 0x2002 && (first, second) != (0x2001, 0), "{v6}");
            }
        }
    }
}

const fn is_special(address: Ipv4Addr) -> bool {
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_unspecified()
}
