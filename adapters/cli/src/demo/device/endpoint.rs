//! Where the device asks about tokens: a TLS listener on loopback that the device will trust.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
};

use portcullis_authorization_server::{Tls, TlsError};
use portcullis_core::encoding::uri::Uri;
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::DeviceDemoError;
use crate::{
    device::{DeviceError, Introspection},
    files,
};

/// Longest file with certificates or a key, in bytes.
const PEM_LEN_MAX: usize = 64 * 1024;

/// The introspection endpoint, ready to listen.
pub(super) struct Endpoint {
    pub(super) tls: Tls,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) url: String,
}

impl Endpoint {
    pub(super) fn new(
        device: &Introspection,
        issuer_path: &str,
        certificate: &Path,
        key: &Path,
    ) -> Result<Self, DeviceDemoError> {
        let uri = Uri::parse(&device.endpoint).map_err(|_| TlsError::Certificate)?;
        let path = format!("{issuer_path}/introspect");
        if uri.path() != path {
            return Err(DeviceDemoError::EndpointPath(path));
        }
        let certificates = files::read(certificate, PEM_LEN_MAX)?;
        let tls = Tls::from_pem(&certificates, &files::read(key, PEM_LEN_MAX)?)?;
        check_trusted(device, uri.host(), &certificates)?;
        Ok(Self {
            tls,
            address: Ipv4Addr::LOCALHOST.into(),
            port: uri.port().unwrap_or(443),
            url: device.endpoint.clone(),
        })
    }
}

/// Makes the check that the device will make, so that its failure is seen here.
fn check_trusted(
    device: &Introspection,
    host: &str,
    certificates: &[u8],
) -> Result<(), DeviceDemoError> {
    let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| TlsError::Certificate)?;
    let (server, intermediates) = chain.split_first().ok_or(TlsError::Certificate)?;
    let mut roots = RootCertStore::empty();
    roots.add(device.certificate.as_slice().into()).map_err(|_| DeviceError::Certificate)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|_| DeviceError::Certificate)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host).map_err(|_| TlsError::Certificate)?;
    verifier
        .verify_server_cert(server, intermediates, &name, &[], UnixTime::now())
        .map(drop)
        .map_err(DeviceDemoError::NotTrusted)
}
