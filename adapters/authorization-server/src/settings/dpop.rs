//! Whether tokens can be bound to a key of the client.

use super::{Settings, SettingsError};

/// What the id of a client starts with that was registered, by itself or by an administrator, for bound tokens
/// alone (DP-07).
///
/// The mark is in the id, and not beside the client's record, because every process that meets the client has
/// its id, before and after restarts and updates, and nobody but this server makes ids: it cannot get lost,
/// and the client cannot take it off. The rest of any other such id has no dot.
pub(crate) const BOUND_ID_PREFIX: &str = "client-dpop.";

/// Whether access tokens, and refresh tokens of public clients, can be bound to a key that the client
/// proves to have (RFC 9449).
///
/// Turn this on for resource servers that check proofs (RFC 9449 §7), and know that a client that sends proofs
/// gets bound tokens, whether the resource server can use them or not. Those of this project do so where their
/// setting `dpop` says so, whatever the format of the tokens; a microcontroller takes bearer tokens only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dpop {
    /// Every token is a bearer token; proofs are ignored. A client that registers itself for bound tokens alone
    /// is told that it gets none; one that did so before gets no token.
    #[default]
    Off,
    /// A client that sends a proof gets bound tokens, and one whose metadata say that it wants no others
    /// (`dpop_bound_access_tokens`) gets no others.
    Offered,
    /// A request for tokens without a proof is refused.
    Required,
}

impl Settings {
    /// Lets a client that these settings name, or a service, have bound tokens alone: its requests for tokens
    /// without a proof are refused, as if it had registered with `dpop_bound_access_tokens` (RFC 9449 §5.2).
    /// That there is such a client, and that [`Settings::dpop`] is on, is seen by [`Settings::check`].
    #[must_use]
    pub fn with_bound_tokens_alone(mut self, client_id: impl Into<String>) -> Self {
        self.bound_clients.push(client_id.into());
        self
    }

    pub(super) fn check_dpop(&self) -> Result<(), SettingsError> {
        let is_known = |id: &String| {
            self.clients.iter().any(|client| client.client_id == *id) || self.service(id).is_some()
        };
        let needs_proofs = self.dpop_nonces || !self.bound_clients.is_empty();
        if (needs_proofs && self.dpop == Dpop::Off) || !self.bound_clients.iter().all(is_known) {
            return Err(SettingsError::Dpop);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::CLIENT_ID_PREFIX;

    #[test]
    fn dp_07_bound_clients_are_known_and_can_be_served() {
        assert!(BOUND_ID_PREFIX.starts_with(CLIENT_ID_PREFIX));
        let with = |dpop, nonces, bound: Option<&str>| {
            let settings = Settings::new("https://as.example").unwrap();
            let mut settings = settings.with_device_client("device", "Device").unwrap();
            (settings.dpop, settings.dpop_nonces) = (dpop, nonces);
            let settings = bound.into_iter().fold(settings, Settings::with_bound_tokens_alone);
            settings.check()
        };
        for dpop in [Dpop::Offered, Dpop::Required] {
            assert_eq!(with(dpop, true, Some("device")), Ok(()));
            assert_eq!(with(dpop, false, Some("nobody")), Err(SettingsError::Dpop));
        }
        assert_eq!(with(Dpop::Off, false, None), Ok(()));
        assert_eq!(with(Dpop::Off, true, None), Err(SettingsError::Dpop));
        assert_eq!(with(Dpop::Off, false, Some("device")), Err(SettingsError::Dpop));
    }
}
