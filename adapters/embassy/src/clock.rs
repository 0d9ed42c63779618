//! What time it is.

use portcullis_core::time::UnixTime;

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
