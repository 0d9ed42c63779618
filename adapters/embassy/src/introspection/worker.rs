//! The one who sends: owns the connection to the endpoint.

use core::pin::pin;

use embassy_futures::select::{Either, select};
use embassy_sync::{blocking_mutex::raw::RawMutex, mutex::MutexGuard};
use embassy_time::{Duration, Instant, with_deadline, with_timeout};

use super::{
    Closing, Connection, Endpoint, IntrospectionClient, Transport,
    reply::{self, Reply, ReplyError},
    request,
    slot::{Pending, Slot},
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
        let open = pin!(transport.open(&self.endpoint, pending.time_now(Instant::now())));
        let Ok(Ok(mut connection)) = with_deadline(pending.until, open).await else {
            self.end(slot, None);
            return Next::Wait;
        };
        let (next, closing) = self.serve(&mut connection, slot, pending).await;
        connection.close(closing).await;
        next
    }

    async fn serve<'s, C: Connection>(
        &'s self,
        connection: &mut C,
        mut slot: MutexGuard<'s, M, Slot<'c>>,
        mut pending: Pending,
    ) -> (Next, Closing) {
        let opened_at = Instant::now();
        let mut is_kept = false;
        loop {
            let keeps_open = match exchange(connection, &self.endpoint, &mut slot, pending).await {
                Ok(reply) => {
                    self.end(slot, Some(reply));
                    reply.keeps_open
                }
                // The server closed it while nobody looked, before or instead of reading the question.
                Err(ReplyError::Nothing) if is_kept => return (Next::Reconnect, Closing::Abrupt),
                Err(_) => {
                    self.end(slot, None);
                    false
                }
            };
            if !keeps_open {
                return (Next::Wait, Closing::Abrupt);
            }
            is_kept = true;
            (slot, pending) = loop {
                if let Err(closing) = self.idle(connection).await {
                    return (Next::Wait, closing);
                }
                let slot = self.slot.lock().await;
                if let Some(pending) = slot.pending() {
                    break (slot, pending);
                }
            };
            if opened_at.elapsed().as_secs() >= CONNECTION_SECS_MAX {
                return (Next::Reconnect, Closing::Orderly);
            }
        }
    }

    /// Waits for a question; an error when the connection is to be closed before there is one.
    ///
    /// Whatever comes from the server meanwhile ends the connection: its end, or bytes that the next question would take
    /// for its answer.
    async fn idle<C: Connection>(&self, connection: &mut C) -> Result<(), Closing> {
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

/// One question and its answer, within its deadline.
async fn exchange<C: Connection>(
    connection: &mut C,
    endpoint: &Endpoint<'_>,
    slot: &mut Slot<'_>,
    pending: Pending,
) -> Result<Reply, ReplyError> {
    let question = slot.question.get(..pending.len).unwrap_or_default();
    let exchange = async {
        // A connection that takes no bytes gives none either.
        request::send(connection, endpoint, question).await.map_err(|_| ReplyError::Nothing)?;
        reply::receive(connection, slot.answer).await
    };
    // Too late for another try.
    with_deadline(pending.until, pin!(exchange)).await.unwrap_or(Err(ReplyError::Broken))
}
