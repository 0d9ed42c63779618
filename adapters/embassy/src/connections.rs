//! Who is connected: no peer takes every socket, and somebody listens (LIM-15, SEC-441, SEC-514).

use core::{
    cell::RefCell,
    fmt::{Debug, Formatter},
    net::IpAddr,
    task::Waker,
};

use embassy_sync::blocking_mutex::{
    Mutex,
    raw::{NoopRawMutex, RawMutex},
};
use embassy_time::Instant;
use portcullis_core::limits;

/// The connections that the tasks of one server have, at most `N`: one for each task.
///
/// A stack without a queue of connections that wait to be accepted, as embassy-net's, refuses whoever comes
/// while every task is busy. So a task is made free before that happens:
///
/// - When the last free task takes a connection, the connection that waited longest for its next request
///   is ended. When none waits, the next answer is the last one of its connection, and says so.
/// - When a peer has more connections than its limit, its own one that waited longest is ended; when none waits,
///   the new one is refused. An IPv6 network of 64 bits is one peer.
///
/// A request is never cut off. With one task every connection ends with its first answer.
///
/// `M` says between whom it is shared: tasks of one executor by default.
pub struct Connections<const N: usize, M: RawMutex = NoopRawMutex> {
    table: Mutex<M, RefCell<[Option<Connection>; N]>>,
    per_peer_max: usize,
}

impl<const N: usize, M: RawMutex> Connections<N, M> {
    /// Nobody is connected, and a peer may be so twice (LIM-15).
    pub const fn new() -> Self {
        let table = Mutex::new(RefCell::new([const { None }; N]));
        Self { table, per_peer_max: limits::CONNECTIONS_PER_PEER_MAX }
    }

    /// Lets a peer have so many connections; all, where one gateway speaks for everybody.
    #[must_use]
    pub const fn with_per_peer_max(mut self, per_peer_max: usize) -> Self {
        self.per_peer_max = per_peer_max;
        self
    }
}

impl<const N: usize, M: RawMutex> Default for Connections<N, M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, M: RawMutex> Debug for Connections<N, M> {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connections")
            .field("per_peer_max", &self.per_peer_max)
            .finish_non_exhaustive()
    }
}

/// [`Connections`], whatever their number.
pub(crate) trait Shared {
    fn per_peer_max(&self) -> usize;

    /// Lends the table; not at all when it is lent already, which nobody does.
    fn with(&self, change: &mut dyn FnMut(&mut Table));
}

/// The connections by task.
pub(crate) type Table = [Option<Connection>];

impl<const N: usize, M: RawMutex> Shared for Connections<N, M> {
    fn per_peer_max(&self) -> usize {
        self.per_peer_max
    }

    fn with(&self, change: &mut dyn FnMut(&mut Table)) {
        self.table.lock(|table| {
            if let Ok(mut table) = table.try_borrow_mut() {
                change(&mut *table);
            }
        });
    }
}

/// What is known of one connection.
pub(crate) struct Connection {
    peer: IpAddr,
    /// Since when it waits for a request; `None` while there is one.
    idle_since: Option<Instant>,
    /// Whether it is to end before the next request.
    ends: bool,
    waker: Option<Waker>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// In its time.
    Usual,
    /// For the sake of others, with an answer.
    Hurried,
    /// For the sake of others, before a request: there is no answer that a reset could cost the peer, and
    /// whatever it makes of the end, its stack knows (SEC-441).
    Known,
}

/// The place that one connection has, until it is dropped.
pub(crate) struct Place<'t> {
    shared: &'t dyn Shared,
    index: usize,
}

impl<'t> Place<'t> {
    /// Takes a place for a new connection of `peer`; `None` when it is refused.
    pub(crate) fn take(shared: &'t dyn Shared, peer: IpAddr) -> Option<Self> {
        let (peer, now) = (network(peer), Instant::now());
        let mut index = None;
        shared.with(&mut |table| index = take(table, peer, shared.per_peer_max(), now));
        Some(Self { shared, index: index? })
    }

    /// Waits for a request from now on.
    pub(crate) fn rest(&self) {
        let now = Instant::now();
        self.with(|connection| connection.idle_since = Some(now));
    }

    /// Has a request.
    pub(crate) fn work(&self) {
        self.with(|connection| {
            connection.idle_since = None;
            connection.waker = None;
        });
    }

    /// Whether it is to end now, while it waits; otherwise `waker` is woken when it is.
    pub(crate) fn ends(&self, waker: &Waker) -> bool {
        let mut ends = false;
        self.with(|connection| {
            ends = connection.ends;
            connection.waker = Some(waker.clone());
        });
        ends
    }

    /// Whether it is to end with the next answer, since it was asked to or nobody listens.
    pub(crate) fn is_last(&self) -> bool {
        let mut is_last = false;
        self.shared.with(&mut |table| {
            let is_needed = !has_room(table);
            if let Some(Some(connection)) = table.get_mut(self.index) {
                connection.ends |= is_needed;
                is_last = connection.ends;
            }
        });
        is_last
    }

    /// How it is to end.
    pub(crate) fn ending(&self) -> Ending {
        let mut ending = Ending::Usual;
        self.with(|connection| {
            if connection.ends {
                let is_waiting = connection.idle_since.is_some();
                ending = if is_waiting { Ending::Known } else { Ending::Hurried };
            }
        });
        ending
    }

    fn with(&self, mut change: impl FnMut(&mut Connection)) {
        self.shared.with(&mut |table| {
            if let Some(Some(connection)) = table.get_mut(self.index) {
                change(connection);
            }
        });
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.with(&mut |table| {
            if let Some(place) = table.get_mut(self.index) {
                *place = None;
            }
        });
    }
}

fn take(table: &mut Table, peer: IpAddr, per_peer_max: usize, now: Instant) -> Option<usize> {
    let free = table.iter().position(Option::is_none)?;
    let is_of_peer = |connection: &Connection| connection.peer == peer;
    let of_peer = table.iter().flatten().filter(|other| is_of_peer(other) && !other.ends).count();
    if of_peer >= per_peer_max && !end_oldest_idle(table, is_of_peer) {
        return None;
    }
    let is_last_free = table.iter().skip(free).skip(1).all(Option::is_some);
    if is_last_free && !table.iter().flatten().any(|other| other.ends) {
        end_oldest_idle(table, |_| true);
    }
    let connection = Connection { peer, idle_since: Some(now), ends: false, waker: None };
    *table.get_mut(free)? = Some(connection);
    Some(free)
}

/// Whether a task listens, or will in a moment.
fn has_room(table: &Table) -> bool {
    table.iter().any(|place| place.as_ref().is_none_or(|connection| connection.ends))
}

/// Ends the connection that waited longest for a request, of those that `may_end`.
fn end_oldest_idle(table: &mut Table, may_end: impl Fn(&Connection) -> bool) -> bool {
    let idle = table.iter_mut().flatten().filter(|other| !other.ends && may_end(other));
    let oldest = idle.filter_map(|other| Some((other.idle_since?, other))).min_by_key(|it| it.0);
    let Some((_, oldest)) = oldest else { return false };
    oldest.ends = true;
    if let Some(waker) = oldest.waker.take() {
        waker.wake();
    }
    true
}

/// What counts as one peer: an IPv4 address, or an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address).wrapping_shr(64).wrapping_shl(64);
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

#[cfg(test)]
mod tests;
