//! What a request is for, decided from its head before any credential is read (transport.md §5,
//! steps 1 to 4).

use super::ResourceServer;
use crate::message::{Field, RequestHead};

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The metadata document, for anybody.
    Metadata,
    /// The MCP endpoint, for those who show a token.
    Endpoint,
    /// Answered without a token: what a browser asks before it sends one (RS-36).
    Preflight,
    /// Nowhere.
    Refuse(Refusal),
}

/// A request refused for what HTTP says of it, without regard to any token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// 404: the path is neither the endpoint nor its metadata, compared as received (SEC-131).
    NotFound,
    /// 405: the method is not served here; the value is for `Allow` (TS-02).
    Method(&'static str),
    /// 400: `Host` is missing, repeated or not a host (SEC-413).
    HostMalformed,
    /// 421: `Host` is somebody else's, as after DNS rebinding (TS-12).
    HostForeign,
    /// 403: `Origin` is not on the list (TS-10).
    Origin,
    /// 404: no session of this principal has the id that the request names (TL-06).
    Session,
    /// 408: the body did not arrive in time (LIM-14).
    BodyTimeout,
    /// 400: the body broke off, or its framing is wrong.
    BodyBroken,
}

impl Refusal {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::NotFound | Self::Session => 404,
            Self::Method(_) => 405,
            Self::HostMalformed => 400,
            Self::HostForeign => 421,
            Self::Origin => 403,
            Self::BodyTimeout => 408,
            Self::BodyBroken => 400,
        }
    }

    /// What a person reads, and what a log says.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "no such resource",
            Self::Method(_) => "method not allowed",
            Self::HostMalformed => "Host is missing or malformed",
            Self::HostForeign => "Host is not this server's",
            Self::Origin => "Origin is not allowed",
            Self::Session => "no such session",
            Self::BodyTimeout => "the body did not arrive in time",
            Self::BodyBroken => "the body is not complete",
        }
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Methods of the metadata.
const METADATA_METHODS: &str = "GET, HEAD, OPTIONS";
/// Methods of an endpoint without sessions (TS-02, TL-03, TL-04).
pub(super) const ENDPOINT_METHODS: &str = "POST, OPTIONS";
/// Methods of an endpoint whose server keeps sessions for older revisions.
pub(super) const SESSION_METHODS: &str = "GET, POST, DELETE, OPTIONS";

impl ResourceServer<'_> {
    pub(super) fn route(&self, head: &RequestHead<'_>) -> Route {
        if head.path != self.endpoint_path {
            return self.route_elsewhere(head);
        }
        match (head.method, self.configuration.sessions) {
            ("POST" | "OPTIONS", _) | ("GET" | "DELETE", true) => {}
            (_, true) => return Route::Refuse(Refusal::Method(SESSION_METHODS)),
            (_, false) => return Route::Refuse(Refusal::Method(ENDPOINT_METHODS)),
        }
        if let Err(refusal) = self.check_host(head.host) {
            return Route::Refuse(refusal);
        }
        if head.origin.is_present() && self.allowed_origin(head.origin).is_none() {
            return Route::Refuse(Refusal::Origin);
        }
        if head.method == "OPTIONS" { Route::Preflight } else { Route::Endpoint }
    }

    fn route_elsewhere(&self, head: &RequestHead<'_>) -> Route {
        if !self.is_metadata_path(head.path) {
            return Route::Refuse(Refusal::NotFound);
        }
        match head.method {
            "GET" | "HEAD" => Route::Metadata,
            "OPTIONS" => Route::Preflight,
            _ => Route::Refuse(Refusal::Method(METADATA_METHODS)),
        }
    }

    /// Whether `path` is where the metadata is (RS-05, RS-06), as received.
    pub(super) fn is_metadata_path(&self, path: &str) -> bool {
        self.metadata_path.is(path)
            || (self.configuration.root_metadata && path == super::metadata::ROOT_PATH)
    }

    fn check_host(&self, host: Field<'_>) -> Result<(), Refusal> {
        let host = match host {
            Field::One(host) => core::str::from_utf8(host).map_err(|_| Refusal::HostMalformed)?,
            Field::Absent | Field::Repeated => return Err(Refusal::HostMalformed),
        };
        if !super::configuration::is_host(host) {
            return Err(Refusal::HostMalformed);
        }
        if self.is_own_host(host) { Ok(()) } else { Err(Refusal::HostForeign) }
    }

    /// Whether `host` is ours: the resource's, or one on the list.
    pub(super) fn is_own_host(&self, host: &str) -> bool {
        let listed = self.configuration.hosts.iter().any(|own| own.eq_ignore_ascii_case(host));
        listed || self.is_own_authority(host)
    }

    /// Whether `host` is the authority of the resource identifier: its text, its text with the
    /// scheme's own port said aloud, or for a loopback resource another name of loopback.
    fn is_own_authority(&self, host: &str) -> bool {
        if host.eq_ignore_ascii_case(self.authority) {
            return true;
        }
        let (own_name, own_port) = split_port(self.authority);
        let (name, port) = split_port(host);
        let default_port = if self.is_https { "443" } else { "80" };
        if own_port.unwrap_or(default_port) != port.unwrap_or(default_port) {
            return false;
        }
        name.eq_ignore_ascii_case(own_name) || (is_loopback(name) && is_loopback(own_name))
    }

    /// The origin to answer to, when the request names exactly one that is allowed (TS-13).
    ///
    /// Compared byte for byte: browsers serialise origins in one way, so another spelling is not a
    /// browser's.
    pub(super) fn allowed_origin<'r>(&self, origin: Field<'r>) -> Option<&'r str> {
        let origin = core::str::from_utf8(origin.one()?).ok()?;
        if self.configuration.origins.contains(&origin) {
            return Some(origin);
        }
        let (scheme, authority) = origin.split_once([':'])?;
        let authority = authority.strip_prefix("//")?;
        let own_scheme = if self.is_https { "https" } else { "http" };
        let own = scheme == own_scheme
            && !authority.bytes().any(|byte| byte.is_ascii_uppercase())
            && super::configuration::is_host(authority)
            && self.is_own_authority(authority);
        own.then_some(origin)
    }
}

/// A host and its port, if it has one; the colons of an IPv6 literal are inside its brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once([':']) {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// The three names of loopback that a local server answers to (TS-12).
fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}
