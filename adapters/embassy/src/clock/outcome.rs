//! What became of a time that a source told.

use core::fmt;

/// What became of a time that a source told. Printed, it is a few words for a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a source that is refused should be seen in a log"]
pub enum Outcome {
    /// The time is set for sure: the source is trusted, or a second server agrees.
    Set,
    /// The time is corrected by what one source may change alone.
    Corrected,
    /// Nothing changes until a second server agrees.
    Held,
    /// Nothing changes.
    Refused(Refusal),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set => "time set",
            Self::Corrected => "time corrected",
            Self::Held => "held until a second server agrees",
            Self::Refused(refusal) => refusal.text(),
        })
    }
}

/// Why a time is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It is before the floor (SEC-501).
    BelowFloor,
    /// It is further behind the floor than the device can live (SEC-502).
    BeyondHorizon,
    /// Two servers agree that it is earlier than this clock's drift explains (SEC-501).
    Backwards,
    /// A trusted source said otherwise, not long ago.
    AgainstTrusted,
    /// The answer took so long that it says little.
    Uncertain,
}

impl Refusal {
    const fn text(self) -> &'static str {
        match self {
            Self::BelowFloor => "refused: before the floor",
            Self::BeyondHorizon => "refused: too far in the future",
            Self::Backwards => "refused: steps back",
            Self::AgainstTrusted => "refused: a trusted clock says otherwise",
            Self::Uncertain => "refused: too uncertain",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Refusal {}
