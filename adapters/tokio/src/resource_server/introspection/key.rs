//! The name under which an answer is remembered: a digest, never the token.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::resource_server::SettingsError;

/// The digest of one token at one endpoint, of one issuer, for one resource.
pub(super) type Digest = [u8; 32];

/// HMAC-SHA-256 under a key that only this process has, over endpoint, issuer, resource and token.
///
/// Two endpoints, issuers or resources never share an entry (SEC-364), and who reads the memory of the
/// cache cannot test guesses of a token against it (SEC-365).
pub(super) struct Keyed(Hmac<Sha256>);

impl Keyed {
    /// Each part is preceded by its length, so that no two lists of parts make the same bytes.
    pub(super) fn new(parts: [&str; 3]) -> Result<Self, SettingsError> {
        const NO_ENTROPY: SettingsError = SettingsError::System("no source of randomness");
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| NO_ENTROPY)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| NO_ENTROPY)?;
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(Self(mac))
    }

    pub(super) fn digest(&self, token: &str) -> Digest {
        self.0.clone().chain_update(token).finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two keyed states with one key, so that only the parts can differ.
    fn with_parts(parts: [&str; 3]) -> Digest {
        let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Keyed(mac).digest("token")
    }

    #[test]
    fn sec_364_endpoint_issuer_and_resource_are_part_of_the_key() {
        let own = with_parts(["e", "i", "r"]);
        for other in [["E", "i", "r"], ["e", "I", "r"], ["e", "i", "R"], ["ei", "", "r"]] {
            assert_ne!(own, with_parts(other), "{other:?}");
        }
        assert_eq!(own, with_parts(["e", "i", "r"]));
    }

    #[test]
    fn sec_365_the_digest_is_keyed_per_process() {
        let parts = ["e", "i", "r"];
        let (one, two) = (Keyed::new(parts).unwrap(), Keyed::new(parts).unwrap());
        assert_eq!(one.digest("a"), one.digest("a"));
        assert_ne!(one.digest("a"), one.digest("b"));
        assert_ne!(one.digest("a"), two.digest("a"));
    }
}
