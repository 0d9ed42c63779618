//! Where metadata stands: well-known URLs from identifiers (RFC 9728 §3.1, RFC 8414 §3.1, OpenID
//! Connect Discovery §4).
//!
//! Identifiers are put together as received: nothing is decoded, folded or normalised, so that two
//! tenants of one host never share a document (SEC-167). Whether a URL may be fetched at all is for
//! the client's URL policy.

use crate::encoding::{
    scratch::BufferFull,
    text::TextWriter,
    uri::{Uri, UriError},
};
use core::fmt::Write as _;

/// RFC 9728 §3.
pub const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
/// RFC 8414 §3.
pub const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// OpenID Connect Discovery §4.
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";

/// Why there is no well-known URL for an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WellKnownError {
    /// Not an absolute URI.
    Uri(UriError),
    /// A URI without a host.
    NoAuthority,
    /// With userinfo, a fragment, or a query where none may be.
    Component,
    /// With a `.` or `..` segment, which would move the well-known path on its way (SEC-058).
    DotSegments,
    /// No room for the URL.
    BufferFull,
}

impl core::fmt::Display for WellKnownError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Uri(error) => return error.fmt(f),
            Self::NoAuthority => "identifier has no host",
            Self::Component => "identifier has userinfo, a query or a fragment",
            Self::DotSegments => "identifier has dot segments",
            Self::BufferFull => "no room for a well-known URL",
        })
    }
}

impl core::error::Error for WellKnownError {}

impl From<UriError> for WellKnownError {
    fn from(error: UriError) -> Self {
        Self::Uri(error)
    }
}

impl From<BufferFull> for WellKnownError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// A well-known URL as its parts, written out by `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WellKnownUrl<'u> {
    scheme: &'u str,
    authority: &'u str,
    path: WellKnownPath<'u>,
}

impl<'u> WellKnownUrl<'u> {
    /// The path alone.
    pub const fn path(&self) -> WellKnownPath<'u> {
        self.path
    }

    /// Appends the whole URL to `out`.
    pub fn write(&self, out: &mut TextWriter<'_>) -> Result<(), BufferFull> {
        write!(out, "{self}").map_err(|_| BufferFull)
    }
}

impl core::fmt::Display for WellKnownUrl<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

/// The path of a well-known URL as its parts, written out by `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WellKnownPath<'u> {
    before: &'u str,
    name: &'static str,
    behind: &'u str,
}

impl WellKnownPath<'_> {
    /// Whether a request's path is this one, as received and byte for byte (SEC-131).
    pub fn is(&self, path: &str) -> bool {
        path.strip_prefix(self.before)
            .and_then(|path| path.strip_prefix(self.name))
            .is_some_and(|path| path == self.behind)
    }
}

impl core::fmt::Display for WellKnownPath<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.before)?;
        f.write_str(self.name)?;
        f.write_str(self.behind)
    }
}

/// URLs to ask, in this order.
pub type Candidates<'u> = core::iter::Flatten<core::array::IntoIter<Option<WellKnownUrl<'u>>, 3>>;

/// Writes the URL of a protected resource's metadata (RS-05): the well-known path stands between
/// authority and path, and a lone slash behind the authority is dropped.
pub fn protected_resource_url(
    resource: &str,
    out: &mut TextWriter<'_>,
) -> Result<(), WellKnownError> {
    Ok(of_resource(resource)?.write(out)?)
}

/// The path of [`protected_resource_url`].
pub fn protected_resource_path(resource: &str) -> Result<WellKnownPath<'_>, WellKnownError> {
    Ok(of_resource(resource)?.path())
}

/// Where a client looks for the metadata of the MCP server at `server_url` when no challenge named
/// a URL (CL-03, §8.1): with the path of `server_url`, if it has one, then at the root.
///
/// A query of `server_url` is no part of either.
pub fn prm_candidates(server_url: &str) -> Result<Candidates<'_>, WellKnownError> {
    let base = Base::parse(server_url)?;
    let path = (!base.path_is_empty()).then(|| base.insert(PROTECTED_RESOURCE, base.path));
    Ok([path, Some(base.insert(PROTECTED_RESOURCE, "")), None].into_iter().flatten())
}

/// Writes the URL of an authorization server's RFC 8414 metadata (AS-04).
pub fn authorization_server_url(
    issuer: &str,
    out: &mut TextWriter<'_>,
) -> Result<(), WellKnownError> {
    Ok(of_issuer(issuer)?.write(out)?)
}

/// The path of [`authorization_server_url`].
pub fn authorization_server_path(issuer: &str) -> Result<WellKnownPath<'_>, WellKnownError> {
    Ok(of_issuer(issuer)?.path())
}

/// Where a client looks for the metadata of `issuer` (CL-21, CL-22). The root documents are never
/// asked for an issuer with a path (CL-23).
pub fn authorization_server_urls(issuer: &str) -> Result<Candidates<'_>, WellKnownError> {
    let base = Base::of_issuer(issuer)?;
    let appended = (!base.path.is_empty()).then(|| base.append(OPENID_CONFIGURATION));
    Ok([
        Some(base.insert(AUTHORIZATION_SERVER, base.path)),
        Some(base.insert(OPENID_CONFIGURATION, base.path)),
        appended,
    ]
    .into_iter()
    .flatten())
}

fn of_resource(resource: &str) -> Result<WellKnownUrl<'_>, WellKnownError> {
    let base = Base::parse(resource)?;
    // RFC 9728 would carry a query along; our resource identifiers have none (RS-03).
    if base.has_query {
        return Err(WellKnownError::Component);
    }
    let path = if base.path_is_empty() { "" } else { base.path };
    Ok(base.insert(PROTECTED_RESOURCE, path))
}

fn of_issuer(issuer: &str) -> Result<WellKnownUrl<'_>, WellKnownError> {
    let base = Base::of_issuer(issuer)?;
    Ok(base.insert(AUTHORIZATION_SERVER, base.path))
}

/// What a well-known path is put into.
struct Base<'u> {
    scheme: &'u str,
    authority: &'u str,
    path: &'u str,
    has_query: bool,
}

impl<'u> Base<'u> {
    fn parse(identifier: &'u str) -> Result<Self, WellKnownError> {
        let uri = Uri::parse(identifier)?;
        let authority = uri.authority_text().ok_or(WellKnownError::NoAuthority)?;
        if uri.userinfo().is_some() || uri.fragment().is_some() {
            return Err(WellKnownError::Component);
        }
        if uri.has_dot_segments() {
            return Err(WellKnownError::DotSegments);
        }
        let has_query = uri.query().is_some();
        Ok(Self { scheme: uri.scheme(), authority, path: uri.path(), has_query })
    }

    /// An issuer has no query, and a slash at its end does not count here (RFC 8414 §2, §3.1).
    fn of_issuer(issuer: &'u str) -> Result<Self, WellKnownError> {
        let base = Self::parse(issuer)?;
        if base.has_query {
            return Err(WellKnownError::Component);
        }
        Ok(Self { path: base.path.strip_suffix('/').unwrap_or(base.path), ..base })
    }

    fn path_is_empty(&self) -> bool {
        matches!(self.path, "" | "/")
    }

    const fn insert(&self, name: &'static str, behind: &'u str) -> WellKnownUrl<'u> {
        let path = WellKnownPath { before: "", name, behind };
        WellKnownUrl { scheme: self.scheme, authority: self.authority, path }
    }

    const fn append(&self, name: &'static str) -> WellKnownUrl<'u> {
        let path = WellKnownPath { before: self.path, name, behind: "" };
        WellKnownUrl { scheme: self.scheme, authority: self.authority, path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        string::{String, ToString},
        vec::Vec,
    };

    fn texts(candidates: Candidates<'_>) -> Vec<String> {
        candidates.map(|url| url.to_string()).collect()
    }

    #[track_caller]
    fn check_resource(resource: &str, expected: Result<&str, WellKnownError>) {
        let mut buffer = [0; 128];
        let mut out = TextWriter::new(&mut buffer);
        let written = protected_resource_url(resource, &mut out).map(|()| out.finish());
        assert_eq!(written, expected, "{resource}");
        if let (Ok(url), Ok(path)) = (expected, protected_resource_path(resource)) {
            assert!(url.ends_with(&path.to_string()) && path.is(&path.to_string()));
        }
    }

    #[test]
    fn rs_05_inserted_between_authority_and_path() {
        let base = "https://h/.well-known/oauth-protected-resource";
        check_resource("https://h/a/mcp", Ok(&[base, "/a/mcp"].concat()));
        check_resource("https://h", Ok(base));
        check_resource("https://h/", Ok(base));
        check_resource("https://h/a/", Ok(&[base, "/a/"].concat()));
        check_resource("https://h/%2e.a//b", Ok(&[base, "/%2e.a//b"].concat()));
        check_resource(
            "http://127.0.0.1:8001/mcp",
            Ok("http://127.0.0.1:8001/.well-known/oauth-protected-resource/mcp"),
        );
    }

    #[test]
    fn rs_03_identifiers_that_are_refused() {
        check_resource("https://h/mcp?a=b", Err(WellKnownError::Component));
        check_resource("https://h/mcp#a", Err(WellKnownError::Component));
        check_resource("https://u@h/mcp", Err(WellKnownError::Component));
        check_resource("https://h/a/../mcp", Err(WellKnownError::DotSegments));
        check_resource("https://h/a/%2e%2E/mcp", Err(WellKnownError::DotSegments));
        check_resource("urn:a:b", Err(WellKnownError::NoAuthority));
        check_resource("/mcp", Err(WellKnownError::Uri(UriError::Scheme)));
    }

    #[test]
    fn sec_131_the_path_is_matched_as_received() {
        let path = protected_resource_path("https://h/mcp").unwrap();
        assert!(path.is("/.well-known/oauth-protected-resource/mcp"));
        for other in [
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/mcp/",
            "/.well-known/oauth-protected-resource/MCP",
            "/.well-known/oauth-protected-resource//mcp",
            "//.well-known/oauth-protected-resource/mcp",
            "/.well-known/oauth-protected-resource/%6dcp",
            "/mcp",
            "",
        ] {
            assert!(!path.is(other), "{other}");
        }
    }

    #[test]
    fn cl_03_candidates_of_a_server_url() {
        let root = "https://h/.well-known/oauth-protected-resource";
        for (server_url, expected) in [
            ("https://h/a/mcp", &[[root, "/a/mcp"].concat(), root.to_string()][..]),
            ("https://h/mcp/?q", &[[root, "/mcp/"].concat(), root.to_string()]),
            ("https://h", &[root.to_string()]),
            ("https://h/", &[root.to_string()]),
            ("https://h?q=/x", &[root.to_string()]),
        ] {
            let found = texts(prm_candidates(server_url).unwrap());
            assert_eq!(found, expected, "{server_url}");
        }
        assert!(prm_candidates("https://u:p@h/mcp").is_err());
    }

    #[track_caller]
    fn check_issuer(issuer: &str, expected: &[&str]) {
        let found = texts(authorization_server_urls(issuer).unwrap());
        assert_eq!(found, expected, "{issuer}");
        let mut buffer = [0; 128];
        let mut out = TextWriter::new(&mut buffer);
        authorization_server_url(issuer, &mut out).unwrap();
        let url = out.finish();
        assert_eq!(url, expected[0]); // AS-04: what is asked first is what is served
        let path = authorization_server_path(issuer).unwrap().to_string();
        assert!(url.ends_with(&path));
    }

    #[test]
    fn cl_22_an_issuer_without_path() {
        for issuer in ["https://as", "https://as/"] {
            check_issuer(
                issuer,
                &[
                    "https://as/.well-known/oauth-authorization-server",
                    "https://as/.well-known/openid-configuration",
                ],
            );
        }
    }

    #[test]
    fn cl_21_sec_167_an_issuer_with_path() {
        for (issuer, path) in [
            ("https://as/t1", "/t1"),
            ("https://as/t1/", "/t1"),
            ("https://as/a/b", "/a/b"),
            ("https://as/a//b", "/a//b"),
            ("https://as/a%2Fb", "/a%2Fb"),
            ("https://as/t1//", "/t1/"),
            ("https://as/.well-known/openid-configuration", "/.well-known/openid-configuration"),
        ] {
            check_issuer(
                issuer,
                &[
                    &["https://as/.well-known/oauth-authorization-server", path].concat(),
                    &["https://as/.well-known/openid-configuration", path].concat(),
                    &["https://as", path, "/.well-known/openid-configuration"].concat(),
                ],
            );
        }
    }

    #[test]
    fn as_03_issuers_that_are_refused() {
        for (issuer, error) in [
            ("https://as?q", WellKnownError::Component),
            ("https://as/#f", WellKnownError::Component),
            ("https://u@as", WellKnownError::Component),
            ("https://as/../t", WellKnownError::DotSegments),
            ("as", WellKnownError::Uri(UriError::Scheme)),
        ] {
            let found = authorization_server_urls(issuer).map(texts);
            assert_eq!(found, Err(error), "{issuer}");
        }
    }

    #[test]
    fn sec_036_a_url_is_whole_or_an_error() {
        let url = "https://h/.well-known/oauth-protected-resource/mcp";
        for len in 0..=url.len() {
            let mut buffer = [0; 64];
            let mut out = TextWriter::new(buffer.get_mut(..len).unwrap());
            match protected_resource_url("https://h/mcp", &mut out) {
                Ok(()) => assert_eq!(out.finish(), url),
                Err(error) => assert!(error == WellKnownError::BufferFull && len < url.len()),
            }
        }
    }
}
