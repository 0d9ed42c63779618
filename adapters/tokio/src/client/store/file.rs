//! Logins in a folder that only its owner can read, one file for each server.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{RECORD_LEN_MAX, StoreError, StoreLock, TokenStore};
#[cfg(all(test, unix))]
use crate::client::tests::killed::Point;

/// A folder (mode 0700) of files (mode 0600). Where others may read or change them nothing is read
/// (SEC-481); on systems without such modes the folder must be in a place that is the user's own.
///
/// A file is replaced by a whole new one, which is on the medium before it takes the old one's place, so
/// that a crash leaves one of the two (SEC-480).
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: PathBuf,
}

impl FileStore {
    /// In this folder, which is made when something is stored.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// A file of this server. Its name is a hash, since URLs have characters that names have not.
    pub(super) fn path(&self, server_url: &str, extension: &str) -> PathBuf {
        let name = Base64UrlUnpadded::encode_string(&Sha256::digest(server_url));
        self.folder.join(name).with_extension(extension)
    }

    /// Whether there is a folder; an error if others have a hand in it.
    pub(super) fn has_folder(&self) -> Result<bool, StoreError> {
        match fs::metadata(&self.folder) {
            Ok(metadata) if !metadata.is_dir() => {
                Err(StoreError::Io(self.folder.clone(), io::ErrorKind::NotADirectory.into()))
            }
            Ok(metadata) => private(&self.folder, &metadata).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::Io(self.folder.clone(), error)),
        }
    }

    fn make_folder(&self) -> Result<(), StoreError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder).map_err(at(&self.folder))?;
        self.has_folder().map(|_| ())
    }

    /// Whose name is no record yet.
    fn write_aside(path: &Path, record: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // What a crash left here was never used.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = options.open(path)?;
        #[cfg(all(test, unix))]
        stopping_half_way(&mut file, record)?;
        file.write_all(record)?;
        file.sync_all()
    }

    /// Makes what happened to names outlive a loss of power.
    fn sync_folder(&self) -> io::Result<()> {
        // Elsewhere a folder cannot be opened as a file.
        #[cfg(unix)]
        File::open(&self.folder)?.sync_all()?;
        Ok(())
    }
}

impl TokenStore for FileStore {
    fn read(&self, server_url: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        match self.has_folder()? {
            true => read(&self.path(server_url, "json")),
            false => Ok(None),
        }
    }

    fn write(&self, server_url: &str, record: &[u8]) -> Result<(), StoreError> {
        #[cfg(all(test, unix))]
        Point::BeforeTheWrite.reached();
        self.make_folder()?;
        let [aside, path] = ["new", "json"].map(|extension| self.path(server_url, extension));
        Self::write_aside(&aside, record)
            .and_then(|()| {
                #[cfg(all(test, unix))]
                Point::BeforeTheRename.reached();
                fs::rename(&aside, &path)?;
                #[cfg(all(test, unix))]
                Point::AfterTheRename.reached();
                Ok(())
            })
            .and_then(|()| self.sync_folder())
            .map_err(|error| {
                let _ = fs::remove_file(&aside);
                StoreError::Io(path, error)
            })
    }

    fn remove(&self, server_url: &str) -> Result<bool, StoreError> {
        if !self.has_folder()? {
            return Ok(false);
        }
        let path = self.path(server_url, "json");
        match fs::remove_file(&path).and_then(|()| self.sync_folder()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::Io(path, error)),
        }
    }

    fn servers(&self) -> Result<Vec<String>, StoreError> {
        /// The one member that is read here.
        #[derive(Deserialize)]
        struct Server {
            server_url: String,
        }
        if !self.has_folder()? {
            return Ok(Vec::new());
        }
        let mut servers = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(at(&self.folder))? {
            let path = entry.map_err(at(&self.folder))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let Some(record) = read(&path)? else { continue };
            let server = serde_json::from_slice::<Server>(&record);
            // Whose it is cannot be said: the file is what its owner can look at.
            let corrupt = |_| StoreError::Io(path, io::ErrorKind::InvalidData.into());
            servers.push(server.map_err(corrupt)?.server_url);
        }
        servers.sort_unstable();
        Ok(servers)
    }

    fn lock(&self, server_url: &str) -> Result<StoreLock, StoreError> {
        self.make_folder()?;
        let path = self.path(server_url, "lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        StoreLock::of(options.open(&path).map_err(at(&path))?, &path)
    }
}

/// Where a test has a process killed, half of the record is written.
#[cfg(all(test, unix))]
fn stopping_half_way(file: &mut File, record: &[u8]) -> io::Result<()> {
    use std::io::Seek as _;
    file.write_all(&record[..record.len() / 2])?;
    Point::InTheWrite.reached();
    file.rewind()
}

fn at(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| StoreError::Io(path.to_owned(), error)
}

/// The whole file, if it is there and its owner's alone.
fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(StoreError::NotAFile(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(_) => {}
        Err(error) => return Err(StoreError::Io(path.to_owned(), error)),
    }
    let file = File::open(path).map_err(at(path))?;
    private(path, &file.metadata().map_err(at(path))?)?;
    // Room for all of it at once: growing would leave copies behind.
    let mut record = Zeroizing::new(Vec::with_capacity(RECORD_LEN_MAX + 1));
    let len_read = u64::try_from(RECORD_LEN_MAX + 1).unwrap_or(u64::MAX);
    file.take(len_read).read_to_end(&mut record).map_err(at(path))?;
    if record.len() > RECORD_LEN_MAX { Err(StoreError::TooLong) } else { Ok(Some(record)) }
}

fn private(path: &Path, metadata: &fs::Metadata) -> Result<(), StoreError> {
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        return Err(StoreError::NotPrivate(path.to_owned()));
    }
    #[cfg(not(unix))]
    let _ = (path, metadata);
    Ok(())
}
