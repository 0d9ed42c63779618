//! An RP2040 with a W5500: the W5500-EVB-Pico, or a Raspberry Pi Pico with the chip on the same pins.

mod ethernet;
mod flash;
mod recovery;
mod sensors;
mod serial;
mod shared;

use embassy_executor::Spawner;
use embassy_rp::clocks::RoscRng;
use portcullis_core::time::UnixTime;

use crate::{entropy::Stuck, rp2040};
pub use embassy_rp::flash::Error as FlashError;
pub use ethernet::Ethernet;
pub use flash::{Flash, provisioning};
pub use recovery::halt;
pub use sensors::{millicelsius, set_led};
pub use serial::log;

/// Loops between two samples of the source of randomness: ten microseconds, in which the oscillator
/// drifts against the processor's clock.
const SAMPLE_LOOPS: u32 = 125 * 10 / 3;

/// The board with everything on it started.
pub struct Board {
    /// The network device.
    pub ethernet: Ethernet,
    /// Where the keys are kept.
    pub flash: Flash,
}

impl Board {
    /// Starts everything; the network chip takes a tenth of a second. There is one board: a second call
    /// is a defect.
    pub async fn start(spawner: Spawner) -> Self {
        let board = embassy_rp::init(embassy_rp::config::Config::default());
        serial::start(board.UART0, board.PIN_0);
        sensors::start(board.PIN_25, board.ADC, board.ADC_TEMP_SENSOR);
        recovery::start(spawner, board.WATCHDOG);
        let flash = flash::start(board.FLASH);
        let wiring = ethernet::Wiring {
            spi: board.SPI0,
            miso: board.PIN_16,
            select: board.PIN_17,
            clock: board.PIN_18,
            mosi: board.PIN_19,
            reset: board.PIN_20,
            interrupt: board.PIN_21,
            transmit: board.DMA_CH0,
            receive: board.DMA_CH1,
        };
        match ethernet(spawner, wiring).await {
            Ok(ethernet) => Self { ethernet, flash },
            Err(reason) => halt(format_args!("{reason}")),
        }
    }
}

async fn ethernet(spawner: Spawner, wiring: ethernet::Wiring) -> Result<Ethernet, &'static str> {
    let address = rp2040::ethernet_address(flash::unique_id()?)
        .ok_or("the flash has no number to make an Ethernet address of")?;
    ethernet::start(spawner, wiring, address).await
}

/// The chip's calendar has no battery: it never knows the time, which has to come over the network.
pub const fn rtc() -> Option<UnixTime> {
    None
}

/// Fills the bytes from the jitter of the chip's ring oscillator; each 32 bytes take some ten
/// milliseconds.
///
/// # Errors
///
/// A reason, when the oscillator does not behave as a random source.
pub fn entropy(bytes: &mut [u8]) -> Result<(), &'static str> {
    crate::entropy::fill(bytes, || {
        cortex_m::asm::delay(SAMPLE_LOOPS);
        RoscRng::next_u8()
    })
    .map_err(Stuck::as_str)
}
