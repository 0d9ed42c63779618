//! Asking an authorization server about tokens that are not verified here (RFC 7662).
//!
//! ```text
//! connection tasks:  ask -> remembered? -> turn -> question ...... answer -> remember -> resume
//! one task:                          run: connect, TLS, keep open, send, read
//! ```
//!
//! [`IntrospectionClient`] (feature `introspection`) is asked by every connection of the server. Its
//! [`run`](IntrospectionClient::run) is one more task of the device and owns the connection to the authorization
//! server, so that the memory of TLS exists once and a handshake, which costs a Cortex-M tens of millions of
//! instructions, is paid once for many questions. What goes wrong on the way is always the same answer: 503 (SEC-360).
//!
//! What an answer means is decided by [`Introspection::resume`] alone, also for a remembered one.

#[cfg(feature = "introspection")]
mod cache;
#[cfg(feature = "introspection")]
mod client;
#[cfg(feature = "introspection")]
mod endpoint;
#[cfg(feature = "introspection")]
mod settings;
#[cfg(feature = "introspection")]
mod slot;
#[cfg(feature = "introspection")]
mod worker;

use portcullis_core::{
    encoding::scratch::Scratch,
    resource_server::{Introspection, Verdict},
    time::UnixTime,
};

#[cfg(feature = "introspection")]
pub use self::{
    client::{IntrospectionClient, IntrospectionMemory},
    endpoint::{Credentials, Endpoint, EndpointError},
    settings::IntrospectionSettings,
};

/// A way to ask. What the answer means is decided by [`Introspection::resume`].
pub trait Introspector {
    /// Asks about the token and goes on with the answer; without one the verdict is 503.
    async fn ask<'s>(
        &self,
        introspection: Introspection<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Verdict<'s>;
}

/// No way to ask: every token is verified here, or refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoIntrospection;

impl Introspector for NoIntrospection {
    async fn ask<'s>(
        &self,
        introspection: Introspection<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Verdict<'s> {
        introspection.resume(None, now, scratch)
    }
}

/// Asks if there is somebody to ask, and else as [`NoIntrospection`].
impl<I: Introspector> Introspector for Option<I> {
    async fn ask<'s>(
        &self,
        introspection: Introspection<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Verdict<'s> {
        match self {
            Some(introspector) => introspector.ask(introspection, now, scratch).await,
            None => introspection.resume(None, now, scratch),
        }
    }
}

impl<I: Introspector + ?Sized> Introspector for &I {
    async fn ask<'s>(
        &self,
        introspection: Introspection<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Verdict<'s> {
        (**self).ask(introspection, now, scratch).await
    }
}
