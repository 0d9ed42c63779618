//! The time over the network: SNTP (RFC 4330, RFC 5905 §14).
//!
//! Servers are asked by address, so that no resolver is believed. Plain SNTP has no proof of who
//! answers (NTS, RFC 8915, needs a TLS client with a clock): an unpredictable origin in each question keeps away who
//! cannot see it, and [`TimeKeeper`] sets the time only when two servers agree. Who
//! sits on the way to all of them can still say any time between floor and horizon.

mod ask;
mod packet;

use core::{fmt, net::SocketAddr};

use edge_nal::UdpBind;
use embassy_sync::blocking_mutex::raw::{NoopRawMutex, RawMutex};
use embassy_time::{Duration, Instant, Timer};

pub use self::ask::AskError;
use super::{Clock, Outcome, TimeKeeper};

/// Before the next round once a server was believed, at least, in seconds (RFC 4330 §10 asks for 15).
pub const POLL_SECS_MIN: u64 = 64;
/// Before the second round, when the first one did not tell the time, in seconds.
const RETRY_SECS: u64 = 16;
/// The longest that is waited before a round, while the time is not known, in seconds.
const RETRY_SECS_MAX: u64 = 1_024;
/// How long a server is left alone that was asked too often; doubled each time. In seconds.
const TOO_OFTEN_SECS: u64 = 2 * 60 * 60;
/// How often that is doubled at most: to about three weeks.
const TOO_OFTEN_DOUBLINGS_MAX: u32 = 8;
/// Up to this part of a pause is added to it, so that devices that lost their power together do not ask
/// together.
const JITTER_PART: u64 = 8;

/// How often servers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SntpSettings {
    /// How long an answer may take, in milliseconds. Up to half of it adds to how uncertain the time is.
    pub answer_millis_max: u32,
    /// Between rounds once servers are believed, in seconds; at least [`POLL_SECS_MIN`].
    pub poll_secs: u64,
}

impl SntpSettings {
    /// 3 seconds, 1 hour.
    pub const DEFAULT: Self = Self { answer_millis_max: 3_000, poll_secs: 60 * 60 };
}

impl Default for SntpSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What came of asking one server. Printed, it is one line for a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who was asked.
    pub server: SocketAddr,
    /// What became of the answer, or why there is none.
    pub result: Result<Outcome, AskError>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.server)?;
        match self.result {
            Ok(outcome) => outcome.fmt(f),
            Err(error) => error.fmt(f),
        }
    }
}

/// Asks time servers in rounds, and offers what they say to a [`TimeKeeper`].
///
/// Name at least two servers, better three, at different addresses and of different operators: one alone
/// never sets the time. A server that denies its service (RFC 5905 §7.4) is not asked again before
/// a restart, one that is asked too often is left alone for hours.
#[derive(Debug)]
pub struct Sntp<'k, U, E, const SERVERS: usize, M: RawMutex = NoopRawMutex> {
    keeper: &'k TimeKeeper<M>,
    udp: U,
    servers: heapless::Vec<Server, SERVERS>,
    entropy: E,
    settings: SntpSettings,
    failures: u32,
}

#[derive(Clone, Copy, Debug)]
struct Server {
    address: SocketAddr,
    /// When it may be asked, in seconds since the start; `None`: never again.
    not_before_secs: Option<u64>,
    complaints: u32,
}

impl<'k, U, E, const SERVERS: usize, M> Sntp<'k, U, E, SERVERS, M>
where
    U: UdpBind,
    E: FnMut() -> u64,
    M: RawMutex,
{
    /// A client of these servers, `SERVERS` at most. `entropy` gives an unpredictable number each time.
    pub fn new(
        keeper: &'k TimeKeeper<M>,
        udp: U,
        servers: impl Into<heapless::Vec<SocketAddr, SERVERS>>,
        entropy: E,
        settings: SntpSettings,
    ) -> Self {
        let unasked = |address| Server { address, not_before_secs: Some(0), complaints: 0 };
        let servers = servers.into().into_iter().map(unasked).collect();
        Self { keeper, udp, servers, entropy, settings, failures: 0 }
    }

    /// Asks in rounds, for ever.
    pub async fn run(mut self, mut report: impl FnMut(Report)) -> ! {
        loop {
            let pause = self.round(&mut report).await;
            Timer::after(pause).await;
        }
    }

    /// Asks each server once, and says how long to wait before the next round.
    ///
    /// One socket at a time is open, from a port of its own for each question. Reserve it where sockets are
    /// counted: embassy-net panics when there is one more than its resources have.
    pub async fn round(&mut self, mut report: impl FnMut(Report)) -> Duration {
        let mut is_believed = false;
        for server in &mut self.servers {
            if !server.may_be_asked() {
                continue;
            }
            let floor = self.keeper.floor();
            let deadline = self.settings.answer_millis_max;
            let answer =
                ask::ask(&self.udp, server.address, (self.entropy)(), floor, deadline).await;
            let result = answer.map(|told| self.keeper.offer_server(told));
            match result {
                Ok(Outcome::Set | Outcome::Corrected) => is_believed = true,
                Ok(Outcome::Held | Outcome::Refused(_)) => {}
                Err(error) => server.heed(error),
            }
            report(Report { server: server.address, result });
        }
        self.failures = if is_believed { 0 } else { self.failures.saturating_add(1) };
        self.pause()
    }

    fn pause(&mut self) -> Duration {
        let poll = self.settings.poll_secs.max(POLL_SECS_MIN);
        let secs = match self.failures {
            0 => poll,
            failures => {
                let retry = doubled(RETRY_SECS, failures.saturating_sub(1)).min(RETRY_SECS_MAX);
                if self.keeper.unix_time().is_some() {
                    retry.clamp(POLL_SECS_MIN, poll)
                } else {
                    retry
                }
            }
        };
        let millis = secs.saturating_mul(1_000);
        let jitter = (self.entropy)().checked_rem(millis / JITTER_PART).unwrap_or(0);
        Duration::from_millis(millis.saturating_add(jitter))
    }
}

impl Server {
    fn may_be_asked(&self) -> bool {
        self.not_before_secs.is_some_and(|secs| Instant::now().as_secs() >= secs)
    }

    /// Does what the server asks for (RFC 5905 §7.4).
    fn heed(&mut self, error: AskError) {
        match error {
            AskError::Denied => self.not_before_secs = None,
            AskError::TooOften => {
                let pause = doubled(TOO_OFTEN_SECS, self.complaints.min(TOO_OFTEN_DOUBLINGS_MAX));
                self.complaints = self.complaints.saturating_add(1);
                self.not_before_secs = Some(Instant::now().as_secs().saturating_add(pause));
            }
            _ => {}
        }
    }
}

/// Twice as long, so many times.
const fn doubled(secs: u64, times: u32) -> u64 {
    secs.saturating_mul(2_u64.saturating_pow(times))
}
