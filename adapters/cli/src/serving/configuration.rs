//! How a configuration file is read.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::files;

/// Longest configuration file in bytes: room for thousands of resources.
const FILE_LEN_MAX: usize = 1024 * 1024;

/// Why a configuration cannot be read. No value of the file is repeated (SEC-320).
#[derive(Debug)]
pub(crate) enum ConfigurationError {
    File(files::FileError),
    Text(PathBuf),
    Toml { path: PathBuf, line: usize, message: String },
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Text(path) => write!(f, "{}: is not a text", path.display()),
            Self::Toml { path, line, message } => {
                write!(f, "{}:{line}: {message}", path.display())
            }
        }
    }
}

impl std::error::Error for ConfigurationError {}

/// Reads a TOML file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigurationError> {
    let bytes = files::read(path, FILE_LEN_MAX).map_err(ConfigurationError::File)?;
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| ConfigurationError::Text(path.to_owned()))?;
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigurationError::Toml {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            message: error.message().to_owned(),
        }
    })
}
