//! Writing a set of keys (RFC 7517 §5), for the authorization server.

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap},
};

use super::{PublicKey, thumbprint::NUMBER_LEN_MAX};
use crate::{
    encoding::{base64url, json::write, scratch::BufferFull},
    jwt::KeyId,
};

/// A key that is published, with the name that tokens call it by.
#[derive(Clone, Copy, Debug)]
pub struct Published<'k> {
    /// Its `kid`; each key of a set has one of its own (AS-15).
    pub id: &'k KeyId,
    /// The public key. There is no way to write a secret one.
    pub key: PublicKey<'k>,
}

/// Writes a set to the front of `out`: each key with `kid`, `use` and `alg` (AS-15).
pub fn write_set<'o>(keys: &[Published<'_>], out: &'o mut [u8]) -> Result<&'o str, BufferFull> {
    let written = write::to_slice(&Set { keys }, out)?;
    core::str::from_utf8(written).map_err(|_| BufferFull)
}

#[derive(Serialize)]
struct Set<'k> {
    keys: &'k [Published<'k>],
}

impl Serialize for Published<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        serialize_numbers(&self.key, &mut members)?;
        members.serialize_entry("use", "sig")?;
        members.serialize_entry("alg", self.key.algorithm().as_str())?;
        members.serialize_entry("kid", self.id.as_str())?;
        members.end()
    }
}

/// The key alone, without a name or a purpose: as it stands in a DPoP proof (RFC 9449 §4.2).
impl Serialize for PublicKey<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        serialize_numbers(self, &mut members)?;
        members.end()
    }
}

fn serialize_numbers<M: SerializeMap>(
    key: &PublicKey<'_>,
    members: &mut M,
) -> Result<(), M::Error> {
    match *key {
        PublicKey::P256 { x, y } => {
            members.serialize_entry("kty", "EC")?;
            members.serialize_entry("crv", "P-256")?;
            members.serialize_entry("x", &Number(x))?;
            members.serialize_entry("y", &Number(y))
        }
        PublicKey::Ed25519 { x } => {
            members.serialize_entry("kty", "OKP")?;
            members.serialize_entry("crv", "Ed25519")?;
            members.serialize_entry("x", &Number(x))
        }
        PublicKey::Rsa { n, e } => {
            members.serialize_entry("kty", "RSA")?;
            members.serialize_entry("n", &Number(n))?;
            members.serialize_entry("e", &Number(e))
        }
    }
}

/// Bytes as base64url text.
struct Number<'k>(&'k [u8]);

impl Serialize for Number<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; NUMBER_LEN_MAX];
        let text =
            base64url::encode(self.0, &mut text).map_err(|_| S::Error::custom("too long"))?;
        serializer.serialize_str(text)
    }
}
