//! Whether the server is who it should be (RFC 8446 §4.4.2, §4.4.3): certificate first, then the signature with its key.

use core::time::Duration;

use embedded_tls::{
    Aes128GcmSha256, CertificateEntryRef, CertificateRef, CertificateVerifyRef, Sha256,
    SignatureScheme, TlsError, TlsVerifier,
};
use p256::ecdsa::signature::digest::Digest;
use portcullis_core::time::UnixTime;
use rustls_pki_types::{CertificateDer, ServerName};
use webpki::{EndEntityCert, KeyUsage};

use super::{Trust, ecdsa::EcdsaP256Sha256};

/// RFC 8446 §4.4.3: 64 blanks, what is signed, and a zero stand before the hash.
const CONTEXT: &[u8; 34] = b"TLS 1.3, server CertificateVerify\0";
const BLANKS_LEN: usize = 64;
const HASH_LEN: usize = 32;
const MESSAGE_LEN: usize = BLANKS_LEN + CONTEXT.len() + HASH_LEN;

/// Checks one handshake.
pub(super) struct Verifier<'v> {
    trust: &'v Trust<'v>,
    name: ServerName<'v>,
    now: rustls_pki_types::UnixTime,
    /// The server's certificate, between its message and that of its signature.
    certificate: &'v mut [u8],
    state: State,
}

enum State {
    /// No certificate yet.
    Unknown,
    /// A good certificate of this length; its key has not signed yet.
    Certified { certificate_len: usize, transcript: Sha256 },
    /// The key of the certificate signed this handshake.
    Proven,
    /// Something did not hold, or came in another order.
    Refused,
}

impl<'v> Verifier<'v> {
    pub(super) fn new(
        trust: &'v Trust<'v>,
        name: ServerName<'v>,
        now: UnixTime,
        certificate: &'v mut [u8],
    ) -> Self {
        let now = Duration::from_secs(now.as_secs());
        let now = rustls_pki_types::UnixTime::since_unix_epoch(now);
        Self { trust, name, now, certificate, state: State::Unknown }
    }

    /// Whether certificate and signature were there and good. Nobody else asks for them to be there.
    pub(super) const fn is_proven(&self) -> bool {
        matches!(self.state, State::Proven)
    }

    /// Keeps the certificate and gives its length.
    fn certify(&mut self, message: &CertificateRef<'_>) -> Option<usize> {
        // At most one intermediate: each costs a signature check before anybody is proven.
        let (server, intermediate) = match message.entries.as_slice() {
            [CertificateEntryRef::X509(server)] => (*server, None),
            [CertificateEntryRef::X509(server), CertificateEntryRef::X509(issuer)] => {
                (*server, Some(CertificateDer::from(*issuer)))
            }
            _ => return None,
        };
        let kept = self.certificate.get_mut(..server.len())?;
        for (to, from) in kept.iter_mut().zip(server) {
            *to = *from;
        }
        let server = CertificateDer::from(server);
        let certificate = EndEntityCert::try_from(&server).ok()?;
        certificate
            .verify_for_usage(
                &[&EcdsaP256Sha256 { pin: None }],
                &[self.trust.anchor().ok()?],
                intermediate.as_slice(),
                self.now,
                KeyUsage::server_auth(),
                None,
                None,
            )
            .ok()?;
        certificate.verify_is_valid_for_subject_name(&self.name).ok()?;
        Some(server.len())
    }

    fn prove(
        &self,
        len: usize,
        transcript: Sha256,
        verify: &CertificateVerifyRef<'_>,
    ) -> Option<()> {
        if verify.signature_scheme != SignatureScheme::EcdsaSecp256r1Sha256 {
            return None;
        }
        let server = CertificateDer::from(self.certificate.get(..len)?);
        let mut message = [b' '; MESSAGE_LEN];
        let signed = CONTEXT.iter().copied().chain(transcript.finalize());
        for (to, from) in message.iter_mut().skip(BLANKS_LEN).zip(signed) {
            *to = from;
        }
        let algorithm = EcdsaP256Sha256 { pin: self.trust.pin() };
        let certificate = EndEntityCert::try_from(&server).ok()?;
        certificate.verify_signature(&algorithm, &message, verify.signature).ok()
    }
}

impl TlsVerifier<Aes128GcmSha256> for Verifier<'_> {
    /// The name is set from the beginning, and not optional.
    fn set_hostname_verification(&mut self, _hostname: &str) -> Result<(), TlsError> {
        Ok(())
    }

    fn verify_certificate(
        &mut self,
        transcript: &Sha256,
        message: CertificateRef<'_>,
    ) -> Result<(), TlsError> {
        let is_first = matches!(self.state, State::Unknown);
        self.state = State::Refused;
        let certificate_len = if is_first { self.certify(&message) } else { None };
        let certificate_len = certificate_len.ok_or(TlsError::InvalidCertificate)?;
        self.state = State::Certified { certificate_len, transcript: transcript.clone() };
        Ok(())
    }

    fn verify_signature(&mut self, verify: CertificateVerifyRef<'_>) -> Result<(), TlsError> {
        let State::Certified { certificate_len, transcript } =
            core::mem::replace(&mut self.state, State::Refused)
        else {
            return Err(TlsError::InvalidSignature);
        };
        self.prove(certificate_len, transcript, &verify).ok_or(TlsError::InvalidSignature)?;
        self.state = State::Proven;
        Ok(())
    }
}
