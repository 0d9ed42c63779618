//! `portcullis key`: where keys come from.
//!
//! ```text
//! key new                       one master key, for the authorization server alone
//! key derive                    from it the key of each resource server, or what a device is provisioned with
//! key certificate               for introspection: who the authorization server is to a device
//! ```

mod certificate;
mod derive;

use std::{fmt, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use portcullis_core::{jwt::KeyError, resource_server::IdentifierError};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    device::{DeviceError, key::base64url_text},
    errors::from_parts,
    files::{self, FileError},
    output::{self, OutputError, Table},
};

/// What `portcullis key` can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a new master key: 32 random bytes, as base64url without padding.
    New(NewOptions),
    /// Derive the key of one resource server, or write what one device is provisioned with.
    Derive(Box<derive::Options>),
    /// Make a certificate authority and a server certificate that it issued, for introspection over TLS.
    Certificate(certificate::Options),
}

impl Command {
    pub(crate) fn run(&self) -> Result<ExitCode, Error> {
        match self {
            Self::New(options) => new(options)?,
            Self::Derive(options) => derive::run(options)?,
            Self::Certificate(options) => certificate::run(options)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Where a new master key goes.
#[derive(Args)]
pub(crate) struct NewOptions {
    /// Write it to this file, for its owner alone; without it the key is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What `key new` answers a script: the key, or the file that it is in.
#[derive(Serialize)]
struct New<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    master_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
}

fn new(options: &NewOptions) -> Result<(), Error> {
    let key = base64url_text(random::<32>()?.as_slice());
    match &options.out {
        Some(path) => {
            files::write_new(path, format_line(&key).as_bytes())?;
            let file = path.display().to_string();
            if options.json {
                output::json(&New { master_key: None, file: Some(&file) })?;
            } else {
                Table::default().row("master key", &file).print()?;
            }
        }
        None => {
            secret_is_printed("master key");
            if options.json {
                output::json(&New { master_key: Some(&key), file: None })?;
            } else {
                output::line(&key)?;
            }
        }
    }
    Ok(())
}

/// The text with a line end, to be wiped as well.
fn format_line(text: &str) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(text.len() + 1));
    line.push_str(text);
    line.push('\n');
    line
}

fn secret_is_printed(what: &str) {
    eprintln!(
        "portcullis: what is printed is a secret ({what}); --out writes it to a file for you alone"
    );
}

/// Random bytes of the operating system.
fn random<const LEN: usize>() -> Result<Zeroizing<[u8; LEN]>, Error> {
    let mut bytes = Zeroizing::new([0; LEN]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| Error::Entropy)?;
    Ok(bytes)
}

/// Why there is no key.
#[derive(Debug)]
pub(crate) enum Error {
    File(FileError),
    Output(OutputError),
    /// The operating system gave no randomness.
    Entropy,
    /// The URL of `--resource`.
    Resource(IdentifierError),
    Key(KeyError),
    /// There is nothing to derive from.
    NoMasterKey,
    /// What is written would be no provisioning.
    Device(DeviceError),
    /// The certificate for the device is neither DER nor PEM.
    Pem,
    Certificate(certificate::CertificateError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Output(error) => error.fmt(f),
            Self::Entropy => f.write_str("the operating system gave no randomness"),
            Self::Resource(error) => write!(f, "the resource {error}"),
            Self::Key(error) => error.fmt(f),
            Self::NoMasterKey => f.write_str("there is no master key to derive from"),
            Self::Device(error) => error.fmt(f),
            Self::Pem => {
                f.write_str("the certificate file is neither DER nor one certificate in PEM")
            }
            Self::Certificate(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

from_parts! {
    Error {
        File(FileError);
        Output(OutputError);
        Key(KeyError);
        Device(DeviceError);
        Certificate(certificate::CertificateError);
    }
}
