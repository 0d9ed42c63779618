//! Why a server does not start.

use std::{fmt, path::PathBuf};

use crate::{AuthoritiesError, public_keys::PublicKeysError};
use portcullis_core::{jwt::KeyError, resource_server::ConfigurationError, scope::ScopeError};

use super::SecretError;

/// A setting that is refused at start, with the reason. Holds names of settings, never a secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// The settings file cannot be read.
    File(PathBuf, std::io::ErrorKind),
    /// Not TOML, or not these settings; with the line, where it is known.
    Toml {
        /// Line of the file, counted from 1.
        line: Option<usize>,
        /// What is wrong with it.
        message: String,
    },
    /// What the core refuses: resource, issuers, rules, hosts, origins.
    Configuration(ConfigurationError),
    /// A list of scopes is not one; with the setting that holds it.
    Scope(String, ScopeError),
    /// A key is refused; with its id.
    Key(String, KeyError),
    /// A key's text is not base64url; with its id.
    KeyText(String),
    /// Offline verification without a key, or with more than two.
    KeyCount,
    /// A set of public keys cannot be used; with its issuer.
    PublicKeys(String, PublicKeysError),
    /// Public keys are to come from a file or from the settings, and from one of both only.
    PublicKeySource,
    /// The key set is not at an absolute `https` URL (`http` on loopback only).
    KeySetUrl,
    /// `ca_file` cannot be read, or holds no certificates in PEM.
    CaFile(AuthoritiesError),
    /// A secret cannot be had; with the setting that names it.
    Secret(String, SecretError),
    /// A number is out of its bounds; with its setting.
    Limit(&'static str),
    /// The introspection endpoint is not an absolute `https` URL (`http` on loopback only).
    Endpoint,
    /// There are no certificate roots or no source of randomness on this machine.
    System(&'static str),
}

impl SettingsError {
    /// Keeps the message and the line of a TOML error, and not the text of the line, which may hold
    /// a secret (SEC-320).
    pub(super) fn toml(error: &toml::de::Error, text: &str) -> Self {
        let line = error.span().and_then(|span| text.get(..span.start));
        Self::Toml {
            line: line.map(|before| before.matches('\n').count() + 1),
            message: error.message().to_owned(),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, kind) => write!(f, "cannot read {}: {kind}", path.display()),
            Self::Toml { line: Some(line), message } => write!(f, "line {line}: {message}"),
            Self::Toml { line: None, message } => f.write_str(message),
            Self::Configuration(error) => error.fmt(f),
            Self::Scope(setting, error) => write!(f, "{setting}: {error}"),
            Self::Key(id, error) => write!(f, "key {id:?}: {error}"),
            Self::KeyText(id) => write!(f, "key {id:?}: not base64url text"),
            Self::KeyCount => f.write_str("offline verification needs one key or two"),
            Self::PublicKeys(issuer, error) => write!(f, "public keys of {issuer:?}: {error}"),
            Self::PublicKeySource => {
                f.write_str("public keys are given by a file or by a document, one of both")
            }
            Self::KeySetUrl => f.write_str(
                "the key set is not at an absolute https URL (http is for loopback only)",
            ),
            Self::CaFile(error) => write!(f, "ca_file: {error}"),
            Self::Secret(setting, error) => write!(f, "{setting}: {error}"),
            Self::Limit(setting) => write!(f, "{setting} is out of its bounds"),
            Self::Endpoint => f.write_str(
                "the introspection endpoint is not an absolute https URL (http is for loopback only)",
            ),
            Self::System(what) => f.write_str(what),
        }
    }
}

/// The reason in words too: it is what a `main` that returns the error prints.
impl fmt::Debug for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for SettingsError {}

impl From<ConfigurationError> for SettingsError {
    fn from(error: ConfigurationError) -> Self {
        Self::Configuration(error)
    }
}
