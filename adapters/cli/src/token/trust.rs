//! Whose tokens for which resource, and the keys they are signed with: from a provisioning, or named one
//! by one.

use std::path::PathBuf;

use clap::Args;
use portcullis_authorization_server::DEFAULT_KEY_ID;
use portcullis_core::resource_server::check_identifier;

use super::Error;
use crate::{
    device::{
        Device, Verification,
        key::{Key, Keys},
    },
    files,
};

/// Which tokens are meant.
#[derive(Args)]
pub(super) struct TrustArguments {
    #[command(flatten)]
    source: KeySource,
    /// The resource server's URL.
    #[arg(long, value_name = "URL", conflicts_with = "provisioning")]
    resource: Option<String>,
    /// The authorization server.
    #[arg(long, value_name = "URL", conflicts_with = "provisioning")]
    issuer: Option<String>,
    /// The name of the key (`kid`): 1 unless given; with a provisioning, one of its keys.
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
}

/// Where the key comes from.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct KeySource {
    /// A device's provisioning: it has resource, issuer and keys.
    #[arg(long, value_name = "FILE")]
    provisioning: Option<PathBuf>,
    /// A file with the key of the resource server, as `key derive --out` writes it.
    #[arg(long, value_name = "FILE", requires_all = ["resource", "issuer"])]
    key: Option<PathBuf>,
    /// A file with the master key, from which the key of the resource is derived.
    #[arg(long, value_name = "FILE", requires_all = ["resource", "issuer"])]
    master_key: Option<PathBuf>,
}

/// Tokens of this issuer, for this resource, by these keys.
pub(super) struct Trust {
    pub(super) resource: String,
    pub(super) issuer: String,
    pub(super) keys: Keys,
}

impl TrustArguments {
    pub(super) fn read(&self) -> Result<Trust, Error> {
        match &self.source.provisioning {
            Some(path) => self.of_device(Device::read(path)?),
            None => self.named(),
        }
    }

    fn of_device(&self, device: Device) -> Result<Trust, Error> {
        let Verification::Keys(keys) = device.verification else { return Err(Error::NoKey) };
        let keys = match &self.kid {
            Some(kid) => keys.only(kid).ok_or(Error::UnknownKey)?,
            None => keys,
        };
        Ok(Trust { resource: device.resource, issuer: device.issuer, keys })
    }

    fn named(&self) -> Result<Trust, Error> {
        let resource = self.resource.clone().unwrap_or_default();
        let issuer = self.issuer.clone().unwrap_or_default();
        check_identifier(&resource, false).map_err(Error::Resource)?;
        check_identifier(&issuer, false).map_err(Error::Issuer)?;
        let kid = self.kid.as_deref().unwrap_or(DEFAULT_KEY_ID);
        let key = match (&self.source.key, &self.source.master_key) {
            (Some(path), _) => files::read_key(path, kid)?,
            (None, Some(path)) => Key::derive(&*files::read_master_key(path)?, &resource, kid)?,
            (None, None) => return Err(Error::NoKey),
        };
        Ok(Trust { resource, issuer, keys: Keys { current: key, next: None } })
    }
}
