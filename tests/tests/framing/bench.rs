//! One case for all three, with an honest request right behind it.

use crate::{
    requests::{Requests, bytes, message},
    servers::{Outcome, Servers},
};

/// What is to come of a case and the honest request behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// Both are answered with 200.
    Accepted,
    /// One answer with one of these statuses; nothing behind it is a request any more (INV-7).
    Refused(&'static [u16]),
    /// One answer with one of these statuses; the honest request is answered, or the connection ended.
    Answered(&'static [u16]),
}

pub(crate) const BAD: Want = Want::Refused(&[400]);

/// The three, and requests for them.
pub(crate) struct Bench {
    pub(crate) requests: Requests,
    pub(crate) servers: Servers,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self { requests: Requests::new(), servers: Servers::start().await }
    }

    /// Sends the case to all three; what they make of it must be what is wanted, and never more than
    /// what the device makes of it.
    pub(crate) async fn check(&mut self, case: &str, want: Want) {
        let all = [bytes(case), bytes(&self.requests.honest())].concat();
        let device = self.servers.device(&all).await;
        for (name, outcome) in [
            ("desktop", self.servers.desktop(&[&all]).await),
            ("proxy", self.servers.proxy(&all).await),
            ("device", device.clone()),
        ] {
            let label = || {
                let short: String = case.chars().take(2000).collect();
                format!("{name}: {outcome:?}, device: {device:?}, wanted: {want:?}, {short:?}")
            };
            assert!(device.bodies.starts_with(&outcome.bodies), "{}", label());
            let is_right = match (name, want) {
                // The device has statuses of its own for some heads.
                ("device", Want::Refused(_) | Want::Answered(_)) => {
                    outcome.statuses.first().is_some_and(|status| *status >= 400)
                }
                _ => holds(&outcome, want),
            };
            assert!(is_right, "{}", label());
        }
    }
}

fn holds(outcome: &Outcome, want: Want) -> bool {
    let honest = message(2).into_bytes();
    match (want, outcome.statuses.as_slice(), outcome.bodies.as_slice()) {
        (Want::Accepted, [200, 200], [_, second]) => *second == honest,
        (Want::Refused(statuses) | Want::Answered(statuses), [status], []) => {
            statuses.contains(status)
        }
        (Want::Answered(statuses), [status, 200], [body]) => {
            statuses.contains(status) && *body == honest
        }
        _ => false,
    }
}
