//! Redirect URIs: which may be registered, and which request matches which registration.
//!
//! All of it works on the received text: the core's [`Uri`] takes it apart and repairs nothing. URL
//! types that fold case and add slashes would make two different texts match.

use std::fmt;

use portcullis_core::encoding::uri::{Uri, UriError};

/// Why a URI cannot be registered as a redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedirectUriError {
    /// Longer than the limit (LIM-9).
    Length,
    /// A character that no URI has, or a fragment (AS-52).
    Text,
    /// Neither `https` nor `http` on a loopback host (AS-53, AS-56).
    Scheme,
    /// Host, user information or port are not plain.
    Authority,
    /// A `web` client with a loopback redirect (AS-126).
    LoopbackForWeb,
}

impl RedirectUriError {
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::Length => "a redirect URI is too long",
            Self::Text => "a redirect URI has a fragment or a character that URIs do not have",
            Self::Scheme => {
                "a redirect URI must be https, or http on 127.0.0.1, [::1] or localhost"
            }
            Self::Authority => "a redirect URI has user information or a malformed host or port",
            Self::LoopbackForWeb => {
                "application_type web needs https redirect URIs; native is for loopback"
            }
        }
    }
}

impl fmt::Display for RedirectUriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())
    }
}

/// Whether `uri` may be registered: `https` anywhere, `http` on loopback, nothing else (AS-53).
pub(crate) fn check(uri: &str, length_max: usize) -> Result<(), RedirectUriError> {
    if uri.len() > length_max {
        return Err(RedirectUriError::Length);
    }
    let uri = Uri::parse(uri).map_err(|error| match error {
        UriError::Scheme => RedirectUriError::Scheme,
        UriError::Host | UriError::Port => RedirectUriError::Authority,
        _ => RedirectUriError::Text,
    })?;
    if uri.fragment().is_some() {
        return Err(RedirectUriError::Text);
    }
    if uri.userinfo().is_some() {
        return Err(RedirectUriError::Authority);
    }
    if uri.is_https() || uri.is_loopback_http() { Ok(()) } else { Err(RedirectUriError::Scheme) }
}

/// Schemes that browsers handle themselves: whoever registers one means harm (SEC-192).
const BROWSER_SCHEMES: [&str; 7] =
    ["javascript", "data", "file", "vbscript", "blob", "about", "view-source"];

/// Whether `uri` has a scheme of an app's own, of which none is taken (AS-56).
pub(crate) fn is_private_use(uri: &str) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let known = ["http", "https"].iter().chain(&BROWSER_SCHEMES);
    is_scheme && !known.into_iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Whether a request for `requested` is covered by the registration `registered` (AS-54, AS-55).
///
/// The same text, or for `http` on a loopback host the same text but for the port, which the
/// operating system chooses anew at every start of a native client (RFC 8252 §7.3). Hosts are
/// compared as text and never resolved, so `127.0.0.1` is not `localhost` (§8.5).
pub(crate) fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    match (loopback(registered), loopback(requested)) {
        (Some(registered), Some(requested)) => {
            registered.host() == requested.host()
                && registered.path() == requested.path()
                && registered.query() == requested.query()
        }
        _ => false,
    }
}

/// Whether the redirect stays on the user's machine, where any program may listen (AS-41).
pub(crate) fn is_loopback(uri: &str) -> bool {
    loopback(uri).is_some()
}

/// The host (and port) to show to the user.
pub(crate) fn host(uri: &str) -> &str {
    Uri::parse(uri).ok().and_then(Uri::authority_text).unwrap_or(uri)
}

/// A source expression of the content security policy that covers `uri`: browsers apply
/// `form-action` to the redirect that follows a form, too.
///
/// The policy's grammar has no IPv6 addresses, so those fall back to the scheme.
pub(crate) fn form_action_source(uri: &str) -> String {
    let Ok(uri) = Uri::parse(uri) else { return String::new() };
    match uri.authority_text() {
        Some(authority) if !authority.starts_with('[') => format!("{}://{authority}", uri.scheme()),
        _ => format!("{}:", uri.scheme()),
    }
}

/// An `http` URI on a loopback host that may be registered.
fn loopback(uri: &str) -> Option<Uri<'_>> {
    let uri = Uri::parse(uri).ok()?;
    let is_plain = uri.userinfo().is_none() && uri.fragment().is_none();
    (is_plain && uri.is_loopback_http()).then_some(uri)
}

#[cfg(test)]
mod tests;
