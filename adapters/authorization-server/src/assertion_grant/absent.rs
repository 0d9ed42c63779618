//! The JWT bearer grant where it is not built in: no assertion entitles to anything.

use std::convert::Infallible;
use std::marker::PhantomData;

use oauth_as::{ClientCredential, ClientId, ErrorResponse, IssuedToken};

use crate::form::Form;
use crate::server::Inner;
use crate::token::{Grant, Shown};

/// Nobody has one.
pub(crate) struct Entitlement<'s>(Infallible, PhantomData<&'s ()>);

pub(crate) async fn entitlement<'s>(
    _: &'s Inner,
    _: &Form,
    _: Shown<'_>,
) -> Result<Option<Entitlement<'s>>, ErrorResponse> {
    Ok(None)
}

impl Entitlement<'_> {
    pub(crate) fn grant(&self, _: &ClientId) -> Grant {
        match self.0 {}
    }

    pub(crate) fn credential(&self) -> Option<ClientCredential<'_>> {
        match self.0 {}
    }

    pub(crate) async fn settle(&self, _: &Inner, _: &IssuedToken) -> Result<(), ErrorResponse> {
        match self.0 {}
    }
}
