//! The master key and the folder it is in: made once, for their owner alone, and never overwritten.

use std::path::Path;

use zeroize::Zeroizing;

use super::Error;
use crate::{device::key::base64url_text, files};

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
