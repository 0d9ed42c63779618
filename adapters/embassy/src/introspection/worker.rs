//! The one who sends: owns the connection to the endpoint.

use core::pin::pin;

use embassy_futures::select::{Either, select};
use embassy_sync::{blocking_mutex::raw::RawMutex, mutex::MutexGuard};
use embassy_time::{Duration, Instant, with_deadline, with_timeout};
use embedded_io_async::{Read, Write};
use portcullis_core::limits::METADATA_LEN_MAX;

use super::{
    Endpoint, IntrospectionClient,
    slot::{Pending, Slot},
};
use crate::outgoing::{
    Closing, Conversation, Transport,
    reply::{self, Reply, ReplyError},
    request::{self, Request},
};

/// How long a connection is used at most: its certificate was compared with the time when it was opened.
const CONNECTION_SECS_MAX: u64 = 60 * 60;

/// What becomes of a connection, or of a question that it did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Everything that was asked is answered.
    Wait,
    /// The question needs a new connection.
    Reconnect,
}

impl<'c, M: RawMutex> IntrospectionClient<'c, M> {
    /// Answers questions, for ever. Runs once for each client; while it does not run, questions end at their deadline.
    pub async fn run<T: Transport>(&self, transport: &mut T) -> ! {
        loop {
            self.asked.wait().await;
            while self.connect(transport).await == Next::Reconnect {}
        }
    }

    /// Opens a connection for the question that waits, and serves the following ones over it.
    ///
    /// A question moves to a new connection at most once: over the first exchange of a connection it is always answered.
    async fn connect<T: Transport>(&self, transport: &mut T) -> Next {
        let slot = self.slot.lock().await;
        let Some(pending) = slot.pending() else { return Next::Wait };
        let now = pending.time_now(Instant::now());
        let questions = Questions { client: self, slot, pending };
        match transport.converse(self.endpoint.destination(), now, pending.until, questions).await {
            Ok(next) => next,
            Err(_) => self.give_up(pending).await,
        }
    }

    /// Ends a question for which there was no connection.
    async fn give_up(&self, failed: Pending) -> Next {
        let slot = self.slot.lock().await;
        match slot.pending() {
            Some(pending) if pending.ticket == failed.ticket => {
                self.end(slot, None);
                Next::Wait
            }
            // Meanwhile its asker gave it up, and somebody asked something else.
            Some(_) => Next::Reconnect,
            None => Next::Wait,
        }
    }

    /// Waits for a question; an error when the connection is to be closed before there is one.
    ///
    /// Whatever comes from the server meanwhile ends the connection: its end, or bytes that the next question would take
    /// for its answer.
    async fn idle<S: Read + Write>(&self, connection: &mut S) -> Result<(), Closing> {
        let mut byte = [0];
        let idle = Duration::from_millis(u64::from(self.settings.idle_millis));
        let question = with_timeout(idle, self.asked.wait());
        match select(pin!(connection.read(&mut byte)), pin!(question)).await {
            Either::First(_) => Err(Closing::Abrupt),
            Either::Second(Ok(())) => Ok(()),
            Either::Second(Err(_)) => Err(Closing::Orderly),
        }
    }

    fn end(&self, mut slot: MutexGuard<'_, M, Slot<'_>>, reply: Option<Reply>) {
        let ticket = slot.end(reply);
        drop(slot);
        self.answered.signal(ticket);
    }
}

/// All questions that one connection serves.
struct Questions<'s, 'c, M: RawMutex> {
    client: &'s IntrospectionClient<'c, M>,
    slot: MutexGuard<'s, M, Slot<'c>>,
    pending: Pending,
}

impl<M: RawMutex> Conversation for Questions<'_, '_, M> {
    type Outcome = Next;

    async fn over<S: Read + Write>(self, connection: &mut S) -> (Next, Closing) {
        let Self { client, mut slot, mut pending } = self;
        let opened_at = Instant::now();
        let mut is_kept = false;
        loop {
            let keeps_open = match exchange(connection, &client.endpoint, &mut slot, pending).await
            {
                Ok(reply) => {
                    client.end(slot, Some(reply));
                    reply.keeps_open
                }
                // The server closed it while nobody looked, before or instead of reading the question.
                Err(ReplyError::Nothing) if is_kept => return (Next::Reconnect, Closing::Abrupt),
                Err(_) => {
                    client.end(slot, None);
                    false
                }
            };
            if !keeps_open {
                return (Next::Wait, Closing::Abrupt);
            }
            is_kept = true;
            (slot, pending) = loop {
                if let Err(closing) = client.idle(connection).await {
                    return (Next::Wait, closing);
                }
                let slot = client.slot.lock().await;
                if let Some(pending) = slot.pending() {
                    break (slot, pending);
                }
            };
            if opened_at.elapsed().as_secs() >= CONNECTION_SECS_MAX {
                return (Next::Reconnect, Closing::Orderly);
            }
        }
    }
}

/// One question and its answer, within its deadline.
async fn exchange<S: Read + Write>(
    connection: &mut S,
    endpoint: &Endpoint<'_>,
    slot: &mut Slot<'_>,
    pending: Pending,
) -> Result<Reply, ReplyError> {
    let question = slot.question.get(..pending.len).unwrap_or_default();
    let exchange = async {
        let request = Request {
            method: "POST",
            url: endpoint.destination().url(),
            fields: &[
                ("Authorization", endpoint.credentials().expose()),
                ("Content-Type", b"application/x-www-form-urlencoded"),
                ("Accept", b"application/json"),
            ],
            body: question,
        };
        // A connection that takes no bytes gives none either.
        request::send(connection, &request).await.map_err(|_| ReplyError::Nothing)?;
        reply::receive(connection, slot.answer, METADATA_LEN_MAX, |_, _| {}).await
    };
    // Too late for another try.
    with_deadline(pending.until, pin!(exchange)).await.unwrap_or(Err(ReplyError::Broken))
}
