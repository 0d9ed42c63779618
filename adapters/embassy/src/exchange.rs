//! One request and its answer, in the order of the core's decisions.
//!
//! What decides is no async function: only what waits for somebody is. What is kept while it waits is
//! there once for each connection, so it is little.

use embedded_io_async::{Read, Write};
use portcullis_core::{
    encoding::scratch::Scratch,
    mcp::Envelope,
    message::RequestHead,
    resource_server::{
        Answer, Body, Decision, Introspection, Operation, Principal, Refusal, ResourceServer,
        Verdict,
    },
    time::UnixTime,
};

use crate::{
    Clock, Introspector, Memory, Reply, Request, Server, Service,
    body::{self, BodyError, Skipped},
    framing::{Extent, Framing},
    head::{Head, HeadError, Incoming},
    link::{Link, LinkError},
    response::Response,
};

/// The connection is at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over;

impl From<LinkError> for Over {
    fn from(_: LinkError) -> Self {
        Self
    }
}

/// RFC 9110 §15.2.1: the body may be sent.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl<S: Service, C: Clock, I: Introspector> Server<'_, S, C, I> {
    /// Serves one request; an error when it was the last one of the connection.
    pub(crate) async fn exchange<
        T: Read + Write,
        const HEAD: usize,
        const FIELDS: usize,
        const BODY: usize,
        const SCRATCH: usize,
    >(
        &self,
        link: &mut Link<'_, T>,
        memory: &mut Memory<HEAD, FIELDS, BODY, SCRATCH>,
    ) -> Result<(), Over> {
        link.wait().await?;
        let Memory { head, body, scratch } = memory;
        let mut response = Response { answer: Answer::bare(500), closes: false, is_head: false };
        let left = match self.receive_head::<_, FIELDS>(link, head).await {
            Ok(head) => {
                let mut scratch = Scratch::new(scratch);
                let left = self.answer(link, &head, body, &mut scratch, &mut response.answer).await;
                response.closes = head.framing.closes || left.is_none() || link.is_last();
                response.is_head = head.request.method == "HEAD";
                left
            }
            Err(error) => {
                response.answer = Answer::bare(error.status().ok_or(Over)?);
                response.closes = true;
                None
            }
        };
        response.send(link).await?;
        match left {
            Some(_) if response.closes => Err(Over),
            Some(0) => Ok(()),
            Some(len) => {
                link.allow(link.deadlines().body_millis);
                Ok(link.receive(&mut Skipped(len)).await?)
            }
            None => Err(Over),
        }
    }

    /// Receives a head within its deadline.
    async fn receive_head<'b, T: Read + Write, const FIELDS: usize>(
        &self,
        link: &mut Link<'_, T>,
        buffer: &'b mut [u8],
    ) -> Result<Head<'b>, HeadError> {
        let mut incoming = Incoming::new(self.limits, buffer);
        link.allow(link.deadlines().head_millis);
        let received = link.receive(&mut incoming).await;
        incoming.end::<FIELDS>(received)
    }

    /// Finds the answer to a request whose head was understood. Gives how many bytes of its body are left
    /// to be passed over; `None` when that is not known.
    async fn answer<'s, T: Read + Write>(
        &'s self,
        link: &mut Link<'_, T>,
        head: &Head<'s>,
        buffer: &'s mut [u8],
        scratch: &mut Scratch<'s>,
        answer: &mut Answer<'s>,
    ) -> Option<u64> {
        let server = self.resource_server;
        let Head { request, framing } = head;
        let now = self.clock.unix_time();
        let principal = match admit(server, request, now, scratch, answer) {
            Admission::Admitted(principal) => principal,
            Admission::Ask(introspection) => {
                match self.introspector.ask(introspection, now, scratch).await {
                    Verdict::Allow(principal) => principal,
                    Verdict::Challenge(challenge) => {
                        *answer = server.challenge_answer(challenge, request);
                        return unread(server, framing);
                    }
                }
            }
            Admission::Refused => return unread(server, framing),
        };
        let body = match read_body(server, link, framing, buffer).await {
            Ok(body) => body,
            Err(error) => {
                *answer = unreadable(server, request, error);
                return None;
            }
        };
        if let Some(envelope) = permit(server, request, body, &principal, scratch, answer) {
            let (envelope, principal) = (&envelope, &principal);
            let message = Request { head: request, envelope, body, principal };
            let reply = self.service.answer(message, scratch).await;
            *answer = replied(server, request, reply);
        }
        Some(0)
    }
}

// What follows is kept out of the async functions: their locals are there for each connection, and
// these only while they run.

/// What a head leads to.
enum Admission<'s> {
    Admitted(Principal<'s>),
    Ask(Introspection<'s>),
    Refused,
}

#[inline(never)]
fn admit<'c: 's, 's>(
    server: &ResourceServer<'c>,
    head: &RequestHead<'s>,
    now: Option<UnixTime>,
    scratch: &mut Scratch<'s>,
    answer: &mut Answer<'s>,
) -> Admission<'s> {
    *answer = match server.decide(head, server.policy().base(), now, scratch) {
        Decision::Allow(principal) => return Admission::Admitted(principal),
        Decision::NeedIntrospection(introspection) => return Admission::Ask(introspection),
        Decision::Challenge(challenge) => server.challenge_answer(challenge, head),
        Decision::Metadata(_) => server.metadata_answer(),
        Decision::Preflight => server.preflight_answer(head),
        Decision::Refuse(refusal) => server.refusal_answer(refusal),
    };
    Admission::Refused
}

#[inline(never)]
fn permit<'c: 's, 's>(
    server: &ResourceServer<'c>,
    head: &RequestHead<'s>,
    body: &'s [u8],
    principal: &Principal<'s>,
    scratch: &mut Scratch<'s>,
    answer: &mut Answer<'s>,
) -> Option<Envelope<'s>> {
    *answer = match server.operation(head, body, principal, scratch) {
        Operation::Proceed(envelope) => return Some(envelope),
        // There is nothing behind that keeps sessions.
        Operation::Session => server.refusal_answer(Refusal::NotFound),
        Operation::Challenge(challenge) => server.challenge_answer(challenge, head),
        Operation::Reject(error) => server.envelope_answer(error, head),
    };
    None
}

#[inline(never)]
fn replied<'c: 's, 's>(
    server: &ResourceServer<'c>,
    head: &RequestHead<'s>,
    reply: Reply<'s>,
) -> Answer<'s> {
    let (content_type, body) = match reply {
        Reply::Accepted => return server.service_answer(202, None, head),
        Reply::Reject(error) => return server.envelope_answer(error, head),
        Reply::Mcp(reply) => ("application/json", Body::Reply(reply)),
        Reply::Text { content_type, text } => (content_type, Body::Text(text)),
    };
    server.service_answer(200, Some((content_type, body)), head)
}

/// How much of a body is left that was not read.
///
/// A short one is passed over behind the answer, so that the next request finds the connection open; of
/// any other not one more byte is taken, and none of it is ever read as a request (SEC-414).
fn unread(server: &ResourceServer<'_>, framing: &Framing) -> Option<u64> {
    match framing.extent {
        Extent::Length(0) => Some(0),
        Extent::Length(len) if !framing.expects_continue && len <= len_max(server) => Some(len),
        Extent::Length(_) | Extent::Chunked => None,
    }
}

/// The longest body, as a number that an announced one can be compared with.
fn len_max(server: &ResourceServer<'_>) -> u64 {
    u64::try_from(server.configuration().body.len_max).unwrap_or(u64::MAX)
}

async fn read_body<'s, T: Read + Write>(
    server: &ResourceServer<'_>,
    link: &mut Link<'_, T>,
    framing: &Framing,
    buffer: &'s mut [u8],
) -> Result<&'s [u8], BodyError> {
    let len_max = buffer.len().min(server.configuration().body.len_max);
    let room = buffer.get_mut(..len_max).ok_or(BodyError::TooLong)?;
    // SEC-443: refused for what is announced, before the peer is told to go on.
    if let Extent::Length(len) = framing.extent
        && !usize::try_from(len).is_ok_and(|len| len <= len_max)
    {
        return Err(BodyError::TooLong);
    }
    link.allow(link.deadlines().body_millis);
    if framing.expects_continue && framing.has_body() {
        link.send(CONTINUE).await?;
        link.flush().await?;
    }
    body::read(link, framing.extent, room).await
}

/// The answer to a request whose body could not be read: where the next one begins is not known.
#[inline(never)]
fn unreadable<'c: 's, 's>(
    server: &ResourceServer<'c>,
    head: &RequestHead<'s>,
    error: BodyError,
) -> Answer<'s> {
    match error {
        BodyError::TooLong => server.envelope_answer(server.body_too_long(head), head),
        BodyError::Deadline => server.refusal_answer(Refusal::BodyTimeout),
        BodyError::Broken => server.refusal_answer(Refusal::BodyBroken),
    }
}
