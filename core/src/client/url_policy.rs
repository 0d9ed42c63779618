//! Which URLs of strangers the client asks, or opens in a browser (CL-27, CL-90).

use crate::encoding::uri::{Uri, UriError};

/// Longest URL in bytes; as LIM-9 has it for redirect URIs.
pub const URL_LEN_MAX: usize = 2 * 1024;

/// Why a URL is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlRefusal {
    /// Not a URI.
    Syntax(UriError),
    /// Longer than [`URL_LEN_MAX`].
    TooLong,
    /// Neither `https`, nor `http` to the own machine where that is allowed (SEC-461, SEC-463).
    Scheme,
    /// Has userinfo, which may look like a host.
    Userinfo,
    /// Has a fragment, which is never sent.
    Fragment,
    /// Has a query where none may be.
    Query,
    /// Has `.` or `..` as a path segment, which readers resolve differently.
    DotSegment,
}

impl core::fmt::Display for UrlRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Syntax(error) => error.fmt(f),
            Self::TooLong => f.write_str("URL is too long"),
            Self::Scheme => f.write_str("URL is neither https nor allowed loopback http"),
            Self::Userinfo => f.write_str("URL has userinfo"),
            Self::Fragment => f.write_str("URL has a fragment"),
            Self::Query => f.write_str("URL has a query"),
            Self::DotSegment => f.write_str("URL has a dot segment"),
        }
    }
}

impl core::error::Error for UrlRefusal {}

/// An allow-list of schemes.
///
/// Which addresses a name may resolve to is the adapter's to vet, when it connects: a client on a
/// user's own machine may meet private ones (CL-93 is for clients that run on a server).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrlPolicy {
    /// `https` only.
    #[default]
    HttpsOnly,
    /// Also `http` to `127.0.0.1`, `[::1]` and `localhost`: for development.
    HttpsOrLoopback,
}

impl UrlPolicy {
    /// Loopback `http` is for those who asked for a server there; one on the network that names
    /// the user's own machine is refused (SEC-170).
    pub fn for_server(server_url: &str) -> Self {
        match Uri::parse(server_url) {
            Ok(url) if url.is_loopback_http() => Self::HttpsOrLoopback,
            _ => Self::HttpsOnly,
        }
    }

    /// Whether `url` may be used, as it stands: nothing is repaired (SEC-460).
    pub fn admit(self, url: &str) -> Result<Uri<'_>, UrlRefusal> {
        if url.len() > URL_LEN_MAX {
            return Err(UrlRefusal::TooLong);
        }
        let uri = Uri::parse(url).map_err(UrlRefusal::Syntax)?;
        let scheme = uri.is_https() || (self == Self::HttpsOrLoopback && uri.is_loopback_http());
        match () {
            () if !scheme => Err(UrlRefusal::Scheme),
            () if uri.userinfo().is_some() => Err(UrlRefusal::Userinfo),
            () if uri.fragment().is_some() => Err(UrlRefusal::Fragment),
            () if uri.has_dot_segments() => Err(UrlRefusal::DotSegment),
            () => Ok(uri),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[track_caller]
    fn check(policy: UrlPolicy, url: &str, expected: Result<(), UrlRefusal>) {
        assert_eq!(policy.admit(url).map(|_| ()), expected, "{url}");
    }

    #[track_caller]
    fn refused(url: &str) {
        for policy in [UrlPolicy::HttpsOnly, UrlPolicy::HttpsOrLoopback] {
            assert!(policy.admit(url).is_err(), "{url}");
        }
    }

    #[test]
    fn sec_170_https_and_loopback() {
        for loopback in ["http://127.0.0.1:9000/a", "http://[::1]:1/", "http://localhost/x?y"] {
            check(UrlPolicy::HttpsOrLoopback, loopback, Ok(()));
            check(UrlPolicy::HttpsOnly, loopback, Err(UrlRefusal::Scheme));
            assert_eq!(UrlPolicy::for_server(loopback), UrlPolicy::HttpsOrLoopback);
        }
        check(UrlPolicy::HttpsOnly, "https://as.example/a?b=c", Ok(()));
        for far in ["https://as.example", "http://as.example", "https://127.0.0.1", "x"] {
            assert_eq!(UrlPolicy::for_server(far), UrlPolicy::HttpsOnly, "{far}");
        }
        check(UrlPolicy::HttpsOnly, "https://u@as.example/", Err(UrlRefusal::Userinfo));
        check(UrlPolicy::HttpsOnly, "https://as.example/#f", Err(UrlRefusal::Fragment));
        check(UrlPolicy::HttpsOnly, "https://as.example/a/../b", Err(UrlRefusal::DotSegment));
        check(UrlPolicy::HttpsOnly, "https://as.example/%2e/b", Err(UrlRefusal::DotSegment));
    }

    #[test]
    fn sec_461_and_463_other_schemes() {
        for scheme in ["javascript", "data", "file", "vbscript", "ms-word", "ftp", "HTTPS", "http"]
        {
            refused(&format!("{scheme}://as.example/"));
            refused(&format!("{scheme}:alert(1)"));
        }
        refused("http://127.0.0.2/");
        refused("http://127.0.0.1.evil.example/");
        refused("http://localhost.evil.example/");
        refused("http://127.0.0.1@evil.example/");
    }

    #[test]
    fn sec_460_shell_and_option_tricks() {
        for url in [
            "-https://as.example/",
            " https://as.example/",
            "https://as.example/\n",
            "https://as.example/a b",
            "https://as.example/`id`",
            "https://as.example/\"x\"",
            "https://as.example/|x",
            "https://as.example\\x",
            "https://$(id).example/",
            "https://as.example;id/",
            "",
        ] {
            refused(url);
        }
    }

    #[test]
    fn length_on_both_sides_of_the_limit() {
        let url = |len: usize| format!("https://as.example/{}", "a".repeat(len - 19));
        for len in [URL_LEN_MAX - 1, URL_LEN_MAX] {
            check(UrlPolicy::HttpsOnly, &url(len), Ok(()));
        }
        check(UrlPolicy::HttpsOnly, &url(URL_LEN_MAX + 1), Err(UrlRefusal::TooLong));
    }
}
