//! The flash for what must survive a restart: a file of the machine around, which behaves as NOR flash.

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use semihosting::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
};

use super::arguments::{FLASH, Path};

/// Bytes that are erased at once.
const SECTOR_LEN: usize = 4096;
/// Bytes of the whole: what the store of keys asks for.
const LEN: usize = 4 * SECTOR_LEN;
/// Bytes that are written at once.
const WORD_LEN: usize = 4;
/// Bytes that are erased with one call.
const PIECE_LEN: usize = 64;

/// The flash.
#[derive(Debug)]
pub struct Flash(File);

impl Flash {
    /// Where in it the application keeps its records.
    pub const RANGE: core::ops::Range<u32> = 0..LEN as u32;

    /// Opens the file; one that is not there is made, erased.
    pub(super) fn open() -> Result<Self, &'static str> {
        let path = Path::argument(FLASH)?;
        let path = path.as_c_str()?;
        let open = || File::options().read(true).write(true).open(path);
        let mut flash = match open() {
            Ok(file) => Self(file),
            Err(_) => {
                drop(File::create(path).map_err(|_| "the flash file cannot be made")?);
                let mut flash = Self(open().map_err(|_| "the flash file cannot be opened")?);
                flash.fill(0, LEN).map_err(|_| "the flash file cannot be written")?;
                flash
            }
        };
        let len = flash.0.seek(SeekFrom::End(0)).map_err(|_| "the flash file has no length")?;
        if len == LEN as u64 { Ok(flash) } else { Err("the flash file has another length") }
    }

    fn fill(&mut self, from: u32, len: usize) -> Result<(), FlashError> {
        self.seek(from)?;
        (0..len / PIECE_LEN).try_for_each(|_| self.write_all(&[0xff; PIECE_LEN]))
    }

    fn seek(&mut self, offset: u32) -> Result<(), FlashError> {
        self.0.seek(SeekFrom::Start(offset.into())).map_err(|_| FlashError::File)?;
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FlashError> {
        self.0.write_all(bytes).map_err(|_| FlashError::File)
    }
}

/// Why the flash does not do what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// An address that is not aligned, or beyond the end.
    Address(NorFlashErrorKind),
    /// The machine around refuses.
    File,
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Address(kind) => *kind,
            Self::File => NorFlashErrorKind::Other,
        }
    }
}

/// Refuses what real flash cannot do.
fn check(offset: u32, len: usize, unit: usize) -> Result<(), FlashError> {
    let offset = offset as usize;
    if len > LEN || offset > LEN - len {
        Err(FlashError::Address(NorFlashErrorKind::OutOfBounds))
    } else if !offset.is_multiple_of(unit) || !len.is_multiple_of(unit) {
        Err(FlashError::Address(NorFlashErrorKind::NotAligned))
    } else {
        Ok(())
    }
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        check(offset, bytes.len(), Self::READ_SIZE)?;
        self.seek(offset)?;
        self.0.read_exact(bytes).map_err(|_| FlashError::File)
    }

    fn capacity(&self) -> usize {
        LEN
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD_LEN;
    const ERASE_SIZE: usize = SECTOR_LEN;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let len =
            to.checked_sub(from).ok_or(FlashError::Address(NorFlashErrorKind::OutOfBounds))?;
        check(from, len as usize, Self::ERASE_SIZE)?;
        self.fill(from, len as usize)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        check(offset, bytes.len(), Self::WRITE_SIZE)?;
        self.seek(offset)?;
        self.write_all(bytes)
    }
}
