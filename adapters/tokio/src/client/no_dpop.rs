//! What stands in the place of `dpop` without that feature: every token is a bearer token.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::client::{Discovered, Proving, SignError};

use super::{Login, Options};

/// Nobody makes one.
pub(super) enum Prover {}

impl Prover {
    pub(super) fn field(
        &self,
        _: &str,
        _: &str,
        _: Option<&str>,
    ) -> Result<(HeaderName, HeaderValue), SignError> {
        match *self {}
    }

    pub(super) fn learn(&self, _: &str, _: &HeaderMap) -> bool {
        match *self {}
    }
}

/// There are no others.
pub(super) const fn bound_tokens_alone(_: &Options) -> bool {
    false
}

pub(super) struct Wanted;

impl Wanted {
    pub(super) const fn new(_: &Options) -> Self {
        Self
    }

    pub(super) const fn of(_: &Login, _: &Options) -> Self {
        Self
    }

    pub(super) const fn look(&self, _: &[Vec<u8>], _: &Discovered<'_>) {}

    pub(super) const fn prover(&self) -> Option<&Arc<Prover>> {
        None
    }

    pub(super) const fn proving(&self) -> Proving {
        Proving::No
    }
}
