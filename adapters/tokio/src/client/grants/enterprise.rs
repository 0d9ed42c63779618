//! Tokens for a user whose enterprise decides (EM-01, EM-02, EM-15, EM-16).

use std::{future::Future, io, pin::Pin, sync::Arc};

use portcullis_core::client::{
    Grant, IdJagRequest, IdentityProvider, SubjectToken, TokenRequest, Wish,
};
use zeroize::Zeroizing;

use crate::client::{
    AuthorizeError, ConfiguredClient, Login,
    authorize::{Flow, Storage, freshness, words},
};

/// What the user's sign-in at the identity provider left: a secret.
pub enum Subject {
    /// An ID token for this application.
    IdToken(Zeroizing<String>),
    /// A refresh token of the identity provider.
    RefreshToken(Zeroizing<String>),
}

/// The future of [`SubjectSource::subject`].
pub type SignedIn<'s> = Pin<Box<dyn Future<Output = io::Result<Subject>> + Send + 's>>;

/// Knows the user, who has signed in to this application at the identity provider.
pub trait SubjectSource: Send + Sync {
    /// What that sign-in left, still good. Asked for again for each token.
    fn subject(&self) -> SignedIn<'_>;
}

impl<F, R> SubjectSource for F
where
    F: Fn() -> R + Send + Sync,
    R: Future<Output = io::Result<Subject>> + Send + 'static,
{
    fn subject(&self) -> SignedIn<'_> {
        Box::pin(self())
    }
}

/// The enterprise's identity provider, and the user's sign-in there.
///
/// The client at the MCP server's authorization server is one of [`Options::clients`](super::super::Options);
/// an identity assertion is asked for and sent to no other (EM-15).
#[derive(Clone)]
pub struct EnterpriseManaged {
    /// The provider's token endpoint.
    pub token_endpoint: String,
    /// This application at the provider.
    pub client: ConfiguredClient,
    /// The user.
    pub source: Arc<dyn SubjectSource>,
}

impl Flow<'_> {
    /// The user is sent nowhere (EM-16).
    pub(super) async fn enterprise(
        &self,
        challenges: &[Vec<u8>],
        wish: &Wish<'_>,
        access: &EnterpriseManaged,
    ) -> Result<Login, AuthorizeError> {
        let known: Vec<_> = self.configured_clients().collect();
        let mut storage = Storage::new();
        let scratch = &mut storage.scratch();
        let discovered = self.discover(challenges, &known, Grant::JwtBearer, scratch).await?;
        let client = self.configured(&discovered, &known)?;
        let subject = access.source.subject().await.map_err(AuthorizeError::Source)?;
        let subject = match &subject {
            Subject::IdToken(text) => SubjectToken::IdToken(text),
            Subject::RefreshToken(text) => SubjectToken::RefreshToken(text),
        };
        let provider = IdentityProvider {
            token_endpoint: &access.token_endpoint,
            client: access.client.known(),
        };
        let fresh = freshness();
        let request = IdJagRequest::new(
            &provider,
            &discovered,
            &client,
            subject,
            wish,
            fresh.as_ref(),
            scratch,
        );
        let mut request = request.map_err(|error| AuthorizeError::IdJag(error, None))?;
        self.drive(&mut request, scratch).await;
        let refusal = words(request.error_response());
        let id_jag = request.finish().map_err(|error| AuthorizeError::IdJag(error, refusal))?;
        // Another one: each signed text is sent once.
        let fresh = freshness();
        let request =
            TokenRequest::id_jag(&discovered, &client, id_jag, wish, fresh.as_ref(), scratch);
        let request = request.map_err(|error| AuthorizeError::Token(error, None))?;
        self.renewable(request, &client, scratch).await
    }
}
