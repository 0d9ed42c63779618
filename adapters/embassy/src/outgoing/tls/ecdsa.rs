//! ECDSA over P-256 with SHA-256, of the crate p256 for rustls-webpki.

use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Digest, Sha256};

/// A SubjectPublicKeyInfo of P-256 up to the 65 bytes of the key (RFC 5480 §2).
const PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The SHA-256 of a SubjectPublicKeyInfo in DER (as in RFC 7469 §2.4).
pub(super) type Pin = [u8; 32];

/// The one algorithm; with a pin, of the one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct EcdsaP256Sha256 {
    pub(super) pin: Option<Pin>,
}

impl SignatureVerificationAlgorithm for EcdsaP256Sha256 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if let Some(pin) = self.pin {
            let own = Sha256::new().chain_update(PREFIX).chain_update(public_key).finalize();
            // Both are public: nothing is learnt from how long it takes.
            if own.as_slice() != pin.as_slice() {
                return Err(InvalidSignature);
            }
        }
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}
