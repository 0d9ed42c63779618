//! The key ring that is changed while tokens are verified.

use core::{cell::RefCell, fmt};

use embassy_sync::blocking_mutex::{
    Mutex,
    raw::{CriticalSectionRawMutex, RawMutex},
};
use portcullis_core::{
    encoding::scratch::Scratch,
    jwt::{Header, HmacKey, KeyError, KeyId, KeyRing, SignatureVerifier},
    token::TokenError,
};

/// A [`KeyRing`] that all tasks share, and that one of them can change.
///
/// The lock is held to find a key and to copy its state, some hundred instructions, and not while a MAC
/// is computed: with [`CriticalSectionRawMutex`] interrupts wait no longer than that. A change is seen by the
/// next token; one that is being verified meanwhile is judged by the keys that it began with.
///
/// `M` must be `Sync`, for a [`SignatureVerifier`] is: `NoopRawMutex` is not.
pub struct LiveKeyRing<M: RawMutex = CriticalSectionRawMutex>(Mutex<M, RefCell<KeyRing>>);

impl<M: RawMutex> LiveKeyRing<M> {
    /// Shares a ring.
    pub const fn new(ring: KeyRing) -> Self {
        Self(Mutex::new(RefCell::new(ring)))
    }

    /// Adds the key to come; see [`KeyRing::add_next`].
    pub fn add_next(&self, id: KeyId, key: HmacKey) -> Result<(), KeyError> {
        self.change(|ring| ring.add_next(id, key))
    }

    /// Makes the next key the current one and wipes the old one; see [`KeyRing::rotate`].
    pub fn rotate(&self) -> Result<(), KeyError> {
        self.change(KeyRing::rotate)
    }

    /// Changes all keys at once, to those that are stored, and wipes the old ones.
    pub fn replace(&self, ring: KeyRing) -> Result<(), KeyError> {
        self.change(|current| {
            *current = ring;
            Ok(())
        })
    }

    /// The id of the current key.
    pub fn current_id(&self) -> Option<KeyId> {
        self.read(|ring| ring.current_id().clone())
    }

    /// The id of the key to come, if there is one.
    pub fn next_id(&self) -> Option<KeyId> {
        self.read(|ring| ring.next_id().cloned()).flatten()
    }

    /// Nothing in here calls anybody while it holds the lock, so that the ring is never found borrowed; were
    /// it, that would be no key.
    fn read<T>(&self, look: impl FnOnce(&KeyRing) -> T) -> Option<T> {
        self.0.lock(|ring| ring.try_borrow().ok().map(|ring| look(&ring)))
    }

    fn change(
        &self,
        with: impl FnOnce(&mut KeyRing) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        self.0.lock(|ring| with(&mut *ring.try_borrow_mut().map_err(|_| KeyError::Ring)?))
    }
}

impl<M: RawMutex + Sync> SignatureVerifier for LiveKeyRing<M> {
    fn verify(
        &self,
        header: &Header<'_>,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let check = self.read(|ring| ring.begin(header)).ok_or(TokenError::Key)??;
        check.finish(signing_input, signature)
    }

    fn known_header<'s>(&self, segment: &str, scratch: &mut Scratch<'s>) -> Option<Header<'s>> {
        self.read(|ring| ring.known_header(segment, scratch)).flatten()
    }
}

impl<M: RawMutex> fmt::Debug for LiveKeyRing<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveKeyRing")
            .field("current", &self.current_id())
            .field("next", &self.next_id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::{
        jwt::{MintClaims, UnverifiedJwt, mint},
        scope::ScopeSet,
        time::UnixTime,
    };
    use std::{format, string::String, thread};

    fn id(text: &str) -> KeyId {
        KeyId::new(text).unwrap()
    }

    fn key(byte: u8) -> HmacKey {
        HmacKey::new(&[byte; 32]).unwrap()
    }

    fn ring() -> LiveKeyRing {
        LiveKeyRing::new(KeyRing::new(id("old"), key(1)))
    }

    fn token(kid: &str, byte: u8) -> String {
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
        let mut buffer = [0; 1024];
        mint(&claims, &key(byte), &id(kid), &mut buffer).unwrap().into()
    }

    /// What the ring says of a token that the key of `byte` signed as `kid`; by way of the known header
    /// where there is one, it says the same.
    fn verdict(ring: &LiveKeyRing, kid: &str, byte: u8) -> Result<(), TokenError> {
        let token = token(kid, byte);
        let (mut buffer, mut room) = ([0; 1024], [0; 64]);
        let jwt = UnverifiedJwt::parse(&token, &mut Scratch::new(&mut buffer)).unwrap();
        let (segment, _) = token.split_once('.').unwrap();
        let known = ring.known_header(segment, &mut Scratch::new(&mut room));
        let verdict = jwt.verify(ring).map(|_| ());
        assert_eq!(known.is_none(), verdict == Err(TokenError::Key));
        if let Some(known) = known {
            assert_eq!(format!("{known:?}"), format!("{:?}", jwt.header()));
        }
        verdict
    }

    #[track_caller]
    fn check(ring: &LiveKeyRing, old: Result<(), TokenError>, new: Result<(), TokenError>) {
        assert_eq!((verdict(ring, "old", 1), verdict(ring, "new", 2)), (old, new));
        // An id stands for its own key only.
        for (kid, byte) in [("old", 2), ("new", 1)] {
            assert!(verdict(ring, kid, byte).is_err(), "{kid}");
        }
    }

    #[test]
    fn sec_507_keys_change_behind_a_shared_reference() {
        let (ok, no) = (Ok(()), Err(TokenError::Key));
        let ring = &ring();
        check(ring, ok, no);
        assert_eq!(ring.rotate(), Err(KeyError::Ring));
        check(ring, ok, no);

        ring.add_next(id("new"), key(2)).unwrap();
        assert_eq!((ring.current_id(), ring.next_id()), (Some(id("old")), Some(id("new"))));
        check(ring, ok, ok);
        assert_eq!(ring.add_next(id("third"), key(3)), Err(KeyError::Ring));
        assert_eq!(ring.add_next(id("old"), key(3)), Err(KeyError::DuplicateKeyId));
        check(ring, ok, ok);

        ring.rotate().unwrap();
        assert_eq!((ring.current_id(), ring.next_id()), (Some(id("new")), None));
        check(ring, no, ok);

        ring.replace(KeyRing::new(id("old"), key(1))).unwrap();
        check(ring, ok, no);
    }

    #[test]
    fn sec_507_a_verification_that_began_ends_by_the_old_keys() {
        let ring = ring();
        let token = token("old", 1);
        let mut buffer = [0; 1024];
        let jwt = UnverifiedJwt::parse(&token, &mut Scratch::new(&mut buffer)).unwrap();
        let begun = ring.read(|ring| ring.begin(jwt.header())).unwrap().unwrap();
        ring.replace(KeyRing::new(id("new"), key(2))).unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let mut room = [0; 64];
        let signature = portcullis_core::encoding::base64url::decode(
            signature.as_bytes(),
            &mut Scratch::new(&mut room),
        );
        assert_eq!(begun.finish(input.as_bytes(), signature.unwrap()), Ok(()));
        // The next one does not.
        assert_eq!(jwt.verify(&ring).err(), Some(TokenError::Key));
    }

    #[test]
    fn sec_507_no_token_of_a_live_key_is_refused_while_keys_change() {
        // The key in the middle of two changes is never away; the others come and go.
        let ring = &LiveKeyRing::<CriticalSectionRawMutex>::new(KeyRing::new(id("new"), key(2)));
        thread::scope(|scope| {
            let changes = scope.spawn(move || {
                for _ in 0..2_000 {
                    ring.add_next(id("old"), key(1)).unwrap();
                    ring.replace(KeyRing::new(id("new"), key(2))).unwrap();
                }
            });
            let mut asked = 0;
            while !changes.is_finished() || asked < 10 {
                assert_eq!(verdict_racing(ring, "new", 2), Ok(()));
                assert_eq!(verdict_racing(ring, "new", 1), Err(TokenError::Signature));
                let comes_and_goes = verdict_racing(ring, "old", 1);
                assert!(matches!(comes_and_goes, Ok(()) | Err(TokenError::Key)));
                asked += 1;
            }
        });
    }

    /// Without the comparison of two ways, between which the keys may change.
    fn verdict_racing(ring: &LiveKeyRing, kid: &str, byte: u8) -> Result<(), TokenError> {
        let mut buffer = [0; 1024];
        let token = token(kid, byte);
        let jwt = UnverifiedJwt::parse(&token, &mut Scratch::new(&mut buffer)).unwrap();
        jwt.verify(ring).map(|_| ())
    }

    #[test]
    fn sec_320_debug_shows_ids_only() {
        let ring = ring();
        ring.add_next(id("new"), key(2)).unwrap();
        let shown = format!("{ring:?}");
        assert!(shown.contains("\"old\"") && shown.contains("\"new\""), "{shown}");
        assert!(!shown.to_lowercase().contains("hmac"), "{shown}");
    }
}
