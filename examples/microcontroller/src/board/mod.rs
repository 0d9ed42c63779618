//! What a board gives to the application; each has one folder.
//!
//! The firmware needs of a board:
//!
//! | Item | What it is |
//! | --- | --- |
//! | [`Board::start`] | starts the board: `ethernet`, a network device, and `flash`, where keys are kept |
//! | [`Ethernet`], [`Flash`] | their types; `Flash::RANGE` is what the application may use |
//! | [`provisioning`] | reads the document that says who the device is |
//! | [`rtc`] | the time of a calendar that runs on a battery; `None` where there is none |
//! | [`entropy`] | random bytes that nobody can guess |
//! | [`millicelsius`], [`set_led`] | what the tools do |
//! | [`log`], [`halt`] | a line for people; the end, with a reason |

#[cfg(feature = "mps2-an385")]
mod mps2_an385;

#[cfg(feature = "mps2-an385")]
pub use mps2_an385::*;
