//! A form that is sent once, to one endpoint of an authorization server, and what its answer gave.

use super::{
    ErrorResponse, FetchFailure, OutgoingRequest, Output, Purpose,
    fetch::{NoBody, endpoint_body},
};
use crate::{encoding::scratch::Scratch, message::IncomingResponse};

/// The part of a machine that asks one endpoint for one thing.
pub(super) struct FormPost<'s, T, E> {
    purpose: Purpose,
    endpoint: &'s str,
    authorization: Option<&'s str>,
    body: &'s [u8],
    answer_len_max: usize,
    refusal: Option<ErrorResponse<'s>>,
    outcome: Option<Result<T, E>>,
}

impl<'s, T, E> FormPost<'s, T, E> {
    /// `authorization` is what the client authenticates with beside the form; a longer answer than
    /// `answer_len_max` bytes is none.
    pub(super) const fn new(
        purpose: Purpose,
        endpoint: &'s str,
        authorization: Option<&'s str>,
        body: &'s [u8],
        answer_len_max: usize,
    ) -> Self {
        let (refusal, outcome) = (None, None);
        Self { purpose, endpoint, authorization, body, answer_len_max, refusal, outcome }
    }

    /// What it gave; `unfinished` when it was not answered.
    pub(super) fn finish(self, unfinished: E) -> Result<T, E> {
        self.outcome.unwrap_or(Err(unfinished))
    }

    /// The server's words when it refused.
    pub(super) const fn error_response(&self) -> Option<ErrorResponse<'s>> {
        self.refusal
    }

    pub(super) fn poll(&self) -> Output<'_> {
        if self.outcome.is_some() {
            return Output::Done;
        }
        Output::Fetch(OutgoingRequest::form(
            self.purpose,
            self.endpoint,
            self.authorization,
            self.body,
            self.answer_len_max,
        ))
    }

    /// Takes the first answer, whose JSON is for `read`; a further one is nobody's.
    pub(super) fn handle_json(
        &mut self,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
        read: impl FnOnce(&'s [u8], &mut Scratch<'s>) -> Result<T, E>,
    ) where
        E: From<NoBody>,
    {
        if self.outcome.is_none() {
            let body = endpoint_body(response, self.answer_len_max, &mut self.refusal, scratch);
            self.outcome = Some(body.map_err(E::from).and_then(|body| read(body, scratch)));
        }
    }

    /// Takes the first answer, of which all is for `read`.
    pub(super) fn handle(
        &mut self,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        read: impl FnOnce(Result<IncomingResponse<'_>, FetchFailure>) -> Result<T, E>,
    ) {
        if self.outcome.is_none() {
            self.outcome = Some(read(response));
        }
    }
}

impl<T, E> core::fmt::Debug for FormPost<'_, T, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The body holds secrets.
        f.debug_struct("FormPost")
            .field("purpose", &self.purpose)
            .field("endpoint", &self.endpoint)
            .field("is_answered", &self.outcome.is_some())
            .finish_non_exhaustive()
    }
}
