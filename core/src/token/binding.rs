//! What a token is bound to (RFC 7800 §3), and what its sender proved to have.

use super::TokenError;
use crate::encoding::json::{JsonError, Reader};
#[cfg(feature = "dpop")]
use crate::jwk::Thumbprint;

/// Whether a token is bound to something of the client, so that it is no bearer token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// To nothing: whoever has the token may use it.
    #[default]
    Bearer,
    /// To a key, by its thumbprint (`jkt`, RFC 9449 §6.1).
    #[cfg(feature = "dpop")]
    Key(Thumbprint),
    /// To something that cannot be checked here, such as a certificate: the token is refused.
    Other,
}

impl Binding {
    /// Reads the value of `cnf`, an object.
    #[cfg(not(feature = "dpop"))]
    #[inline(always)]
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        *self = Self::Other;
        reader.skip()
    }

    /// Reads the value of `cnf`, an object: one key, and nothing beside it that would have to be
    /// checked too.
    #[cfg(feature = "dpop")]
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let mut members = reader.object()?;
        let (mut key, mut others) = (None, false);
        while let Some(name) = members.next(reader)? {
            if name.eq_str("jkt") {
                key = reader.string()?.plain().and_then(Thumbprint::from_text);
            } else {
                others = true;
                reader.skip()?;
            }
        }
        *self = key.filter(|_| !others).map_or(Self::Other, Self::Key);
        Ok(())
    }
}

/// The key that the sender of a request proved to have; none where only bearer tokens are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proven {
    #[cfg(feature = "dpop")]
    key: Option<Thumbprint>,
}

impl Proven {
    /// Nothing was proved.
    pub(crate) const NOTHING: Self = Self {
        #[cfg(feature = "dpop")]
        key: None,
    };

    #[cfg(feature = "dpop")]
    pub(crate) const fn key(key: Thumbprint) -> Self {
        Self { key: Some(key) }
    }

    /// Whether a token of this binding may be used by the sender (RFC 9449 §7.1, §7.2).
    pub(crate) fn fits(self, binding: Binding) -> Result<(), TokenError> {
        #[cfg(feature = "dpop")]
        if let Some(key) = self.key {
            let is_bound = binding == Binding::Key(key);
            return if is_bound { Ok(()) } else { Err(TokenError::Unbound) };
        }
        if binding == Binding::Bearer { Ok(()) } else { Err(TokenError::SenderConstrained) }
    }
}
