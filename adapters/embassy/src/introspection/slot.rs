//! Where a question and its answer lie, between the task that asks and the one that sends.

use embassy_time::Instant;
use portcullis_core::{
    bearer::BearerToken,
    encoding::scratch::Scratch,
    introspection,
    message::{Field, IncomingResponse},
    time::UnixTime,
};
use zeroize::Zeroize;

use crate::outgoing::reply::Reply;

/// The content type of an answer that says it is JSON, whatever its parameters were.
pub(super) const JSON: Field<'static> = Field::One(b"application/json");

/// Tells the answers of two questions apart.
pub(super) type Ticket = u32;

/// One question at a time, and its answer.
pub(super) struct Slot<'m> {
    pub(super) question: &'m mut [u8],
    pub(super) answer: &'m mut [u8],
    state: State,
    ticket: Ticket,
}

#[derive(Clone, Copy)]
enum State {
    Empty,
    Asked(Pending),
    Answered(Option<Reply>),
}

/// A question that waits.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    pub(super) ticket: Ticket,
    /// Length of the form.
    pub(super) len: usize,
    /// When it is given up.
    pub(super) until: Instant,
    /// What time it was,
    pub(super) time: UnixTime,
    /// and when.
    pub(super) time_at: Instant,
}

impl Pending {
    /// What time it is.
    pub(super) fn time_now(&self, now: Instant) -> UnixTime {
        self.time.plus(now.saturating_duration_since(self.time_at).as_secs())
    }
}

impl<'m> Slot<'m> {
    pub(super) const fn new(question: &'m mut [u8], answer: &'m mut [u8]) -> Self {
        Self { question, answer, state: State::Empty, ticket: 0 }
    }

    /// Asks about `token`, in place of a question that nobody waits for any more. `None`: no room for the token.
    pub(super) fn ask(
        &mut self,
        token: BearerToken<'_>,
        until: Instant,
        time: UnixTime,
        time_at: Instant,
    ) -> Option<Ticket> {
        self.clear();
        let len = introspection::write_request(token, self.question).ok()?.len();
        let ticket = self.ticket.wrapping_add(1);
        self.ticket = ticket;
        self.state = State::Asked(Pending { ticket, len, until, time, time_at });
        Some(ticket)
    }

    pub(super) const fn pending(&self) -> Option<Pending> {
        match self.state {
            State::Asked(pending) => Some(pending),
            State::Empty | State::Answered(_) => None,
        }
    }

    /// Ends the question; `None` is no answer.
    pub(super) fn end(&mut self, reply: Option<Reply>) -> Ticket {
        self.question.zeroize();
        self.state = State::Answered(reply);
        self.ticket
    }

    /// Takes the answer out, once, if it is the one to this question.
    pub(super) fn take<'s>(
        &mut self,
        ticket: Ticket,
        scratch: &mut Scratch<'s>,
    ) -> Option<IncomingResponse<'s>> {
        let State::Answered(Some(reply)) = self.state else { return None };
        if self.ticket != ticket {
            return None;
        }
        let taken = self.answer.get(..reply.body_len).and_then(|body| copy(body, scratch));
        self.clear();
        let content_type = if reply.is_json { JSON } else { Field::Absent };
        Some(IncomingResponse { status: reply.status, content_type, body: taken? })
    }

    /// A token and who it belongs to are no longer there than they are needed.
    fn clear(&mut self) {
        self.question.zeroize();
        self.answer.zeroize();
        self.state = State::Empty;
    }
}

/// A copy that lives as long as the scratch; `None` when there is too little of it.
pub(super) fn copy<'s>(bytes: &[u8], scratch: &mut Scratch<'s>) -> Option<&'s [u8]> {
    let copy = scratch.take(bytes.len()).ok()?;
    for (to, from) in copy.iter_mut().zip(bytes) {
        *to = *from;
    }
    Some(copy)
}
