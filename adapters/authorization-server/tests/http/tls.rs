//! `serve_tls`: the same routes over TLS, to those who trust the certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_authorization_server::{AuthorizationServer, Tls, TlsError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::harness::settings;

const HOST: &str = "as.local";
const HEADER_TIME: Duration = Duration::from_secs(2);

/// An authority, and what a server shows that it issued a certificate to.
struct Authority {
    certificate: CertificateDer<'static>,
    server_certificate: String,
    server_key: String,
}

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([HOST.to_owned()]).unwrap();
    let server = params.signed_by(&key, &issuer).unwrap();
    Authority {
        certificate: issuer.der().clone(),
        server_certificate: server.pem(),
        server_key: key.serialize_pem(),
    }
}

async fn start(authority: &Authority) -> (SocketAddr, oneshot::Sender<()>) {
    let tls =
        Tls::from_pem(authority.server_certificate.as_bytes(), authority.server_key.as_bytes());
    start_with(tls.unwrap()).await
}

async fn start_with(tls: Tls) -> (SocketAddr, oneshot::Sender<()>) {
    let mut settings = settings();
    settings.limits.header_time = HEADER_TIME;
    let server = AuthorizationServer::new(settings).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        server.serve_tls(listener, tls, async { stopped.await.unwrap_or_default() }).await
    });
    (address, stop)
}

fn connector(trusted: &CertificateDer<'static>, protocols: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// The status line that a client which trusts `trusted` gets for the metadata, as `host`.
async fn metadata(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    host: &'static str,
    protocols: &[&str],
) -> std::io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(host).unwrap();
    let mut stream = connector(trusted, protocols).connect(name, stream).await?;
    let get = "GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(get.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn as_13_routes_over_tls_to_those_who_trust_the_certificate() {
    let (own, other) = (authority(), authority());
    let (address, _stop) = start(&own).await;
    for protocols in [&[][..], &["http/1.1"], &["h2", "http/1.1"]] {
        let answer = metadata(address, &own.certificate, HOST, protocols).await.unwrap();
        assert_eq!(answer, "HTTP/1.1 200 OK");
    }
    for (trusted, host, protocols) in [
        (&other.certificate, HOST, &[][..]),
        (&own.certificate, "other.local", &[]),
        (&own.certificate, HOST, &["h2"]),
    ] {
        assert!(metadata(address, trusted, host, protocols).await.is_err(), "{host} {protocols:?}");
    }
}

#[tokio::test]
async fn sec_447_a_half_open_handshake_is_closed_by_its_deadline() {
    let own = authority();
    let (address, _stop) = start(&own).await;
    let started = Instant::now();
    let mut half_open = Vec::new();
    // Nothing at all; the first bytes of a hello and no more; plain HTTP; a record over every length.
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n", &[0x16; 70_000]]
    {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may be gone before all of it is sent.
        let _ = stream.write_all(bytes).await;
        half_open.push(stream);
    }
    // Meanwhile others are answered.
    let answer = metadata(address, &own.certificate, HOST, &[]).await.unwrap();
    assert_eq!(answer, "HTTP/1.1 200 OK");
    assert!(started.elapsed() < HEADER_TIME, "before any deadline");
    for mut stream in half_open {
        let mut rest = Vec::new();
        let read = timeout(HEADER_TIME * 3, stream.read_to_end(&mut rest)).await;
        let read = read.expect("closed in time");
        assert!(!rest.starts_with(b"HTTP/"), "{read:?}");
    }
    // One that ends the session early: the server goes on.
    let name = ServerName::try_from(HOST).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = connector(&own.certificate, &[]).connect(name, stream).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = metadata(address, &own.certificate, HOST, &[]).await.unwrap();
    assert_eq!(answer, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_whoever_comes_next() {
    let (old, new) = (authority(), authority());
    let (certificate, key) = (old.server_certificate.as_bytes(), old.server_key.as_bytes());
    let tls = Tls::from_pem(certificate, key).unwrap();
    let (address, _stop) = start_with(tls.clone()).await;
    let trusts = async |one: &Authority| {
        metadata(address, &one.certificate, HOST, &["http/1.1"]).await.is_ok()
    };
    assert_eq!((trusts(&old).await, trusts(&new).await), (true, false));
    // What cannot be shown changes nothing.
    let mixed = tls.renew(new.server_certificate.as_bytes(), key);
    assert_eq!(mixed, Err(TlsError::Pair));
    assert_eq!((trusts(&old).await, trusts(&new).await), (true, false));
    tls.renew(new.server_certificate.as_bytes(), new.server_key.as_bytes()).unwrap();
    assert_eq!((trusts(&old).await, trusts(&new).await), (false, true));
}

#[test]
fn a_certificate_needs_its_own_key() {
    let (own, other) = (authority(), authority());
    let (certificate, key) = (own.server_certificate.as_str(), own.server_key.as_str());
    let check = |certificate: &str, key: &str, expected: Option<TlsError>| {
        assert_eq!(Tls::from_pem(certificate.as_bytes(), key.as_bytes()).err(), expected);
    };
    check(certificate, key, None);
    check(certificate, &other.server_key, Some(TlsError::Pair));
    check("", key, Some(TlsError::Certificate));
    check(key, key, Some(TlsError::Certificate));
    check(certificate, certificate, Some(TlsError::Key));
    check(certificate, "", Some(TlsError::Key));
    check(&certificate.repeat(8), key, None);
    check(&certificate.repeat(9), key, Some(TlsError::Certificate));
    let shown = format!("{:?}", Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap());
    assert_eq!(shown, "Tls(..)");
}
