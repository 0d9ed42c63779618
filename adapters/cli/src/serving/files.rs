//! What every server of this program reads from files: secrets, and its certificate with the key.

use std::path::{Path, PathBuf};

use portcullis_authorization_server::Tls;
use portcullis_tokio::resource_server::Secret;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::files;

/// Longest file with certificates or a private key in bytes.
const PEM_LEN_MAX: usize = 64 * 1024;

/// Where certificate and key are, as the configuration says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// A secret of the configuration, as a text. A file may be readable for a group, and for nobody else.
pub(crate) fn secret(secret: &Secret, folder: &Path) -> Result<Zeroizing<String>, String> {
    let secret = secret.clone().relative_to(folder);
    if let Some(path) = secret.path() {
        files::check_private(path, files::Readers::Group).map_err(|error| error.to_string())?;
    }
    let bytes = secret.read().map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "the secret is not a text")?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The certificate and its key. The key may be readable for a group, as those of Debian's `ssl-cert` are.
pub(crate) fn tls(of: &TlsFiles, at: impl Fn(&Path) -> PathBuf) -> Result<Tls, String> {
    let (chain, key) = tls_files(of, at).map_err(|error| error.to_string())?;
    Tls::from_pem(&chain, &key).map_err(|error| error.to_string())
}

/// Has `tls` show what the files hold now.
pub(crate) fn renew_tls(
    tls: &Tls,
    of: &TlsFiles,
    at: impl Fn(&Path) -> PathBuf,
) -> Result<(), String> {
    let (chain, key) = tls_files(of, at).map_err(|error| error.to_string())?;
    tls.renew(&chain, &key).map_err(|error| error.to_string())
}

type Content = Zeroizing<Vec<u8>>;

fn tls_files(
    of: &TlsFiles,
    at: impl Fn(&Path) -> PathBuf,
) -> Result<(Content, Content), files::FileError> {
    let (certificate, key) = (at(&of.certificate), at(&of.key));
    let chain = files::read(&certificate, PEM_LEN_MAX)?;
    files::check_private(&key, files::Readers::Group)?;
    Ok((chain, files::read(&key, PEM_LEN_MAX)?))
}
