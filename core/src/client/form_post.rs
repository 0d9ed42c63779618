//! A form that is sent once, to one endpoint of an authorization server, and what its answer gave.

use super::{
    ErrorResponse, FetchFailure, OutgoingRequest, Output,
    fetch::{NoBody, endpoint_body},
};
use crate::{encoding::scratch::Scratch, message::IncomingResponse};

/// The part of a machine that asks one endpoint for one thing.
pub(super) struct FormPost<'s, T, E> {
    request: OutgoingRequest<'s>,
    refusal: Option<ErrorResponse<'s>>,
    outcome: Option<Result<T, E>>,
}

impl<'s, T, E> FormPost<'s, T, E> {
    /// To be sent as it is.
    pub(super) const fn new(request: OutgoingRequest<'s>) -> Self {
        Self { request, refusal: None, outcome: None }
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
        if self.outcome.is_some() { Output::Done } else { Output::Fetch(self.request) }
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
            let len_max = self.request.response_len_max;
            let body = endpoint_body(response, len_max, &mut self.refusal, scratch);
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
        f.debug_struct("FormPost")
            .field("request", &self.request)
            .field("is_answered", &self.outcome.is_some())
            .finish_non_exhaustive()
    }
}
