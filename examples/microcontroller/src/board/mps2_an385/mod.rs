//! QEMU's `mps2-an385`: a Cortex-M3 at 25 MHz with a LAN9118, and semihosting for everything that a
//! machine on a desk has and this one lacks: a log, a calendar, randomness, a place for its identity.

mod arguments;
mod ethernet;
mod flash;
mod led;
mod semihost;
mod systick;

use embassy_executor::Spawner;

pub use ethernet::Ethernet;
pub use flash::{Flash, FlashError};
pub use led::set_led;
pub use semihost::{entropy, halt, log, provisioning, rtc};

/// The board with everything on it started.
pub struct Board {
    /// The network device.
    pub ethernet: Ethernet,
    /// Where the keys are kept.
    pub flash: Flash,
}

impl Board {
    /// Starts clock and network device. There is one board: the second call halts.
    pub async fn start(_: Spawner) -> Self {
        let Some(peripherals) = cortex_m::Peripherals::take() else {
            halt(format_args!("the board was started twice"));
        };
        systick::start(peripherals.SYST);
        let ethernet = match ethernet::start() {
            Ok(ethernet) => ethernet,
            Err(error) => halt(format_args!("{error}")),
        };
        let flash = match Flash::open() {
            Ok(flash) => flash,
            Err(reason) => halt(format_args!("{reason}")),
        };
        Self { ethernet, flash }
    }
}

/// The temperature in thousandths of a degree: there is no sensor on this board, so that it is made up.
/// It rises from 20 to 22 degrees and falls again, four minutes each round.
pub fn millicelsius() -> Result<i32, &'static str> {
    const HALF_ROUND_SECS: u64 = 120;
    let secs = embassy_time::Instant::now().as_secs() % (2 * HALF_ROUND_SECS);
    let above = secs.min(2 * HALF_ROUND_SECS - secs) * 2_000 / HALF_ROUND_SECS;
    Ok(20_000 + above as i32)
}
