//! Access tokens in JWT form (RFC 9068): HS256 (RFC 7518 §3.2) with secret keys held here; ES256, EdDSA
//! and RS256 with the public keys of [`jwk`](crate::jwk).
//!
//! One token is read in one order, and each step needs the value that only the step before it makes:
//!
//! 1. [`UnverifiedJwt::parse`]: length, three segments, header. The claims are not even decoded.
//! 2. [`UnverifiedJwt::verify`]: the signature over the bytes as they came, by a key of the issuer.
//! 3. [`VerifiedJwt::claims`]: the claims set, strictly; [`VerifiedJwt::validate`]: also what they say.
//!
//! Keys of any kind come in through [`SignatureVerifier`]. There is no JSON serialization (RFC 7515
//! §7.2), no encryption (RFC 7516), no unsecured token (RFC 7519 §6), and no critical extension.

mod claims;
mod derive;
mod header;
mod key;
mod key_ring;
mod mint;
mod signed;

pub use derive::{MasterKey, derive_key, derive_key_bytes};
pub use header::{Algorithm, Header};
pub use key::{HmacKey, KeyError, KeyId, MacCheck};
pub use key_ring::KeyRing;
pub use mint::{MintClaims, MintError, Signer, mint, mint_bound, mint_with};
#[cfg(feature = "dpop")]
pub(crate) use signed::{Segments, decode};
pub use signed::{SignatureVerifier, UnverifiedJwt, VerifiedJwt};

#[cfg(test)]
mod tests;
