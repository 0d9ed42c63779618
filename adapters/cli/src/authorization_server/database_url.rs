//! The URL of a PostgreSQL database, which may have a password in it.

use std::{fmt, path::Path};

use portcullis_tokio::resource_server::Secret;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::serving::files as serving_files;

/// Where the URL comes from: `{ env = "NAME" }`, `{ file = "path" }`, or written out if it has no password.
#[derive(Debug)]
pub(super) struct DatabaseUrl(Secret);

impl DatabaseUrl {
    /// The URL; the path of a file counts from `folder`.
    pub(super) fn read(&self, folder: &Path) -> Result<String, String> {
        let url = serving_files::secret(&self.0, folder)?;
        if ["postgresql://", "postgres://"].iter().any(|scheme| url.starts_with(scheme)) {
            Ok(url.to_string())
        } else {
            Err("the URL does not start with postgresql://".into())
        }
    }
}

/// Whether something in the URL may be a password.
fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || url.to_ascii_lowercase().contains("password")
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UrlVisitor)
    }
}

/// Written by hand because a derived reader would repeat what it found in its error (SEC-320).
struct UrlVisitor;

impl<'de> Visitor<'de> for UrlVisitor {
    type Value = DatabaseUrl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL without password, { file = \"path\" } or { env = \"NAME\" }")
    }

    fn visit_str<E: de::Error>(self, url: &str) -> Result<DatabaseUrl, E> {
        if has_password(url) {
            return Err(E::custom(
                "a password is not written here: use { file = \"path\" } or { env = \"NAME\" }",
            ));
        }
        Ok(DatabaseUrl(Secret::value(url)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DatabaseUrl, A::Error> {
        Secret::deserialize(MapAccessDeserializer::new(map)).map(DatabaseUrl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[derive(Debug, Deserialize)]
    struct Holder {
        url: DatabaseUrl,
    }

    #[test]
    fn a_url_without_password() {
        for url in
            ["postgresql://u@db.example/p", "postgres://db.example:5433/p", "postgresql:///p"]
        {
            let holder: Holder = toml::from_str(&format!("url = '{url}'")).unwrap();
            assert_eq!(holder.url.read(Path::new("")).as_deref(), Ok(url));
        }
        for url in ["mysql://u@db.example/p", "db.example"] {
            let holder: Holder = toml::from_str(&format!("url = '{url}'")).unwrap();
            assert!(holder.url.read(Path::new("")).is_err(), "{url}");
        }
    }

    #[test]
    fn sec_320_a_password_in_the_file_is_refused_and_not_repeated() {
        for url in ["postgresql://u:hunter2@db.example/p", "postgresql://u@h/p?password=hunter2"] {
            let error = toml::from_str::<Holder>(&format!("url = '{url}'")).unwrap_err();
            assert!(error.message().contains("is not written here"), "{}", error.message());
            assert!(!error.message().contains("hunter2"), "{}", error.message());
        }
    }

    #[test]
    fn a_url_with_a_password_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        files::write_new(&path, b"postgresql://u:p@h/d\n").unwrap();
        let holder: Holder = toml::from_str("url = { file = 'url' }").unwrap();
        assert_eq!(holder.url.read(folder.path()).as_deref(), Ok("postgresql://u:p@h/d"));
        #[cfg(unix)]
        for (mode, is_refused) in [(0o640, false), (0o604, true)] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&path, mode).unwrap();
            assert_eq!(holder.url.read(folder.path()).is_err(), is_refused);
        }
        assert!(holder.url.read(Path::new("/nowhere")).is_err());
        assert!(toml::from_str::<Holder>("url = { value = 'x' }").is_err());
    }
}
