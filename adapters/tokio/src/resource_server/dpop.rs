//! What a server that takes proofs keeps: nonces, and the proofs that were used (RFC 9449 §9, §11.1).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use portcullis_core::{
    dpop::{Acceptance, Arithmetic, Nonces, Proof, ReplayError, Replays},
    encoding::base64url,
    time::UnixTime,
};
use zeroize::Zeroizing;

use super::{Dpop, Secret, Settings, SettingsError};
use crate::public_keys::LoadedKey;

static SIGNATURES: Arithmetic<LoadedKey> = Arithmetic::new();

/// What part of the room one key may take, so that one client alone cannot keep out the others.
const PARTS: usize = 10;

/// How the settings want proofs to be taken. What it holds lives as long as the process.
pub(super) fn acceptance(
    settings: &Settings,
) -> Result<Option<Acceptance<'static>>, SettingsError> {
    let required = match settings.dpop {
        Dpop::Off => return Ok(None),
        Dpop::Accepted => false,
        Dpop::Required => true,
    };
    let nonces: Option<&'static Nonces> = match settings.dpop_nonces {
        true => Some(Box::leak(Box::new(nonces(settings.dpop_nonce_key.as_ref())?))),
        false => None,
    };
    let replays: Option<&'static dyn Replays> = match settings.dpop_proofs_max {
        0 => None,
        proofs_max => Some(Box::leak(Box::new(UsedProofs::new(proofs_max)))),
    };
    Ok(Some(Acceptance { required, signatures: &SIGNATURES, nonces, replays }))
}

fn nonces(key: Option<&Secret>) -> Result<Nonces, SettingsError> {
    const SETTING: &str = "dpop_nonce_key";
    let Some(secret) = key else {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut())
            .map_err(|_| SettingsError::System("no source of randomness"))?;
        return Nonces::new(key.as_ref()).ok_or(SettingsError::Limit(SETTING));
    };
    let text = secret.read().map_err(|error| SettingsError::Secret(SETTING.into(), error))?;
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let bytes = base64url::decode_into(&text, &mut bytes)
        .map_err(|_| SettingsError::KeyText(SETTING.into()))?;
    Nonces::new(bytes).ok_or(SettingsError::Limit(SETTING))
}

/// The first half of a SHA-256: enough to tell apart what clients choose.
type Name = [u8; 16];

/// The proofs that were used and whose time would still let them pass.
struct UsedProofs {
    len_max: usize,
    of_one_key_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    used: HashSet<Name>,
    /// How many there are of each key.
    of_key: HashMap<Name, usize>,
    /// The names of proof and key, by the second that ends them.
    ends: BTreeMap<u64, Vec<(Name, Name)>>,
    /// Up to which end proofs were forgotten. A clock that goes back does not bring them back.
    forgotten: u64,
}

impl UsedProofs {
    fn new(len_max: usize) -> Self {
        let of_one_key_max = len_max.div_ceil(PARTS);
        Self { len_max, of_one_key_max, state: Mutex::default() }
    }
}

impl Replays for UsedProofs {
    fn remember(&self, proof: &Proof, now: UnixTime) -> Result<(), ReplayError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(now.as_secs());
        let (name, key) = (half(proof.id()), half(proof.key().as_bytes()));
        if proof.until().as_secs() <= state.forgotten || state.used.contains(&name) {
            return Err(ReplayError::Repeated);
        }
        let of_key = state.of_key.get(&key).copied().unwrap_or_default();
        if state.used.len() >= self.len_max || of_key >= self.of_one_key_max {
            return Err(ReplayError::Full);
        }
        state.used.insert(name);
        state.of_key.insert(key, of_key.saturating_add(1));
        state.ends.entry(proof.until().as_secs()).or_default().push((name, key));
        Ok(())
    }
}

impl State {
    fn forget(&mut self, now_secs: u64) {
        while let Some(first) = self.ends.first_entry().filter(|first| *first.key() <= now_secs) {
            self.forgotten = self.forgotten.max(*first.key());
            for (name, key) in first.remove() {
                self.used.remove(&name);
                let left = self.of_key.get(&key).copied().unwrap_or_default().saturating_sub(1);
                if left == 0 {
                    self.of_key.remove(&key);
                } else {
                    self.of_key.insert(key, left);
                }
            }
        }
    }
}

fn half(digest: &[u8; 32]) -> Name {
    let mut name = Name::default();
    name.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    name
}
