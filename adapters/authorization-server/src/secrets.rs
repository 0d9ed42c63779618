//! Random values, and the digests under which they are kept.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::digest::InvalidLength;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The operating system gave no randomness: nothing may be issued (SEC-239).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntropyError;

/// 256 random bits (AS-96: at most 2^-160 to guess).
pub(crate) fn random_bytes() -> Result<[u8; 32], EntropyError> {
    random_bytes_from(&mut system_source)
}

/// Whether the source of randomness works, asked before a server starts (SEC-239): one that repeats
/// itself is broken.
pub(crate) fn check_source() -> Result<(), EntropyError> {
    check_source_of(&mut system_source)
}

fn system_source(room: &mut [u8]) -> Result<(), EntropyError> {
    getrandom::fill(room).map_err(|_| EntropyError)
}

type Source<'s> = &'s mut dyn FnMut(&mut [u8]) -> Result<(), EntropyError>;

fn check_source_of(source: Source<'_>) -> Result<(), EntropyError> {
    let (first, second) = (random_bytes_from(source)?, random_bytes_from(source)?);
    if first == second { Err(EntropyError) } else { Ok(()) }
}

fn random_bytes_from(source: Source<'_>) -> Result<[u8; 32], EntropyError> {
    let mut bytes = [0; 32];
    source(&mut bytes)?;
    // A source that answers with zeros is a source that did not answer.
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(EntropyError);
    }
    Ok(bytes)
}

/// 256 random bits as 43 characters that need no escaping in a URL, a form or a cookie.
pub(crate) fn random_text() -> Result<String, EntropyError> {
    random_bytes().map(|bytes| Base64UrlUnpadded::encode_string(&bytes))
}

/// SHA-256 of a secret: what is kept instead of it, and what lookups go by (SEC-240, SEC-306).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// A number made from the digest, for what needs a short key and bears two secrets of one key.
    pub(crate) fn to_number(self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    pub(crate) fn to_text(self) -> String {
        Base64UrlUnpadded::encode_string(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// A key of its own for each purpose: what is signed for one must never pass for anything else.
pub(crate) fn derived_key(
    master_key: &[u8; 32],
    purpose: &str,
) -> Result<Zeroizing<[u8; 32]>, InvalidLength> {
    let mut derivation = Hmac::<Sha256>::new_from_slice(master_key)?;
    derivation.update(purpose.as_bytes());
    Ok(Zeroizing::new(derivation.finalize().into_bytes().into()))
}

/// Makes and checks form tokens. All processes with one master key accept each other's.
///
/// A token is a MAC over the record and the browser session that it was made for, so it needs no
/// storage, survives a reload of the page, and fits no other record and no other browser.
pub(crate) struct FormTokens {
    keyed: Hmac<Sha256>,
}

impl FormTokens {
    pub(crate) fn new(master_key: &[u8; 32]) -> Result<Self, InvalidLength> {
        let key = derived_key(master_key, "portcullis form tokens")?;
        Ok(Self { keyed: Hmac::new_from_slice(key.as_slice())? })
    }

    pub(crate) fn issue(&self, purpose: &str, record: &str, browser: &str) -> String {
        let tag = self.mac(purpose, record, browser).finalize().into_bytes();
        Base64UrlUnpadded::encode_string(&tag)
    }

    /// Whether `presented` is the token for exactly these; compared in constant time.
    pub(crate) fn accepts(
        &self,
        purpose: &str,
        record: &str,
        browser: &str,
        presented: &str,
    ) -> bool {
        Base64UrlUnpadded::decode_vec(presented)
            .is_ok_and(|tag| self.mac(purpose, record, browser).verify_slice(&tag).is_ok())
    }

    fn mac(&self, purpose: &str, record: &str, browser: &str) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        for part in [purpose, record, browser] {
            // Length first: no two lists of parts give the same bytes.
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

impl fmt::Debug for FormTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormTokens(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_values_have_256_bits_and_differ() {
        let (a, b) = (random_text().unwrap(), random_text().unwrap());
        assert_eq!((a.len(), b.len()), (43, 43));
        assert_ne!(a, b);
    }

    #[test]
    fn sec_239_a_broken_source_gives_nothing() {
        assert_eq!(check_source(), Ok(()));
        let mut count = 0;
        let mut counting = |room: &mut [u8]| {
            count += 1;
            room.fill(count);
            Ok(())
        };
        assert_eq!(check_source_of(&mut counting), Ok(()));
        assert!(random_bytes_from(&mut counting).is_ok());
        let mut failing = |_: &mut [u8]| Err(EntropyError);
        let mut silent = |_: &mut [u8]| Ok(());
        for source in [&mut failing as Source<'_>, &mut silent] {
            assert_eq!(random_bytes_from(source), Err(EntropyError));
            assert_eq!(check_source_of(source), Err(EntropyError));
        }
        let mut repeating = |room: &mut [u8]| {
            room.fill(7);
            Ok(())
        };
        assert!(random_bytes_from(&mut repeating).is_ok());
        assert_eq!(check_source_of(&mut repeating), Err(EntropyError));
    }

    #[test]
    fn digest_is_sha_256() {
        // FIPS 180-4 example "abc".
        assert_eq!(Digest::of("abc").to_text(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert_ne!(Digest::of("abc"), Digest::of("abd"));
    }

    #[test]
    fn sec_201_form_token_fits_one_record_one_browser_one_form() {
        let tokens = FormTokens::new(&[1; 32]).unwrap();
        let token = tokens.issue("consent", "record", "browser");
        let check = |purpose: &str, record: &str, browser: &str, presented: &str| {
            tokens.accepts(purpose, record, browser, presented)
        };
        assert!(check("consent", "record", "browser", &token));
        assert!(!check("login", "record", "browser", &token));
        assert!(!check("consent", "other", "browser", &token));
        assert!(!check("consent", "record", "other", &token));
        assert!(!check("consentr", "ecord", "browser", &token));
        assert!(!check("consent", "record", "browser", ""));
        assert!(!check("consent", "record", "browser", "not base64"));
        let accepted_with = |master_key: &[u8; 32]| {
            let tokens = FormTokens::new(master_key).unwrap();
            tokens.accepts("consent", "record", "browser", &token)
        };
        assert!(accepted_with(&[1; 32]), "another process");
        assert!(!accepted_with(&[2; 32]), "another master key");
    }
}
