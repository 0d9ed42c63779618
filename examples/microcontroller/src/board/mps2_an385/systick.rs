//! Time since the start, in milliseconds, by the processor's own timer.

use core::{cell::RefCell, task::Waker};

use cortex_m::peripheral::{SYST, syst::SystClkSource};
use critical_section::Mutex;
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

/// The processor's clock.
const CLOCK_HZ: u32 = 25_000_000;
/// One interrupt is one tick of the time driver: `tick-hz-1_000`.
const TICKS_PER_SEC: u32 = 1_000;

const _: () = assert!(embassy_time_driver::TICK_HZ == TICKS_PER_SEC as u64);

struct SysTick(Mutex<RefCell<Clock>>);

struct Clock {
    now: u64,
    alarm: u64,
    queue: Queue,
}

embassy_time_driver::time_driver_impl!(static DRIVER: SysTick = SysTick(Mutex::new(RefCell::new(
    Clock { now: 0, alarm: u64::MAX, queue: Queue::new() }
))));

/// Starts the timer; until then no time passes.
pub(super) fn start(mut timer: SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CLOCK_HZ / TICKS_PER_SEC - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}

impl Driver for SysTick {
    fn now(&self) -> u64 {
        critical_section::with(|cs| self.0.borrow_ref(cs).now)
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            let clock = &mut *self.0.borrow_ref_mut(cs);
            if clock.queue.schedule_wake(at, waker) {
                clock.alarm = clock.queue.next_expiration(clock.now);
            }
        });
    }
}

#[cortex_m_rt::exception]
fn SysTick() {
    critical_section::with(|cs| {
        let clock = &mut *DRIVER.0.borrow_ref_mut(cs);
        clock.now += 1;
        if clock.now >= clock.alarm {
            clock.alarm = clock.queue.next_expiration(clock.now);
        }
    });
}
