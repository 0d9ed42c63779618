//! Certificates of every kind.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};

pub(crate) const HOST: &str = "as.example.com";

/// A key and what is to be certified of it.
pub(crate) type Issuer = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

/// Valid in 2027, for the host, of a server.
pub(crate) fn server_params() -> CertificateParams {
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2026, 6, 1);
    params.not_after = date_time_ymd(2028, 1, 1);
    params.distinguished_name.push(DnType::CommonName, "server");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

pub(crate) fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2036, 1, 1);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

pub(crate) fn authority(name: &str) -> Issuer {
    CertifiedIssuer::self_signed(authority_params(name), key()).unwrap()
}

/// A server of TLS 1.3 that shows these certificates.
pub(crate) fn config(chain: &[&Certificate], key: &KeyPair) -> Arc<ServerConfig> {
    config_of(chain, key, &TLS13)
}

pub(crate) fn config_of(
    chain: &[&Certificate],
    key: &KeyPair,
    version: &'static SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain: Vec<CertificateDer<'static>> =
        chain.iter().map(|certificate| certificate.der().clone()).collect();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let key = provider.key_provider.load_private_key(key).unwrap();
    // Not `with_single_cert`, which would look at the certificate before the device does.
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    Arc::new(config)
}

/// A server whose certificate this authority issued.
pub(crate) fn issued(params: CertificateParams, by: &Issuer) -> Arc<ServerConfig> {
    let key = key();
    let certificate = params.signed_by(&key, by).unwrap();
    config(&[&certificate], &key)
}
