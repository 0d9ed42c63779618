//! What a board gives to the application; each has one folder.
//!
//! The firmware needs of a board:
//!
//! | Item | What it is |
//! | --- | --- |
//! | [`Board::start`] | starts the board: `ethernet`, a network device, and `flash`, where keys are kept |
//! | [`Ethernet`], [`Flash`], [`FlashError`] | their types; `Flash::RANGE` is what the application may use |
//! | [`provisioning`] | reads the document that says who the device is |
//! | [`rtc`] | the time of a calendar that runs on a battery; `None` where there is none |
//! | [`entropy`] | random bytes that nobody can guess |
//! | [`millicelsius`], [`set_led`] | what the tools do |
//! | [`log`], [`halt`] | a line for people; the end, with a reason |
//!
//! What is the same on every board is here.

#[cfg(feature = "mps2-an385")]
mod mps2_an385;
#[cfg(feature = "rp2040-w5500")]
mod rp2040_w5500;

use core::panic::PanicInfo;

use cortex_m_rt::ExceptionFrame;
use embassy_executor::{SpawnError, SpawnToken, Spawner};

#[cfg(feature = "mps2-an385")]
pub use mps2_an385::*;
#[cfg(feature = "rp2040-w5500")]
pub use rp2040_w5500::*;

#[cfg(not(any(feature = "mps2-an385", feature = "rp2040-w5500")))]
compile_error!("choose a board: one of the features mps2-an385 and rp2040-w5500");
#[cfg(all(feature = "mps2-an385", feature = "rp2040-w5500"))]
compile_error!("there is one board: turn the other off by --no-default-features");

/// Starts a task; one that does not start is a defect.
pub fn spawn<S>(spawner: Spawner, task: Result<SpawnToken<S>, SpawnError>) {
    match task {
        Ok(task) => spawner.spawn(task),
        Err(error) => halt(format_args!("a task does not start: {error}")),
    }
}

/// A defect.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    halt(format_args!("{info}"))
}

#[cortex_m_rt::exception]
#[allow(unsafe_code, reason = "the signature that cortex-m-rt asks for")]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    halt(format_args!("fault at {:#010x}", frame.pc()))
}
