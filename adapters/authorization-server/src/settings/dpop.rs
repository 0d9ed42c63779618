//! Whether tokens can be bound to a key of the client.

use super::{Settings, SettingsError, TokenFormat};

/// Whether access tokens, and refresh tokens of public clients, can be bound to a key that the client
/// proves to have (RFC 9449).
///
/// The resource servers of this project refuse a bound token: they take bearer tokens only. Turn this on
/// for resource servers that check proofs (RFC 9449 §7), and know that a client that sends proofs gets bound
/// tokens, whether the resource server can use them or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dpop {
    /// Every token is a bearer token; proofs are ignored.
    #[default]
    Off,
    /// A client that sends a proof gets bound tokens.
    Offered,
    /// A request for tokens without a proof is refused.
    Required,
}

impl Settings {
    /// HS256 is verified by the resource servers of this project, which refuse bound tokens: a client could
    /// do nothing with what it gets.
    pub(super) fn check_dpop(&self) -> Result<(), SettingsError> {
        let hs256 = self.resources.iter().any(|it| it.format == TokenFormat::Hs256);
        if self.dpop != Dpop::Off && hs256 { Err(SettingsError::Dpop) } else { Ok(()) }
    }
}
