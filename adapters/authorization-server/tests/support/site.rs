//! A web site on loopback that answers as it is told, over TLS by an authority of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What follows the bytes of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Close,
    /// Nothing more, and the connection stays.
    Stall,
    /// More, without end.
    Endless,
}

type Answers = Arc<Mutex<HashMap<String, (Vec<u8>, Then)>>>;

pub(crate) struct Site {
    pub(crate) port: u16,
    /// The authority's certificate.
    pub(crate) root: CertificateDer<'static>,
    answers: Answers,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Site {
    /// A site that calls itself `name`.
    pub(crate) async fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = Self {
            port: listener.local_addr().unwrap().port(),
            root: authority.der().clone(),
            answers: Answers::default(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (answers, connections, requests) =
            (Arc::clone(&site.answers), Arc::clone(&site.connections), Arc::clone(&site.requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
                let requests = Arc::clone(&requests);
                tokio::spawn(async move { serve(acceptor, stream, &answers, &requests).await });
            }
        });
        site
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// Answers `path` with these bytes.
    pub(crate) fn answer(&self, path: &str, bytes: impl Into<Vec<u8>>, then: Then) {
        self.answers.lock().unwrap().insert(path.to_owned(), (bytes.into(), then));
    }

    /// Answers `path` with a document and these header fields, each with its line end.
    pub(crate) fn document(&self, path: &str, fields: &str, body: &str) {
        let bytes = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{fields}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.answer(path, bytes, Then::Close);
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    answers: &Answers,
    requests: &AtomicUsize,
) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?;
    let (bytes, then) = answers.lock().unwrap().get(path).cloned()?;
    stream.write_all(&bytes).await.ok()?;
    match then {
        Then::Close => stream.shutdown().await.ok(),
        Then::Stall => {
            stream.flush().await.ok()?;
            // Until the other side has had enough.
            stream.read_u8().await.ok().map(drop)
        }
        Then::Endless => loop {
            stream.write_all(b"                ").await.ok()?;
            stream.flush().await.ok()?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        },
    }
}
