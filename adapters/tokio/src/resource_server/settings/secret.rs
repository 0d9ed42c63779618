//! Secrets stay outside of the settings: they name a file or an environment variable.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use zeroize::Zeroizing;

/// Where a secret comes from. In TOML it is `{ file = "path" }` or `{ env = "NAME" }`; written out in
/// the settings themselves it is refused, and never repeated in the error (SEC-320).
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Value(Arc<Zeroizing<Vec<u8>>>),
    File(PathBuf),
    Env(String),
}

/// Why a secret could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read.
    File(PathBuf, std::io::ErrorKind),
    /// The environment variable is not set, or not text.
    Env(String),
    /// The file or variable holds nothing.
    Empty,
}

impl Secret {
    /// A secret that the program already has.
    pub fn value(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Source::Value(Arc::new(Zeroizing::new(bytes.into()))))
    }

    /// The content of a file, without the line end that editors add.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// The value of an environment variable.
    pub fn env(name: impl Into<String>) -> Self {
        Self(Source::Env(name.into()))
    }

    /// The same; the path of a file counts from `folder`, unless it is absolute.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> Self {
        match self.0 {
            Source::File(path) => Self::file(folder.join(path)),
            other => Self(other),
        }
    }

    /// The file that it is in, if it is in one: who else may read it is for the caller to ask.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Source::File(path) => Some(path),
            Source::Value(_) | Source::Env(_) => None,
        }
    }

    /// Reads the secret; an empty one is an error (SEC-074). The copy is wiped when dropped (SEC-324).
    ///
    /// # Errors
    /// [`SecretError`]; none of them carries a part of the secret.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let mut bytes = match &self.0 {
            Source::Value(bytes) => Zeroizing::new(bytes.to_vec()),
            Source::File(path) => Zeroizing::new(
                std::fs::read(path).map_err(|e| SecretError::File(path.clone(), e.kind()))?,
            ),
            Source::Env(name) => Zeroizing::new(
                std::env::var(name).map_err(|_| SecretError::Env(name.clone()))?.into_bytes(),
            ),
        };
        if matches!(self.0, Source::File(_)) {
            while let [.., b'\n' | b'\r'] = bytes.as_slice() {
                bytes.pop();
            }
        }
        if bytes.is_empty() { Err(SecretError::Empty) } else { Ok(bytes) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Value(_) => f.write_str("Secret(..)"),
            Source::File(path) => f.debug_tuple("Secret::file").field(path).finish(),
            Source::Env(name) => f.debug_tuple("Secret::env").field(name).finish(),
        }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, kind) => write!(f, "cannot read {}: {kind}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name} is not set"),
            Self::Empty => f.write_str("the secret is empty"),
        }
    }
}

impl std::error::Error for SecretError {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

const EXPECTED: &str = "expected { file = \"path\" } or { env = \"NAME\" }";

/// Written by hand because a derived reader would print what it found instead.
struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ file = \"path\" } or { env = \"NAME\" }")
    }

    fn visit_str<E: de::Error>(self, _secret: &str) -> Result<Secret, E> {
        Err(E::custom(format_args!("a secret is not written here: {EXPECTED}")))
    }

    fn visit_i64<E: de::Error>(self, _secret: i64) -> Result<Secret, E> {
        self.visit_str("")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let wrong = || de::Error::custom(EXPECTED);
        let name: String = map.next_key()?.ok_or_else(wrong)?;
        let place: String = map.next_value()?;
        let secret = match name.as_str() {
            "file" => Secret::file(place),
            "env" => Secret::env(place),
            _ => return Err(wrong()),
        };
        if map.next_key::<de::IgnoredAny>()?.is_some() { Err(wrong()) } else { Ok(secret) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        secret: Secret,
    }

    #[test]
    fn sec_320_a_secret_in_the_settings_is_refused_and_not_repeated() {
        for text in [
            "secret = \"hunter2\"",
            "secret = { value = \"hunter2\" }",
            "secret = { file = \"f\", hunter2 = \"x\" }",
            "secret = 77001",
        ] {
            let error = toml::from_str::<Holder>(text).unwrap_err();
            assert!(!error.message().contains("hunter2"), "{}", error.message());
            assert!(!error.message().contains("77001"), "{}", error.message());
        }
        assert!(!format!("{:?}", Secret::value("hunter2")).contains("hunter2"));
    }

    #[test]
    fn file_and_variable() {
        let path = std::env::temp_dir().join(format!("portcullis-secret-{}", std::process::id()));
        std::fs::write(&path, "s3cret \r\n").unwrap();
        let text = format!("secret = {{ file = '{}' }}", path.display());
        let holder: Holder = toml::from_str(&text).unwrap();
        assert_eq!(holder.secret.read().unwrap().as_slice(), b"s3cret ");
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(holder.secret.read().unwrap_err(), SecretError::Empty);
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(holder.secret.read(), Err(SecretError::File(_, _))));

        let holder: Holder = toml::from_str("secret = { env = 'PORTCULLIS_NOT_SET' }").unwrap();
        assert_eq!(
            holder.secret.read().unwrap_err(),
            SecretError::Env("PORTCULLIS_NOT_SET".into())
        );
        assert_eq!(Secret::value("").read().unwrap_err(), SecretError::Empty);
    }
}
