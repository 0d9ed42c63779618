//! Absolute URIs (RFC 3986), taken apart as received.

use core::net::Ipv4Addr;

use super::percent;
use super::text::TextWriter;

/// Why a text is not a URI that we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UriError {
    /// No scheme, or one with a character that is not allowed.
    Scheme,
    /// A host that is missing, ambiguous, or has a character that is not allowed.
    Host,
    /// Not a number from 1 to 65535 without leading zeros.
    Port,
    /// A character that is not allowed where it stands.
    Character,
    /// A `%` without two hexadecimal digits.
    Escape,
    /// A path that cannot be put behind an authority as it is.
    Path,
    /// No room for a joined URI.
    BufferFull,
}

impl core::fmt::Display for UriError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Scheme => "URI has no valid scheme",
            Self::Host => "URI has no valid host",
            Self::Port => "URI has an invalid port",
            Self::Character => "URI has a character that is not allowed",
            Self::Escape => "URI has a percent sign without two hexadecimal digits",
            Self::Path => "path cannot follow an authority",
            Self::BufferFull => "no room for a URI",
        })
    }
}

impl core::error::Error for UriError {}

/// An absolute URI and its parts, each of them exactly as received (SEC-054).
///
/// Stricter than RFC 3986 where two readers could disagree: no empty port or port with leading
/// zeros, no escapes or punctuation in a host, and a host that ends in a number is a dotted IPv4
/// address or nothing. Nothing is stripped, decoded, folded or repaired; two spellings are two URIs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Uri<'u> {
    text: &'u str,
    scheme: &'u str,
    authority: Option<Authority<'u>>,
    path: &'u str,
    query: Option<&'u str>,
    fragment: Option<&'u str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Authority<'u> {
    text: &'u str,
    userinfo: Option<&'u str>,
    host: &'u str,
    port: Option<u16>,
}

impl<'u> Uri<'u> {
    /// Takes an absolute URI apart.
    ///
    /// `http` and `https` need a host (RFC 9110 §4.2.1); other schemes may do without one.
    pub fn parse(text: &'u str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once([':']).ok_or(UriError::Scheme)?;
        if !is_scheme(scheme) {
            return Err(UriError::Scheme);
        }
        let (rest, fragment) = split_off(rest, '#');
        let (rest, query) = split_off(rest, '?');
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find(['/']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at_checked(end).ok_or(UriError::Host)?;
                (Some(Authority::parse(authority)?), path)
            }
            None => (None, rest),
        };
        let is_http = ["http", "https"].iter().any(|http| scheme.eq_ignore_ascii_case(http));
        if is_http && authority.is_none_or(|authority| authority.host.is_empty()) {
            return Err(UriError::Host);
        }
        check_characters(path, b"/:@")?;
        check_characters(query.unwrap_or_default(), b"/:@?")?;
        check_characters(fragment.unwrap_or_default(), b"/:@?")?;
        Ok(Self { text, scheme, authority, path, query, fragment })
    }

    /// The whole URI.
    pub const fn as_str(self) -> &'u str {
        self.text
    }

    /// The scheme, in the case it was received in.
    pub const fn scheme(self) -> &'u str {
        self.scheme
    }

    /// Everything between `//` and the path.
    pub fn authority_text(self) -> Option<&'u str> {
        self.authority.map(|authority| authority.text)
    }

    /// What stands before `@`. It may look like a host, so most fields forbid it.
    pub fn userinfo(self) -> Option<&'u str> {
        self.authority.and_then(|authority| authority.userinfo)
    }

    /// The host in the case it was received in, an IPv6 address with its brackets; empty without
    /// an authority.
    pub fn host(self) -> &'u str {
        self.authority.map_or("", |authority| authority.host)
    }

    /// The port, if one is written.
    pub fn port(self) -> Option<u16> {
        self.authority.and_then(|authority| authority.port)
    }

    /// The path, empty or beginning with `/` behind an authority.
    pub const fn path(self) -> &'u str {
        self.path
    }

    /// What follows the first `?`.
    pub const fn query(self) -> Option<&'u str> {
        self.query
    }

    /// What follows `#`.
    pub const fn fragment(self) -> Option<&'u str> {
        self.fragment
    }

    /// Whether the scheme is `https`, spelled in lower case.
    pub fn is_https(self) -> bool {
        self.scheme == "https"
    }

    /// Whether this is `http` to the own machine: `127.0.0.1`, `[::1]` or `localhost`
    /// (RFC 8252 §7.3, §8.3).
    pub fn is_loopback_http(self) -> bool {
        self.scheme == "http" && matches!(self.host(), "127.0.0.1" | "[::1]" | "localhost")
    }

    /// Whether the host is written with a dot at its end, a second name for the same host.
    pub fn has_trailing_dot(self) -> bool {
        self.host().ends_with('.')
    }

    /// Whether a path segment is `.` or `..`, also when spelled with escapes (RFC 3986 §5.2.4).
    pub fn has_dot_segments(self) -> bool {
        self.path.split(['/']).any(is_dot_segment)
    }

    /// Scheme, host and port (RFC 6454 §4), `None` without a host.
    ///
    /// Compared as text: no case is folded; only the default ports of `http` and `https` are put in.
    pub fn origin(self) -> Option<Origin<'u>> {
        let host = self.host();
        let default = match self.scheme {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        };
        if host.is_empty() {
            return None;
        }
        Some(Origin { scheme: self.scheme, host, port: self.port().or(default) })
    }

    /// Writes this URI's scheme and authority with another path behind them (SEC-058).
    ///
    /// The path begins with exactly one `/` and has no dot segments, query or fragment. Whatever
    /// it is, the authority of the result is the one of this URI, and that is checked again.
    pub fn with_path<'b>(self, path: &str, buffer: &'b mut [u8]) -> Result<Uri<'b>, UriError> {
        let authority = self.authority.ok_or(UriError::Host)?;
        if !path.starts_with('/') || path.starts_with("//") {
            return Err(UriError::Path);
        }
        let mut text = TextWriter::new(buffer);
        for piece in [self.scheme, "://", authority.text, path] {
            text.push(piece).map_err(|_| UriError::BufferFull)?;
        }
        let joined = Uri::parse(text.finish())?;
        let same = joined.scheme == self.scheme && joined.authority_text() == Some(authority.text);
        if !same || joined.path != path || joined.has_dot_segments() {
            return Err(UriError::Path);
        }
        Ok(joined)
    }
}

impl core::fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Userinfo and query may hold secrets.
        f.debug_struct("Uri")
            .field("scheme", &self.scheme)
            .field("host", &self.host())
            .field("port", &self.port())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Scheme, host and effective port (RFC 6454 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'u> {
    /// As received.
    pub scheme: &'u str,
    /// As received.
    pub host: &'u str,
    /// The written port, or the default one of `http` and `https`.
    pub port: Option<u16>,
}

impl<'u> Authority<'u> {
    fn parse(text: &'u str) -> Result<Self, UriError> {
        let (userinfo, rest) = match text.split_once(['@']) {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, text),
        };
        check_characters(userinfo.unwrap_or_default(), b":")?;
        // Colons stand inside of an IPv6 address too.
        let host_end = match rest.starts_with('[') {
            true => rest.find([']']).and_then(|end| end.checked_add(1)).ok_or(UriError::Host)?,
            false => rest.find([':']).unwrap_or(rest.len()),
        };
        let (host, port) = rest.split_at_checked(host_end).ok_or(UriError::Host)?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if port.is_empty() => None,
            None => return Err(UriError::Host),
        };
        if !is_host(host) || (host.is_empty() && (userinfo.is_some() || port.is_some())) {
            return Err(UriError::Host);
        }
        Ok(Self { text, userinfo, host, port })
    }
}

fn split_off(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once([mark]) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// An address, or a name of letters, digits, `-` and `_`; empty is for the caller to judge.
fn is_host(text: &str) -> bool {
    if let Some(literal) = text.strip_prefix('[') {
        return literal.strip_suffix(']').is_some_and(is_ipv6);
    }
    if text.is_empty() {
        return true;
    }
    // One dot may stand at the end.
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        !label.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if !name.split(['.']).all(is_label) {
        return false;
    }
    // Some readers take `0x7f.1` or `2130706433` for 127.0.0.1: only the common spelling is left.
    let last = name.split(['.']).next_back().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    !is_number || text.parse::<Ipv4Addr>().is_ok()
}

/// RFC 3986 §3.2.2 (`IPv6address`), without a zone.
///
/// Not by `core::net`, whose parser leaves a way to panic in the program; a test compares the two.
fn is_ipv6(text: &str) -> bool {
    let gap = text.as_bytes().windows(2).position(|pair| pair == b"::");
    let Some(gap) = gap else { return ipv6_groups(text, true) == Some(8) };
    let before = text.get(..gap).and_then(|text| ipv6_groups(text, false));
    let behind = text.get(gap.saturating_add(2)..).and_then(|text| ipv6_groups(text, true));
    before.zip(behind).is_some_and(|(before, behind)| before.saturating_add(behind) <= 7)
}

/// How many 16-bit groups the text has; the last two may be spelled as an IPv4 address.
fn ipv6_groups(text: &str, is_end: bool) -> Option<usize> {
    let mut groups = 0_usize;
    let mut rest = if text.is_empty() { None } else { Some(text) };
    while let Some(text) = rest {
        let (group, behind) = split_off(text, ':');
        let is_group =
            (1..=4).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_hexdigit());
        let is_ipv4 = || is_end && behind.is_none() && group.parse::<Ipv4Addr>().is_ok();
        groups = groups.saturating_add(match is_group {
            true => 1,
            false if is_ipv4() => 2,
            false => return None,
        });
        rest = behind;
    }
    Some(groups)
}

fn parse_port(text: &str) -> Result<u16, UriError> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if is_digits && !text.starts_with('0') => Ok(port),
        _ => Err(UriError::Port),
    }
}

/// Unreserved characters, sub-delimiters, escapes (RFC 3986 §2), and those in `more`.
fn check_characters(text: &str, more: &[u8]) -> Result<(), UriError> {
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(()),
            [b'%', high, low, rest @ ..] => {
                percent::hex(*high, *low).ok_or(UriError::Escape)?;
                rest
            }
            [b'%', ..] => return Err(UriError::Escape),
            [byte, rest @ ..] if is_uri_character(*byte) || more.contains(byte) => rest,
            _ => return Err(UriError::Character),
        };
    }
}

fn is_uri_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~')
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
        )
}

fn is_dot_segment(segment: &str) -> bool {
    let mut rest = segment.as_bytes();
    let mut dots = 0_u8;
    loop {
        rest = match rest {
            [] => return matches!(dots, 1 | 2),
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => return false,
        };
        dots = dots.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
