//! How the W5500 is connected, as on the W5500-EVB-Pico.

use embassy_executor::Spawner;
use embassy_net_wiznet::{Device, InitError, Runner, State, chip::W5500};
use embassy_rp::{
    Peri, bind_interrupts, dma,
    gpio::{Input, Level, Output, Pull},
    peripherals::{DMA_CH0, DMA_CH1, PIN_16, PIN_17, PIN_18, PIN_19, PIN_20, PIN_21, SPI0},
    spi::{Async, Config, Spi},
};
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use static_cell::StaticCell;

use crate::board::spawn;

/// The network device of this board.
pub type Ethernet = Device<'static>;

/// The bus; the data sheet promises 33.3 MHz.
const SPI_HZ: u32 = 33_000_000;
/// Frames that wait to be taken in each direction, 1.5 KiB each; the chip has 16 KiB more.
const FRAMES: usize = 4;

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
});

/// What the chip is connected to.
pub(super) struct Wiring {
    pub(super) spi: Peri<'static, SPI0>,
    pub(super) miso: Peri<'static, PIN_16>,
    pub(super) select: Peri<'static, PIN_17>,
    pub(super) clock: Peri<'static, PIN_18>,
    pub(super) mosi: Peri<'static, PIN_19>,
    pub(super) reset: Peri<'static, PIN_20>,
    pub(super) interrupt: Peri<'static, PIN_21>,
    pub(super) transmit: Peri<'static, DMA_CH0>,
    pub(super) receive: Peri<'static, DMA_CH1>,
}

type Bus = ExclusiveDevice<Spi<'static, SPI0, Async>, Output<'static>, Delay>;

/// Resets the chip, gives it the address, and starts the task that moves frames over the bus.
pub(super) async fn start(
    spawner: Spawner,
    wiring: Wiring,
    address: [u8; 6],
) -> Result<Ethernet, &'static str> {
    static FRAME_MEMORY: StaticCell<State<FRAMES, FRAMES>> = StaticCell::new();

    let mut config = Config::default();
    config.frequency = SPI_HZ;
    let spi = Spi::new(
        wiring.spi,
        wiring.clock,
        wiring.mosi,
        wiring.miso,
        wiring.transmit,
        wiring.receive,
        Interrupts,
        config,
    );
    let select = Output::new(wiring.select, Level::High);
    let Ok(bus) = ExclusiveDevice::new(spi, select, Delay);
    let interrupt = Input::new(wiring.interrupt, Pull::Up);
    let reset = Output::new(wiring.reset, Level::High);
    let memory = FRAME_MEMORY.init_with(State::new);
    match embassy_net_wiznet::new(address, memory, bus, interrupt, reset).await {
        Ok((device, runner)) => {
            spawn(spawner, frames(runner));
            Ok(device)
        }
        Err(InitError::InvalidChipVersion { .. }) => Err("there is no W5500"),
        Err(InitError::SpiError(_)) => Err("the W5500 does not answer"),
    }
}

#[embassy_executor::task]
async fn frames(runner: Runner<'static, W5500, Bus, Input<'static>, Output<'static>>) {
    runner.run().await;
}
