//! A set of keys (RFC 7517 §5).

use core::fmt;

use super::{
    JwkError, PublicKey,
    parse::{Entry, entry},
};
use crate::{
    encoding::{
        json::{JsonError, Reader},
        scratch::Scratch,
    },
    limits::{DOCUMENT_DEPTH_MAX, METADATA_LEN_MAX_DESKTOP},
    message::IncomingResponse,
};

/// Why a whole set is not used; the one that was read before it stays in use (SEC-111).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetError {
    /// Longer than [`METADATA_LEN_MAX_DESKTOP`] (LIM-11); a smaller host fetches less.
    TooLong,
    /// Not one JSON object that can be read, or `keys` is not an array.
    Json(JsonError),
    /// There is no `keys`.
    Missing,
    /// The answer is not 200 with the media type `application/jwk-set+json` or `application/json`
    /// (RFC 7517 §8.5); a redirect is not followed.
    Response,
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("key set too long"),
            Self::Json(error) => error.fmt(f),
            Self::Missing => f.write_str("key set without keys"),
            Self::Response => f.write_str("answer is not a key set"),
        }
    }
}

impl core::error::Error for KeySetError {}

impl From<JsonError> for KeySetError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// The document in the answer to a request for a key set (SEC-111, SEC-173).
pub fn document<'b>(response: &IncomingResponse<'b>) -> Result<&'b [u8], KeySetError> {
    if response.status == 200 && (response.is_json() || response.is("application/jwk-set+json")) {
        Ok(response.body)
    } else {
        Err(KeySetError::Response)
    }
}

/// A key of a set that is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped<'s> {
    /// Its `kid`: a stranger's text.
    pub key_id: Option<&'s str>,
    /// Why.
    pub reason: JwkError,
}

/// The first `N` keys of a set (LIM-12): 32 of them on a desktop, 4 on a microcontroller
/// ([`JWKS_KEYS_MAX_DESKTOP`](crate::limits::JWKS_KEYS_MAX_DESKTOP),
/// [`JWKS_KEYS_MAX`](crate::limits::JWKS_KEYS_MAX)).
#[derive(Debug)]
pub struct KeySet<'s, const N: usize> {
    entries: heapless::Vec<Entry<'s>, N>,
    beyond: usize,
}

impl<'s, const N: usize> KeySet<'s, N> {
    /// Reads a document. Scratch of twice its length is always enough; keys borrow from both.
    ///
    /// A key that cannot be used takes nothing from the others (RFC 7517 §5): it is among
    /// [`skipped`](Self::skipped). Keys behind the `N`th are only counted. JSON that is not well-formed,
    /// and a name that stands twice in one object, are errors of the whole set.
    pub fn parse(document: &'s [u8], scratch: &mut Scratch<'s>) -> Result<Self, KeySetError> {
        if document.len() > METADATA_LEN_MAX_DESKTOP {
            return Err(KeySetError::TooLong);
        }
        let mut reader = Reader::new(document, DOCUMENT_DEPTH_MAX)?;
        let mut members = reader.object()?;
        let mut set = None;
        while let Some(name) = members.next(&mut reader)? {
            if name.eq_str("keys") {
                set = Some(Self::read(&mut reader, scratch)?);
            } else {
                reader.skip()?;
            }
        }
        reader.end()?;
        let mut set = set.ok_or(KeySetError::Missing)?;
        set.refuse_duplicates();
        Ok(set)
    }

    fn read(reader: &mut Reader<'s>, scratch: &mut Scratch<'s>) -> Result<Self, JsonError> {
        let mut set = Self { entries: heapless::Vec::new(), beyond: 0 };
        let mut elements = reader.array()?;
        while elements.next(reader)? {
            let element = reader.raw()?;
            if set.entries.is_full() {
                set.beyond = set.beyond.saturating_add(1);
            } else {
                let entry = entry(element, scratch)?;
                set.entries.push(entry).map_err(|_| JsonError::Members)?;
            }
        }
        Ok(set)
    }

    /// SEC-078: of keys with the same `kid` none is used, not even when only one of them could be.
    fn refuse_duplicates(&mut self) {
        let mut rest = self.entries.as_mut_slice();
        while let Some((first, behind)) = rest.split_first_mut() {
            for other in behind.iter_mut() {
                if first.key_id.is_some() && other.key_id == first.key_id {
                    for entry in [&mut *first, other] {
                        entry.key = entry.key.and(Err(JwkError::DuplicateKeyId));
                    }
                }
            }
            rest = behind;
        }
    }

    /// The keys that can be used, each with its `kid`, in their order.
    pub fn keys(&self) -> impl Iterator<Item = (Option<&'s str>, PublicKey<'s>)> {
        self.entries.iter().filter_map(|entry| Some((entry.key_id, entry.key.ok()?)))
    }

    /// The keys that cannot.
    pub fn skipped(&self) -> impl Iterator<Item = Skipped<'s>> {
        self.entries
            .iter()
            .filter_map(|entry| Some(Skipped { key_id: entry.key_id, reason: entry.key.err()? }))
    }

    /// How many keys stand behind the `N`th one; they are not looked at.
    pub const fn beyond(&self) -> usize {
        self.beyond
    }
}
