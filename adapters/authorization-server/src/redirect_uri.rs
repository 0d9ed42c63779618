//! Redirect URIs: which may be registered, and which request matches which registration.
//!
//! All of it works on the received text. Nothing is parsed into a URL type and written out again,
//! because such types fold case and add slashes, and then two different texts match.

use std::fmt;

/// The three ways to write "this machine" that registrations use; text is compared, never
/// resolved, so `127.0.0.1` is not `localhost` (§8.5).
const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

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
    let plain = |byte: u8| byte.is_ascii_graphic() && !br##""#<>\^`{|}"##.contains(&byte);
    if !uri.bytes().all(plain) {
        return Err(RedirectUriError::Text);
    }
    if let Some(rest) = uri.strip_prefix("https://") {
        return authority_is_plain(authority(rest))
            .then_some(())
            .ok_or(RedirectUriError::Authority);
    }
    let Some(rest) = uri.strip_prefix("http://") else {
        return Err(RedirectUriError::Scheme);
    };
    if split_loopback(uri).is_some() {
        return Ok(());
    }
    let authority = authority(rest);
    let looks_loopback = LOOPBACK_HOSTS.iter().any(|host| authority.starts_with(host));
    Err(if looks_loopback { RedirectUriError::Authority } else { RedirectUriError::Scheme })
}

/// Whether a request for `requested` is covered by the registration `registered` (AS-54, AS-55).
///
/// The same text, or for `http` on a loopback host the same text but for the port, which the
/// operating system chooses anew at every start of a native client (RFC 8252 §7.3).
pub(crate) fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    match (split_loopback(registered), split_loopback(requested)) {
        (Some(registered), Some(requested)) => registered == requested,
        _ => false,
    }
}

/// Whether the redirect stays on the user's machine, where any program may listen (AS-41).
pub(crate) fn is_loopback(uri: &str) -> bool {
    split_loopback(uri).is_some()
}

/// The host (and port) to show to the user.
pub(crate) fn host(uri: &str) -> &str {
    uri.split_once("://").map_or(uri, |(_, rest)| authority(rest))
}

/// A source expression of the content security policy that covers `uri`: browsers apply
/// `form-action` to the redirect that follows a form, too.
///
/// The policy's grammar has no IPv6 addresses, so those fall back to the scheme.
pub(crate) fn form_action_source(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) if !rest.starts_with('[') => {
            format!("{scheme}://{}", authority(rest))
        }
        Some((scheme, _)) => format!("{scheme}:"),
        None => String::new(),
    }
}

/// Host text and everything after the port of an `http` loopback URI.
fn split_loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let host = LOOPBACK_HOSTS.into_iter().find(|host| rest.starts_with(host))?;
    let after = rest.strip_prefix(host)?;
    let tail = match after.strip_prefix(':') {
        Some(port_and_tail) => {
            let end = port_and_tail.find(|c: char| !c.is_ascii_digit());
            let (port, tail) = port_and_tail.split_at(end.unwrap_or(port_and_tail.len()));
            port.parse::<u16>().ok().filter(|port| *port != 0)?;
            tail
        }
        None => after,
    };
    let is_tail = tail.is_empty() || tail.starts_with(['/', '?']);
    (is_tail && !tail.contains(['#', '\\'])).then_some((host, tail))
}

fn authority(after_scheme: &str) -> &str {
    let end = after_scheme.find(['/', '?']).unwrap_or(after_scheme.len());
    after_scheme.get(..end).unwrap_or_default()
}

/// A host of letters, digits, dots and hyphens (or a bracketed address), and maybe a port.
fn authority_is_plain(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => match bracketed.split_once(']') {
            Some((address, after)) => {
                if address.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                match after.strip_prefix(':') {
                    Some(port) => ("v6", Some(port)),
                    None if after.is_empty() => ("v6", None),
                    None => return false,
                }
            }
            None => return false,
        },
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let host_is_plain = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let port_is_plain = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    host_is_plain && port_is_plain
}

#[cfg(test)]
mod tests;
