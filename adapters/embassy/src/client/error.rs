//! Why a client got no answer.

use portcullis_core::{
    client::{
        DeviceError, DiscoveryError, FetchFailure, RegistrationError, TokenRequestError, UrlRefusal,
    },
    encoding::scratch::BufferFull,
};

/// Why there is no answer of the server, or no token for it.
///
/// The words of servers are not in it: they are told through [`Watcher`](super::Watcher).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The time is not known: neither a certificate nor the end of a token can be judged (SEC-500).
    NoTime,
    /// The server's URL must not be used.
    ServerUrl(UrlRefusal),
    /// The MCP server gave no answer.
    Server(FetchFailure),
    /// No authorization server was found.
    Discovery(DiscoveryError),
    /// The device has no client id there.
    Registration(RegistrationError),
    /// The authorization server gave no tokens.
    Tokens(TokenRequestError),
    /// The device grant brought no tokens: nobody agreed in time, for example.
    Device(DeviceError),
    /// The authorization server gave a secret to a device that asked for none: it is not kept.
    SecretGiven,
    /// The server refuses fresh tokens too (SEC-476).
    Unauthorized,
    /// No room in the memory of the client.
    BufferFull,
}

impl core::fmt::Display for ClientError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoTime => "time is not known",
            Self::ServerUrl(refusal) => return write!(f, "server: {refusal}"),
            Self::Server(failure) => return write!(f, "server: {failure}"),
            Self::Discovery(error) => return error.fmt(f),
            Self::Registration(error) => return error.fmt(f),
            Self::Tokens(error) => return error.fmt(f),
            Self::Device(error) => return error.fmt(f),
            Self::SecretGiven => "authorization server gave a secret that was not asked for",
            Self::Unauthorized => "server refuses fresh tokens too",
            Self::BufferFull => "no room in the memory of the client",
        })
    }
}

impl core::error::Error for ClientError {}

impl From<BufferFull> for ClientError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

impl From<DiscoveryError> for ClientError {
    fn from(error: DiscoveryError) -> Self {
        if error == DiscoveryError::BufferFull { Self::BufferFull } else { Self::Discovery(error) }
    }
}

impl From<RegistrationError> for ClientError {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::BufferFull => Self::BufferFull,
            error => Self::Registration(error),
        }
    }
}

impl From<TokenRequestError> for ClientError {
    fn from(error: TokenRequestError) -> Self {
        match error {
            TokenRequestError::BufferFull => Self::BufferFull,
            error => Self::Tokens(error),
        }
    }
}
