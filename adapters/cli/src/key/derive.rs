//! `portcullis key derive`: the key of one resource server, or the provisioning of one device.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf};

use clap::Args;
use portcullis_authorization_server::DEFAULT_KEY_ID;
use portcullis_core::resource_server::check_identifier;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Serialize;

use super::{Error, format_line, random, secret_is_printed};
use crate::{
    device::{
        Device, Introspection, Verification,
        key::{Key, Keys, base64url_text},
    },
    files,
    output::{self, Table},
};

/// Longest file with a certificate, in bytes; what a device takes is shorter.
const CERTIFICATE_LEN_MAX: usize = 8 * 1024;

/// What is derived, and in which form.
#[derive(Args)]
pub(crate) struct Options {
    /// The file with the master key of the authorization server.
    #[arg(long, value_name = "FILE", required_unless_present = "introspection")]
    master_key: Option<PathBuf>,
    /// The URL of the MCP endpoint, exactly as clients use it: each URL has its own key.
    #[arg(long, value_name = "URL")]
    resource: String,
    /// The name of the key (`kid`), which is part of what it is derived from. It has to be the one that
    /// the authorization server signs under: `portcullis demo` takes that of the device's provisioning,
    /// the library has `Settings::with_key_id`.
    #[arg(long, value_name = "ID", default_value = DEFAULT_KEY_ID)]
    kid: String,
    /// Write it to this file, for its owner alone; without it what is derived is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Make the document that a device is provisioned with.
    #[arg(long, requires = "issuer")]
    provisioning: bool,
    #[command(flatten)]
    provisioned: ProvisioningOptions,
}

/// What else a device has to be told.
#[derive(Args)]
struct ProvisioningOptions {
    /// The authorization server whose tokens the device accepts.
    #[arg(long, value_name = "URL", requires = "provisioning")]
    issuer: Option<String>,
    /// Which provisioning of this device it is: a device does not go back to a lower number.
    #[arg(long, value_name = "N", requires = "provisioning", default_value = "1")]
    version: NonZeroU32,
    /// The name of the key to come, derived as well: both verify, so that keys change without a gap.
    #[arg(long, value_name = "ID", requires = "provisioning")]
    next_kid: Option<String>,
    /// Whom the device asks for the time; may be repeated.
    #[arg(long = "time-server", value_name = "IP:PORT", requires = "provisioning")]
    time_servers: Vec<SocketAddr>,
    /// Instead of keys: the URL where the device asks about tokens, with new credentials for that.
    #[arg(
        long,
        value_name = "URL",
        requires_all = ["provisioning", "address", "certificate"],
        conflicts_with_all = ["master_key", "kid", "next_kid"]
    )]
    introspection: Option<String>,
    /// Where that URL is: a device asks no name server.
    #[arg(long, value_name = "IP:PORT", requires = "introspection")]
    address: Option<SocketAddr>,
    /// The certificate of the authority that vouches for that URL, in DER or PEM.
    #[arg(long, value_name = "FILE", requires = "introspection")]
    certificate: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> Result<(), Error> {
    check_identifier(&options.resource, false).map_err(Error::Resource)?;
    match &options.provisioned.issuer {
        Some(issuer) => provision(options, issuer),
        None => derive(options),
    }
}

/// What `key derive` answers a script.
#[derive(Default, Serialize)]
struct Derived<'a> {
    resource: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
}

fn derive(options: &Options) -> Result<(), Error> {
    let key = derived(options, &options.kid)?;
    let text = key.text();
    let derived =
        Derived { resource: &options.resource, kid: Some(key.id().as_str()), ..Derived::default() };
    match &options.out {
        Some(path) => {
            files::write_new(path, format_line(&text).as_bytes())?;
            let file = path.display().to_string();
            answer(options, &Derived { file: Some(&file), ..derived })
        }
        None => {
            secret_is_printed("the resource server's key");
            answer(options, &Derived { key: Some(&text), ..derived })
        }
    }
}

fn provision(options: &Options, issuer: &str) -> Result<(), Error> {
    let provisioned = &options.provisioned;
    let device = Device {
        version: provisioned.version,
        resource: options.resource.clone(),
        issuer: issuer.to_owned(),
        verification: verification(options)?,
        time_servers: provisioned.time_servers.clone(),
    };
    let document = device.to_document()?;
    match &options.out {
        Some(path) => {
            files::write_new(path, format_line(&document).as_bytes())?;
            let file = path.display().to_string();
            let kid = provisioned.introspection.is_none().then_some(options.kid.as_str());
            let resource = &options.resource;
            answer(options, &Derived { resource, kid, key: None, file: Some(&file) })
        }
        None => {
            secret_is_printed("the device's provisioning");
            // JSON, whether asked for or not.
            Ok(output::line(&document)?)
        }
    }
}

fn verification(options: &Options) -> Result<Verification, Error> {
    let provisioned = &options.provisioned;
    let (Some(endpoint), Some(address), Some(certificate)) =
        (&provisioned.introspection, provisioned.address, &provisioned.certificate)
    else {
        let next = provisioned.next_kid.as_deref().map(|kid| derived(options, kid)).transpose()?;
        return Ok(Verification::Keys(Keys { current: derived(options, &options.kid)?, next }));
    };
    Ok(Verification::Introspection(Introspection {
        endpoint: endpoint.clone(),
        address,
        client_id: format!("device-{}", base64url_text(random::<16>()?.as_slice()).as_str()),
        client_secret: base64url_text(random::<32>()?.as_slice()),
        certificate: certificate_der(&files::read(certificate, CERTIFICATE_LEN_MAX)?)?,
    }))
}

/// DER, or the one certificate of a PEM file.
fn certificate_der(file: &[u8]) -> Result<Vec<u8>, Error> {
    /// How a DER certificate begins: a sequence.
    const SEQUENCE: u8 = 0x30;
    if file.first() == Some(&SEQUENCE) {
        return Ok(file.to_vec());
    }
    let mut certificates = CertificateDer::pem_slice_iter(file);
    match (certificates.next(), certificates.next()) {
        (Some(Ok(certificate)), None) => Ok(certificate.to_vec()),
        _ => Err(Error::Pem),
    }
}

fn derived(options: &Options, kid: &str) -> Result<Key, Error> {
    let path = options.master_key.as_deref().ok_or(Error::NoMasterKey)?;
    Ok(Key::derive(&*files::read_master_key(path)?, &options.resource, kid)?)
}

fn answer(options: &Options, derived: &Derived<'_>) -> Result<(), Error> {
    if options.json {
        return Ok(output::json(derived)?);
    }
    let table = Table::default()
        .row("resource", derived.resource)
        .row_if("kid", derived.kid)
        .row_if("key", derived.key)
        .row_if("file", derived.file);
    Ok(table.print()?)
}
