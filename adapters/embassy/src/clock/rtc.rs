//! Clock chips.

use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::{Duration, Timer};
use portcullis_core::time::UnixTime;

use super::{Clock, Outcome, TimeKeeper};

/// How often a clock chip is read anew, in seconds.
const FOLLOW_SECS: u64 = 60 * 60;

/// A clock that runs while the device does not: a chip with a battery, or a host that tells its time.
///
/// It is trusted. A board whose chip can be set over the network has no such clock.
pub trait Rtc {
    /// The time of day; `None` when the chip was never set, lost its power or cannot be read.
    fn unix_time(&self) -> Option<UnixTime>;
}

impl<R: Rtc + ?Sized> Rtc for &R {
    fn unix_time(&self) -> Option<UnixTime> {
        (**self).unix_time()
    }
}

/// A clock chip as the server's clock: for a board that asks nobody else.
///
/// A chip that lost its power often starts at a time in the past; below the floor the time is not known
/// (SEC-501).
#[derive(Clone, Copy, Debug)]
pub struct RtcClock<R> {
    rtc: R,
    floor: UnixTime,
}

impl<R: Rtc> RtcClock<R> {
    /// The chip's time, when it is not before `floor`: when the image was built, or the device provisioned.
    pub const fn new(rtc: R, floor: UnixTime) -> Self {
        Self { rtc, floor }
    }
}

impl<R: Rtc> Clock for RtcClock<R> {
    fn unix_time(&self) -> Option<UnixTime> {
        self.rtc.unix_time().filter(|time| *time >= self.floor)
    }
}

/// Offers the chip's time to `keeper` as a trusted source, now and then each hour, for ever.
///
/// `report` is told what became of it: `None` when the chip does not know the time.
pub async fn follow<R: Rtc, M: RawMutex>(
    rtc: R,
    keeper: &TimeKeeper<M>,
    mut report: impl FnMut(Option<Outcome>),
) -> ! {
    loop {
        report(rtc.unix_time().map(|time| keeper.offer_trusted(time)));
        Timer::after(Duration::from_secs(FOLLOW_SECS)).await;
    }
}
