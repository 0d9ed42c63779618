//! Asking an authorization server about tokens that are not verified here.

use portcullis_core::{
    encoding::scratch::Scratch,
    resource_server::{Introspection, Verdict},
    time::UnixTime,
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
