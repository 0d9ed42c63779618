//! `portcullis key certificate`: an authority for one device and one server, where there is no other.

use std::{fmt, path::PathBuf};

use clap::Args;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::Error;
use crate::{
    files,
    output::{self, Table},
};

/// Who gets a certificate.
#[derive(Args)]
pub(crate) struct Options {
    /// The host of the introspection endpoint's URL.
    #[arg(long)]
    host: String,
    /// The folder for `authority.der`, `authority.pem`, `server.pem` and `server.key`.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// How long the certificates are good for.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The certificates could not be made: the host is no name, say.
#[derive(Debug)]
pub(crate) struct CertificateError(rcgen::Error);

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no certificate can be made: {}", self.0)
    }
}

impl From<rcgen::Error> for CertificateError {
    fn from(error: rcgen::Error) -> Self {
        Self(error)
    }
}

/// What was made, as files would hold it.
struct Certificates {
    authority_der: Vec<u8>,
    authority_pem: String,
    server_pem: String,
    server_key: Zeroizing<String>,
}

/// What a script is answered: the files.
#[derive(Serialize)]
struct Made {
    authority_der: String,
    authority_pem: String,
    server_certificate: String,
    server_key: String,
}

pub(super) fn run(options: &Options) -> Result<(), Error> {
    let made = make(options)?;
    files::make_folder(&options.out)?;
    let write = |name: &str, content: &[u8]| {
        let path = options.out.join(name);
        files::write_new(&path, content).map(|()| path.display().to_string())
    };
    let made = Made {
        authority_der: write("authority.der", &made.authority_der)?,
        authority_pem: write("authority.pem", made.authority_pem.as_bytes())?,
        server_certificate: write("server.pem", made.server_pem.as_bytes())?,
        server_key: write("server.key", made.server_key.as_bytes())?,
    };
    if options.json {
        return Ok(output::json(&made)?);
    }
    let table = Table::default()
        .row("authority (DER)", &made.authority_der)
        .row("authority (PEM)", &made.authority_pem)
        .row("server certificate", &made.server_certificate)
        .row("server key", &made.server_key);
    Ok(table.print()?)
}

/// ECDSA with P-256, which is what a device can check. The authority's key is not kept: it issues this
/// one certificate and no other.
fn make(options: &Options) -> Result<Certificates, CertificateError> {
    let now = OffsetDateTime::now_utc();
    let params = |names: Vec<String>| -> Result<CertificateParams, CertificateError> {
        let mut params = CertificateParams::new(names)?;
        // A device's clock may be behind.
        params.not_before = now - Duration::DAY;
        params.not_after = now + Duration::days(options.days.into());
        Ok(params)
    };
    let mut authority = params(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "Portcullis device authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let mut server = params(vec![options.host.clone()])?;
    server.distinguished_name.push(DnType::CommonName, "Portcullis introspection");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    Ok(Certificates {
        authority_der: authority.der().to_vec(),
        authority_pem: authority.pem(),
        server_pem: certificate.pem(),
        server_key: Zeroizing::new(key.serialize_pem()),
    })
}
