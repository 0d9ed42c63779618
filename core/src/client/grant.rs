//! The ways to tokens, and what an authorization server says of them (RFC 6749 §1.3).

/// A way to tokens for a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Grant {
    /// The user logs in with a browser on the same machine (RFC 6749 §4.1).
    #[default]
    AuthorizationCode,
    /// The user logs in with a browser on another machine (RFC 8628).
    DeviceCode,
    /// The client acts for itself (RFC 6749 §4.4; §7.1 of the extension).
    ClientCredentials,
    /// Somebody whom the authorization server trusts speaks for the user or the client (RFC 7523 §2.1).
    JwtBearer,
}

impl Grant {
    /// `grant_type` on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }
}
