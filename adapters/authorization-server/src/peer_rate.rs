//! How often one peer may ask: for a new client (LIM-16), and at all (SEC-445).

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use governor::clock::Clock as RateClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::StatusCode;
use http::header::{self, HeaderValue};

use crate::answers::{self, Response};
use crate::clock::Clock;
use crate::server::Inner;
use crate::throttle::Peer;

/// Peers remembered at once (constant memory). Further ones share one budget until others are forgotten.
const PEERS_MAX: usize = 10_000;

/// What every resource server may ask as often as it likes, and what costs nothing to answer.
const UNLIMITED: [&str; 6] =
    ["/introspect", "/jwks", "/style.css", "/health", "/ready", "/.well-known/"];

/// A budget for each peer that fills up again evenly.
pub(crate) struct PeerRate(Budgets);

/// `None` is whoever else there is.
type Budgets =
    RateLimiter<Option<Peer>, DashMapStateStore<Option<Peer>>, Clock, NoOpMiddleware<Nanos>>;

impl PeerRate {
    /// As many as `quota` allows; `None` when its number is zero: then nothing is.
    pub(crate) fn per_hour(count: u32, clock: &Clock) -> Option<Self> {
        Some(Self::new(Quota::per_hour(NonZeroU32::new(count)?), clock))
    }

    pub(crate) fn per_minute(count: u32, clock: &Clock) -> Option<Self> {
        Some(Self::new(Quota::per_minute(NonZeroU32::new(count)?), clock))
    }

    pub(crate) fn per_second(count: u32, clock: &Clock) -> Option<Self> {
        Some(Self::new(Quota::per_second(NonZeroU32::new(count)?), clock))
    }

    fn new(quota: Quota, clock: &Clock) -> Self {
        Self(RateLimiter::dashmap_with_clock(quota, clock.clone()))
    }

    /// Takes one from the budget of `peer`, if there is something left.
    pub(crate) fn admit(&self, peer: Peer) -> bool {
        if self.0.len() >= PEERS_MAX {
            self.forget_idle();
        }
        let known = self.0.len() < PEERS_MAX;
        self.0.check_key(&known.then_some(peer)).is_ok()
    }

    /// Forgets peers whose budget is full again.
    pub(crate) fn forget_idle(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }
}

impl RateClock for Clock {
    type Instant = Nanos;

    /// Monotonic: when somebody sets the system's clock, no budget freezes and none fills (SEC-565).
    fn now(&self) -> Nanos {
        self.monotonic().into()
    }
}

/// Refuses whoever asks more often than [`crate::Limits::requests_per_peer_per_second`].
pub(crate) async fn limit(
    State(server): State<Arc<Inner>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = route.and_then(|route| route.strip_prefix(&*server.endpoints.path).or(Some(route)));
    let is_unlimited = route.is_some_and(|route| {
        UNLIMITED
            .iter()
            .any(|free| route == *free || (free.ends_with('/') && route.starts_with(free)))
    });
    let peer = Peer::of(request.extensions());
    let admitted = is_unlimited || server.requests_by_peer.as_ref().is_none_or(|it| it.admit(peer));
    if admitted {
        return next.run(request).await;
    }
    let mut response = answers::status_only(StatusCode::TOO_MANY_REQUESTS);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn rate(count: u32) -> (PeerRate, Arc<AtomicU64>) {
        let now = Arc::new(AtomicU64::new(1_800_000_000));
        let hand = Arc::clone(&now);
        let clock =
            Clock::from_fn(move || UNIX_EPOCH + Duration::from_secs(hand.load(Ordering::SeqCst)));
        (PeerRate::per_hour(count, &clock).unwrap(), now)
    }

    fn v6(network: u128, host: u128) -> Peer {
        Peer::from(IpAddr::V6(Ipv6Addr::from_bits((network << 64) | host)))
    }

    #[test]
    fn lim_16_a_budget_fills_up_evenly() {
        let (rate, now) = rate(10);
        let peer = Peer::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        for _ in 0..10 {
            assert!(rate.admit(peer));
        }
        assert!(!rate.admit(peer));
        now.fetch_add(359, Ordering::SeqCst);
        assert!(!rate.admit(peer));
        now.fetch_add(1, Ordering::SeqCst);
        assert!(rate.admit(peer));
        assert!(!rate.admit(peer));
        assert!(PeerRate::per_second(0, &Clock::system()).is_none());
    }

    #[test]
    fn sec_211_addresses_of_one_64_share_a_budget() {
        let (rate, _) = rate(2);
        assert!(rate.admit(v6(1, 1)));
        assert!(rate.admit(v6(1, 2)));
        assert!(!rate.admit(v6(1, 3)));
        assert!(rate.admit(v6(2, 1)));
    }

    #[test]
    fn sec_255_peers_are_bounded_and_further_ones_share() {
        let (rate, now) = rate(1);
        for network in 0..u128::try_from(PEERS_MAX).unwrap() {
            assert!(rate.admit(v6(network, 1)));
        }
        assert!(rate.admit(v6(1 << 40, 1)));
        assert!(!rate.admit(v6(1 << 41, 1)), "shares the budget of the one before");
        assert!(rate.0.len() <= PEERS_MAX + 1);
        now.fetch_add(7_200, Ordering::SeqCst);
        assert!(rate.admit(v6(1 << 42, 1)));
        assert!(rate.0.len() < 3, "idle ones are forgotten");
    }
}
