//! The keys that an issuer publishes (RFC 7517), read when they are needed and kept for a while (RS-71).
//!
//! | | |
//! | --- | --- |
//! | a key is not known, and the set was not asked for lately | asked for first; the request waits |
//! | a key is not known, and the set was | refused at once (SEC-110) |
//! | the set is as old as `refresh_secs` | asked for first, so that a removed key ends (SEC-112) |
//! | half as old | asked for beside the traffic, which nobody waits for |
//! | asked in vain | the old set stays in use until `stale_secs_max`; what it cannot decide is 503 |
//!
//! One request at a time goes to an issuer, whoever waits for it.

mod fetch;
mod known;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use portcullis_core::{
    jwt::{Header, SignatureVerifier},
    token::TokenError,
};
use tokio::sync::watch;

use self::{
    fetch::Source,
    known::{Known, Schedule},
};
use super::{Clock, JwksSettings, SettingsError};
use crate::{Network, public_keys::PublicKeys};

/// Nothing comes over it; its end is what is waited for.
type Landed = watch::Receiver<()>;

/// The published keys of one issuer, for whoever verifies what it signed: a layer, or a server of another kind.
///
/// As a [`SignatureVerifier`] it answers at once. [`TokenError::KeysUnavailable`] says that a key may be among
/// those that the issuer has by now: [`RemoteKeys::refresh`], and try once more.
pub struct RemoteKeys {
    shared: Arc<Shared>,
}

/// What a flight needs that outlives the request it was begun for.
struct Shared {
    source: Source,
    schedule: Schedule,
    clock: Arc<dyn Clock>,
    known: RwLock<Known>,
    flight: Mutex<Option<Landed>>,
}

impl RemoteKeys {
    /// Checks the settings; asks nothing yet.
    ///
    /// # Errors
    /// A limit is zero or contradicts another one, the issuer or the key set is at an address that may not be
    /// asked, or there is no usable TLS.
    pub fn new(
        settings: &JwksSettings,
        issuer: &str,
        clock: Arc<dyn Clock>,
        network: &Network,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            shared: Arc::new(Shared {
                source: Source::new(settings, issuer, network)?,
                schedule: Schedule::new(settings)?,
                clock,
                known: RwLock::default(),
                flight: Mutex::default(),
            }),
        })
    }

    /// Asks for the keys unless that was done within the shortest interval. The future waits for the
    /// answer; dropping it leaves the request in flight for those who wait for the same keys (SEC-561).
    pub fn refresh(&self) -> impl Future<Output = ()> + use<> {
        let landed = self.shared.board();
        async move {
            if let Some(mut landed) = landed {
                while landed.changed().await.is_ok() {}
            }
        }
    }

    /// Asks for the keys ahead of their time, so that no request has to wait for them.
    pub fn tend(&self) {
        let shared = &self.shared;
        let now = shared.clock.monotonic();
        let ahead = shared.known.read().unwrap_or_else(PoisonError::into_inner);
        if ahead.is_due_ahead(&shared.schedule, now) {
            drop(ahead);
            let _ = shared.board();
        }
    }
}

impl SignatureVerifier for RemoteKeys {
    fn verify(
        &self,
        header: &Header<'_>,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let now = self.shared.clock.monotonic();
        let (keys, may_lack) = {
            let known = self.shared.known.read().unwrap_or_else(PoisonError::into_inner);
            let schedule = &self.shared.schedule;
            let keys = known.usable(schedule, now);
            // An older set may lack a key, and so may one that was asked for in vain.
            (keys.clone(), keys.is_none() || known.may_lack(schedule, now))
        };
        let verdict = match keys {
            Some(keys) => keys.verify(header, signing_input, signature),
            None => PublicKeys::none().verify(header, signing_input, signature),
        };
        match verdict {
            Err(TokenError::Key) if may_lack => Err(TokenError::KeysUnavailable),
            verdict => verdict,
        }
    }
}

impl Shared {
    /// The flight there is, or a new one; `None` when it is too early for a further one.
    fn board(self: &Arc<Self>) -> Option<Landed> {
        let mut flight = self.flight();
        if let Some(landed) = flight.as_ref() {
            return Some(landed.clone());
        }
        let now = self.clock.monotonic();
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if !known.may_ask(&self.schedule, now) {
                return None;
            }
            known.ask(now);
        }
        let (sender, landed) = watch::channel(());
        *flight = Some(landed.clone());
        let landing = Landing { shared: Arc::clone(self), _sender: sender };
        tokio::spawn(async move {
            let shared = &landing.shared;
            let (keys, outcome) = match shared.source.read().await {
                Ok(keys) => {
                    tracing::debug!(issuer = shared.source.issuer(), ?keys, "keys read");
                    (Some(keys), "read")
                }
                Err(error) => {
                    tracing::warn!(issuer = shared.source.issuer(), %error, "keys not read");
                    (None, error.as_str())
                }
            };
            shared.known.write().unwrap_or_else(PoisonError::into_inner).end(keys, now);
            metrics::counter!("portcullis_key_sets_total", "outcome" => outcome).increment(1);
        });
        Some(landed)
    }

    fn flight(&self) -> MutexGuard<'_, Option<Landed>> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight, also when its task panics: off the list first, then those who wait go on.
struct Landing {
    shared: Arc<Shared>,
    _sender: watch::Sender<()>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        *self.shared.flight() = None;
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("issuer", &self.shared.source.issuer())
            .finish_non_exhaustive()
    }
}
