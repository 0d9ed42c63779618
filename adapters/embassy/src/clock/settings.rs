//! How far the sources of time are believed.

/// How far the sources of time are believed. The defaults suit a crystal and servers of the open internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSettings {
    /// How fast the board's own clock may go wrong, in parts per million. Crystals stay below 100.
    pub drift_ppm: u32,
    /// How far one server alone may move the time, in seconds, counted from where the time was last
    /// set for sure and not from its last move (SEC-502). The drift allows less at first.
    pub correction_secs_max: u64,
    /// How far two servers may differ and still agree, in milliseconds, beside what their answers'
    /// way leaves open.
    pub agreement_millis: u32,
    /// How long the time is known after it was last set for sure, in seconds; `None`: until the device
    /// restarts, for a board that reads its clock chip once and trusts its crystal.
    pub holdover_secs: Option<u64>,
    /// How far behind the floor of the start the time can be, in seconds: the life of the device.
    pub horizon_secs: u64,
    /// How much later a [`TimeMark`](super::TimeMark) must be than the one before, in seconds: each
    /// one is a write to flash.
    pub mark_secs: u64,
}

impl TimeSettings {
    /// 500 ppm, 60 seconds, 2 seconds, 7 days, 20 years, 1 hour.
    pub const DEFAULT: Self = Self {
        drift_ppm: 500,
        correction_secs_max: 60,
        agreement_millis: 2_000,
        holdover_secs: Some(7 * 24 * 60 * 60),
        horizon_secs: 20 * 366 * 24 * 60 * 60,
        mark_secs: 60 * 60,
    };
}

impl Default for TimeSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}
