//! The folder that private keys are kept in: one file each, for the eyes of its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use pem_rfc7468::LineEnding;
use portcullis_core::jwt::Algorithm;
use zeroize::Zeroizing;

use super::key::SigningKey;
use super::{KeyFolderError, Made, TimedKey};

/// Longest file of a key in bytes; one of RSA with 4096 bits has about 3300.
const FILE_LEN_MAX: usize = 16 * 1024;
/// RFC 5958 §5, RFC 7468 §10.
const LABEL: &str = "PRIVATE KEY";
const LOCK: &str = ".lock";

/// A folder of key files, `es256-1800000000.pem`: the algorithm, and when the key was made.
#[derive(Debug)]
pub(super) struct KeyFolder(PathBuf);

impl KeyFolder {
    /// Opens the folder, which is made if it is not there.
    ///
    /// # Errors
    /// Others may look into it, or it cannot be had.
    pub(super) fn open(path: &Path) -> Result<Self, KeyFolderError> {
        make_private_folder(path)?;
        check_private(path, fs::symlink_metadata(path)?.is_dir())?;
        Ok(Self(path.to_owned()))
    }

    /// Keeps other processes out of the folder until the file is dropped.
    pub(super) fn lock(&self) -> Result<File, KeyFolderError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = private(&mut options).open(self.0.join(LOCK))?;
        file.lock()?;
        Ok(file)
    }

    /// What keys there are, unread: algorithm and time are in their names.
    pub(super) fn list(&self) -> Result<Vec<Made>, KeyFolderError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let name = name.to_str().unwrap_or_default();
            // Other files are not ours to judge; a key with a name that says nothing is.
            if let Some(stem) = name.strip_suffix(".pem") {
                found.push(made(stem).ok_or(KeyFolderError::Name)?);
            }
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn read(&self, made: Made) -> Result<TimedKey, KeyFolderError> {
        let path = self.0.join(file_name(made));
        check_private(&path, fs::symlink_metadata(&path)?.is_file())?;
        // Room for all of it at once: growing would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_LEN_MAX));
        let len_max = u64::try_from(FILE_LEN_MAX).unwrap_or(u64::MAX);
        File::open(&path)?.take(len_max).read_to_end(&mut text)?;
        let (label, der) = pem_rfc7468::decode_vec(&text).map_err(|_| KeyFolderError::Key)?;
        let der = Zeroizing::new(der);
        let key = SigningKey::from_pkcs8(made.algorithm, &der).ok();
        let key = key.filter(|_| label == LABEL).ok_or(KeyFolderError::Key)?;
        Ok(TimedKey::new(made, key))
    }

    /// Writes a key whole or not at all: what a crash leaves behind is no key file.
    pub(super) fn write(&self, key: &TimedKey) -> Result<(), KeyFolderError> {
        let der = key.key.to_pkcs8().map_err(|_| KeyFolderError::Key)?;
        let text = pem_rfc7468::encode_string(LABEL, LineEnding::LF, &der);
        let text = Zeroizing::new(text.map_err(|_| KeyFolderError::Key)?);
        let name = file_name(key.made);
        let (path, unfinished) = (self.0.join(&name), self.0.join(format!(".{name}.new")));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = private(&mut options).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        sync_folder(&self.0)
    }

    pub(super) fn remove(&self, made: Made) -> Result<(), KeyFolderError> {
        match fs::remove_file(self.0.join(file_name(made))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn file_name(Made { algorithm, at_secs }: Made) -> String {
    format!("{}-{at_secs}.pem", algorithm.as_str().to_ascii_lowercase())
}

fn made(stem: &str) -> Option<Made> {
    let (name, at_secs) = stem.split_once('-')?;
    let algorithm = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256]
        .into_iter()
        .find(|algorithm| algorithm.as_str().to_ascii_lowercase() == name)?;
    let made = Made { algorithm, at_secs: at_secs.parse().ok()? };
    // One spelling for each: `+1` and `01` are numbers, too.
    (file_name(made).strip_suffix(".pem") == Some(stem)).then_some(made)
}

#[cfg(unix)]
fn make_private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Refuses what others than its owner may read or change, and what is of another kind (a link among them).
fn check_private(path: &Path, is_its_kind: bool) -> Result<(), KeyFolderError> {
    if !is_its_kind {
        return Err(KeyFolderError::Kind);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if fs::symlink_metadata(path)?.permissions().mode() & 0o077 != 0 {
            tracing::error!(path = %path.display(), "others may read or change it");
            return Err(KeyFolderError::Permissions);
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// The name of a new file is in the folder, which has to reach the disk, too.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), KeyFolderError> {
    Ok(File::open(path)?.sync_all()?)
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), KeyFolderError> {
    Ok(())
}
