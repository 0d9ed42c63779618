//! One request of the client over a connection of its own.

use core::pin::pin;

use embassy_time::{Duration, Instant, with_deadline};
use embedded_io_async::{Read, Write};
use portcullis_core::{
    client::FetchFailure,
    encoding::uri::Uri,
    message::{Field, IncomingResponse},
    time::UnixTime,
};

use super::hosts::{Hosts, destination};
use crate::outgoing::{
    Closing, Conversation, Transport,
    reply::{self, Reply, ReplyError},
    request::{self, Request},
};

const JSON: Field<'static> = Field::One(b"application/json");

/// What is sent, and how long its answer may be.
pub(super) struct Sent<'r> {
    pub(super) method: &'static str,
    pub(super) url: &'r str,
    pub(super) fields: &'r [(&'static str, &'r [u8])],
    pub(super) body: &'r [u8],
    pub(super) answer_len_max: usize,
}

/// What carries requests.
pub(super) struct Carrier<T, H> {
    pub(super) transport: T,
    pub(super) hosts: H,
    /// For one request in milliseconds, connecting and the handshake included.
    pub(super) deadline_millis: u32,
}

impl<T: Transport, H: Hosts> Carrier<T, H> {
    /// Sends one request, and no second one whatever comes. `now` is what certificates are compared with.
    ///
    /// The answer lies in `memory`; `watch` is shown the fields of its head.
    pub(super) async fn fetch<'a>(
        &mut self,
        sent: &Sent<'_>,
        now: UnixTime,
        memory: &'a mut [u8],
        watch: impl FnMut(&str, &[u8]),
    ) -> Result<IncomingResponse<'a>, FetchFailure> {
        let patience = Duration::from_millis(u64::from(self.deadline_millis));
        let until = Instant::now().saturating_add(patience);
        let Self { transport, hosts, .. } = self;
        let found = with_deadline(until, pin!(destination(hosts, sent.url))).await;
        let found = found.map_err(|_| FetchFailure::TimedOut)?;
        let destination = found.ok().flatten().ok_or(FetchFailure::Unreachable)?;
        let exchange = Exchange { sent, url: destination.url(), until, memory, watch };
        let conversed = transport.converse(&destination, now, until, exchange).await;
        let (reply, memory) = match conversed {
            Ok(outcome) => outcome?,
            Err(_) if Instant::now() >= until => return Err(FetchFailure::TimedOut),
            Err(_) => return Err(FetchFailure::Unreachable),
        };
        let content_type = if reply.is_json { JSON } else { Field::Absent };
        let body = memory.get(..reply.body_len).unwrap_or_default();
        Ok(IncomingResponse { status: reply.status, content_type, body })
    }
}

struct Exchange<'e, 'a, W> {
    sent: &'e Sent<'e>,
    url: Uri<'e>,
    until: Instant,
    memory: &'a mut [u8],
    watch: W,
}

impl<'a, W: FnMut(&str, &[u8])> Conversation for Exchange<'_, 'a, W> {
    type Outcome = Result<(Reply, &'a mut [u8]), FetchFailure>;

    async fn over<S: Read + Write>(self, connection: &mut S) -> (Self::Outcome, Closing) {
        let Self { sent, url, until, memory, watch } = self;
        let request = Request { method: sent.method, url, fields: sent.fields, body: sent.body };
        let exchange = async {
            request::send(connection, &request).await.map_err(|_| ReplyError::Broken)?;
            reply::receive(connection, memory, sent.answer_len_max, watch).await
        };
        let reply = match with_deadline(until, pin!(exchange)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(ReplyError::TooLong)) => return (Err(FetchFailure::TooLarge), Closing::Abrupt),
            Ok(Err(_)) => return (Err(FetchFailure::Unreachable), Closing::Abrupt),
            Err(_) => return (Err(FetchFailure::TimedOut), Closing::Abrupt),
        };
        (Ok((reply, memory)), Closing::Orderly)
    }
}
