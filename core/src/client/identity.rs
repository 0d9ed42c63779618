//! Who the client is, to which authorization server (CL-30 to CL-39).

use super::{ClientAuthentication, ClientKey};
use crate::time::UnixTime;

/// A client secret: `Debug` does not show it, and there is no `Display`.
#[derive(Clone, Copy)]
pub struct ClientSecret<'s>(&'s str);

impl<'s> ClientSecret<'s> {
    /// Takes the secret as the authorization server gave it.
    pub const fn new(secret: &'s str) -> Self {
        Self(secret)
    }

    /// The secret, to be sent or stored; never to be printed.
    pub const fn expose(self) -> &'s str {
        self.0
    }
}

impl core::fmt::Debug for ClientSecret<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// Where a known client id comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user configured it: if it does not fit, the user has to know (CL-37).
    Configured,
    /// An earlier dynamic registration: if it does not fit, the client registers again.
    Registered,
}

/// A client id that was given before, and the one issuer it is good for (CL-37, SEC-474).
#[derive(Clone, Copy, Debug)]
pub struct KnownClient<'s> {
    /// The authorization server that knows the id; compared byte for byte.
    pub issuer: &'s str,
    /// `client_id`.
    pub id: &'s str,
    /// `client_secret`, unless the client is public.
    pub secret: Option<ClientSecret<'s>>,
    /// When the secret ends (RFC 7591 §3.2.1); `None` is never.
    pub secret_expires_at: Option<UnixTime>,
    /// The key whose public half the authorization server knows; it goes before the secret (CC-03).
    pub key: Option<ClientKey<'s>>,
    /// How the client was registered to authenticate; `None` leaves it to the server's metadata.
    pub authentication: Option<ClientAuthentication>,
    /// The redirect URI it was registered with. `None` of a configured client is any that the application
    /// uses, and of one that registered itself that there is none.
    pub redirect_uri: Option<&'s str>,
    /// Where it comes from.
    pub origin: Origin,
}

/// What the application can say of itself.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'s> {
    /// `client_name`, shown to the user by the authorization server.
    pub name: &'s str,
    /// `client_uri`, the application's home page.
    pub uri: Option<&'s str>,
    /// Where the authorization server sends the browser back to; `None` when the user logs in on another
    /// machine ([`Grant::DeviceCode`](super::Grant::DeviceCode)).
    pub redirect_uri: Option<&'s str>,
    /// Client ids given before.
    pub known: &'s [KnownClient<'s>],
    /// The https URL of the client's metadata document, which is its id everywhere (CL-32).
    pub metadata_document: Option<&'s str>,
    /// The key whose public half the document names, if it says that the client authenticates with one
    /// (CL-33).
    pub metadata_key: Option<ClientKey<'s>>,
    /// Whether the client may register itself (RFC 7591).
    pub dynamic_registration: bool,
    /// Whether it registers for tokens alone that are bound to a key (`dpop_bound_access_tokens`, RFC 9449 §5.2).
    pub bound_tokens_alone: bool,
}

impl<'s> Identity<'s> {
    /// An application of this name that may register itself, and that nobody knows yet.
    pub const fn new(name: &'s str) -> Self {
        Self {
            name,
            uri: None,
            redirect_uri: None,
            known: &[],
            metadata_document: None,
            metadata_key: None,
            dynamic_registration: true,
            bound_tokens_alone: false,
        }
    }
}

/// A client id at one authorization server. Only [`super::Registration`] and [`Client::configured`] make one.
#[derive(Clone, Copy, Debug)]
pub struct Client<'s> {
    pub(super) issuer: &'s str,
    pub(super) id: &'s str,
    pub(super) secret: Option<ClientSecret<'s>>,
    pub(super) secret_expires_at: Option<UnixTime>,
    pub(super) key: Option<ClientKey<'s>>,
    pub(super) authentication: ClientAuthentication,
}

impl<'s> Client<'s> {
    /// The issuer that knows this client.
    pub const fn issuer(&self) -> &'s str {
        self.issuer
    }

    /// `client_id`.
    pub const fn id(&self) -> &'s str {
        self.id
    }

    /// `client_secret`, to be stored with the issuer.
    pub const fn secret(&self) -> Option<ClientSecret<'s>> {
        self.secret
    }

    /// When the secret ends; `None` is never.
    pub const fn secret_expires_at(&self) -> Option<UnixTime> {
        self.secret_expires_at
    }

    /// How it authenticates at the token endpoint.
    pub const fn authentication(&self) -> ClientAuthentication {
        self.authentication
    }
}
