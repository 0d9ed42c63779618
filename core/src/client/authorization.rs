//! The authorization request (RFC 6749 §4.1.1, OAuth 2.1 §4.1.1).

use super::{Client, Discovered, Pkce, RandomText, UrlPolicy, UrlRefusal, scope_choice::choose};
use crate::{
    encoding::{
        form::FormWriter,
        scratch::{BufferFull, Scratch},
        text::{self, TextWriter},
    },
    scope::ScopeSet,
};

/// Random octets for one authorization request, never used before (SEC-482).
pub struct Entropy {
    /// For the `code_verifier`.
    pub verifier: [u8; 32],
    /// For the `state`.
    pub state: [u8; 32],
}

impl Entropy {
    /// A random source that gives only zeros, or twice the same, is broken.
    fn is_plausible(&self) -> bool {
        self.verifier != [0; 32] && self.state != [0; 32] && self.verifier != self.state
    }
}

impl Drop for Entropy {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.verifier);
        zeroize::Zeroize::zeroize(&mut self.state);
    }
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entropy(..)")
    }
}

/// What the application wants of the access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish<'s> {
    /// Exactly these scopes; `None` takes what the server asks for (CL-43).
    pub scope: Option<ScopeSet<'s>>,
    /// A refresh token too, if the authorization server says how to ask for one (CL-44).
    pub offline_access: bool,
}

/// Why no authorization request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// The random octets cannot be random.
    Entropy,
    /// The client is registered with another issuer (CL-37).
    OtherIssuer,
    /// The redirect URI is neither https nor loopback (CL-38).
    RedirectUri(UrlRefusal),
    /// The resource server names scopes that are not well-formed.
    Scope,
    /// No room in the caller's buffer.
    BufferFull,
}

impl core::fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Entropy => f.write_str("random source is broken"),
            Self::OtherIssuer => f.write_str("client is registered with another issuer"),
            Self::RedirectUri(refusal) => write!(f, "redirect URI refused: {refusal}"),
            Self::Scope => f.write_str("scopes of the server are malformed"),
            Self::BufferFull => f.write_str("no room for the authorization request"),
        }
    }
}

impl core::error::Error for AuthorizationError {}

impl From<BufferFull> for AuthorizationError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// One authorization request: its URL, and the record to check the callback against (CL-26).
///
/// Every request has its own verifier and `state`; with several requests under way each callback
/// fits only its own record (SEC-468).
pub struct Authorization<'s> {
    url: &'s str,
    pub(super) iss_promised: bool,
    pub(super) client: Client<'s>,
    pub(super) token_endpoint: &'s str,
    pub(super) redirect_uri: &'s str,
    pub(super) resource: &'s str,
    pub(super) resource_parameter: Option<&'s str>,
    pub(super) scope: ScopeSet<'s>,
    /// `None` once a callback with the right `state` came.
    pub(super) pending: Option<Pending>,
}

/// What a callback uses up.
pub(super) struct Pending {
    pub(super) state: RandomText,
    pub(super) pkce: Pkce,
}

impl<'s> Authorization<'s> {
    /// Makes a request to the validated authorization server.
    pub fn new(
        discovered: &Discovered<'s>,
        client: &Client<'s>,
        redirect_uri: &'s str,
        wish: &Wish<'s>,
        entropy: &Entropy,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, AuthorizationError> {
        if !entropy.is_plausible() {
            return Err(AuthorizationError::Entropy);
        }
        if client.issuer != discovered.issuer() {
            return Err(AuthorizationError::OtherIssuer);
        }
        // Loopback is where a native application listens, whatever the server is.
        UrlPolicy::HttpsOrLoopback.admit(redirect_uri).map_err(AuthorizationError::RedirectUri)?;
        let scope = choose(discovered, wish, scratch)?;
        let pending = Pending {
            state: RandomText::new(&entropy.state)?,
            pkce: Pkce::new(&entropy.verifier)?,
        };
        let mut authorization = Self {
            url: "",
            iss_promised: discovered
                .server_metadata()
                .authorization_response_iss_parameter_supported,
            client: *client,
            token_endpoint: discovered.token_endpoint(),
            redirect_uri,
            resource: discovered.resource(),
            resource_parameter: discovered.resource_parameter(),
            scope,
            pending: None,
        };
        authorization.url =
            authorization.write_url(discovered.authorization_endpoint(), &pending, scratch)?;
        authorization.pending = Some(pending);
        Ok(authorization)
    }

    /// The URL to open in the user's own browser, by argument vector or platform call, never through
    /// a shell (CL-47, CL-91). The `state` in it is a secret until it was opened.
    pub const fn url(&self) -> &'s str {
        self.url
    }

    /// Where the callback will come to.
    pub const fn redirect_uri(&self) -> &'s str {
        self.redirect_uri
    }

    /// The scopes that are asked for.
    pub const fn scope(&self) -> ScopeSet<'s> {
        self.scope
    }

    /// The issuer this request goes to.
    pub const fn issuer(&self) -> &'s str {
        self.client.issuer
    }

    fn write_url(
        &self,
        endpoint: &str,
        pending: &Pending,
        scratch: &mut Scratch<'s>,
    ) -> Result<&'s str, BufferFull> {
        let parameters = scratch.fill(|free| {
            let mut form = FormWriter::new(free);
            form.pair("response_type", "code")?;
            form.pair("client_id", self.client.id)?;
            form.pair("redirect_uri", self.redirect_uri)?;
            form.pair("state", pending.state.expose())?;
            form.pair("code_challenge", pending.pkce.challenge())?;
            form.pair("code_challenge_method", Pkce::METHOD)?;
            if let Some(resource) = self.resource_parameter {
                form.pair("resource", resource)?; // CL-41
            }
            if !self.scope.is_empty() {
                form.pair("scope", self.scope.as_str())?;
            }
            // OpenID Connect Core §11: without consent a server may ignore the wish.
            if self.scope.contains(super::scope_choice::OFFLINE_ACCESS) {
                form.pair("prompt", "consent")?;
            }
            Ok::<_, BufferFull>(form.finish().len())
        })?;
        let parameters = core::str::from_utf8(parameters).map_err(|_| BufferFull)?;
        text::write_in(scratch, |url: &mut TextWriter<'_>| {
            url.push(endpoint)?;
            // RFC 6749 §3.1: a query that the endpoint has is kept.
            url.push(match endpoint.split_once(['?']) {
                None => "?",
                Some((_, "")) => "",
                Some((_, query)) if query.ends_with('&') => "",
                Some(_) => "&",
            })?;
            url.push(parameters)
        })
    }
}

impl core::fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The URL holds the `state`.
        f.debug_struct("Authorization")
            .field("issuer", &self.client.issuer)
            .field("resource", &self.resource)
            .field("scope", &self.scope)
            .field("pending", &self.pending.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
