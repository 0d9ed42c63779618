//! The demo for a device that runs elsewhere: its authorization server, and nothing else.
//!
//! Resource, issuer and key id are those of the device's provisioning. With keys, tokens are signed with
//! the key that the device holds. With introspection they are opaque, and the same authorization server
//! also listens with TLS, where the device asks about them.

mod endpoint;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use portcullis_authorization_server::{
    AuthorizationServer, Resource, Settings, SettingsError, TlsError, TokenFormat,
    testing::DEMO_USER,
};
use portcullis_core::{encoding::uri::Uri, scope::ScopeSet};
use tokio::{net::TcpListener, sync::watch};

use super::{DemoError, journal::Journal};
use crate::{
    device::{
        Device, DeviceError, Verification,
        key::{Key, Keys},
    },
    errors::from_parts,
    files::{self, FileError},
};
use endpoint::Endpoint;

/// What people read of the device.
const NAME: &str = "Portcullis demo device";

/// What is only for the demo that runs a protected server and a client, too.
const OF_WHOLE_DEMO: [&str; 5] = ["legacy", "once", "verify", "server_port", "redirect_port"];

/// A device that runs elsewhere.
#[derive(Args)]
pub(crate) struct DeviceOptions {
    /// Serve only the authorization server, for the device with this provisioning: its resource, its
    /// issuer, its key id.
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_WHOLE_DEMO)]
    pub(super) device: Option<PathBuf>,
    /// The master key from which the device's key was derived.
    #[arg(long, value_name = "FILE", requires = "device", conflicts_with_all = OF_WHOLE_DEMO)]
    master_key: Option<PathBuf>,
    /// A scope of the device and what it permits, in the words of the consent page; may be repeated. The
    /// first is granted when a client names none. Without it: device:read and device:write.
    #[arg(
        long = "scope",
        value_name = "NAME=WORDS",
        requires = "device",
        conflicts_with_all = OF_WHOLE_DEMO
    )]
    scopes: Vec<ScopeWords>,
    /// The certificate shown where the device asks about tokens (with introspection), in PEM.
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["device", "tls_key"],
        conflicts_with_all = OF_WHOLE_DEMO
    )]
    tls_certificate: Option<PathBuf>,
    /// The private key of that certificate, in PEM.
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["device", "tls_certificate"],
        conflicts_with_all = OF_WHOLE_DEMO
    )]
    tls_key: Option<PathBuf>,
}

/// A scope and the words for it.
#[derive(Clone)]
struct ScopeWords {
    name: String,
    words: String,
}

impl ScopeWords {
    /// What the firmware of `examples/microcontroller` asks for.
    fn of_example() -> [Self; 2] {
        let scope = |name: &str, words: &str| Self { name: name.into(), words: words.into() };
        [
            scope("device:read", "Read what the device measures"),
            scope("device:write", "Switch what the device controls"),
        ]
    }
}

impl FromStr for ScopeWords {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, words) = text.split_once('=').ok_or("a scope is given as NAME=WORDS")?;
        let is_one = ScopeSet::parse(name).is_ok_and(|scopes| scopes.iter().count() == 1);
        if !is_one || words.trim().is_empty() {
            return Err("a scope is given as NAME=WORDS, the name being one scope of RFC 6749");
        }
        Ok(Self { name: name.to_owned(), words: words.to_owned() })
    }
}

/// Why there is no authorization server for the device.
#[derive(Debug)]
pub(crate) enum DeviceDemoError {
    Device(DeviceError),
    File(FileError),
    Settings(SettingsError),
    Tls(TlsError),
    /// The issuer is on this port, and another one was asked for.
    Port {
        issuer: u16,
        asked: u16,
    },
    /// The device has keys, and no master key is given.
    NoMasterKey,
    /// The device asks about tokens, and a master key is given.
    MasterKeyNotUsed,
    /// The master key derives another key than the device's.
    OtherKey,
    /// The device asks about tokens, and nothing is given to show it.
    NoTls,
    /// The device has keys, and a certificate is given.
    TlsNotUsed,
    /// The introspection endpoint of the device is not this one's.
    EndpointPath(String),
    /// The device would not accept the certificate, in rustls' words.
    NotTrusted(rustls::Error),
}

impl fmt::Display for DeviceDemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
            Self::Settings(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Port { issuer, asked } => write!(
                f,
                "the device's issuer is on port {issuer}, not {asked}: pass --authorization-server-port {issuer}, or provision the device with another issuer"
            ),
            Self::NoMasterKey => {
                f.write_str("the device has keys: pass --master-key, from which they were derived")
            }
            Self::MasterKeyNotUsed => {
                f.write_str("the device asks about tokens: --master-key has no use")
            }
            Self::OtherKey => f.write_str(
                "this master key derives another key for the device's resource and key id than the device has",
            ),
            Self::NoTls => f.write_str(
                "the device asks about tokens: pass --tls-certificate and --tls-key (see `portcullis key certificate`)",
            ),
            Self::TlsNotUsed => {
                f.write_str("the device has keys and asks nobody: --tls-certificate has no use")
            }
            Self::EndpointPath(path) => {
                write!(f, "the device's introspection endpoint must have the path {path}")
            }
            Self::NotTrusted(error) => {
                write!(f, "the device would not accept the certificate: {error}")
            }
        }
    }
}

impl std::error::Error for DeviceDemoError {}

from_parts! {
    DeviceDemoError {
        Device(DeviceError);
        File(FileError);
        Settings(SettingsError);
        Tls(TlsError);
    }
}

/// What the authorization server is and where it listens.
struct Plan {
    settings: Settings,
    address: IpAddr,
    endpoint: Option<Endpoint>,
}

/// Serves until interrupted.
pub(super) async fn run(
    options: &DeviceOptions,
    path: &Path,
    port: u16,
    journal: &Journal,
) -> Result<(), DemoError> {
    let device = Device::read(path).map_err(DeviceDemoError::from)?;
    let plan = plan(options, &device, port)?;
    let server = AuthorizationServer::new(plan.settings).await.map_err(DeviceDemoError::from)?;
    let listen = async |address: IpAddr, port: u16| {
        TcpListener::bind((address, port)).await.map_err(|error| DemoError::Port(port, error))
    };
    let listener = listen(plan.address, port).await?;
    journal.note(&format!("authorization server  {}", device.issuer));
    let endpoint = match plan.endpoint {
        Some(endpoint) => {
            let listener = listen(endpoint.address, endpoint.port).await?;
            journal.note(&format!("introspection         {}", endpoint.url));
            Some((endpoint.tls, listener))
        }
        None => None,
    };
    journal.heading("Start the device, and connect an MCP client:");
    journal.note(&format!("  server URL  {}", device.resource));
    journal.note(&format!("  sign in as  {} with password {}", DEMO_USER.0, DEMO_USER.1));
    journal.note("  end with Ctrl-C");

    let (stop, stopped) = watch::channel(());
    let plain = async {
        let served = server.serve(listener, ended(stopped.clone())).await;
        served.map_err(DemoError::Serve)
    };
    let asked = async {
        let Some((tls, listener)) = endpoint else { return Ok(()) };
        let served = server.serve_tls(listener, tls, ended(stopped.clone())).await;
        served.map_err(DemoError::Serve)
    };
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
        drop(stop);
        Ok(())
    };
    tokio::try_join!(plain, asked, interrupted).map(|_| ())
}

/// Ready when the sender is gone.
async fn ended(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// Makes the settings; whatever would not work between server and device is found here.
fn plan(options: &DeviceOptions, device: &Device, port: u16) -> Result<Plan, DeviceDemoError> {
    let issuer = Uri::parse(&device.issuer).map_err(|_| SettingsError::Issuer)?;
    // The only scheme there is for the demo's user is `http`.
    let settings = Settings::demo(device.issuer.clone())?;
    let issuer_port = issuer.port().unwrap_or(80);
    if issuer_port != port {
        return Err(DeviceDemoError::Port { issuer: issuer_port, asked: port });
    }
    let (settings, format) = match (&device.verification, &options.master_key) {
        (Verification::Keys(keys), Some(path)) => {
            let master = files::read_master_key(path)?;
            check_key(&master, device, keys)?;
            let settings = settings.with_master_key(*master)?;
            (settings.with_key_id(keys.current.id().as_str())?, TokenFormat::Hs256)
        }
        (Verification::Introspection(_), None) => (settings, TokenFormat::Opaque),
        (Verification::Keys(_), None) => return Err(DeviceDemoError::NoMasterKey),
        (Verification::Introspection(_), Some(_)) => return Err(DeviceDemoError::MasterKeyNotUsed),
    };
    let mut resource = Resource::new(device.resource.clone(), NAME, format)?;
    let tls = match (&options.tls_certificate, &options.tls_key) {
        (Some(certificate), Some(key)) => Some((certificate.as_path(), key.as_path())),
        _ => None,
    };
    let endpoint = match (&device.verification, tls) {
        (Verification::Introspection(introspection), Some((certificate, key))) => {
            resource = resource.with_introspection_credentials(
                introspection.client_id.clone(),
                introspection.client_secret.as_str(),
            );
            Some(Endpoint::new(introspection, issuer.path(), certificate, key)?)
        }
        (Verification::Keys(_), None) => None,
        (Verification::Introspection(_), None) => return Err(DeviceDemoError::NoTls),
        (Verification::Keys(_), Some(_)) => return Err(DeviceDemoError::TlsNotUsed),
    };
    let example = ScopeWords::of_example();
    let scopes = if options.scopes.is_empty() { &example[..] } else { &options.scopes };
    for (at, ScopeWords { name, words }) in scopes.iter().enumerate() {
        resource = match at {
            0 => resource.with_scope(name, words),
            _ => resource.with_further_scope(name, words),
        };
    }
    let address = match issuer.host() {
        "[::1]" => Ipv6Addr::LOCALHOST.into(),
        _ => Ipv4Addr::LOCALHOST.into(),
    };
    Ok(Plan { settings: settings.with_resource(resource), address, endpoint })
}

/// Tokens by another key than the device's would all be refused, and nothing would say why.
fn check_key(master: &[u8; 32], device: &Device, keys: &Keys) -> Result<(), DeviceDemoError> {
    let derived = Key::derive(master, &device.resource, keys.current.id().as_str())
        .map_err(DeviceError::from)?;
    if derived.bytes() == keys.current.bytes() { Ok(()) } else { Err(DeviceDemoError::OtherKey) }
}

#[cfg(test)]
mod tests;
