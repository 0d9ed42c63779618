//! Files and standard input, within limits: what is read may be a secret and is wiped after use, what is
//! written is for its owner alone and never takes the place of another file.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use portcullis_core::limits::HMAC_KEY_LEN_MAX;
use zeroize::Zeroizing;

use crate::device::key::{Key, KeyTextError};

/// Longest text of a key: its bytes in base64url, and a line end.
const KEY_TEXT_LEN_MAX: usize = (HMAC_KEY_LEN_MAX * 4).div_ceil(3) + 2;

/// Why a file is not what it has to be, and which one.
#[derive(Debug)]
pub(crate) struct FileError {
    path: PathBuf,
    reason: Reason,
}

/// None of them carries a part of the content.
#[derive(Debug)]
enum Reason {
    Read(io::Error),
    Write(io::Error),
    /// It is there already.
    Exists,
    TooLong(usize),
    /// Not UTF-8.
    Text,
    Key(KeyTextError),
    MasterKey,
    /// Others may read or change it.
    NotPrivate,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.reason {
            Reason::Read(error) => write!(f, "cannot be read: {error}"),
            Reason::Write(error) => write!(f, "cannot be written: {error}"),
            Reason::Exists => f.write_str("is there already, and is not overwritten"),
            Reason::TooLong(len_max) => write!(f, "is longer than {len_max} bytes"),
            Reason::Text => f.write_str("is not a text"),
            Reason::Key(error) => error.fmt(f),
            Reason::NotPrivate => f.write_str("others may read or change it (chmod go= helps)"),
            Reason::MasterKey => f.write_str("a master key has 32 bytes that are not all the same"),
        }
    }
}

impl std::error::Error for FileError {}

/// Ties a reason to its file.
fn at(path: &Path) -> impl Fn(Reason) -> FileError {
    move |reason| FileError { path: path.to_owned(), reason }
}

/// The whole file, of at most `len_max` bytes.
pub(crate) fn read(path: &Path, len_max: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let error = at(path);
    let file = File::open(path).map_err(|failure| error(Reason::Read(failure)))?;
    read_all(file, len_max).map_err(error)
}

/// The whole of standard input as a text, of at most `len_max` bytes beside the line end.
pub(crate) fn read_stdin_line(len_max: usize) -> Result<Zeroizing<String>, FileError> {
    let error = at(Path::new("standard input"));
    let bytes = read_all(io::stdin().lock(), len_max + 2).map_err(&error)?;
    let text = line(bytes).map_err(&error)?;
    if text.len() > len_max { Err(error(Reason::TooLong(len_max))) } else { Ok(text) }
}

/// One line of standard input, of at most `len_max` bytes beside the line end; what follows stays unread.
pub(crate) fn read_stdin_first_line(len_max: usize) -> Result<Zeroizing<String>, FileError> {
    let error = at(Path::new("standard input"));
    let mut bytes = Zeroizing::new(Vec::with_capacity(len_max + 2));
    let len_read = u64::try_from(len_max + 2).unwrap_or(u64::MAX);
    let mut input = io::stdin().lock().take(len_read);
    io::BufRead::read_until(&mut input, b'\n', &mut bytes)
        .map_err(|failure| error(Reason::Read(failure)))?;
    let text = line(bytes).map_err(&error)?;
    if text.len() > len_max { Err(error(Reason::TooLong(len_max))) } else { Ok(text) }
}

/// The one line of a file, of at most `len_max` bytes beside the line end.
pub(crate) fn read_line(path: &Path, len_max: usize) -> Result<Zeroizing<String>, FileError> {
    line(read(path, len_max + 2)?).map_err(at(path))
}

/// The key named `kid` whose text is all there is in the file.
pub(crate) fn read_key(path: &Path, kid: &str) -> Result<Key, FileError> {
    let error = at(path);
    let text = line(read(path, KEY_TEXT_LEN_MAX)?).map_err(&error)?;
    Key::from_text(kid, &text).map_err(|failure| error(Reason::Key(failure)))
}

/// A master key as `key new` writes it.
pub(crate) fn read_master_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, FileError> {
    // Its name is nowhere to be seen.
    let key = read_key(path, "master")?;
    let bytes = <[u8; 32]>::try_from(key.bytes()).map(Zeroizing::new);
    let is_placeholder = |bytes: &[u8; 32]| bytes.iter().all(|byte| *byte == bytes[0]);
    match bytes {
        Ok(bytes) if !is_placeholder(&bytes) => Ok(bytes),
        Ok(_) | Err(_) => Err(at(path)(Reason::MasterKey)),
    }
}

/// Makes a file that only its owner can read; one that is there already is an error.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let error = at(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|failure| match failure.kind() {
        io::ErrorKind::AlreadyExists => error(Reason::Exists),
        _ => error(Reason::Write(failure)),
    })?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|failure| {
        // Half a key is none, and would stand in the way of the next try.
        let _ = fs::remove_file(path);
        error(Reason::Write(failure))
    })
}

/// Who may read a secret file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    Owner,
    /// Its owner and a group.
    Group,
}

/// Refuses a file that others may read or change. Where there are no such permissions nothing is checked.
pub(crate) fn check_private(path: &Path, readers: Readers) -> Result<(), FileError> {
    let error = at(path);
    let metadata = fs::metadata(path).map_err(|failure| error(Reason::Read(failure)))?;
    #[cfg(unix)]
    {
        let refused = match readers {
            Readers::Owner => 0o077,
            Readers::Group => 0o037,
        };
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        if mode & refused != 0 {
            return Err(error(Reason::NotPrivate));
        }
    }
    #[cfg(not(unix))]
    let _ = (metadata, readers);
    Ok(())
}

/// Makes a folder for its owner alone, unless it is there.
pub(crate) fn make_private_folder(path: &Path) -> Result<(), FileError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    // The folder that a bare name is in is the working folder.
    match path.as_os_str().is_empty() {
        true => Ok(()),
        false => builder.create(path).map_err(|failure| at(path)(Reason::Write(failure))),
    }
}

/// The files of a folder.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|failure| at(folder)(Reason::Read(failure)))?;
    Ok(entries.iter().map(fs::DirEntry::path).collect())
}

/// Opens a file to append to it; one that is made is for its owner alone.
pub(crate) fn append(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|failure| at(path)(Reason::Write(failure)))
}

/// Makes a folder, unless it is there.
pub(crate) fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(|failure| at(path)(Reason::Write(failure)))
}

fn read_all(from: impl Read, len_max: usize) -> Result<Zeroizing<Vec<u8>>, Reason> {
    // Room for all of it at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(len_max + 1));
    let len_read = u64::try_from(len_max + 1).unwrap_or(u64::MAX);
    from.take(len_read).read_to_end(&mut bytes).map_err(Reason::Read)?;
    if bytes.len() > len_max { Err(Reason::TooLong(len_max)) } else { Ok(bytes) }
}

/// A text without its one line end.
fn line(bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, Reason> {
    let text = std::str::from_utf8(&bytes).map_err(|_| Reason::Text)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}
