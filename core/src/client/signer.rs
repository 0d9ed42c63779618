//! Signing with a key of the application: the keys as the core sees them, and the compact JWS.

use core::fmt;

use serde::Serialize;

use crate::{
    encoding::{
        base64url,
        json::write,
        scratch::{BufferFull, Scratch},
    },
    jwk::PublicKey,
    jwt::KeyId,
    limits::{SIGNATURE_LEN_MAX, TOKEN_LEN_MAX},
};

/// What an application's key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4).
    Es256,
    /// Ed25519 (RFC 8037 §3.1).
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
}

impl SigningAlgorithm {
    /// The value of `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// The key did not sign.
    Key,
    /// The time is not known, without which nobody would believe the signed text.
    NoTime,
    /// The octets that make a signed text unique cannot be random.
    Entropy,
    /// The signed text would be longer than [`TOKEN_LEN_MAX`], and readers refuse it.
    TooLong,
    /// No room in the caller's buffer.
    BufferFull,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key did not sign",
            Self::NoTime => "time is not known",
            Self::Entropy => "random source is broken",
            Self::TooLong => "signed text would be too long",
            Self::BufferFull => "no room for the signed text",
        })
    }
}

impl core::error::Error for SignError {}

impl From<BufferFull> for SignError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// A private key of the application, wherever its arithmetic is.
///
/// `Sync`, so that a future that holds a reference to one is `Send`.
pub trait Signer: Sync {
    /// The one algorithm of the key.
    fn algorithm(&self) -> SigningAlgorithm;

    /// The public half. [`SignError::Key`] when its numbers are not those of a key that anybody accepts.
    fn public_key(&self) -> Result<PublicKey<'_>, SignError>;

    /// The `kid` by which the authorization server finds the key, if there is more than one.
    fn key_id(&self) -> Option<&KeyId> {
        None
    }

    /// Writes the signature of `message` in the form of a JWS (RFC 7518 §3, RFC 8037 §3.1) to the front
    /// of `out`, and gives its length. [`SignError::Key`] when there is none.
    fn sign(&self, message: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, SignError>;
}

/// A key that client machines sign with. `Debug` shows the algorithm alone.
#[derive(Clone, Copy)]
pub struct ClientKey<'s>(&'s dyn Signer);

impl<'s> ClientKey<'s> {
    /// Lends the key to the machines.
    pub const fn new(signer: &'s dyn Signer) -> Self {
        Self(signer)
    }

    /// The key.
    pub const fn signer(self) -> &'s dyn Signer {
        self.0
    }
}

impl fmt::Debug for ClientKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({})", self.0.algorithm().as_str())
    }
}

/// Signs `header` and `claims` and writes the compact serialization (RFC 7515 §7.1).
///
/// The free part of `scratch` has to be about two and a half times as long as the text, half of which is
/// needed only while the text is made. The caller's header has to name the algorithm of the key.
pub fn write_jws<'s>(
    header: &impl Serialize,
    claims: &impl Serialize,
    signer: &dyn Signer,
    scratch: &mut Scratch<'s>,
) -> Result<&'s str, SignError> {
    let text = scratch.fill(|free| {
        let half = free.len() / 2;
        let (out, json) = free.split_at_mut_checked(half).ok_or(BufferFull)?;
        let mut text = Segments { out, len: 0 };
        text.push(write::to_slice(header, json)?)?;
        text.push_dot()?;
        text.push(write::to_slice(claims, json)?)?;
        let mut signature = [0; SIGNATURE_LEN_MAX];
        let len = signer.sign(text.written(), &mut signature)?;
        text.push_dot()?;
        text.push(signature.get(..len).filter(|bytes| !bytes.is_empty()).ok_or(SignError::Key)?)?;
        if text.len > TOKEN_LEN_MAX { Err(SignError::TooLong) } else { Ok(text.len) }
    })?;
    core::str::from_utf8(text).map_err(|_| SignError::BufferFull)
}

/// The segments of a text, written one behind the other.
struct Segments<'o> {
    out: &'o mut [u8],
    len: usize,
}

impl Segments<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        let room = self.out.get_mut(self.len..).ok_or(BufferFull)?;
        let written = base64url::encode(bytes, room)?.len();
        self.len = self.len.saturating_add(written);
        Ok(())
    }

    fn push_dot(&mut self) -> Result<(), BufferFull> {
        *self.out.get_mut(self.len).ok_or(BufferFull)? = b'.';
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    fn written(&self) -> &[u8] {
        self.out.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::testkit::TestKey;
    use std::{format, string::String, vec};

    #[derive(Serialize)]
    struct Header {
        alg: &'static str,
    }

    #[derive(Serialize)]
    struct Claims<'c> {
        iss: &'c str,
    }

    fn write(iss: &str, key: &TestKey, room: usize) -> Result<String, SignError> {
        let (mut buffer, header) = (vec![0; room], Header { alg: key.algorithm().as_str() });
        let written = write_jws(&header, &Claims { iss }, key, &mut Scratch::new(&mut buffer));
        written.map(String::from)
    }

    #[test]
    fn three_segments_and_the_signature_is_over_the_first_two() {
        // base64url of {"alg":"ES256"} and {"iss":"me"}
        let text = write("me", &TestKey::default(), 512).unwrap();
        let (input, signature) = text.rsplit_once('.').unwrap();
        assert_eq!(input, "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJtZSJ9");
        assert_eq!(signature, TestKey::default().signature_text(input));
        let other = write("mf", &TestKey::default(), 512).unwrap();
        assert_ne!(other.rsplit_once('.').unwrap().1, signature);
    }

    #[test]
    fn a_key_that_does_not_sign_makes_no_text() {
        for len in [None, Some(0), Some(SIGNATURE_LEN_MAX + 1)] {
            let key = TestKey { len, ..TestKey::default() };
            assert_eq!(write("me", &key, 2048), Err(SignError::Key), "{len:?}");
        }
    }

    #[test]
    fn lengths_on_both_sides_of_the_limits() {
        let whole = write("me", &TestKey::default(), 512).unwrap().len();
        for room in 0..2 * whole {
            assert_eq!(write("me", &TestKey::default(), room), Err(SignError::BufferFull));
        }
        assert!(write("me", &TestKey::default(), 2 * whole).is_ok());
        let longest = (0..).map(|len| "a".repeat(3000 + len)).find(|iss| {
            write(iss, &TestKey::default(), 4 * TOKEN_LEN_MAX) == Err(SignError::TooLong)
        });
        let longest = longest.unwrap();
        let fits = write(&longest[1..], &TestKey::default(), 4 * TOKEN_LEN_MAX).unwrap();
        assert!(fits.len() <= TOKEN_LEN_MAX && fits.len() > TOKEN_LEN_MAX - 4);
    }

    #[test]
    fn sec_320_debug_shows_the_algorithm_alone() {
        assert_eq!(format!("{:?}", ClientKey::new(&TestKey::default())), "ClientKey(ES256)");
    }
}
