//! What the machines see of HTTP: borrowed views, no socket.

/// The values of one header field, ambiguity kept (RFC 9110 §5.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Field<'r> {
    /// No line has this name.
    Absent,
    /// Exactly one line; blanks at its ends are not part of the value (RFC 9110 §5.5).
    One(&'r [u8]),
    /// Two or more lines, equal or not: two readers could pick different ones.
    Repeated,
}

impl<'r> Field<'r> {
    /// The one value, `None` when absent or repeated.
    pub const fn one(self) -> Option<&'r [u8]> {
        match self {
            Self::One(value) => Some(value),
            Self::Absent | Self::Repeated => None,
        }
    }

    /// Whether there is at least one line.
    pub const fn is_present(self) -> bool {
        !matches!(self, Self::Absent)
    }

    fn add(&mut self, value: &'r [u8]) {
        *self = match self {
            Self::Absent => Self::One(trim(value)),
            Self::One(_) | Self::Repeated => Self::Repeated,
        };
    }
}

impl core::fmt::Debug for Field<'_> {
    /// Without the value, which may be a credential (INV-6).
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::One(value) => write!(f, "One({} bytes)", value.len()),
            Self::Repeated => f.write_str("Repeated"),
        }
    }
}

/// Removes the blanks and tabs around a field value (`OWS`, RFC 9110 §5.6.3) and nothing else.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The head of one request: everything a decision may rest on before the body is read.
///
/// Both hosts build it with the same constructor from their own header representation.
#[derive(Clone, Copy)]
pub struct RequestHead<'r> {
    /// The method as received; methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'r str,
    /// The path as received: no decoding, no dot segments removed (SEC-131).
    pub path: &'r str,
    /// What follows the first `?`, if there is one.
    pub query: Option<&'r str>,
    /// `Host`, or the authority of an HTTP/2 request.
    pub host: Field<'r>,
    /// `Origin`.
    pub origin: Field<'r>,
    /// `Authorization`: a secret, so that this type's `Debug` omits it.
    pub authorization: Field<'r>,
    /// `Content-Type`.
    pub content_type: Field<'r>,
    /// `Content-Encoding`.
    pub content_encoding: Field<'r>,
    /// `Accept`; a list field, so that several lines are legitimate.
    pub accept: Field<'r>,
    /// `Access-Control-Request-Method`, which makes an `OPTIONS` a preflight.
    pub access_control_request_method: Field<'r>,
    /// `MCP-Protocol-Version`.
    pub mcp_protocol_version: Field<'r>,
    /// `Mcp-Method`.
    pub mcp_method: Field<'r>,
    /// `Mcp-Name`.
    pub mcp_name: Field<'r>,
    /// `DPoP` (RFC 9449 §4.1).
    #[cfg(feature = "dpop")]
    pub dpop: Field<'r>,
}

impl<'r> RequestHead<'r> {
    /// Reads the head from the request target (path and query as received) and all field lines.
    ///
    /// Names are compared without regard to ASCII case. Lines with other names are passed over, so
    /// nothing forwarded or invented (`X-Forwarded-*`, `Mcp_Name`) can move a decision (SEC-129, SEC-130).
    pub fn new(
        method: &'r str,
        target: &'r str,
        fields: impl IntoIterator<Item = (&'r str, &'r [u8])>,
    ) -> Self {
        let (path, query) = match target.split_once(['?']) {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let mut head = Self {
            method,
            path,
            query,
            host: Field::Absent,
            origin: Field::Absent,
            authorization: Field::Absent,
            content_type: Field::Absent,
            content_encoding: Field::Absent,
            accept: Field::Absent,
            access_control_request_method: Field::Absent,
            mcp_protocol_version: Field::Absent,
            mcp_method: Field::Absent,
            mcp_name: Field::Absent,
            #[cfg(feature = "dpop")]
            dpop: Field::Absent,
        };
        for (name, value) in fields {
            if let Some(field) = head.field_mut(name) {
                field.add(value);
            }
        }
        head
    }

    fn field_mut(&mut self, name: &str) -> Option<&mut Field<'r>> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // The length alone settles most names.
        Some(match name.len() {
            4 if is("host") => &mut self.host,
            #[cfg(feature = "dpop")]
            4 if is("dpop") => &mut self.dpop,
            6 if is("origin") => &mut self.origin,
            6 if is("accept") => &mut self.accept,
            8 if is("mcp-name") => &mut self.mcp_name,
            10 if is("mcp-method") => &mut self.mcp_method,
            12 if is("content-type") => &mut self.content_type,
            13 if is("authorization") => &mut self.authorization,
            16 if is("content-encoding") => &mut self.content_encoding,
            20 if is("mcp-protocol-version") => &mut self.mcp_protocol_version,
            29 if is("access-control-request-method") => &mut self.access_control_request_method,
            _ => return None,
        })
    }
}

impl core::fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The query may carry a token that somebody put there (SEC-125).
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A response that an adapter received for a request the core asked it to send.
#[derive(Clone, Copy)]
pub struct IncomingResponse<'b> {
    /// The status code.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Field<'b>,
    /// The whole body, within the limit the request named.
    pub body: &'b [u8],
}

impl IncomingResponse<'_> {
    /// Whether there is one `Content-Type`, and it is `application/json`, whatever its parameters
    /// (RFC 9110 §8.3.1).
    pub fn is_json(&self) -> bool {
        self.is("application/json")
    }

    /// Whether there is one `Content-Type`, and it is this media type, whatever its parameters.
    pub fn is(&self, wanted: &str) -> bool {
        let value = self.content_type.one().unwrap_or_default();
        let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
        media_type.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
    }
}

impl core::fmt::Debug for IncomingResponse<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IncomingResponse")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn names_ignore_case_and_values_lose_outer_blanks() {
        let head = RequestHead::new(
            "POST",
            "/mcp?a=b?c",
            [("AUTHORIZATION", b" \tBearer x \t".as_slice())],
        );
        assert_eq!(head.path, "/mcp");
        assert_eq!(head.query, Some("a=b?c"));
        assert_eq!(head.authorization, Field::One(b"Bearer x"));
    }

    #[test]
    fn sec_120_a_repeated_field_stays_repeated() {
        let line = ("authorization", b"Bearer x".as_slice());
        for lines in [&[line, line][..], &[line, line, line]] {
            let head = RequestHead::new("POST", "/mcp", lines.iter().copied());
            assert_eq!(head.authorization, Field::Repeated);
        }
    }

    #[test]
    fn sec_130_underscores_are_another_name() {
        let head = RequestHead::new(
            "POST",
            "/mcp",
            [("Mcp_Name", b"x".as_slice()), ("authorization_", b"y")],
        );
        assert_eq!((head.mcp_name, head.authorization), (Field::Absent, Field::Absent));
    }

    #[test]
    fn sec_320_debug_shows_no_credentials() {
        let head = RequestHead::new(
            "POST",
            "/mcp?access_token=hush",
            [("authorization", b"Bearer hush".as_slice())],
        );
        assert!(!format!("{head:?}").contains("hush"));
        let hush = Field::One(b"hush");
        assert_eq!(format!("{hush:?} {:?}", head.authorization), "One(4 bytes) One(11 bytes)");
    }

    #[test]
    fn sec_405_only_blanks_and_tabs_are_trimmed() {
        let head = RequestHead::new("POST", "/", [("host", b"\xa0h\x85".as_slice())]);
        assert_eq!(head.host, Field::One(b"\xa0h\x85"));
    }

    #[test]
    fn sec_173_only_json_is_json() {
        let check = |content_type, expected| {
            let response = IncomingResponse { status: 200, content_type, body: b"{}" };
            assert_eq!(response.is_json(), expected, "{content_type:?}");
        };
        for value in ["application/json", "Application/JSON ; charset=utf-8", "application/json;"] {
            check(Field::One(value.as_bytes()), true);
        }
        for value in ["text/html", "application/jsonx", "text/json", "", "a;application/json"] {
            check(Field::One(value.as_bytes()), false);
        }
        check(Field::Absent, false);
        check(Field::Repeated, false);
    }
}
