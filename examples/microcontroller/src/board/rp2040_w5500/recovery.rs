//! How the device comes back: by its watchdog, whatever went wrong.

use core::fmt;

use cortex_m::peripheral::SCB;
use embassy_executor::Spawner;
use embassy_rp::{Peri, peripherals, watchdog::Watchdog};
use embassy_time::{Duration, Timer};

use super::{sensors::set_led, serial::log, shared::Shared};
use crate::board::spawn;

/// After so long without a sign of life the chip is reset; the chip's longest is 8.3 seconds. The longest
/// work without a pause, a signature's check in a TLS handshake, is to be done by then.
const PERIOD: Duration = Duration::from_secs(8);
/// How often there is a sign of life.
const FEEDING: Duration = Duration::from_secs(2);

/// How often the light blinks before a halted device starts over.
const BLINKS: usize = 20;
/// Half of one blink: a quarter of a second, by loops of at least three cycles at 125 MHz.
const BLINK_LOOPS: u32 = 125_000_000 / 4 / 3;

static WATCHDOG: Shared<Watchdog> = Shared::new();

pub(super) fn start(spawner: Spawner, watchdog: Peri<'static, peripherals::WATCHDOG>) {
    let mut watchdog = Watchdog::new(watchdog);
    watchdog.pause_on_debug(true);
    watchdog.start(PERIOD);
    WATCHDOG.put(watchdog);
    spawn(spawner, feed());
}

/// The sign of life: tasks still get their turns.
#[embassy_executor::task]
async fn feed() {
    loop {
        WATCHDOG.with(|watchdog| watchdog.feed(PERIOD));
        Timer::after(FEEDING).await;
    }
}

/// Says why, blinks for ten seconds, and starts over: what is missing may be there next time, and
/// whoever connects to the log late still reads the reason.
pub fn halt(reason: fmt::Arguments<'_>) -> ! {
    log(format_args!("halted: {reason}"));
    for _ in 0..BLINKS {
        WATCHDOG.with(|watchdog| watchdog.feed(PERIOD));
        for on in [true, false] {
            set_led(on);
            // The timer may not run yet; loops always do.
            cortex_m::asm::delay(BLINK_LOOPS);
        }
    }
    match WATCHDOG.with(Watchdog::trigger_reset) {
        Some(()) => loop {
            cortex_m::asm::nop();
        },
        None => SCB::sys_reset(),
    }
}
