//! The service behind: what it gets, and what it may answer.

use portcullis_core::{
    encoding::scratch::Scratch,
    mcp::{Envelope, EnvelopeError, server},
    message::RequestHead,
    resource_server::Principal,
};

/// A message that was admitted, checked and found permitted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r, 's> {
    /// The head; its `authorization` is for the server, not for the service (RS-44).
    pub head: &'r RequestHead<'s>,
    /// What the body says.
    pub envelope: &'r Envelope<'s>,
    /// The very bytes that were judged.
    pub body: &'s [u8],
    /// Who asks.
    pub principal: &'r Principal<'s>,
}

/// An answer with status 200, unless it says otherwise.
#[derive(Clone, Copy, Debug)]
pub enum Reply<'s> {
    /// No body: 202 (TS-22).
    Accepted,
    /// A JSON-RPC answer.
    Mcp(server::Reply<'s>),
    /// The message is refused after all: a method that is not served.
    Reject(EnvelopeError<'s>),
    /// A body of another media type.
    Text {
        /// The media type.
        content_type: &'static str,
        /// The body.
        text: &'s str,
    },
}

/// What answers the messages that are let through.
pub trait Service {
    /// Answers a message. `scratch` is what is left of the connection's.
    async fn answer<'s>(&'s self, request: Request<'_, 's>, scratch: &mut Scratch<'s>)
    -> Reply<'s>;
}

impl<S: Service + ?Sized> Service for &S {
    async fn answer<'s>(
        &'s self,
        request: Request<'_, 's>,
        scratch: &mut Scratch<'s>,
    ) -> Reply<'s> {
        (**self).answer(request, scratch).await
    }
}
