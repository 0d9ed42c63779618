//! The keys a resource server holds for its issuer.

use core::fmt;

use super::{Header, HmacKey, KeyError, KeyId, MacCheck, SignatureVerifier};
use crate::{
    encoding::{
        base64url,
        scratch::{BufferFull, Scratch},
        text::TextWriter,
    },
    limits::KEY_ID_LEN_MAX,
    token::TokenError,
};

/// Longest header around the longest key id.
const HEADER_LEN_MAX: usize = 40 + KEY_ID_LEN_MAX;
/// The same, encoded.
const HEADER_SEGMENT_LEN_MAX: usize = (HEADER_LEN_MAX * 4).div_ceil(3);

/// One or two HS256 keys, each with its id: the current one and, while keys are changed, the next.
///
/// Both verify. To change keys without a gap (SEC-507): give every resource server the next key with
/// [`with_next`](Self::with_next) or [`add_next`](Self::add_next); let the authorization server sign
/// with it; when the last token under the current key has expired, [`rotate`](Self::rotate). From that
/// moment the old key is wiped and verifies nothing. A device that slept through it needs only the
/// next key to be let in again.
pub struct KeyRing {
    current: Named,
    next: Option<Named>,
}

struct Named {
    id: KeyId,
    key: HmacKey,
    /// The first segment of the tokens that [`mint`](super::mint()) signs with this key.
    header_segment: Option<heapless::String<HEADER_SEGMENT_LEN_MAX>>,
}

impl Named {
    fn new(id: KeyId, key: HmacKey) -> Self {
        let header_segment = header_segment(&id).ok();
        Self { id, key, header_segment }
    }
}

/// A [`Header::minted`] as `mint` writes it. No character of a key id needs an escape, so that it is
/// also right where `mint` would write one for the sake of HTML.
fn header_segment(id: &KeyId) -> Result<heapless::String<HEADER_SEGMENT_LEN_MAX>, BufferFull> {
    let mut header = [0; HEADER_LEN_MAX];
    let mut text = TextWriter::new(&mut header);
    text.push(r#"{"alg":"HS256","typ":"at+jwt","kid":""#)?;
    text.push(id.as_str())?;
    text.push(r#""}"#)?;
    let mut segment = [0; HEADER_SEGMENT_LEN_MAX];
    let segment = base64url::encode(text.finish().as_bytes(), &mut segment)?;
    heapless::String::try_from(segment).map_err(|_| BufferFull)
}

impl KeyRing {
    /// A ring with one key.
    pub fn new(id: KeyId, key: HmacKey) -> Self {
        Self { current: Named::new(id, key), next: None }
    }

    /// The ring with a second key that verifies too; see [`add_next`](Self::add_next).
    pub fn with_next(mut self, id: KeyId, key: HmacKey) -> Result<Self, KeyError> {
        self.add_next(id, key)?;
        Ok(self)
    }

    /// Adds the key to come. Refused when its id is taken, or when there is one already.
    pub fn add_next(&mut self, id: KeyId, key: HmacKey) -> Result<(), KeyError> {
        if id == self.current.id || self.next.as_ref().is_some_and(|next| next.id == id) {
            return Err(KeyError::DuplicateKeyId);
        }
        if self.next.is_some() {
            return Err(KeyError::Ring);
        }
        self.next = Some(Named::new(id, key));
        Ok(())
    }

    /// Makes the next key the current one and wipes the old one. Without a next key nothing changes.
    pub fn rotate(&mut self) -> Result<(), KeyError> {
        let next = self.next.as_mut().ok_or(KeyError::Ring)?;
        // Swapped and then dropped where it lies: no copy of the old key stays behind.
        core::mem::swap(&mut self.current, next);
        self.next = None;
        Ok(())
    }

    /// The id of the current key.
    pub const fn current_id(&self) -> &KeyId {
        &self.current.id
    }

    /// The current key: the one to sign with.
    pub const fn current(&self) -> &HmacKey {
        &self.current.key
    }

    /// The id of the key to come, if there is one.
    pub fn next_id(&self) -> Option<&KeyId> {
        self.next.as_ref().map(|next| &next.id)
    }

    /// Begins to check a signature: all of [`verify`](SignatureVerifier::verify) that needs the ring.
    ///
    /// For a ring behind a lock, which need not be held while the MAC is computed.
    pub fn begin(&self, header: &Header<'_>) -> Result<MacCheck, TokenError> {
        self.select(header).map(HmacKey::begin)
    }

    #[inline]
    fn select(&self, header: &Header<'_>) -> Result<&HmacKey, TokenError> {
        let key = self.find(header.key_id()).ok_or(TokenError::Key)?;
        // RFC 8725 §3.1: the key says which algorithm it is for, the header may only agree.
        if header.algorithm() != HmacKey::ALGORITHM {
            return Err(TokenError::Algorithm);
        }
        Ok(key)
    }

    /// The key that a header asks for.
    ///
    /// A `kid` is compared byte for byte with the known ids. Without `kid` there must be exactly one
    /// key (SEC-077): trying several would accept what neither side meant.
    fn find(&self, id: Option<&str>) -> Option<&HmacKey> {
        let named = match (id, &self.next) {
            (Some(id), _) if id == self.current.id.as_str() => &self.current,
            (Some(id), Some(next)) if id == next.id.as_str() => next,
            (None, None) => &self.current,
            (Some(_), _) | (None, Some(_)) => return None,
        };
        Some(&named.key)
    }
}

impl SignatureVerifier for KeyRing {
    #[inline]
    fn verify(
        &self,
        header: &Header<'_>,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        self.select(header)?.verify(signing_input, signature)
    }

    fn known_header<'s>(&self, segment: &str, scratch: &mut Scratch<'s>) -> Option<Header<'s>> {
        let named = core::iter::once(&self.current)
            .chain(&self.next)
            .find(|named| named.header_segment.as_deref() == Some(segment))?;
        Header::minted(&named.id, scratch).ok()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("current", &self.current.id)
            .field("next", &self.next_id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encoding::scratch::Scratch,
        jwt::{MintClaims, UnverifiedJwt, mint},
        scope::ScopeSet,
        time::UnixTime,
    };
    use std::format;

    fn id(text: &str) -> KeyId {
        KeyId::new(text).unwrap()
    }

    fn key(byte: u8) -> HmacKey {
        HmacKey::new(&[byte; 32]).unwrap()
    }

    /// Whether the ring knows `wanted` and verifies with it what the key of `byte` signed.
    #[track_caller]
    fn check(ring: &KeyRing, wanted: Option<&str>, byte: u8, expected: bool) {
        let mac = key(byte).sign(b"message");
        let accepted = ring.find(wanted).is_some_and(|key| key.verify(b"message", &mac).is_ok());
        assert_eq!(accepted, expected, "{wanted:?} {byte}");
    }

    #[test]
    fn sec_507_keys_change_without_a_gap() {
        let mut ring = KeyRing::new(id("old"), key(1));
        check(&ring, Some("old"), 1, true);
        check(&ring, Some("new"), 2, false);

        ring.add_next(id("new"), key(2)).unwrap();
        assert_eq!((ring.current_id(), ring.next_id()), (&id("old"), Some(&id("new"))));
        check(&ring, Some("old"), 1, true);
        check(&ring, Some("new"), 2, true);
        // Each id stands for its own key only.
        check(&ring, Some("old"), 2, false);
        check(&ring, Some("new"), 1, false);

        ring.rotate().unwrap();
        assert_eq!((ring.current_id(), ring.next_id()), (&id("new"), None));
        check(&ring, Some("old"), 1, false);
        check(&ring, Some("new"), 2, true);

        // Asked again without a next key, nothing is lost.
        assert_eq!(ring.rotate(), Err(KeyError::Ring));
        check(&ring, Some("new"), 2, true);
    }

    #[test]
    fn sec_507_there_are_at_most_two_keys() {
        let mut ring = KeyRing::new(id("a"), key(1)).with_next(id("b"), key(2)).unwrap();
        assert_eq!(ring.add_next(id("c"), key(3)), Err(KeyError::Ring));
        check(&ring, Some("a"), 1, true);
        check(&ring, Some("b"), 2, true);
        check(&ring, Some("c"), 3, false);
    }

    #[test]
    fn sec_077_without_an_id_there_must_be_one_key() {
        let mut ring = KeyRing::new(id("a"), key(1));
        check(&ring, None, 1, true);
        check(&ring, Some(""), 1, false);
        ring.add_next(id("b"), key(2)).unwrap();
        check(&ring, None, 1, false);
        check(&ring, None, 2, false);
    }

    #[test]
    fn sec_078_two_keys_never_have_one_id() {
        let mut ring = KeyRing::new(id("a"), key(1));
        assert_eq!(ring.add_next(id("a"), key(2)), Err(KeyError::DuplicateKeyId));
        check(&ring, Some("a"), 1, true);
        check(&ring, Some("a"), 2, false);
        ring.add_next(id("b"), key(2)).unwrap();
        assert_eq!(ring.add_next(id("b"), key(3)), Err(KeyError::DuplicateKeyId));
        check(&ring, Some("b"), 2, true);
    }

    #[test]
    fn sec_507_a_check_that_has_begun_outlives_the_key() {
        let mut room = [0; KEY_ID_LEN_MAX];
        let mut scratch = Scratch::new(&mut room);
        let old = Header::minted(&id("old"), &mut scratch).unwrap();
        let mut ring = KeyRing::new(id("old"), key(1)).with_next(id("new"), key(2)).unwrap();
        let (begun, again) = (ring.begin(&old).unwrap(), ring.begin(&old).unwrap());
        ring.rotate().unwrap();
        assert_eq!(begun.finish(b"message", &key(1).sign(b"message")), Ok(()));
        let forged = key(2).sign(b"message");
        assert_eq!(again.finish(b"message", &forged), Err(TokenError::Signature));
        assert_eq!(ring.begin(&old).err(), Some(TokenError::Key));
    }

    /// Whether the ring knows the header of what is minted under `text`; if so, as it would be read.
    #[track_caller]
    fn check_known(ring: &KeyRing, text: &str, expected: bool) {
        let claims = MintClaims {
            issuer: "i",
            audience: &["r"],
            subject: "s",
            client_id: "c",
            scope: ScopeSet::EMPTY,
            issued_at: UnixTime::from_secs(1),
            expires_at: UnixTime::from_secs(2),
            id: "1",
        };
        let (mut token, mut buffer) = ([0; 1024], [0; 1024]);
        let token = mint(&claims, &key(1), &id(text), &mut token).unwrap();
        let read = UnverifiedJwt::parse(token, &mut Scratch::new(&mut buffer)).unwrap();
        let (segment, _) = token.split_once('.').unwrap();
        let mut room = [0; KEY_ID_LEN_MAX];
        let known = ring.known_header(segment, &mut Scratch::new(&mut room));
        let known = known.map(|header| format!("{header:?}"));
        assert_eq!(known, expected.then(|| format!("{:?}", read.header())), "{text}");
        // One byte less, more or changed is a text that has to be read.
        let changed = segment.replacen('e', "E", 1);
        for other in ["", &segment[1..], &format!("{segment}A"), &changed] {
            let mut room = [0; KEY_ID_LEN_MAX];
            assert!(ring.known_header(other, &mut Scratch::new(&mut room)).is_none(), "{other}");
        }
        // Without room for its id, it is read like any other.
        let mut room = [0; KEY_ID_LEN_MAX];
        let room = &mut room[..text.len() - 1];
        assert!(ring.known_header(segment, &mut Scratch::new(room)).is_none());
    }

    #[test]
    fn a_known_header_is_what_would_be_read() {
        let long = "k".repeat(KEY_ID_LEN_MAX);
        let mut ring = KeyRing::new(id("a"), key(1)).with_next(id(&long), key(2)).unwrap();
        check_known(&ring, "a", true);
        check_known(&ring, &long, true);
        check_known(&ring, "b", false);
        ring.rotate().unwrap();
        check_known(&ring, "a", false);
        check_known(&ring, &long, true);
        // Minted with escapes: another spelling.
        check_known(&KeyRing::new(id("<"), key(1)), "<", false);
    }

    #[test]
    fn sec_320_debug_shows_ids_only() {
        let ring = KeyRing::new(id("a"), key(1)).with_next(id("b"), key(2)).unwrap();
        let shown = format!("{ring:?}");
        assert!(shown.contains("\"a\"") && shown.contains("\"b\""), "{shown}");
        assert!(!shown.to_lowercase().contains("hmac"), "{shown}");
    }
}
