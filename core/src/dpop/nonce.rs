//! Nonces of a server (RFC 9449 §8, §9): the time behind a MAC, so that nothing has to be kept.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{
    encoding::base64url,
    limits::{HMAC_KEY_LEN_MAX, HMAC_KEY_LEN_MIN, LEEWAY_SECS_DEFAULT, NONCE_SECS_MAX},
    time::UnixTime,
};

const TIME_LEN: usize = 8;
const TAG_LEN: usize = 16;
const LEN: usize = TIME_LEN + TAG_LEN;
const TEXT_LEN: usize = LEN.div_ceil(3) * 4;

/// Makes nonces, and knows its own again.
///
/// Several processes behind one address share a key, or each would refuse the nonces of the others.
pub struct Nonces(Hmac<Sha256>);

/// A nonce that is given out; its `Display` is the value of `DPoP-Nonce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce([u8; LEN]);

impl Nonces {
    /// With this key of 32 to 64 bytes; `None` for another length.
    pub fn new(key: &[u8]) -> Option<Self> {
        if !(HMAC_KEY_LEN_MIN..=HMAC_KEY_LEN_MAX).contains(&key.len()) {
            return None;
        }
        let mac = Hmac::new_from_slice(key).ok()?;
        // So that no MAC made for anything else by the same key is a nonce.
        Some(Self(mac.chain_update(b"portcullis dpop nonce")))
    }

    /// A nonce that is taken for [`NONCE_SECS_MAX`] seconds.
    pub fn issue(&self, now: UnixTime) -> Nonce {
        let time = now.as_secs().to_be_bytes();
        let mut nonce = [0; LEN];
        let parts = time.into_iter().chain(self.tag(time));
        nonce.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        Nonce(nonce)
    }

    /// Whether `text` is a nonce of this key that has not ended.
    pub fn accept(&self, text: &str, now: UnixTime) -> bool {
        let mut room = [0; LEN];
        let decoded = base64url::decode_into(text.as_bytes(), &mut room).unwrap_or_default();
        let Some((time, tag)) = decoded.split_first_chunk::<TIME_LEN>() else { return false };
        let is_own = bool::from(self.tag(*time).ct_eq(tag));
        let made = UnixTime::from_secs(u64::from_be_bytes(*time));
        // Another process with the key may be ahead by as much as clocks differ.
        let is_made = made <= now.plus(u64::from(LEEWAY_SECS_DEFAULT));
        is_own && is_made && now.secs_since(made) < NONCE_SECS_MAX
    }

    fn tag(&self, time: [u8; TIME_LEN]) -> [u8; TAG_LEN] {
        let whole = self.0.clone().chain_update(time).finalize().into_bytes();
        let mut tag = [0; TAG_LEN];
        tag.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        tag
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(..)")
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(base64url::encode(&self.0, &mut [0; TEXT_LEN]).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    const NOW: u64 = 1_800_000_000;

    fn nonces() -> Nonces {
        Nonces::new(&[7; 32]).unwrap()
    }

    fn accept(text: &str, secs: u64) -> bool {
        nonces().accept(text, UnixTime::from_secs(secs))
    }

    #[test]
    fn dp_10_a_nonce_lives_its_time_and_not_longer() {
        let nonce = nonces().issue(UnixTime::from_secs(NOW)).to_string();
        for secs in [NOW - 60, NOW, NOW + NONCE_SECS_MAX - 1] {
            assert!(accept(&nonce, secs), "{secs}");
        }
        for secs in [NOW - 61, NOW + NONCE_SECS_MAX] {
            assert!(!accept(&nonce, secs), "{secs}");
        }
    }

    #[test]
    fn dp_10_every_bit_of_a_nonce_counts() {
        let Nonce(bytes) = nonces().issue(UnixTime::from_secs(NOW));
        assert!(accept(&Nonce(bytes).to_string(), NOW));
        for bit in 0..LEN * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!accept(&Nonce(changed).to_string(), NOW), "bit {bit}");
        }
    }

    #[test]
    fn dp_10_a_nonce_of_another_key_or_length_is_none() {
        let other = Nonces::new(&[8; 32]).unwrap().issue(UnixTime::from_secs(NOW)).to_string();
        assert!(!accept(&other, NOW));
        let good = nonces().issue(UnixTime::from_secs(NOW)).to_string();
        for cut in 0..good.len() {
            assert!(!accept(&good[..cut], NOW), "{cut}");
        }
        assert!(!accept(&(String::from(&good) + "AA"), NOW));
    }

    #[test]
    fn keys_of_both_lengths() {
        for (len, is_key) in [(31, false), (32, true), (64, true), (65, false)] {
            assert_eq!(Nonces::new(&[7; 65][..len]).is_some(), is_key, "{len}");
        }
    }
}
