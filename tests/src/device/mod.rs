//! What a device under test is made of, on a desktop and in the emulator: one source, so that the two
//! differ in nothing but the processor, the network and the board.
//!
//! No `std`, no allocation: the test image (`tests/firmware`) has this folder as a module of its own.

pub mod configuration;
pub mod control;
pub mod introspection;
pub mod service;

use portcullis_core::{limits, time::UnixTime};
use portcullis_embassy::{Clock, HeadLimits, Memory};

/// The limits of a desktop, so that every driver has the same ones.
pub const LIMITS: HeadLimits = HeadLimits {
    request_line_len_max: limits::REQUEST_LINE_LEN_MAX,
    section_len_max: limits::HEADER_SECTION_LEN_MAX_DESKTOP,
    fields_max: FIELDS_MAX,
};
const FIELDS_MAX: usize = limits::HEADER_FIELDS_MAX_DESKTOP;
const HEAD_LEN: usize = LIMITS.request_line_len_max + LIMITS.section_len_max;
const BODY_LEN: usize = limits::BODY_LEN_MAX_DESKTOP;
/// For a token, and for a body that comes back.
const SCRATCH_LEN: usize = 2 * BODY_LEN;

/// What one connection works in: too much for a stack.
pub type ConnectionMemory = Memory<HEAD_LEN, FIELDS_MAX, BODY_LEN, SCRATCH_LEN>;

/// Says what the clock of the exchange says.
#[derive(Clone, Copy, Debug)]
pub struct Hands(pub Option<UnixTime>);

impl Clock for Hands {
    fn unix_time(&self) -> Option<UnixTime> {
        self.0
    }
}
