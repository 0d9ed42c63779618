//! Tokens for the application itself (RFC 6749 §4.4).

use portcullis_core::client::{Grant, TokenRequest, Wish};

use crate::client::{
    AuthorizeError, Login,
    authorize::{Flow, Storage, freshness},
};

impl Flow<'_> {
    pub(in crate::client) async fn client_credentials(
        &self,
        challenges: &[Vec<u8>],
        wish: &Wish<'_>,
    ) -> Result<Login, AuthorizeError> {
        let known: Vec<_> = self.configured_clients().collect();
        let mut storage = Storage::new();
        let scratch = &mut storage.scratch();
        let discovered =
            self.discover(challenges, &known, Grant::ClientCredentials, scratch).await?;
        let client = self.configured(&discovered, &known)?;
        let fresh = freshness();
        let request =
            TokenRequest::client_credentials(&discovered, &client, wish, fresh.as_ref(), scratch);
        let request = request.map_err(|error| AuthorizeError::Token(error, None))?;
        self.renewable(request, &client, scratch).await
    }
}
