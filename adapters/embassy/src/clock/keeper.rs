//! The clock that tasks share.

use core::cell::Cell;

use embassy_sync::blocking_mutex::{
    Mutex,
    raw::{NoopRawMutex, RawMutex},
};
use embassy_time::Instant;
use portcullis_core::time::UnixTime;

use super::{Clock, Outcome, ServerTime, TimeMark, TimeSettings, timeline::Timeline};

/// The time of day, from the sources that tell it; between them, the board's own clock.
///
/// Shared by reference: the server reads it ([`Clock`]), and the tasks of the sources offer what they were told.
/// `M` says between whom: tasks of one executor by default, interrupts too with
/// `CriticalSectionRawMutex`.
///
/// # What is believed
///
/// - Until a source is believed the time is not known.
/// - The *floor* is the latest time that is known for sure at the start: the later one of when the image was
///   built (or the device provisioned) and the stored [`TimeMark`]. No source sets the time below it, nor further
///   behind it than the device's life.
/// - A *trusted* source ([`offer_trusted`](Self::offer_trusted)) sets the time.
/// - A *server* ([`offer_server`](Self::offer_server)) could be anybody. The time is set when two servers agree;
///   one alone corrects what the device's own clock can have drifted since the time was last set for sure, and no
///   more than [`TimeSettings::correction_secs_max`] (SEC-502). Servers never set it back by more than drift, and
///   never against what a trusted source said within the holdover.
/// - What is shown never runs backwards until a restart: when the time is set back, it stands still until the
///   time has come there (SEC-501).
/// - When the time was not set for sure for [`TimeSettings::holdover_secs`], it is not known any more.
///   At the default drift it may be 5 minutes off by then; a usual crystal makes it half a minute.
///   One server that answers does not stop this: where one may be gone for long, name three.
///
/// Whoever controls the way to all servers controls what they say: they have no proof who they are. The floor and
/// the horizon hold against that too; a token's `exp` does within them. Where that is too little, let a
/// clock chip be the trusted source.
#[derive(Debug)]
pub struct TimeKeeper<M: RawMutex = NoopRawMutex>(Mutex<M, Cell<Timeline>>);

impl<M: RawMutex> TimeKeeper<M> {
    /// A clock that does not know the time yet, only what it is not: earlier than `floor`.
    pub const fn new(floor: UnixTime, settings: TimeSettings) -> Self {
        Self(Mutex::new(Cell::new(Timeline::new(floor, settings))))
    }

    /// A source told the time that cannot be forged: a clock chip, or a server that proved who it is.
    pub fn offer_trusted(&self, time: UnixTime) -> Outcome {
        self.change(|timeline, uptime| timeline.offer_trusted(time, uptime))
    }

    /// A server told the time, now, without proof of who it is.
    pub fn offer_server(&self, told: ServerTime) -> Outcome {
        self.change(|timeline, uptime| timeline.offer_server(told, uptime))
    }

    /// A time to store as floor for the next start, when one is due; at most one in each
    /// [`TimeSettings::mark_secs`], and the first one so long after the time was set, or made a step.
    ///
    /// It stays due until [`mark_stored`](Self::mark_stored). A floor in the future, from servers that
    /// lied for that long, makes the device refuse everybody; provisioning a new one ends that.
    pub fn due_mark(&self) -> Option<TimeMark> {
        self.change(|timeline, uptime| timeline.due_mark(uptime))
    }

    /// The mark is stored.
    pub fn mark_stored(&self, mark: TimeMark) {
        self.change(|timeline, _| timeline.mark_stored(mark));
    }

    /// The latest time that is known to be past; what is stored now is no later.
    pub fn floor(&self) -> UnixTime {
        self.change(|timeline, _| timeline.floor())
    }

    /// A copy is changed and put back: a cell can neither be found borrowed nor panic.
    fn change<T>(&self, with: impl FnOnce(&mut Timeline, u64) -> T) -> T {
        let uptime = Instant::now().as_millis();
        self.0.lock(|cell| {
            let mut timeline = cell.get();
            let result = with(&mut timeline, uptime);
            cell.set(timeline);
            result
        })
    }
}

impl<M: RawMutex> Clock for TimeKeeper<M> {
    fn unix_time(&self) -> Option<UnixTime> {
        self.change(Timeline::unix_time)
    }
}
