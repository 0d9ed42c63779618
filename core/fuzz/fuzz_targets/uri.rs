//! The parts make the whole again, and a browser's parser goes to the same host and port.
#![no_main]

use std::net::Ipv6Addr;

use libfuzzer_sys::fuzz_target;
use portcullis_core::encoding::uri::Uri;
use url::{Host, Url};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Ok(uri) = Uri::parse(text) else { return };
    assert_eq!(whole(uri), text);
    if let Some(origin) = uri.origin() {
        assert_eq!((origin.scheme, origin.host), (uri.scheme(), uri.host()));
    }
    assert!(!uri.is_loopback_http() || matches!(uri.host(), "127.0.0.1" | "[::1]" | "localhost"));

    let mut buffer = vec![0; text.len() + 16];
    if let Ok(joined) = uri.with_path("/token", &mut buffer) {
        assert_eq!((joined.authority_text(), joined.path()), (uri.authority_text(), "/token"));
    }

    let is_http = ["http", "https"].iter().any(|scheme| uri.scheme().eq_ignore_ascii_case(scheme));
    if !is_http {
        return;
    }
    // Names that only a browser refuses (bad punycode, say) cannot be fetched by it either.
    let Ok(theirs) = Url::parse(text) else { return };
    match theirs.host().expect("http has a host") {
        Host::Domain(domain) => assert!(domain.eq_ignore_ascii_case(uri.host()), "{domain}"),
        Host::Ipv4(address) => assert_eq!(address.to_string(), uri.host()),
        Host::Ipv6(address) => {
            let ours = uri.host().trim_matches(['[', ']']).parse::<Ipv6Addr>();
            assert_eq!(ours, Ok(address));
        }
    }
    let default = if theirs.scheme() == "https" { 443 } else { 80 };
    assert_eq!(uri.port().unwrap_or(default), theirs.port().unwrap_or(default));
    if !uri.has_dot_segments() && !uri.path().is_empty() {
        assert_eq!(uri.path(), theirs.path());
    }
});

fn whole(uri: Uri<'_>) -> String {
    let part = |before: &str, part: Option<&str>| {
        part.map_or(String::new(), |part| format!("{before}{part}"))
    };
    format!(
        "{}:{}{}{}{}",
        uri.scheme(),
        part("//", uri.authority_text()),
        uri.path(),
        part("?", uri.query()),
        part("#", uri.fragment())
    )
}
