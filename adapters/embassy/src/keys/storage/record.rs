//! What lies in the flash, byte for byte.
//!
//! ```text
//! keys  format 1 | rank 8: sequence | hash of the resource 32 | version 4 | keys 1 | key .. | MAC 32
//! key   id length 1 | id | key length 1 | key
//! mark  format 1 | rank 8: seconds  | hash of the resource 32 | sequence 8                  | MAC 32
//! ```
//!
//! Numbers are little-endian. The hash is HMAC-SHA256 with a label as its key. The MAC is HMAC-SHA256 over a label, which record it is, and all bytes before
//! the MAC. Of two copies the one of the higher rank is the newer one.

use hmac::{Hmac, KeyInit, Mac};
use portcullis_core::{
    encoding::scratch::{BufferFull, Scratch},
    jwt::{KeyError, KeyId},
    limits::{HMAC_KEY_LEN_MAX, KEY_ID_LEN_MAX},
    time::UnixTime,
};
use sha2::Sha256;

use super::{Binding, Key, Stored};

const FORMAT: u8 = 1;
/// Bytes of a MAC, and of the hash of a resource.
pub(super) const HASH_LEN: usize = 32;
const HEAD_LEN: usize = 1 + 8 + HASH_LEN;
const KEY_LEN_MAX: usize = 1 + KEY_ID_LEN_MAX + 1 + HMAC_KEY_LEN_MAX;
/// Longest record in bytes.
pub(super) const RECORD_LEN_MAX: usize = HEAD_LEN + 4 + 1 + 2 * KEY_LEN_MAX + HASH_LEN;

/// Says what the MAC is for; the key of the MAC where the board has no secret.
const LABEL: &[u8] = b"portcullis stored keys 1";

/// Which record. Its number is its key in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Keys,
    Mark,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Keys, Self::Mark];

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Keys => Self::Mark,
            Self::Mark => Self::Keys,
        }
    }

    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Keys => 1,
            Self::Mark => 2,
        }
    }
}

/// A time that is past, and the sequence of the keys when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) time: UnixTime,
    pub(super) sequence: u64,
}

/// What is to be written.
pub(super) enum Content<'c> {
    Keys(&'c Stored),
    Mark(Mark),
}

impl Content<'_> {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Keys(_) => Kind::Keys,
            Self::Mark(_) => Kind::Mark,
        }
    }

    const fn rank(&self) -> u64 {
        match self {
            Self::Keys(stored) => stored.sequence,
            Self::Mark(mark) => mark.time.as_secs(),
        }
    }
}

/// Why bytes are no record of this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsound {
    Damaged,
    Foreign,
    Format,
}

/// A record whose MAC is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sound<'r> {
    pub(super) rank: u64,
    pub(super) mac: &'r [u8; HASH_LEN],
    body: &'r [u8],
}

/// What makes a record this device's.
pub(super) struct Seal {
    resource: [u8; HASH_LEN],
    mac: Hmac<Sha256>,
}

impl Seal {
    pub(super) fn new(binding: &Binding<'_>) -> Result<Self, KeyError> {
        let key = binding.secret.map_or(LABEL, |secret| secret.as_slice());
        let mac = Hmac::new_from_slice(key).map_err(|_| KeyError::TooLong)?;
        let hash = Hmac::<Sha256>::new_from_slice(LABEL).map_err(|_| KeyError::TooLong)?;
        let resource = hash.chain_update(binding.resource).finalize().into_bytes().into();
        Ok(Self { resource, mac })
    }

    /// Writes a record to the front of `buffer`; returns its length.
    pub(super) fn write(
        &self,
        content: &Content<'_>,
        buffer: &mut [u8],
    ) -> Result<usize, BufferFull> {
        let len_max = buffer.len();
        let mut free = Scratch::new(buffer);
        put(&mut free, &[FORMAT])?;
        put(&mut free, &content.rank().to_le_bytes())?;
        put(&mut free, &self.resource)?;
        match content {
            Content::Keys(stored) => put_keys(&mut free, stored)?,
            Content::Mark(mark) => put(&mut free, &mark.sequence.to_le_bytes())?,
        }
        let len = len_max.saturating_sub(free.free_len());
        let (message, rest) = buffer.split_at_mut_checked(len).ok_or(BufferFull)?;
        let mac = self.mac(content.kind(), message).finalize().into_bytes();
        put(&mut Scratch::new(rest), &mac)?;
        Ok(len.saturating_add(HASH_LEN))
    }

    /// Checks that a record is of this kind and device, and as it was written.
    pub(super) fn open<'r>(&self, kind: Kind, record: &'r [u8]) -> Result<Sound<'r>, Unsound> {
        let (message, mac) = record.split_last_chunk::<HASH_LEN>().ok_or(Unsound::Damaged)?;
        let (format, rest) = message.split_first().ok_or(Unsound::Damaged)?;
        let (rank, rest) = rest.split_first_chunk().ok_or(Unsound::Damaged)?;
        let (resource, body) = rest.split_first_chunk::<HASH_LEN>().ok_or(Unsound::Damaged)?;
        // The MAC first: what is damaged says nothing of where it came from. Another format need not
        // have one at the same place.
        if *format != FORMAT {
            return Err(Unsound::Format);
        }
        self.mac(kind, message).verify_slice(mac).map_err(|_| Unsound::Damaged)?;
        if *resource != self.resource {
            return Err(Unsound::Foreign);
        }
        Ok(Sound { rank: u64::from_le_bytes(*rank), mac, body })
    }

    fn mac(&self, kind: Kind, message: &[u8]) -> Hmac<Sha256> {
        self.mac.clone().chain_update(LABEL).chain_update([kind.number()]).chain_update(message)
    }
}

impl Sound<'_> {
    /// Reads the keys. What has a right MAC and is not right all the same was not written by this code.
    pub(super) fn keys(self) -> Option<Stored> {
        let (version, rest) = self.body.split_first_chunk()?;
        let (count, rest) = rest.split_first()?;
        let (current, rest) = read_key(rest)?;
        let (next, rest) = match count {
            1 => (None, rest),
            2 => read_key(rest).map(|(next, rest)| (Some(next), rest))?,
            _ => return None,
        };
        let version = u32::from_le_bytes(*version);
        rest.is_empty().then_some(Stored { sequence: self.rank, version, current, next })
    }

    pub(super) fn mark(self) -> Option<Mark> {
        let sequence = u64::from_le_bytes(self.body.try_into().ok()?);
        Some(Mark { time: UnixTime::from_secs(self.rank), sequence })
    }
}

fn put_keys(free: &mut Scratch<'_>, stored: &Stored) -> Result<(), BufferFull> {
    put(free, &stored.version.to_le_bytes())?;
    put(free, &[if stored.next.is_some() { 2 } else { 1 }])?;
    for key in core::iter::once(&stored.current).chain(&stored.next) {
        put_text(free, key.id().as_str().as_bytes())?;
        put_text(free, key.bytes())?;
    }
    Ok(())
}

/// Bytes behind their length.
fn put_text(free: &mut Scratch<'_>, bytes: &[u8]) -> Result<(), BufferFull> {
    put(free, &[u8::try_from(bytes.len()).map_err(|_| BufferFull)?])?;
    put(free, bytes)
}

fn put(free: &mut Scratch<'_>, bytes: &[u8]) -> Result<(), BufferFull> {
    let place = free.take(bytes.len())?;
    place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Ok(())
}

fn read_key(bytes: &[u8]) -> Option<(Key, &[u8])> {
    let (id, rest) = read_text(bytes)?;
    let (key, rest) = read_text(rest)?;
    let id = KeyId::new(core::str::from_utf8(id).ok()?).ok()?;
    Some((Key::new(id, key).ok()?, rest))
}

fn read_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}
