//! The compact serialization (RFC 7515 §7.1) and the states a token passes through.

use core::fmt;

use super::{Header, claims};
use crate::{
    encoding::{
        base64url::{self, Base64UrlError},
        scratch::Scratch,
    },
    limits::{CLAIMS_LEN_MAX, JOSE_HEADER_LEN_MAX, SIGNATURE_LEN_MAX, TOKEN_LEN_MAX},
    time::UnixTime,
    token::{Expectations, Proven, TokenError, TokenFacts},
};

/// The keys of one issuer, and the algorithm of each.
///
/// `Sync`, so that a future that holds a reference to one is `Send`.
pub trait SignatureVerifier: Sync {
    /// Checks `signature` over `signing_input` by the key that `header` asks for.
    ///
    /// A key has one algorithm, to which the header may only agree (RFC 8725 §3.1). A signature of
    /// another length than the algorithm's is refused, and secrets are compared in constant time.
    ///
    /// Where the keys are read from the issuer, [`TokenError::KeysUnavailable`] asks for reading them:
    /// the answer is 503 unless the host does so and decides anew (RS-71).
    fn verify(
        &self,
        header: &Header<'_>,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError>;

    /// The header that the encoded `segment` is known to be, so that it need not be read again.
    ///
    /// An implementation compares the whole segment with those whose reading it knows: equal bytes
    /// have one meaning. None is known unless it says so. The header borrows from `scratch` and not
    /// from the keys, which may change behind a lock before the token is done with.
    fn known_header<'s>(&self, segment: &str, scratch: &mut Scratch<'s>) -> Option<Header<'s>> {
        let _ = (segment, scratch);
        None
    }
}

/// A token in the right form, which nobody vouches for yet: its claims cannot be reached (SEC-101).
///
/// ```compile_fail,E0599
/// use portcullis_core::{encoding::scratch::Scratch, jwt::UnverifiedJwt};
///
/// fn peek<'s>(jwt: UnverifiedJwt<'s>, scratch: &mut Scratch<'s>) {
///     jwt.claims(scratch); // exists only behind `verify`
/// }
/// ```
#[must_use = "a token that is not verified proves nothing"]
pub struct UnverifiedJwt<'s> {
    header: Header<'s>,
    signing_input: &'s str,
    payload: &'s str,
    signature: &'s [u8],
}

impl<'s> UnverifiedJwt<'s> {
    /// Splits a token and reads its header; header and signature are decoded into `scratch`.
    ///
    /// No more than three segments are ever looked for, and nothing is decoded before their number
    /// is known to be right (SEC-005, SEC-006).
    pub fn parse(token: &'s str, scratch: &mut Scratch<'s>) -> Result<Self, TokenError> {
        Self::parse_known(token, |_, _| None, scratch)
    }

    /// As [`parse`](Self::parse), but a header that is `known` by its segment is not read again.
    pub(crate) fn parse_known(
        token: &'s str,
        known: impl FnOnce(&str, &mut Scratch<'s>) -> Option<Header<'s>>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenError::TooLong);
        }
        let segments = Segments::of(token).ok_or(TokenError::Malformed)?;
        let Segments { header, payload, signature, signing_input } = segments;
        let header = match known(header, scratch) {
            Some(header) => header,
            None => Header::parse(decode(header, JOSE_HEADER_LEN_MAX, scratch)?, scratch)?,
        };
        let signature = decode(signature, SIGNATURE_LEN_MAX, scratch)?;
        Ok(Self { header, signing_input, payload, signature })
    }

    /// The header, as the token's sender wants it to be.
    pub const fn header(&self) -> &Header<'s> {
        &self.header
    }

    /// Checks the signature over the first two segments exactly as they were received.
    ///
    /// Where several issuers are trusted, each one's keys are asked in turn.
    pub fn verify<K: SignatureVerifier + ?Sized>(
        &self,
        keys: &K,
    ) -> Result<VerifiedJwt<'s>, TokenError> {
        keys.verify(&self.header, self.signing_input.as_bytes(), self.signature)?;
        Ok(VerifiedJwt { payload: self.payload, _proof: SignatureVerified(()) })
    }
}

impl fmt::Debug for UnverifiedJwt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnverifiedJwt(..)")
    }
}

/// Evidence of a checked signature: with its private field, only [`UnverifiedJwt::verify`] makes one.
struct SignatureVerified(());

/// A token that was signed by a key of the issuer. What it says is still to be checked.
///
/// Nobody else can make one, and nobody can go on after a failed check by passing over it (SEC-102):
///
/// ```compile_fail,E0599
/// use portcullis_core::{encoding::scratch::Scratch, jwt::{KeyRing, UnverifiedJwt}};
///
/// fn careless<'s>(jwt: UnverifiedJwt<'s>, keys: &KeyRing, scratch: &mut Scratch<'s>) {
///     jwt.verify(keys).claims(scratch); // a `Result`: the error must be looked at first
/// }
/// ```
#[must_use = "the claims of a verified token must be validated"]
pub struct VerifiedJwt<'s> {
    payload: &'s str,
    _proof: SignatureVerified,
}

impl<'s> VerifiedJwt<'s> {
    /// Reads the claims set: RFC 9068 §2.2's required claims are there, all have their types.
    ///
    /// Facts alone admit nobody; [`validate`](Self::validate) compares them with what is expected.
    pub fn claims(self, scratch: &mut Scratch<'s>) -> Result<TokenFacts<'s>, TokenError> {
        claims::parse(decode(self.payload, CLAIMS_LEN_MAX, scratch)?, scratch)
    }

    /// Reads the claims set and checks it against `expectations` (RS-62 to RS-65).
    pub fn validate(
        self,
        expectations: &Expectations<'_>,
        now: UnixTime,
        scratch: &mut Scratch<'s>,
    ) -> Result<TokenFacts<'s>, TokenError> {
        self.validate_sent(expectations, Proven::NOTHING, now, scratch)
    }

    /// The same for a token whose sender may have proved to have a key.
    pub(crate) fn validate_sent(
        self,
        expectations: &Expectations<'_>,
        proven: Proven,
        now: UnixTime,
        scratch: &mut Scratch<'s>,
    ) -> Result<TokenFacts<'s>, TokenError> {
        let facts = self.claims(scratch)?;
        expectations.check_sent(&facts, proven, now)?;
        Ok(facts)
    }
}

impl fmt::Debug for VerifiedJwt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedJwt(..)")
    }
}

/// The parts of the compact serialization, none of them empty.
pub(crate) struct Segments<'s> {
    pub(crate) header: &'s str,
    pub(crate) payload: &'s str,
    pub(crate) signature: &'s str,
    /// Header and payload with the dot between them.
    pub(crate) signing_input: &'s str,
}

impl<'s> Segments<'s> {
    /// Splits a token that has exactly two dots.
    pub(crate) fn of(token: &'s str) -> Option<Self> {
        let is_dot = |byte: &u8| *byte == b'.';
        let last = token.as_bytes().iter().rposition(is_dot)?;
        let (signing_input, signature) = split_around(token, last)?;
        let first = signing_input.as_bytes().iter().position(is_dot)?;
        let (header, payload) = split_around(signing_input, first)?;
        // A third dot would be in between. Counted without a branch for each byte, for there are
        // hundreds of them.
        let more_dots = payload.as_bytes().iter().fold(false, |seen, byte| seen | is_dot(byte));
        let empty = header.is_empty() || payload.is_empty() || signature.is_empty();
        (!more_dots && !empty).then_some(Self { header, payload, signature, signing_input })
    }
}

/// What is before and what is behind the one byte at `position`.
fn split_around(text: &str, position: usize) -> Option<(&str, &str)> {
    let (before, rest) = text.split_at_checked(position)?;
    Some((before, rest.get(1..)?))
}

/// Decodes one segment of at most `len_max` bytes.
pub(crate) fn decode<'s>(
    segment: &str,
    len_max: usize,
    scratch: &mut Scratch<'s>,
) -> Result<&'s [u8], TokenError> {
    if base64url::encoded_len(len_max).is_some_and(|longest| segment.len() > longest) {
        return Err(TokenError::TooLong);
    }
    base64url::decode(segment.as_bytes(), scratch).map_err(|error| match error {
        Base64UrlError::BufferFull => TokenError::TooLong,
        Base64UrlError::Invalid => TokenError::Malformed,
    })
}
