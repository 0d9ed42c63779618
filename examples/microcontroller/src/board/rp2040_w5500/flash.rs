//! The flash chip: behind the firmware a sector with the device's identity, and those for its keys.

use embassy_rp::{
    Peri,
    flash::{Blocking, ERASE_SIZE, Error, Flash as Chip, READ_SIZE},
    peripherals::FLASH,
};
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

use super::shared::Shared;
use crate::rp2040;

/// Bytes of the chip.
const CHIP_LEN: usize = 2 * 1024 * 1024;
/// The last sectors: what the store of keys asks for.
const KEYS_LEN: usize = 4 * ERASE_SIZE;
/// Where they begin; `memory.x` leaves them, and the sector before them, to what is here.
const KEYS: u32 = (CHIP_LEN - KEYS_LEN) as u32;
/// Where the provisioning document begins: one sector.
const PROVISIONING: u32 = KEYS - ERASE_SIZE as u32;

/// Bytes that are written at once: the chip takes any number, and records are laid out as on a flash
/// that does not.
const WORD_LEN: usize = 4;

static CHIP: Shared<Chip<'static, FLASH, Blocking, CHIP_LEN>> = Shared::new();

pub(super) fn start(flash: Peri<'static, FLASH>) -> Flash {
    CHIP.put(Chip::new_blocking(flash));
    Flash(())
}

/// Uses the chip; while it erases or writes, the processor stands still.
fn with_chip<R>(
    operation: impl FnOnce(&mut Chip<'static, FLASH, Blocking, CHIP_LEN>) -> Result<R, Error>,
) -> Result<R, Error> {
    CHIP.with(operation).unwrap_or(Err(Error::Other))
}

/// The number that the maker gave to the chip.
pub(super) fn unique_id() -> Result<[u8; 8], &'static str> {
    let mut id = [0; 8];
    with_chip(|chip| chip.blocking_unique_id(&mut id)).map_err(|_| "the flash cannot be read")?;
    Ok(id)
}

/// Reads the device's identity: the document that was written to its sector.
///
/// # Errors
///
/// A reason, when there is none, or it does not fit.
pub fn provisioning(document: &mut [u8]) -> Result<&[u8], &'static str> {
    let len = document.len().min(ERASE_SIZE);
    let sector = document.get_mut(..len).unwrap_or_default();
    with_chip(|chip| chip.blocking_read(PROVISIONING, sector))
        .map_err(|_| "the flash cannot be read")?;
    match rp2040::document(sector) {
        None => Err("the device is not provisioned"),
        Some(document) if document.len() == len => Err("the provisioning is too long"),
        Some(document) => Ok(document),
    }
}

/// The sectors for keys: nothing else of the chip can be reached by it.
#[derive(Debug)]
pub struct Flash(());

impl Flash {
    /// Where in it the application keeps its records.
    pub const RANGE: core::ops::Range<u32> = 0..KEYS_LEN as u32;
}

/// The place on the chip of a place in the sectors for keys.
fn on_chip(offset: u32, len: usize) -> Result<u32, Error> {
    let inside = len <= KEYS_LEN && offset as usize <= KEYS_LEN - len;
    if inside { Ok(KEYS + offset) } else { Err(Error::OutOfBounds) }
}

impl ErrorType for Flash {
    type Error = Error;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        let offset = on_chip(offset, bytes.len())?;
        with_chip(|chip| chip.blocking_read(offset, bytes))
    }

    fn capacity(&self) -> usize {
        KEYS_LEN
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD_LEN;
    const ERASE_SIZE: usize = ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        let len = to.checked_sub(from).ok_or(Error::OutOfBounds)?;
        let from = on_chip(from, len as usize)?;
        with_chip(|chip| chip.blocking_erase(from, from + len))
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        let offset = on_chip(offset, bytes.len())?;
        if !offset.is_multiple_of(WORD_LEN as u32) || !bytes.len().is_multiple_of(WORD_LEN) {
            return Err(Error::Unaligned);
        }
        with_chip(|chip| chip.blocking_write(offset, bytes))
    }
}
