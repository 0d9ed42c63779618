//! What goes back when a request does not reach the server behind: status, fields and body, the same
//! on every host.

use super::{
    Refusal, ResourceServer,
    route::{ENDPOINT_METHODS, SESSION_METHODS},
};
use crate::{
    challenge::{Challenge, WwwAuthenticate},
    mcp::{EnvelopeError, server::Reply},
    message::RequestHead,
};

/// The value of one header field of an [`Answer`].
#[derive(Clone, Copy, Debug)]
pub enum FieldValue<'a> {
    /// A fixed or configured text, or an origin that equals an allowed one.
    Text(&'a str),
    /// A rendered challenge.
    Challenge(WwwAuthenticate<'a>),
    /// A number of seconds.
    Seconds(u32),
    /// A nonce for a proof.
    #[cfg(feature = "dpop")]
    Nonce(crate::dpop::Nonce),
}

impl core::fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Challenge(challenge) => challenge.fmt(f),
            Self::Seconds(seconds) => seconds.fmt(f),
            #[cfg(feature = "dpop")]
            Self::Nonce(nonce) => nonce.fmt(f),
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
    /// What a server with tools says.
    Reply(Reply<'a>),
}

impl core::fmt::Display for Body<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Envelope(error) => error.body().fmt(f),
            Self::Reply(reply) => reply.fmt(f),
        }
    }
}

/// Fields whose values never change.
type FixedFields = &'static [(&'static str, &'static str)];

const JSON: (&str, &str) = ("content-type", "application/json");
const NO_STORE: (&str, &str) = ("cache-control", "no-store");
const CHALLENGE: FixedFields = &[JSON, NO_STORE];
const METADATA: FixedFields =
    &[JSON, ("cache-control", "public, max-age=3600"), ("access-control-allow-origin", "*")];
const METADATA_PREFLIGHT: FixedFields = &[
    ("access-control-allow-origin", "*"),
    ("access-control-allow-methods", "GET, HEAD"),
    ("access-control-allow-headers", "*"),
    ("access-control-max-age", "3600"),
];
const ENDPOINT_PREFLIGHT: FixedFields = &endpoint_preflight(ENDPOINT_METHODS);
const SESSION_PREFLIGHT: FixedFields = &endpoint_preflight(SESSION_METHODS);

/// Fetch: the star stands for every name but `Authorization`, and `Mcp-Param-*` has no end.
const fn endpoint_preflight(methods: &'static str) -> [(&'static str, &'static str); 3] {
    [
        ("access-control-allow-methods", methods),
        ("access-control-allow-headers", "Authorization, *"),
        ("access-control-max-age", "600"),
    ]
}

/// An answer of the core's own. An adapter sends it as it is and adds only what framing needs
/// (`Content-Length`, `Date`, `Connection`).
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    status: u16,
    /// The one field whose value depends on the request.
    own: Option<(&'static str, FieldValue<'a>)>,
    /// What a server that takes proofs adds.
    #[cfg(feature = "dpop")]
    dpop: [Option<(&'static str, FieldValue<'a>)>; 2],
    fixed: FixedFields,
    cross_origin: CrossOrigin<'a>,
    body: Body<'a>,
}

impl<'a> Answer<'a> {
    const fn new(status: u16, fixed: FixedFields, body: Body<'a>) -> Self {
        Self {
            status,
            own: None,
            #[cfg(feature = "dpop")]
            dpop: [None; 2],
            fixed,
            cross_origin: CrossOrigin::NONE,
            body,
        }
    }

    /// A status and nothing else, to a request that was not understood.
    pub const fn bare(status: u16) -> Self {
        Self::new(status, &[], Body::Empty)
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The header fields in the order in which they are sent; names in lower case.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, FieldValue<'a>)> {
        let fixed = self.fixed.iter().copied().chain(self.cross_origin.fields());
        #[cfg(feature = "dpop")]
        let own = self.own.into_iter().chain(self.dpop.into_iter().flatten());
        #[cfg(not(feature = "dpop"))]
        let own = self.own.into_iter();
        own.chain(fixed.map(|(name, value)| (name, FieldValue::Text(value))))
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
pub struct CrossOrigin<'r> {
    origin: Option<&'r str>,
    #[cfg(feature = "dpop")]
    nonces: bool,
}

/// What scripts may read beside the fields that CORS always shows.
const EXPOSED_FIELDS: &str = "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After";

/// The same where proofs need nonces.
#[cfg(feature = "dpop")]
const EXPOSED_FIELDS_AND_NONCE: &str =
    "WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id, MCP-Protocol-Version, Retry-After";

impl<'r> CrossOrigin<'r> {
    const NONE: Self = Self {
        origin: None,
        #[cfg(feature = "dpop")]
        nonces: false,
    };

    const fn exposed_fields(self) -> &'static str {
        #[cfg(feature = "dpop")]
        if self.nonces {
            return EXPOSED_FIELDS_AND_NONCE;
        }
        EXPOSED_FIELDS
    }

    /// Names in lower case, and values.
    pub fn fields(self) -> impl Iterator<Item = (&'static str, &'r str)> {
        self.origin.into_iter().flat_map(move |origin| {
            [
                ("access-control-allow-origin", origin),
                ("vary", "Origin"),
                ("access-control-expose-headers", self.exposed_fields()),
            ]
        })
    }
}

impl<'c> ResourceServer<'c> {
    /// What an allowed page may read of the answer to this request.
    pub fn cross_origin<'r>(&self, head: &RequestHead<'r>) -> CrossOrigin<'r> {
        if head.path != self.endpoint_path {
            return CrossOrigin::NONE;
        }
        CrossOrigin {
            origin: self.allowed_origin(head.origin),
            #[cfg(feature = "dpop")]
            nonces: self.configuration.dpop.is_some_and(|dpop| dpop.nonces.is_some()),
        }
    }

    /// The answer to a request that needs another token, or none can be judged now.
    pub fn challenge_answer<'s>(
        &self,
        challenge: Challenge<'s>,
        head: &RequestHead<'s>,
    ) -> Answer<'s> {
        let (fixed, body): (FixedFields, _) = match challenge.body() {
            "" => (&[NO_STORE], Body::Empty),
            body => (CHALLENGE, Body::Text(body)),
        };
        let own = match (challenge.www_authenticate(), challenge.retry_after_secs()) {
            (Some(value), _) => Some(("www-authenticate", FieldValue::Challenge(value))),
            (None, Some(seconds)) => Some(("retry-after", FieldValue::Seconds(seconds))),
            (None, None) => None,
        };
        let cross_origin = self.cross_origin(head);
        Answer {
            own,
            #[cfg(feature = "dpop")]
            dpop: [
                challenge.other_scheme().map(|it| ("www-authenticate", FieldValue::Text(it))),
                challenge.dpop_nonce().map(|nonce| ("dpop-nonce", FieldValue::Nonce(nonce))),
            ],
            cross_origin,
            ..Answer::new(challenge.status(), fixed, body)
        }
    }

    /// The metadata document (RS-08, RS-16): public, so that any page may read it. To `HEAD` an
    /// adapter sends the same fields and no body.
    pub const fn metadata_answer<'s>(&self) -> Answer<'s>
    where
        'c: 's,
    {
        Answer::new(200, METADATA, Body::Text(self.published.document))
    }

    /// The answer to `OPTIONS`: CORS data and nothing else (SEC-132).
    pub fn preflight_answer<'s>(&self, head: &RequestHead<'s>) -> Answer<'s> {
        if head.path != self.endpoint_path {
            return Answer::new(204, METADATA_PREFLIGHT, Body::Empty);
        }
        let (methods, allowed) = match self.configuration.sessions {
            true => (SESSION_METHODS, SESSION_PREFLIGHT),
            false => (ENDPOINT_METHODS, ENDPOINT_PREFLIGHT),
        };
        let cross_origin = self.cross_origin(head);
        let fixed = if cross_origin.origin.is_none() { &[] } else { allowed };
        let own = Some(("allow", FieldValue::Text(methods)));
        Answer { own, cross_origin, ..Answer::new(204, fixed, Body::Empty) }
    }

    /// The answer to a request refused for what HTTP says of it.
    pub const fn refusal_answer<'s>(&self, refusal: Refusal) -> Answer<'s> {
        let own = match refusal {
            Refusal::Method(allowed) => Some(("allow", FieldValue::Text(allowed))),
            Refusal::NotFound
            | Refusal::HostMalformed
            | Refusal::HostForeign
            | Refusal::Origin
            | Refusal::Session
            | Refusal::BodyTimeout
            | Refusal::BodyBroken => None,
        };
        let fixed: FixedFields = &[("content-type", "text/plain; charset=utf-8")];
        let body = Body::Text(refusal.as_str());
        Answer { own, ..Answer::new(refusal.status(), fixed, body) }
    }

    /// The answer to a body that is not an acceptable message.
    pub fn envelope_answer<'s>(
        &self,
        error: EnvelopeError<'s>,
        head: &RequestHead<'s>,
    ) -> Answer<'s> {
        let has_body = !error.body().is_empty();
        let content = has_body.then_some(("application/json", Body::Envelope(error)));
        self.service_answer(error.status(), content, head)
    }

    /// The answer of the server behind, where that server has no HTTP of its own; without a media type
    /// there is no body.
    pub fn service_answer<'s>(
        &self,
        status: u16,
        content: Option<(&'static str, Body<'s>)>,
        head: &RequestHead<'s>,
    ) -> Answer<'s> {
        let cross_origin = self.cross_origin(head);
        let Some((media_type, body)) = content else {
            return Answer { cross_origin, ..Answer::bare(status) };
        };
        let own = Some(("content-type", FieldValue::Text(media_type)));
        Answer { own, cross_origin, ..Answer::new(status, &[], body) }
    }
}
