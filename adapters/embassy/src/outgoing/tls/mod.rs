//! TLS 1.3: embedded-tls carries the bytes, rustls-webpki judges the certificate (SEC-372).
//!
//! TLS_AES_128_GCM_SHA256 with the curve P-256 and ECDSA, and nothing else: the server needs a P-256 certificate, issued
//! by a P-256 authority that is provisioned, directly or by way of one intermediate. Times are compared with the time
//! that the request was decided with, names with the host of the URL.
//!
//! Why there is a verifier of our own around embedded-tls 0.19, and a watch on its records:
//!
//! - it takes a handshake in which the server shows no certificate for a whole one, so that anybody on the way could be
//!   the server. Here a connection counts only after the certificate *and* the signature over the handshake were checked.
//! - its own verifier lets any certificate issue others, and without a clock checks no times.
//! - it panics over an empty encrypted record and over a handshake message in the clear behind the handshake, which
//!   whoever is on the way can send. Such records do not reach it.
//!
//! What is left: a handshake message that the *proven* server has no reason to send makes it panic; keys of a closed
//! connection stay in memory until the next one overwrites them; nothing asks whether a certificate was revoked, so that
//! certificates should be short-lived or pinned.
//!
//! A handshake is four operations on the curve, each some ten million instructions on a Cortex-M, during which no other
//! task of the same executor runs.

mod ecdsa;
mod records;
mod trust;
mod verifier;

use core::pin::pin;

use edge_nal::TcpConnect;
use embassy_time::{Duration, Instant, with_deadline, with_timeout};
use embedded_tls::{
    Aes128GcmSha256, CryptoProvider, MaxFragmentLength, TlsConfig, TlsConnection, TlsContext,
    TlsError, TlsVerifier,
};
use portcullis_core::time::UnixTime;
use rand_core::CryptoRngCore;
use rustls_pki_types::ServerName;

pub use self::trust::{Trust, TrustError};
use self::{records::Records, verifier::Verifier};
use super::{Closing, Conversation, Destination, OpenError, Transport, transport};

/// How long the last word of TLS may take to be taken.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);

/// What a record needs beside what it carries, in bytes: header, kind, padding and tag.
pub const RECORD_OVERHEAD: usize = 128;

/// The memory of a connection: about 6.6 KiB as it stands.
///
/// - `READ`: longest record that can be received, in bytes, with [`RECORD_OVERHEAD`]. The server is asked to send no
///   longer ones (RFC 6066 §4); of one that does so all the same there is no answer.
/// - `WRITE`: likewise for sending; what is longer is sent in several records. 512 hold the first message.
/// - `CERTIFICATE`: longest certificate of a server in bytes. A P-256 certificate with one name has about 500.
pub struct TlsMemory<
    const READ: usize = { 4096 + RECORD_OVERHEAD },
    const WRITE: usize = 1536,
    const CERTIFICATE: usize = 1024,
> {
    read: [u8; READ],
    write: [u8; WRITE],
    certificate: [u8; CERTIFICATE],
}

impl<const READ: usize, const WRITE: usize, const CERTIFICATE: usize>
    TlsMemory<READ, WRITE, CERTIFICATE>
{
    /// Zeroes, so that a `static` of it takes no flash.
    pub const fn new() -> Self {
        Self { read: [0; READ], write: [0; WRITE], certificate: [0; CERTIFICATE] }
    }
}

impl<const READ: usize, const WRITE: usize, const CERTIFICATE: usize> Default
    for TlsMemory<READ, WRITE, CERTIFICATE>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<const READ: usize, const WRITE: usize, const CERTIFICATE: usize> core::fmt::Debug
    for TlsMemory<READ, WRITE, CERTIFICATE>
{
    /// Without the bytes.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TlsMemory(..)")
    }
}

/// Connects to `https` destinations.
///
/// `T` makes TCP connections: `edge_nal_embassy::Tcp` on a device. `R` is a generator fit for keys, for example
/// ChaCha20 (`rand_chacha` 0.3) seeded with 32 bytes of the board's entropy.
pub struct Tls<'c, T, R> {
    tcp: T,
    trust: Trust<'c>,
    random: R,
    read: &'c mut [u8],
    write: &'c mut [u8],
    certificate: &'c mut [u8],
}

impl<'c, T: TcpConnect, R: CryptoRngCore> Tls<'c, T, R> {
    /// Connects to whoever `trust` vouches for.
    pub fn new<const READ: usize, const WRITE: usize, const CERTIFICATE: usize>(
        tcp: T,
        trust: Trust<'c>,
        random: R,
        memory: &'c mut TlsMemory<READ, WRITE, CERTIFICATE>,
    ) -> Self {
        let TlsMemory { read, write, certificate } = memory;
        Self { tcp, trust, random, read, write, certificate }
    }
}

impl<T, R> core::fmt::Debug for Tls<'_, T, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tls").field("trust", &self.trust).finish_non_exhaustive()
    }
}

impl<T: TcpConnect, R: CryptoRngCore> Transport for Tls<'_, T, R> {
    async fn converse<C: Conversation>(
        &mut self,
        destination: &Destination<'_>,
        now: UnixTime,
        until: Instant,
        conversation: C,
    ) -> Result<C::Outcome, OpenError> {
        let Self { tcp, trust, random, read, write, certificate } = self;
        let name = ServerName::try_from(host(destination)?).map_err(|_| OpenError::Destination)?;
        let mut socket = transport::connect(tcp, destination, until).await?;
        let config = config(&name, destination, read.len());
        let mut provider =
            Provider { random, verifier: Verifier::new(trust, name, now, certificate) };
        let mut stream = TlsConnection::new(Records::new(&mut socket), read, write);
        let is_open = {
            let open = pin!(stream.open(TlsContext::new(&config, &mut provider)));
            with_deadline(until, open).await.is_ok_and(|opened| opened.is_ok())
        };
        // Without the second a server that shows no certificate at all would do.
        if !is_open || !provider.verifier.is_proven() {
            transport::close(&mut socket, Closing::Abrupt).await;
            return Err(OpenError::Handshake);
        }
        let (outcome, closing) = conversation.over(&mut stream).await;
        if closing == Closing::Orderly {
            // Nothing depends on it: what was said has its length.
            let _ = with_timeout(CLOSE_TIME_MAX, stream.close()).await;
        }
        transport::close(&mut socket, closing).await;
        Ok(outcome)
    }
}

/// The host that the certificate must be for.
fn host<'c>(destination: &Destination<'c>) -> Result<&'c str, OpenError> {
    let url = destination.url();
    if !url.is_https() {
        return Err(OpenError::Destination);
    }
    // An IPv6 address stands in brackets in a URL only.
    let plain = url.host().strip_prefix(['[']).and_then(|host| host.strip_suffix([']']));
    Ok(plain.unwrap_or(url.host()))
}

fn config<'c>(
    name: &ServerName<'_>,
    destination: &Destination<'c>,
    read_len: usize,
) -> TlsConfig<'c> {
    let mut config = TlsConfig::new();
    // RFC 6066 §3: an address is no server name, though a certificate may be for one.
    if matches!(name, ServerName::DnsName(_)) {
        config = config.with_server_name(destination.url().host());
    }
    match fragment_len(read_len) {
        Some(fragment_len) => config.with_max_fragment_length(fragment_len),
        None => config,
    }
}

/// The longest fragment that fits, of the lengths that can be asked for.
const fn fragment_len(read_len: usize) -> Option<MaxFragmentLength> {
    Some(match read_len.saturating_sub(RECORD_OVERHEAD) {
        // No need to ask.
        16384.. => return None,
        4096.. => MaxFragmentLength::Bits12,
        2048.. => MaxFragmentLength::Bits11,
        1024.. => MaxFragmentLength::Bits10,
        _ => MaxFragmentLength::Bits9,
    })
}

/// What embedded-tls asks for.
struct Provider<'p, R> {
    random: &'p mut R,
    verifier: Verifier<'p>,
}

impl<R: CryptoRngCore> CryptoProvider for Provider<'_, R> {
    type CipherSuite = Aes128GcmSha256;
    /// The device has no certificate to sign with.
    type Signature = [u8; 0];

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut *self.random
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Self::CipherSuite>, TlsError> {
        Ok(&mut self.verifier)
    }
}
