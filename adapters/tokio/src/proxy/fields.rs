//! Which fields pass. They are listed: an unknown one does not (SEC-129, SEC-130, RS-44).

use http::{HeaderMap, HeaderName, header};

use super::UpstreamError;

/// What a request may say to an MCP server beside the fields of MCP itself.
const REQUEST: [&str; 7] = [
    "accept",
    "accept-language",
    "content-type",
    "last-event-id",
    "traceparent",
    "tracestate",
    "user-agent",
];
/// What an answer may say beside the fields of MCP itself.
const ANSWER: [&str; 11] = [
    "allow",
    "cache-control",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "pragma",
    "retry-after",
    "vary",
    "x-accel-buffering",
    "x-content-type-options",
];
/// The fields of MCP: session, protocol version, mirrored values.
const MCP: &str = "mcp-";
/// The fields in which this proxy says who calls.
const OWN: &str = "portcullis-";
/// What passes in no direction, not even when the settings ask for it: credentials, identity, addresses,
/// framing, and what the core alone says to browsers.
const NEVER: [&str; 31] = [
    "authorization",
    "authentication-info",
    "alt-svc",
    "clear-site-data",
    "connection",
    "content-length",
    "content-location",
    "cookie",
    "cookie2",
    "dpop",
    "dpop-nonce",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "location",
    "origin",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "refresh",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    "x-http-method-override",
];

/// The fields of one direction that pass.
pub(super) struct Passing {
    listed: &'static [&'static str],
    further: Vec<HeaderName>,
}

impl Passing {
    /// Of requests; with those that the settings add.
    pub(super) fn requests(further: &[String]) -> Result<Self, UpstreamError> {
        Ok(Self { listed: &REQUEST, further: names(further)? })
    }

    /// Of answers; with those that the settings add.
    pub(super) fn answers(further: &[String]) -> Result<Self, UpstreamError> {
        Ok(Self { listed: &ANSWER, further: names(further)? })
    }

    /// Those of `headers` that pass. What `Connection` names is for this hop alone (RFC 9110 §7.6.1).
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderMap {
        let hop: Vec<&[u8]> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .collect();
        let is_of_hop = |name: &HeaderName| {
            hop.iter().any(|named| named.eq_ignore_ascii_case(name.as_str().as_bytes()))
        };
        let mut passed = HeaderMap::new();
        for (name, value) in headers {
            if self.passes(name) && !is_of_hop(name) {
                passed.append(name, value.clone());
            }
        }
        passed
    }

    fn passes(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        // With `_` a field is another one, which some upstreams take for the same.
        let is_mcp = text.starts_with(MCP) && !text.contains('_');
        is_mcp || self.listed.contains(&text) || self.further.contains(name)
    }
}

fn names(further: &[String]) -> Result<Vec<HeaderName>, UpstreamError> {
    further.iter().map(|name| own_name(name)).collect()
}

/// A name that the settings may give to a field.
pub(super) fn own_name(name: &str) -> Result<HeaderName, UpstreamError> {
    let refused = || UpstreamError::Field(name.to_owned());
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
    // As an upstream may read it that makes variables of names.
    let read = parsed.as_str().replace('_', "-");
    let is_reserved = read.starts_with(OWN)
        || read.starts_with("access-control-")
        || read.starts_with("x-forwarded-")
        || NEVER.contains(&read.as_str());
    if is_reserved { Err(refused()) } else { Ok(parsed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers
                .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn passed(passing: &Passing, lines: &[(&str, &str)]) -> Vec<String> {
        let passed = passing.of(&headers(lines));
        let mut lines: Vec<String> = passed
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn rs_44_only_what_is_listed_passes() {
        let passing = Passing::requests(&["X-Tenant".into()]).unwrap();
        let good = [
            ("accept", "text/event-stream"),
            ("content-type", "application/json"),
            ("last-event-id", "7"),
            ("mcp-param-region", "eu"),
            ("mcp-session-id", "s"),
            ("x-tenant", "t"),
        ];
        let wanted: Vec<String> = good.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        assert_eq!(passed(&passing, &good), wanted);
        for name in NEVER.iter().chain(&[
            "authorization_",
            "mcp_session_id",
            "mcp-session_id",
            "portcullis-identity",
            "portcullis_identity",
            "x-access-token",
            "x-forwarded-user",
            "x-original-url",
        ]) {
            assert_eq!(passed(&passing, &[(name, "x"), (name, "y")]), [""; 0], "{name}");
        }
    }

    #[test]
    fn what_connection_names_ends_here() {
        let passing = Passing::answers(&[]).unwrap();
        let lines = [("connection", "close, Vary"), ("vary", "accept"), ("pragma", "no-cache")];
        assert_eq!(passed(&passing, &lines), ["pragma: no-cache"]);
        assert_eq!(passed(&passing, &lines[1..]), ["pragma: no-cache", "vary: accept"]);
    }

    #[test]
    fn rs_44_the_settings_cannot_let_credentials_or_identity_pass() {
        for name in ["x-tenant", "X-Request-Id", "baggage"] {
            assert!(own_name(name).is_ok(), "{name}");
        }
        let others = [
            "Portcullis-Identity",
            "portcullis_subject",
            "Set_Cookie",
            "x_forwarded_for",
            "Access-Control-Allow-Origin",
            "access_control_expose_headers",
            "a b",
            "",
        ];
        for name in NEVER.iter().chain(&others) {
            assert_eq!(own_name(name).unwrap_err(), UpstreamError::Field((*name).into()));
            assert!(Passing::requests(&[(*name).into()]).is_err());
            assert!(Passing::answers(&[(*name).into()]).is_err());
        }
    }
}
