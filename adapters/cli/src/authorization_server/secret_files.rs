//! The master key and the folder it is in: made once, for their owner alone, and never overwritten.

use std::path::{Path, PathBuf};

use portcullis_authorization_server::Tls;
use portcullis_tokio::resource_server::Secret;
use zeroize::Zeroizing;

use super::{Error, configuration::TlsFiles};
use crate::{device::key::base64url_text, files};

/// Longest file with certificates or a private key in bytes.
const PEM_LEN_MAX: usize = 64 * 1024;

/// The master key in the file, which is made if it is not there; and whether it was made.
pub(super) fn master_key(path: &Path) -> Result<(Zeroizing<[u8; 32]>, bool), Error> {
    if path.exists() {
        return Ok((existing_master_key(path)?, false));
    }
    if let Some(folder) = path.parent() {
        files::make_private_folder(folder)?;
    }
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(|_| Error::Entropy)?;
    let text = base64url_text(key.as_slice());
    let mut line = Zeroizing::new(String::with_capacity(text.len() + 1));
    line.push_str(&text);
    line.push('\n');
    files::write_new(path, line.as_bytes())?;
    Ok((key, true))
}

/// The master key in a file that only its owner can read.
pub(super) fn existing_master_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, files::FileError> {
    files::check_private(path, files::Readers::Owner)?;
    files::read_master_key(path)
}

/// Whether the folder of the signing keys, if it is there, and the keys in it are their owner's alone. What
/// is in them the server reads.
pub(super) fn check_signing_keys(folder: &Path) -> Result<(), files::FileError> {
    if !folder.exists() {
        return Ok(());
    }
    files::check_private(folder, files::Readers::Owner)?;
    files::list(folder)?.iter().try_for_each(|key| files::check_private(key, files::Readers::Owner))
}

/// A secret of the configuration, as a text. A file may be readable for a group, and for nobody else.
pub(super) fn secret(secret: &Secret, folder: &Path) -> Result<Zeroizing<String>, String> {
    let secret = secret.clone().relative_to(folder);
    if let Some(path) = secret.path() {
        files::check_private(path, files::Readers::Group).map_err(|error| error.to_string())?;
    }
    let bytes = secret.read().map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "the secret is not a text")?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The certificate and its key. The key may be readable for a group, as those of Debian's `ssl-cert` are.
pub(super) fn tls(of: &TlsFiles, at: impl Fn(&Path) -> PathBuf) -> Result<Tls, String> {
    let (chain, key) = tls_files(of, at).map_err(|error| error.to_string())?;
    Tls::from_pem(&chain, &key).map_err(|error| error.to_string())
}

/// Has `tls` show what the files hold now.
pub(super) fn renew_tls(
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
