//! One JSON Web Key (RFC 7517 §4).

use super::{JwkError, PublicKey};
use crate::{
    encoding::{
        base64url,
        json::{JsonError, Kind, Reader},
        scratch::Scratch,
    },
    jwt::KeyId,
    limits::DOCUMENT_DEPTH_MAX,
};

/// A key as it stands in a set: its name, and the key or why it is not used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'s> {
    pub(super) key_id: Option<&'s str>,
    pub(super) key: Result<PublicKey<'s>, JwkError>,
}

/// Reads one element of `keys`. What is no well-formed JSON is an error of the whole set; a key that
/// cannot be used is an entry that says so.
pub(super) fn entry<'s>(
    element: &'s str,
    scratch: &mut Scratch<'s>,
) -> Result<Entry<'s>, JsonError> {
    let mut reader = Reader::new(element.as_bytes(), DOCUMENT_DEPTH_MAX)?;
    if reader.peek()? != Kind::Object {
        return Ok(Entry { key_id: None, key: Err(JwkError::Malformed) });
    }
    let members = Members::read(&mut reader, scratch)?;
    reader.end()?;
    let key_id = members.key_id;
    Ok(Entry { key_id, key: members.into_key(scratch)? })
}

/// Reads the one key that a JOSE header holds (RFC 7515 §4.1.3).
#[cfg(feature = "dpop")]
pub(crate) fn lone_key<'s>(
    element: &'s str,
    scratch: &mut Scratch<'s>,
) -> Result<PublicKey<'s>, JwkError> {
    entry(element, scratch).map_err(|_| JwkError::Malformed)?.key
}

/// The members that are looked at.
#[derive(Default)]
struct Members<'s> {
    kind: Option<&'s str>,
    curve: Option<&'s str>,
    x: Option<&'s str>,
    y: Option<&'s str>,
    modulus: Option<&'s str>,
    exponent: Option<&'s str>,
    purpose: Option<&'s str>,
    algorithm: Option<&'s str>,
    key_id: Option<&'s str>,
    operations: Operations,
    is_private: bool,
    /// One of them has another type than it should: the key is not used, whatever else it says.
    is_malformed: bool,
}

/// What `key_ops` says (RFC 7517 §4.3).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Operations {
    #[default]
    Absent,
    Verify,
    Others,
}

impl<'s> Members<'s> {
    fn read(reader: &mut Reader<'s>, scratch: &mut Scratch<'s>) -> Result<Self, JsonError> {
        let mut found = Self::default();
        let mut members = reader.object()?;
        while let Some(name) = members.next(reader)? {
            let text = match name.read(scratch)? {
                "kty" => &mut found.kind,
                "crv" => &mut found.curve,
                "x" => &mut found.x,
                "y" => &mut found.y,
                "n" => &mut found.modulus,
                "e" => &mut found.exponent,
                "use" => &mut found.purpose,
                "alg" => &mut found.algorithm,
                "kid" => &mut found.key_id,
                "key_ops" => {
                    found.read_operations(reader)?;
                    continue;
                }
                // RFC 7518 §6.2.2, §6.3.2, §6.4; RFC 8037 §2.
                "d" | "p" | "q" | "dp" | "dq" | "qi" | "oth" | "k" => {
                    found.is_private = true;
                    reader.skip()?;
                    continue;
                }
                _ => {
                    reader.skip()?;
                    continue;
                }
            };
            if reader.peek()? == Kind::String {
                *text = Some(reader.string()?.read(scratch)?);
            } else {
                found.is_malformed = true;
                reader.skip()?;
            }
        }
        Ok(found)
    }

    fn read_operations(&mut self, reader: &mut Reader<'s>) -> Result<(), JsonError> {
        if reader.peek()? != Kind::Array {
            self.is_malformed = true;
            return reader.skip();
        }
        self.operations = Operations::Others;
        let mut elements = reader.array()?;
        while elements.next(reader)? {
            if reader.peek()? != Kind::String {
                self.is_malformed = true;
                reader.skip()?;
            } else if reader.string()?.eq_str("verify") {
                self.operations = Operations::Verify;
            }
        }
        Ok(())
    }

    /// The key, once everything that is said about it permits its use.
    fn into_key(
        self,
        scratch: &mut Scratch<'s>,
    ) -> Result<Result<PublicKey<'s>, JwkError>, JsonError> {
        // A published secret is the worst that can be said of a key, so it is said first.
        if self.is_private {
            return Ok(Err(JwkError::Private));
        }
        if self.is_malformed {
            return Ok(Err(JwkError::Malformed));
        }
        if self.key_id.is_some_and(|id| KeyId::new(id).is_err()) {
            return Ok(Err(JwkError::KeyId));
        }
        if self.purpose.is_some_and(|purpose| purpose != "sig")
            || self.operations == Operations::Others
        {
            return Ok(Err(JwkError::Purpose));
        }
        let key = match (self.kind, self.curve) {
            (None, _) => Err(JwkError::Malformed),
            (Some("EC"), Some("P-256")) => match numbers([self.x, self.y], scratch)? {
                Some([x, y]) => PublicKey::p256(x, y),
                None => Err(JwkError::Malformed),
            },
            (Some("OKP"), Some("Ed25519")) => match numbers([self.x], scratch)? {
                Some([x]) => PublicKey::ed25519(x),
                None => Err(JwkError::Malformed),
            },
            (Some("RSA"), _) => match numbers([self.modulus, self.exponent], scratch)? {
                Some([modulus, exponent]) => PublicKey::rsa(modulus, exponent),
                None => Err(JwkError::Malformed),
            },
            (Some("EC" | "OKP"), None) => Err(JwkError::Malformed),
            (Some(_), _) => Err(JwkError::Unsupported),
        };
        Ok(key.and_then(|key| match self.algorithm {
            // RFC 7517 §4.4: what the key is for; the kind of key has to agree.
            Some(name) if name != key.algorithm().as_str() => Err(JwkError::Unsupported),
            Some(_) | None => Ok(key),
        }))
    }
}

/// Decodes required members; `None` when one is absent or not canonical base64url.
fn numbers<'s, const N: usize>(
    members: [Option<&'s str>; N],
    scratch: &mut Scratch<'s>,
) -> Result<Option<[&'s [u8]; N]>, JsonError> {
    let mut decoded: [&'s [u8]; N] = [&[]; N];
    for (place, member) in decoded.iter_mut().zip(members) {
        let Some(member) = member else { return Ok(None) };
        *place = match base64url::decode(member.as_bytes(), scratch) {
            Ok(bytes) => bytes,
            Err(base64url::Base64UrlError::BufferFull) => return Err(JsonError::BufferFull),
            Err(_) => return Ok(None),
        };
    }
    Ok(Some(decoded))
}
