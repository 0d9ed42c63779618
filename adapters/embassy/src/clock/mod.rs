//! What time it is, and how the device comes to know it.
//!
//! | The board has | The server's [`Clock`] is |
//! | --- | --- |
//! | a clock chip, and nothing else | [`RtcClock`]: the chip, and a floor under it |
//! | a network | [`TimeKeeper`], fed by `Sntp` (feature `sntp`) |
//! | both | [`TimeKeeper`], fed by [`follow`] and `Sntp` |
//!
//! Nothing here ever guesses. While the time is not known, a presented token is answered with 503
//! (SEC-500), and what is not sure about the time is settled to the side that refuses.

mod keeper;
mod outcome;
mod rtc;
mod settings;
#[cfg(feature = "sntp")]
pub mod sntp;
mod timeline;

use portcullis_core::time::UnixTime;

pub use self::{
    keeper::TimeKeeper,
    outcome::{Outcome, Refusal},
    rtc::{Rtc, RtcClock, follow},
    settings::TimeSettings,
    timeline::{ServerTime, TimeMark, UNCERTAINTY_MILLIS_MAX},
};

/// Where the server reads the time of day: a clock chip, or a counter that was set over the network.
pub trait Clock {
    /// The time against which a token's `exp` is compared; `None` until it is known.
    ///
    /// Without it nobody is admitted (SEC-500): a presented token is answered with 503.
    fn unix_time(&self) -> Option<UnixTime>;
}

impl<C: Clock + ?Sized> Clock for &C {
    fn unix_time(&self) -> Option<UnixTime> {
        (**self).unix_time()
    }
}
