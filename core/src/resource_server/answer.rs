//! What goes back when a request does not reach the server behind: status, fields and body, the same
//! on every host.

use super::{
    Refusal, ResourceServer,
    route::{ENDPOINT_METHODS, SESSION_METHODS},
};
use crate::{
    challenge::{Challenge, WwwAuthenticate},
    mcp::EnvelopeError,
    message::RequestHead,
};

/// Most fields of one answer.
const FIELDS_MAX: usize = 8;

/// The value of one header field of an [`Answer`].
#[derive(Clone, Copy, Debug)]
pub enum FieldValue<'a> {
    /// A fixed or configured text, or an origin that equals an allowed one.
    Text(&'a str),
    /// A rendered challenge.
    Challenge(WwwAuthenticate<'a>),
    /// A number of seconds.
    Seconds(u32),
}

impl core::fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Challenge(challenge) => challenge.fmt(f),
            Self::Seconds(seconds) => seconds.fmt(f),
        }
    }
}

/// The body of an [`Answer`]; its `Display` is what is sent.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// Nothing.
    Empty,
    /// Text, or a document that was written before.
    Text(&'a str),
    /// A JSON-RPC error.
    Envelope(EnvelopeError<'a>),
}

impl core::fmt::Display for Body<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Envelope(error) => error.body().fmt(f),
        }
    }
}

/// An answer of the core's own. An adapter sends it as it is and adds only what framing needs
/// (`Content-Length`, `Date`, `Connection`).
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    status: u16,
    fields: heapless::Vec<(&'static str, FieldValue<'a>), FIELDS_MAX>,
    body: Body<'a>,
}

impl<'a> Answer<'a> {
    fn new(status: u16, body: Body<'a>) -> Self {
        Self { status, fields: heapless::Vec::new(), body }
    }

    /// Adds a field. The answers below have at most [`FIELDS_MAX`], so that none is ever left out.
    fn with(mut self, name: &'static str, value: FieldValue<'a>) -> Self {
        let added = self.fields.push((name, value));
        debug_assert!(added.is_ok(), "FIELDS_MAX is too small");
        self
    }

    fn with_text(self, name: &'static str, value: &'a str) -> Self {
        self.with(name, FieldValue::Text(value))
    }

    fn with_cross_origin(self, cross_origin: CrossOrigin<'a>) -> Self {
        cross_origin.fields().fold(self, |answer, (name, value)| answer.with_text(name, value))
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The header fields in the order in which they are sent; names in lower case.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, FieldValue<'a>)> {
        self.fields.iter().copied()
    }

    /// The body; empty for an answer that has none.
    pub const fn body(&self) -> Body<'a> {
        self.body
    }
}

/// The fields that let an allowed page read an answer of the endpoint, or none (RS-36).
///
/// They go on every answer of the endpoint, also on those of the server behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossOrigin<'r>(Option<&'r str>);

/// What scripts may read beside the fields that CORS always shows.
const EXPOSED_FIELDS: &str = "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After";

impl<'r> CrossOrigin<'r> {
    /// Names in lower case, and values.
    pub fn fields(self) -> impl Iterator<Item = (&'static str, &'r str)> {
        self.0.into_iter().flat_map(|origin| {
            [
                ("access-control-allow-origin", origin),
                ("vary", "Origin"),
                ("access-control-expose-headers", EXPOSED_FIELDS),
            ]
        })
    }
}

impl<'c> ResourceServer<'c> {
    /// What an allowed page may read of the answer to this request.
    pub fn cross_origin<'r>(&self, head: &RequestHead<'r>) -> CrossOrigin<'r> {
        if head.path != self.endpoint_path {
            return CrossOrigin(None);
        }
        CrossOrigin(self.allowed_origin(head.origin))
    }

    /// The answer to a request that needs another token, or none can be judged now.
    pub fn challenge_answer<'s>(
        &self,
        challenge: Challenge<'s>,
        head: &RequestHead<'s>,
    ) -> Answer<'s> {
        let mut answer = match challenge.body() {
            "" => Answer::new(challenge.status(), Body::Empty),
            body => Answer::new(challenge.status(), Body::Text(body))
                .with_text("content-type", "application/json"),
        };
        if let Some(value) = challenge.www_authenticate() {
            answer = answer.with("www-authenticate", FieldValue::Challenge(value));
        }
        if let Some(seconds) = challenge.retry_after_secs() {
            answer = answer.with("retry-after", FieldValue::Seconds(seconds));
        }
        answer.with_text("cache-control", "no-store").with_cross_origin(self.cross_origin(head))
    }

    /// The metadata document (RS-08, RS-16): public, so that any page may read it. To `HEAD` an
    /// adapter sends the same fields and no body.
    pub fn metadata_answer<'s>(&self) -> Answer<'s>
    where
        'c: 's,
    {
        Answer::new(200, Body::Text(self.published.document))
            .with_text("content-type", "application/json")
            .with_text("cache-control", "public, max-age=3600")
            .with_text("access-control-allow-origin", "*")
    }

    /// The answer to `OPTIONS`: CORS data and nothing else (SEC-132).
    pub fn preflight_answer<'s>(&self, head: &RequestHead<'s>) -> Answer<'s> {
        let answer = Answer::new(204, Body::Empty);
        if head.path != self.endpoint_path {
            return answer
                .with_text("access-control-allow-origin", "*")
                .with_text("access-control-allow-methods", "GET, HEAD")
                .with_text("access-control-allow-headers", "*")
                .with_text("access-control-max-age", "3600");
        }
        let methods = if self.configuration.sessions { SESSION_METHODS } else { ENDPOINT_METHODS };
        let answer = answer.with_text("allow", methods);
        match self.allowed_origin(head.origin) {
            None => answer,
            // Fetch: the star stands for every name but `Authorization`, and `Mcp-Param-*` has no end.
            Some(_) => answer
                .with_text("access-control-allow-methods", methods)
                .with_text("access-control-allow-headers", "Authorization, *")
                .with_text("access-control-max-age", "600")
                .with_cross_origin(self.cross_origin(head)),
        }
    }

    /// The answer to a request refused for what HTTP says of it.
    pub fn refusal_answer<'s>(&self, refusal: Refusal) -> Answer<'s> {
        let answer = Answer::new(refusal.status(), Body::Text(refusal.as_str()))
            .with_text("content-type", "text/plain; charset=utf-8");
        match refusal {
            Refusal::Method(allowed) => answer.with_text("allow", allowed),
            Refusal::NotFound
            | Refusal::HostMalformed
            | Refusal::HostForeign
            | Refusal::Origin
            | Refusal::Session
            | Refusal::BodyTimeout
            | Refusal::BodyBroken => answer,
        }
    }

    /// The answer to a body that is not an acceptable message.
    pub fn envelope_answer<'s>(
        &self,
        error: EnvelopeError<'s>,
        head: &RequestHead<'s>,
    ) -> Answer<'s> {
        let answer = if error.body().is_empty() {
            Answer::new(error.status(), Body::Empty)
        } else {
            Answer::new(error.status(), Body::Envelope(error))
                .with_text("content-type", "application/json")
        };
        answer.with_cross_origin(self.cross_origin(head))
    }
}
