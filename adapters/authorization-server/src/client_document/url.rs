//! Client ids that are the URL of a document (AS-30).

use portcullis_core::encoding::uri::Uri;

/// Longest URL in bytes; it stands in every token of the client.
const URL_LEN_MAX: usize = 512;

/// The one port (SEC-287).
const PORT: u16 = 443;

/// A client id that may be fetched, as far as its text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DocumentUrl<'u> {
    uri: Uri<'u>,
    port: u16,
}

impl<'u> DocumentUrl<'u> {
    /// `https`, a DNS name, port 443, a path with something in it; no query, fragment, user
    /// information or dot segments. Nothing is repaired: the text is compared with the document's
    /// `client_id`, byte by byte.
    ///
    /// `loopback` also takes `localhost`, at any port.
    pub(crate) fn parse(client_id: &'u str, loopback: bool) -> Option<Self> {
        let uri = Uri::parse(client_id).ok().filter(|_| client_id.len() <= URL_LEN_MAX)?;
        let port = uri.port().unwrap_or(PORT);
        let is_host = if loopback && uri.host() == "localhost" {
            true
        } else {
            is_dns_name(uri.host()) && port == PORT
        };
        let is_plain = uri.is_https()
            && uri.userinfo().is_none()
            && uri.query().is_none()
            && uri.fragment().is_none()
            && !uri.has_dot_segments();
        let has_path = uri.path().starts_with('/') && uri.path() != "/";
        (is_host && is_plain && has_path).then_some(Self { uri, port })
    }

    pub(crate) const fn as_str(self) -> &'u str {
        self.uri.as_str()
    }

    pub(crate) fn host(self) -> &'u str {
        self.uri.host()
    }

    pub(super) const fn port(self) -> u16 {
        self.port
    }

    /// Host, and port where there is one in the text.
    pub(super) fn authority(self) -> &'u str {
        self.uri.authority_text().unwrap_or_default()
    }

    pub(super) const fn path(self) -> &'u str {
        self.uri.path()
    }

    /// Whether `uri` has the same scheme, host and port.
    pub(super) fn is_same_origin(self, uri: &str) -> bool {
        Uri::parse(uri).is_ok_and(|uri| {
            uri.is_https() && uri.host() == self.host() && uri.port().unwrap_or(PORT) == self.port
        })
    }
}

/// A name with two labels at least, in lower case, that no reader takes for an address: such a one
/// ends in a number, decimal or with `0x` (SEC-281).
fn is_dns_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253
        && host.contains('.')
        && host.split('.').all(is_label)
        && last.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(url: &str, expected: bool) {
        assert_eq!(DocumentUrl::parse(url, false).is_some(), expected, "{url}");
    }

    #[test]
    fn as_30_the_form_of_the_url() {
        for good in [
            "https://app.example/client.json",
            "https://app.example:443/client",
            "https://app.example/a/b/",
            "https://xn--bcher-kva.example/c",
            "https://a-b.c1.example/%7Ec",
        ] {
            check(good, true);
        }
        for bad in [
            "http://app.example/client.json",
            "HTTPS://app.example/client.json",
            "https://app.example",
            "https://app.example/",
            "https://app.example/c?x=1",
            "https://app.example/c?",
            "https://app.example/c#f",
            "https://user@app.example/c",
            "https://user:pw@app.example/c",
            "https://app.example/a/../c",
            "https://app.example/./c",
            "https://app.example/%2e%2e/c",
            "https://app.example:8443/c",
            "https://app.example:22/c",
            "https:///c",
            "https://app.example\\@127.0.0.1/c",
            "https://app.example/c d",
            "",
        ] {
            check(bad, false);
        }
        let long = |len: usize| format!("https://app.example/{}", "c".repeat(len - 20));
        check(&long(URL_LEN_MAX - 1), true);
        check(&long(URL_LEN_MAX), true);
        check(&long(URL_LEN_MAX + 1), false);
    }

    #[test]
    fn sec_281_only_dns_names() {
        for host in [
            "127.0.0.1",
            "93.184.216.34",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "127.1",
            "127.0.0.1.",
            "a.0x1",
            "a.1",
            "[::1]",
            "[2606:4700::1111]",
            "[::ffff:127.0.0.1]",
            "localhost",
            "localhost.",
            "intranet",
            "app.example.",
            ".app.example",
            "app..example",
            "-app.example",
            "app-.example",
            "APP.example",
            "app_1.example",
            "b\u{fc}cher.example",
            "%61pp.example",
            "127.0.0.1%2e",
        ] {
            check(&format!("https://{host}/c"), false);
        }
    }

    #[test]
    fn localhost_only_in_development() {
        let url = DocumentUrl::parse("https://localhost:8443/c", true).unwrap();
        assert_eq!((url.host(), url.port(), url.path()), ("localhost", 8443, "/c"));
        for bad in
            ["https://localhost:8443/", "https://127.0.0.1:8443/c", "https://app.example:8443/c"]
        {
            assert_eq!(DocumentUrl::parse(bad, true), None, "{bad}");
        }
        assert_eq!(DocumentUrl::parse("https://localhost:8443/c", false), None);
    }

    #[test]
    fn same_origin_is_scheme_host_and_port() {
        let url = DocumentUrl::parse("https://app.example/c", false).unwrap();
        assert!(url.is_same_origin("https://app.example/cb"));
        assert!(url.is_same_origin("https://app.example:443/cb"));
        for other in [
            "http://app.example/cb",
            "https://app.example:8443/cb",
            "https://app.example.evil.example/cb",
            "https://evil.example/app.example",
        ] {
            assert!(!url.is_same_origin(other), "{other}");
        }
    }

    /// An IPv4 address with its last parts run together, each part in its own base, as the readers of
    /// C libraries and browsers take it.
    fn spelled(address: u32, parts: usize, bases: [u8; 4]) -> String {
        let mut rest = u64::from(address);
        let mut texts = Vec::new();
        for (at, base) in bases.into_iter().enumerate().take(parts) {
            let width = if at + 1 == parts { 0 } else { 8 * (3 - at) };
            let value = rest >> width;
            rest -= value << width;
            texts.push(match base % 3 {
                0 => format!("{value}"),
                1 => format!("0x{value:x}"),
                _ => format!("0{value:o}"),
            });
        }
        texts.join(".")
    }

    proptest! {
        #[test]
        fn sec_281_no_spelling_of_an_address(address: u32, parts in 1_usize..=4, bases: [u8; 4], wide: u128) {
            let v4 = spelled(address, parts, bases);
            let v6 = std::net::Ipv6Addr::from_bits(wide);
            // The other reader takes it for an address, so that the spelling is one.
            let read = url::Url::parse(&format!("https://{v4}/c")).unwrap();
            prop_assert!(matches!(read.host(), Some(url::Host::Ipv4(it)) if it.to_bits() == address), "{v4}");
            for host in [v4.clone(), format!("{v4}."), format!("[{v6}]"), format!("[::ffff:{v4}]")] {
                let url = format!("https://{host}/c");
                prop_assert!(DocumentUrl::parse(&url, false).is_none(), "{url}");
            }
        }

        /// Whatever is accepted names the same host for another reader, and a name at that.
        #[test]
        fn sec_281_readers_agree_on_what_is_accepted(
            host in "[0-9a-fx.:%@\\\\/?#\\[\\]-]{1,20}|([a-z0-9-]{1,6}\\.){1,3}[a-z0-9]{1,4}",
            path in "(/[a-z.%0-9]{0,6}){1,3}",
        ) {
            let text = format!("https://{host}{path}");
            if let Some(accepted) = DocumentUrl::parse(&text, false) {
                let read = url::Url::parse(&text).unwrap();
                prop_assert_eq!(read.host(), Some(url::Host::Domain(accepted.host())));
                prop_assert_eq!(read.port_or_known_default(), Some(accepted.port()));
                prop_assert_eq!(read.path(), accepted.path());
                prop_assert_eq!(read.as_str(), &text);
            }
        }
    }
}
