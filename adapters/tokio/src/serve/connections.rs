//! Who is connected: within limits of number, and who waits longest for a request makes room (LIM-15, SEC-441).

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

use super::ListenerLimits;

/// The connections that are open.
#[derive(Clone, Default)]
pub(super) struct Connections(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    open: HashMap<u64, Arc<Connection>>,
    by_peer: HashMap<IpAddr, usize>,
    next_id: u64,
}

/// One open connection; counted until it is dropped.
pub(super) struct Place {
    connections: Connections,
    id: u64,
    connection: Arc<Connection>,
}

/// What is known of a connection.
pub(super) struct Connection {
    peer: IpAddr,
    state: Mutex<State>,
    end: Notify,
}

#[derive(Clone, Copy)]
struct State {
    /// Requests whose answers have not ended.
    calls: usize,
    /// Since when it waits for a request, or for its handshake; `None` while it has a part of one.
    waits_since: Option<Instant>,
    /// Whether it was told to end before its next request.
    ends: bool,
}

/// A request, until its answer has ended.
pub(super) struct Call(Arc<Connection>);

impl Connections {
    /// Takes a place for a new connection; `None` when nobody waits who could make room.
    pub(super) fn enter(&self, address: IpAddr, limits: &ListenerLimits) -> Option<Place> {
        let peer = peer_of(address);
        let mut table = self.table();
        let of_peer = table.by_peer.get(&peer).copied().unwrap_or_default();
        // A count within the limit spares looking at each of them.
        let is_within = of_peer < limits.connections_per_peer
            || table.make_room(limits.connections_per_peer, |other| other.peer == peer);
        let is_within = is_within
            && (table.open.len() < limits.connections
                || table.make_room(limits.connections, |_| true));
        if !is_within {
            return None;
        }
        let id = table.next_id;
        table.next_id = id.wrapping_add(1);
        let connection = Arc::new(Connection::new(peer));
        table.open.insert(id, connection.clone());
        *table.by_peer.entry(peer).or_default() += 1;
        Some(Place { connections: self.clone(), id, connection })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Whether fewer than `most` stay of those that count, once the one that waits longest was told to end where needed.
    fn make_room(&self, most: usize, counts: impl Fn(&Connection) -> bool) -> bool {
        loop {
            let mut staying = 0_usize;
            let mut oldest: Option<(Instant, &Connection)> = None;
            for connection in self.open.values().filter(|other| counts(other)) {
                let state = *connection.state();
                staying += usize::from(!state.is_leaving());
                if let Some(since) = state.waits_since
                    && !state.ends
                    && oldest.is_none_or(|(earliest, _)| since < earliest)
                {
                    oldest = Some((since, connection));
                }
            }
            if staying < most {
                return true;
            }
            let Some((_, oldest)) = oldest else { return false };
            // A request may have come to it just now: then it is another one's turn.
            if oldest.tell_to_end() {
                tracing::debug!("the connection that waited longest makes room");
                return true;
            }
        }
    }
}

impl Place {
    pub(super) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        table.open.remove(&self.id);
        match table.by_peer.get_mut(&self.connection.peer) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                table.by_peer.remove(&self.connection.peer);
            }
        }
    }
}

impl Connection {
    pub(super) fn new(peer: IpAddr) -> Self {
        let state = State { calls: 0, waits_since: Some(Instant::now()), ends: false };
        Self { peer, state: Mutex::new(state), end: Notify::new() }
    }

    /// Nothing of a request is there. It waits for one, unless the answer to the last has not ended.
    pub(super) fn wait(&self) {
        let mut state = self.state();
        if state.calls == 0 && state.waits_since.is_none() {
            state.waits_since = Some(Instant::now());
        }
    }

    /// A part of a request is there.
    pub(super) fn work(&self) {
        self.state().waits_since = None;
    }

    /// A whole head is there; lasts until its answer has ended.
    pub(super) fn call(self: &Arc<Self>) -> Call {
        let mut state = self.state();
        state.calls += 1;
        state.waits_since = None;
        drop(state);
        Call(self.clone())
    }

    /// Waits until it is told to end, which it is at most once.
    pub(super) async fn told_to_end(&self) {
        self.end.notified().await;
    }

    /// Tells it to end, if it waits.
    fn tell_to_end(&self) -> bool {
        let mut state = self.state();
        if state.waits_since.is_none() || state.ends {
            return false;
        }
        state.ends = true;
        self.end.notify_one();
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether it is about to be gone: not one that got a request in the moment it was told to end.
    const fn is_leaving(self) -> bool {
        self.ends && self.waits_since.is_some()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.calls = state.calls.saturating_sub(1);
    }
}

/// Who an address stands for: whoever has one IPv6 address has its whole /64 (SEC-211).
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests;
