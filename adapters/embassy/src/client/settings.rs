//! Who the client is, and how it comes to tokens.

use portcullis_core::{
    client::{ClientSecret, KnownClient, Origin, UrlPolicy},
    scope::ScopeSet,
};

/// A client id that the authorization server was told about by hand (CL-31). It is used there and nowhere else
/// (CL-37).
#[derive(Clone, Copy, Debug)]
pub struct ConfiguredClient<'c> {
    /// The one authorization server that knows it.
    pub issuer: &'c str,
    /// `client_id`.
    pub id: &'c str,
    /// `client_secret`, unless the client is public.
    pub secret: Option<ClientSecret<'c>>,
}

impl<'c> ConfiguredClient<'c> {
    pub(super) const fn known(&self) -> KnownClient<'c> {
        KnownClient {
            issuer: self.issuer,
            id: self.id,
            secret: self.secret,
            secret_expires_at: None,
            key: None,
            authentication: None,
            redirect_uri: None,
            origin: Origin::Configured,
        }
    }
}

/// The way to tokens.
#[derive(Clone, Copy, Debug)]
pub enum Access<'c> {
    /// The device acts for itself (RFC 6749 §4.4): nobody has to be there. It needs a secret.
    ClientCredentials(ConfiguredClient<'c>),
    /// A user agrees, with a browser on a phone, say (RFC 8628).
    DeviceCode {
        /// The client that the authorization server knows; without one the device registers itself (RFC 7591), once
        /// for each time it has no login.
        client: Option<ConfiguredClient<'c>>,
        /// The device's name, shown to the user by the authorization server.
        name: &'c str,
    },
}

/// The settings of a [`Client`](super::Client).
#[derive(Clone, Copy, Debug)]
pub struct ClientSettings<'c> {
    /// The way to tokens.
    pub access: Access<'c>,
    /// Exactly these scopes at first; by default what the server asks for (CL-43).
    pub scope: Option<ScopeSet<'c>>,
    /// Which URLs may be asked: `https`, and for a trial also `http` on the own machine.
    pub url_policy: UrlPolicy,
    /// For one request in milliseconds, connecting and the handshake included.
    pub deadline_millis: u32,
}

impl<'c> ClientSettings<'c> {
    /// `https` only, 15 seconds for a request: a Cortex-M needs seconds for a handshake.
    pub const fn new(access: Access<'c>) -> Self {
        Self { access, scope: None, url_policy: UrlPolicy::HttpsOnly, deadline_millis: 15_000 }
    }
}
