//! Asking an authorization server whose answer is known beforehand.

use core::cell::Cell;

use portcullis_core::{
    encoding::scratch::Scratch,
    message::{Field, IncomingResponse},
    resource_server::{Introspection, Verdict},
    time::UnixTime,
};
use portcullis_embassy::Introspector;
use serde::{Deserialize, Serialize};

/// An answer of the introspection endpoint.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ScriptedAnswer<'b> {
    /// The status code.
    pub status: u16,
    /// `Content-Type`, if there is to be one.
    pub content_type: Option<&'b str>,
    /// The body.
    pub body: &'b [u8],
}

impl<'b> ScriptedAnswer<'b> {
    /// As the core takes it.
    pub fn response(self) -> IncomingResponse<'b> {
        let content_type = self.content_type.map(str::as_bytes);
        IncomingResponse {
            status: self.status,
            content_type: content_type.map_or(Field::Absent, Field::One),
            body: self.body,
        }
    }

    /// A copy that lives as long as the request.
    fn kept<'s>(self, scratch: &mut Scratch<'s>) -> ScriptedAnswer<'s> {
        let copy = |text| scratch.copy(text).expect("room for an answer");
        let content_type = self.content_type.map(copy);
        let body = scratch.take(self.body.len()).expect("room for an answer");
        body.copy_from_slice(self.body);
        ScriptedAnswer { status: self.status, content_type, body }
    }
}

/// Has the answer of the authorization server at hand, and counts how often it was asked.
#[derive(Debug)]
pub struct Scripted<'e> {
    /// What comes back; nothing where nobody answers.
    pub answer: Option<ScriptedAnswer<'e>>,
    /// How often it was asked.
    pub questions: &'e Cell<usize>,
}

impl Scripted<'_> {
    /// Asks, and goes on with the answer.
    pub fn resume<'s>(
        &self,
        introspection: Introspection<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Verdict<'s> {
        self.questions.set(self.questions.get() + 1);
        let response = self.answer.map(|answer| answer.kept(scratch).response());
        introspection.resume(response.as_ref(), now, scratch)
    }
}

impl Introspector for Scripted<'_> {
    async fn ask<'s>(
        &self,
        introspection: Introspection<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Verdict<'s> {
        self.resume(introspection, now, scratch)
    }
}
