//! One event and one count for each decision, with nothing secret in them.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use portcullis_core::{challenge::Challenge, resource_server};

use super::Clock;

/// Most events about refused requests in one second; the rest are only counted (SEC-323).
const REFUSALS_PER_SEC_MAX: u64 = 100;
/// Longest text of a stranger in an event, in characters (SEC-321).
const TEXT_LEN_MAX: usize = 128;

/// What happened to a request.
#[derive(Clone, Copy)]
pub(super) enum Outcome<'a> {
    /// Handed to the service behind.
    Allowed {
        principal: &'a resource_server::Principal<'a>,
        method: &'a str,
        name: Option<&'a str>,
    },
    /// Answered with a challenge.
    Challenged(&'a Challenge<'a>),
    /// Answered without regard to a token, or because of its body.
    Refused { status: u16, reason: &'a dyn fmt::Display },
    /// The metadata was read.
    Metadata,
    /// A browser asked beforehand.
    Preflight,
}

/// Writes the events and counts. Accepted decisions are never left out: they are the audit trail
/// (SEC-326).
#[derive(Default)]
pub(super) struct Journal {
    /// The second that is counted, in the upper half, and the refusals in it.
    window: AtomicU64,
    /// Refusals that were not written since the last one that was.
    left_out: AtomicU64,
}

impl Journal {
    pub(super) fn record(&self, outcome: Outcome<'_>, clock: &dyn Clock) {
        match outcome {
            Outcome::Allowed { principal, method, name } => {
                // Written out, so that the most frequent count has nothing to allocate.
                metrics::counter!("portcullis_decisions_total", "decision" => "allow", "reason" => "")
                    .increment(1);
                tracing::info!(
                    subject = ?principal.subject().map(Text),
                    client_id = ?principal.client_id().map(Text),
                    issuer = principal.issuer(),
                    method = ?Text(method),
                    name = ?name.map(Text),
                    "allowed"
                );
            }
            Outcome::Challenged(challenge) => {
                self.refused("challenge", challenge.status(), &challenge.reason(), clock);
            }
            Outcome::Refused { status, reason } => self.refused("refuse", status, reason, clock),
            Outcome::Metadata => {
                count("metadata", "");
                tracing::debug!("metadata");
            }
            Outcome::Preflight => {
                count("preflight", "");
                tracing::debug!("preflight");
            }
        }
    }

    fn refused(
        &self,
        decision: &'static str,
        status: u16,
        reason: &dyn fmt::Display,
        clock: &dyn Clock,
    ) {
        count(decision, reason.to_string());
        if self.may_write(clock.monotonic().as_secs()) {
            let left_out = self.left_out.swap(0, Ordering::Relaxed);
            tracing::info!(status, %reason, left_out, "refused");
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts the refusals of each second; approximate where threads meet, which does no harm.
    fn may_write(&self, now_secs: u64) -> bool {
        let second = (now_secs & u64::from(u32::MAX)) << 32;
        let window = self.window.load(Ordering::Relaxed);
        if window & !u64::from(u32::MAX) != second {
            self.window.store(second | 1, Ordering::Relaxed);
            return true;
        }
        if window & u64::from(u32::MAX) >= REFUSALS_PER_SEC_MAX {
            return false;
        }
        self.window.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// Labels are words of ours, never a stranger's: their number is bounded.
fn count(decision: &'static str, reason: impl Into<metrics::SharedString>) {
    metrics::counter!(
        "portcullis_decisions_total", "decision" => decision, "reason" => reason.into()
    )
    .increment(1);
}

/// A stranger's text in an event: quoted, escaped and cut, so that one event stays one line (SEC-321).
struct Text<'a>(&'a str);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(TEXT_LEN_MAX) {
            None => fmt::Debug::fmt(self.0, f),
            Some((cut, _)) => write!(f, "{:?}..", self.0.get(..cut).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_321_one_line_escaped_and_cut() {
        let hostile = format!("a\r\nb\u{1b}[31m\"{}", "x".repeat(1 << 20));
        let written = format!("{:?}", Text(&hostile));
        assert!(written.starts_with("\"a\\r\\nb\\u{1b}[31m\\\"xxx"), "{written}");
        assert!(written.len() < 200 && written.ends_with("x\".."), "{written}");
        let longest = "y".repeat(TEXT_LEN_MAX);
        assert_eq!(format!("{:?}", Text(&longest)), format!("{longest:?}"));
    }

    #[test]
    fn sec_323_refusals_are_sampled() {
        let journal = Journal::default();
        let written = (0..1000).filter(|_| journal.may_write(7)).count();
        assert_eq!(u64::try_from(written).unwrap(), REFUSALS_PER_SEC_MAX);
        assert!(journal.may_write(8));
    }
}
