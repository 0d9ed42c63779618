//! The ways to tokens: which one the options ask for, and a file for each that is not the browser's.

mod client_credentials;
pub(super) mod device;
#[cfg(feature = "enterprise-managed")]
pub(super) mod enterprise;
#[cfg(feature = "workload-identity")]
pub(super) mod workload;

use std::time::SystemTime;

#[cfg(feature = "enterprise-managed")]
use portcullis_core::client::IdJagError;
use portcullis_core::{
    client::{AfterRefresh, Client, Discovered, KnownClient, TokenRequest, Wish},
    encoding::scratch::Scratch,
    scope::ScopeSet,
};

use super::{
    Access, AuthorizeError, Login, OpenBrowser,
    authorize::{Flow, words},
    login::unix_time,
    token_failure::TokenFailure,
};

impl Flow<'_> {
    /// The whole flow, from the `WWW-Authenticate` lines of a 401 or 403 (none: from the URL alone), in the
    /// way of the options. `scope` is asked for, if the caller knows better than the challenge.
    pub(super) async fn authorize(
        &self,
        challenges: &[Vec<u8>],
        scope: Option<&str>,
        earlier: Option<&Login>,
        browser: &dyn OpenBrowser,
    ) -> Result<Login, TokenFailure> {
        let wish = self.wish(scope.or(self.options.scope.as_deref()))?;
        let login = match &self.options.access {
            Access::Browser => return self.by_browser(challenges, &wish, earlier, browser).await,
            Access::Device(display) => {
                return self.device(challenges, &wish, earlier, &**display).await;
            }
            Access::ClientCredentials => self.client_credentials(challenges, &wish).await,
            #[cfg(feature = "enterprise-managed")]
            Access::EnterpriseManaged(access) => self.enterprise(challenges, &wish, access).await,
            #[cfg(feature = "workload-identity")]
            Access::WorkloadIdentity(access) => self.workload(challenges, &wish, access).await,
        };
        login.map_err(TokenFailure::from)
    }

    /// Another token in the way in which this one was got (CC-07), for the same scopes.
    pub(super) async fn renew(
        &self,
        login: &Login,
        challenges: &[Vec<u8>],
    ) -> Result<Login, TokenFailure> {
        let renewed = async {
            let wish = self.wish(Some(login.asked_scope()))?;
            match &self.options.access {
                Access::Browser | Access::Device(_) => {
                    Err(AuthorizeError::Setup("no refresh token"))
                }
                Access::ClientCredentials => self.client_credentials(challenges, &wish).await,
                #[cfg(feature = "enterprise-managed")]
                Access::EnterpriseManaged(access) => {
                    self.enterprise(challenges, &wish, access).await
                }
                #[cfg(feature = "workload-identity")]
                Access::WorkloadIdentity(access) => self.workload(challenges, &wish, access).await,
            }
        };
        renewed.await.map_err(|error| {
            let after = match &error {
                AuthorizeError::Token(error, _) => error.after_refresh(None),
                AuthorizeError::Discovery(_) | AuthorizeError::Source(_) => AfterRefresh::Keep,
                #[cfg(feature = "enterprise-managed")]
                AuthorizeError::IdJag(IdJagError::Fetch(_) | IdJagError::Trouble, _) => {
                    AfterRefresh::Keep
                }
                _ => AfterRefresh::ForgetTokens,
            };
            TokenFailure { error, after }
        })
    }

    fn wish<'w>(&self, scope: Option<&'w str>) -> Result<Wish<'w>, AuthorizeError> {
        let scope = scope.map(ScopeSet::parse).transpose();
        let scope = scope.map_err(|_| AuthorizeError::Setup("option `scope` is malformed"))?;
        Ok(Wish { scope, offline_access: self.options.offline_access })
    }

    /// The client that was configured for this authorization server, where none may register itself.
    fn configured<'s>(
        &self,
        discovered: &Discovered<'s>,
        known: &[KnownClient<'s>],
    ) -> Result<Client<'s>, AuthorizeError> {
        Client::configured(discovered, known, unix_time(SystemTime::now()))
            .map_err(|error| AuthorizeError::Registration(error, None))
    }

    /// A token that can be got again in the same way at any time, without a user.
    async fn renewable<'s>(
        &self,
        request: TokenRequest<'s>,
        client: &Client<'s>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Login, AuthorizeError> {
        let login = self.request_tokens(request, client, "", scratch).await;
        let mut login =
            login.map_err(|(error, response)| AuthorizeError::Token(error, words(response)))?;
        login.is_renewable = true;
        Ok(login)
    }
}
