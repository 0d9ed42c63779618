//! Tokens for a program that its platform vouches for (WF-01, WF-05).

use std::{future::Future, io, pin::Pin, sync::Arc};

use portcullis_core::client::{Assertion, Client, Grant, TokenRequest, Wish};
use zeroize::Zeroizing;

use crate::client::{
    AuthorizeError, Login,
    authorize::{Flow, Storage},
};

/// The future of [`AssertionSource::assertion`].
pub type Asserted<'a> = Pin<Box<dyn Future<Output = io::Result<Zeroizing<String>>> + Send + 'a>>;

/// Gets the JWT by which the platform says who this program is: from a file, or from a metadata service.
pub trait AssertionSource: Send + Sync {
    /// A JWT that is still good, made for the authorization server. Asked for again for each token.
    fn assertion(&self) -> Asserted<'_>;
}

impl<F, R> AssertionSource for F
where
    F: Fn() -> R + Send + Sync,
    R: Future<Output = io::Result<Zeroizing<String>>> + Send + 'static,
{
    fn assertion(&self) -> Asserted<'_> {
        Box::pin(self())
    }
}

/// Who vouches for this program, and to whom.
#[derive(Clone)]
pub struct WorkloadIdentity {
    /// The one authorization server that is shown the platform's JWT; compared byte for byte.
    pub issuer: String,
    /// Where the JWT comes from.
    pub source: Arc<dyn AssertionSource>,
}

impl Flow<'_> {
    /// One request and no other: not again, and not in another way (WF-05).
    pub(super) async fn workload(
        &self,
        challenges: &[Vec<u8>],
        wish: &Wish<'_>,
        access: &WorkloadIdentity,
    ) -> Result<Login, AuthorizeError> {
        let mut storage = Storage::new();
        let scratch = &mut storage.scratch();
        let discovered = self.discover(challenges, &[], Grant::JwtBearer, scratch).await?;
        let jwt = access.source.assertion().await.map_err(AuthorizeError::Source)?;
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "not a JWT");
        let assertion = Assertion::new(jwt.trim()).ok_or_else(malformed);
        let assertion = assertion.map_err(AuthorizeError::Source)?;
        let request =
            TokenRequest::workload_identity(&discovered, &access.issuer, assertion, wish, scratch);
        let request = request.map_err(|error| AuthorizeError::Token(error, None))?;
        self.renewable(request, &Client::unnamed(&discovered), scratch).await
    }
}
