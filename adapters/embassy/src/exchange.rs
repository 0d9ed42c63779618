//! One request and its answer, in the order of the core's decisions.

use core::pin::pin;

use edge_http::RequestHeaders;
use edge_nal::{WithTimeoutError, with_timeout};
use embedded_io_async::{Read, Write};
use portcullis_core::{
    encoding::scratch::Scratch,
    message::RequestHead,
    resource_server::{Answer, Decision, Operation, Refusal, Verdict},
};

use crate::{
    Clock, HeadLimits, Introspector, Memory, Reply, Request, Server, Service,
    body::{self, BodyError},
    framing::{Extent, Framing},
    head::{self, HeadError, Method},
    link::{Link, LinkError},
    response::{Content, Response},
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
        link: &mut Link<T>,
        memory: &mut Memory<HEAD, FIELDS, BODY, SCRATCH>,
    ) -> Result<(), Over> {
        link.wait().await?;
        let Memory { head, body, scratch } = memory;
        let (received, method) = match receive_head::<_, FIELDS>(link, self.limits, head).await {
            Ok(received) => received,
            Err(error) => return refuse_head(link, error.status()).await,
        };
        let framing = match Framing::read(received.http11, received.headers.iter_raw()) {
            Ok(framing) => framing,
            Err(error) => return refuse_head(link, Some(error.status())).await,
        };
        let head = RequestHead::new(&method, received.path, received.headers.iter_raw());
        let mut exchange = Exchange { server: self, link, head, framing };
        exchange.run(body, &mut Scratch::new(scratch)).await
    }
}

/// Receives a head within its deadline.
async fn receive_head<'b, T: Read + Write, const FIELDS: usize>(
    link: &mut Link<T>,
    limits: HeadLimits,
    buffer: &'b mut [u8],
) -> Result<(RequestHeaders<'b, FIELDS>, Method), HeadError> {
    let deadline = link.deadlines().head_millis;
    let receive = pin!(head::receive(link, limits, buffer));
    with_timeout(deadline, receive).await.map_err(|error| match error {
        WithTimeoutError::Error(error) => error,
        WithTimeoutError::Timeout => HeadError::Deadline,
    })
}

/// A request that was not understood: nothing behind it can be.
async fn refuse_head<T: Read + Write>(link: &mut Link<T>, status: Option<u16>) -> Result<(), Over> {
    if let Some(status) = status {
        let content = Content::Bare(status);
        Response { content, closes: true, is_head: false }.send(link).await?;
    }
    Err(Over)
}

/// A request whose head was understood.
struct Exchange<'e, 'c, 's, S, C, I, T> {
    server: &'s Server<'c, S, C, I>,
    link: &'e mut Link<T>,
    head: RequestHead<'s>,
    framing: Framing,
}

impl<'c: 's, 's, S: Service, C: Clock, I: Introspector, T: Read + Write>
    Exchange<'_, 'c, 's, S, C, I, T>
{
    async fn run(&mut self, buffer: &'s mut [u8], scratch: &mut Scratch<'s>) -> Result<(), Over> {
        let (server, head) = (self.server.resource_server, self.head);
        let now = self.server.clock.unix_time();
        let needed = server.policy().base();
        let principal = match server.decide(&head, needed, now, scratch) {
            Decision::Allow(principal) => principal,
            Decision::NeedIntrospection(introspection) => {
                match self.server.introspector.ask(introspection, now, scratch).await {
                    Verdict::Allow(principal) => principal,
                    Verdict::Challenge(challenge) => {
                        return self.refuse(&server.challenge_answer(challenge, &head)).await;
                    }
                }
            }
            Decision::Challenge(challenge) => {
                return self.refuse(&server.challenge_answer(challenge, &head)).await;
            }
            Decision::Metadata(_) => return self.refuse(&server.metadata_answer()).await,
            Decision::Preflight => return self.refuse(&server.preflight_answer(&head)).await,
            Decision::Refuse(refusal) => {
                return self.refuse(&server.refusal_answer(refusal)).await;
            }
        };
        let body = match self.read_body(buffer).await {
            Ok(body) => body,
            Err(error) => return self.refuse_body(error).await,
        };
        match server.operation(&head, body, &principal, scratch) {
            Operation::Proceed(envelope) => {
                let request =
                    Request { head: &head, envelope: &envelope, body, principal: &principal };
                let reply = self.server.service.answer(request, scratch).await;
                self.reply(reply).await
            }
            // There is nothing behind that keeps sessions.
            Operation::Session => self.answer(&server.refusal_answer(Refusal::NotFound)).await,
            Operation::Challenge(challenge) => {
                self.answer(&server.challenge_answer(challenge, &head)).await
            }
            Operation::Reject(error) => self.answer(&server.envelope_answer(error, &head)).await,
        }
    }

    async fn read_body(&mut self, buffer: &'s mut [u8]) -> Result<&'s [u8], BodyError> {
        let room = buffer.len().min(self.body_len_max());
        let room = buffer.get_mut(..room).ok_or(BodyError::TooLong)?;
        // SEC-443: refused for what is announced, before the peer is told to go on.
        if matches!(self.framing.extent, Extent::Length(len) if len > length(room)) {
            return Err(BodyError::TooLong);
        }
        if self.framing.expects_continue && self.framing.has_body() {
            self.link.send(CONTINUE).await.map_err(|_| BodyError::Broken)?;
            self.link.flush().await.map_err(|_| BodyError::Broken)?;
        }
        body::read(self.link, self.framing.extent, room).await
    }

    fn body_len_max(&self) -> usize {
        self.server.resource_server.configuration().body.len_max
    }

    /// Answers a request whose body was not read.
    ///
    /// A short body is passed over afterwards, so that the next request finds the connection open; of
    /// any other body not one more byte is taken, and none of it is ever read as a request (SEC-414).
    async fn refuse(&mut self, answer: &Answer<'s>) -> Result<(), Over> {
        let left = match self.framing.extent {
            Extent::Length(len) if !self.framing.expects_continue || len == 0 => Some(len),
            Extent::Length(_) | Extent::Chunked => None,
        };
        let left =
            left.filter(|len| usize::try_from(*len).is_ok_and(|it| it <= self.body_len_max()));
        self.framing.closes |= left.is_none();
        let closes = self.framing.closes;
        self.send(Content::Answer(answer)).await?;
        match left {
            Some(len) if !closes => body::skip(self.link, len).await.map_err(|_| Over),
            Some(_) | None => Err(Over),
        }
    }

    /// Answers a request whose body could not be read: where the next one begins is not known.
    async fn refuse_body(&mut self, error: BodyError) -> Result<(), Over> {
        let (server, head) = (self.server.resource_server, self.head);
        let answer = match error {
            BodyError::TooLong => server.envelope_answer(server.body_too_long(&head), &head),
            BodyError::Deadline => server.refusal_answer(Refusal::BodyTimeout),
            BodyError::Broken => server.refusal_answer(Refusal::BodyBroken),
        };
        self.framing.closes = true;
        self.answer(&answer).await
    }

    /// Answers a request whose body was read.
    async fn answer(&mut self, answer: &Answer<'s>) -> Result<(), Over> {
        self.send(Content::Answer(answer)).await
    }

    async fn reply(&mut self, reply: Reply<'s>) -> Result<(), Over> {
        let cross_origin = self.server.resource_server.cross_origin(&self.head);
        self.send(Content::Reply(reply, cross_origin)).await
    }

    async fn send(&mut self, content: Content<'_, 's>) -> Result<(), Over> {
        let (closes, is_head) = (self.framing.closes, self.head.method == "HEAD");
        Response { content, closes, is_head }.send(self.link).await?;
        if closes { Err(Over) } else { Ok(()) }
    }
}

/// The length as a number that an announced one can be compared with.
fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
