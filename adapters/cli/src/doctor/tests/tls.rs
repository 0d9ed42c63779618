//! Certificates, right and wrong.

use std::{sync::Arc, time::SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use time::{Duration, OffsetDateTime};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::options;
use crate::doctor::{examination::examine, report::Report, report::Verdict};

/// What is found at a server of `name` that answers 404, whose certificate ends in so many days.
async fn found(name: &str, days: i64, trusted: bool) -> Report {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let now = OffsetDateTime::from_unix_timestamp(since_1970.try_into().unwrap()).unwrap();
    params.not_before = now - Duration::days(30);
    params.not_after = now + Duration::days(days) + Duration::hours(1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 404 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, issuer.pem()).unwrap();
    let url = format!("https://localhost:{port}/mcp");
    let mut arguments = vec![url.as_str()];
    if trusted {
        arguments.extend(["--ca", ca.to_str().unwrap()]);
    }
    let report = examine(&options(&arguments)).await;
    serving.abort();
    report
}

fn has(report: &Report, code: &str) -> bool {
    report.findings.iter().any(|finding| finding.code == code)
}

#[tokio::test]
async fn a_certificate_that_clients_refuse_is_an_error() {
    for (name, days, trusted, why) in [
        ("localhost", 90, false, "UnknownIssuer"),
        ("other.example", 90, true, "not valid for name \"localhost\""),
        ("localhost", -1, true, "expired"),
    ] {
        let report = found(name, days, trusted).await;
        assert!(has(&report, "tls-invalid"), "{report:#?}");
        assert!(report.findings.iter().any(|it| it.detail.contains(why)), "{why}: {report:#?}");
        assert_eq!(report.verdict, Verdict::Errors);
    }
    let report = found("localhost", 90, true).await;
    assert!(!has(&report, "tls-invalid") && !has(&report, "certificate-ends"), "{report:#?}");
    assert!(report.facts.iter().any(|fact| fact.value.contains("ends in 90 days")), "{report:#?}");
}

/// What is wrong with the file is not blamed on the server.
#[tokio::test]
async fn a_file_without_certificates_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, "no certificate\n").unwrap();
    let arguments = ["https://localhost:1/mcp", "--ca", ca.to_str().unwrap()];
    let report = examine(&options(&arguments)).await;
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Unchecked, 0), "{report:#?}");
    assert!(report.unchecked.unwrap().contains("holds no certificates"));
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_a_warning() {
    for (days, expected) in [(13, true), (14, false)] {
        let report = found("localhost", days, true).await;
        assert_eq!(has(&report, "certificate-ends"), expected, "{report:#?}");
    }
}
