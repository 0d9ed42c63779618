//! Asking the authorization server about tokens (RFC 7662): one question per token at a time, answers
//! remembered for a short while, and a limit on everything.
//!
//! What is remembered are facts. The decision is the core's, made from them for each request
//! (SEC-363): a remembered token still expires, and still lacks the scopes it lacks.

mod cache;
mod client;
mod flight;
mod key;

use std::{sync::Arc, time::Duration};

use portcullis_core::bearer::BearerToken;
use tokio::time::Instant;

use self::{
    cache::{Cache, Lives},
    client::Client,
    flight::Flights,
    key::{Digest, Keyed},
};
use crate::Network;

use super::{Clock, Facts, IntrospectionSettings, SettingsError, verifier::Unavailable};

/// What is known of a token: its facts, or that it is not active.
pub(crate) type Known = Option<Arc<Facts>>;

/// What asking led to.
pub(crate) type Asked = Result<Known, Unavailable>;

/// Asks one introspection endpoint on behalf of one resource.
pub(crate) struct Introspector {
    keyed: Keyed,
    shared: Arc<Shared>,
    flights: Flights,
}

/// What a question needs that outlives the request it was asked for.
struct Shared {
    client: Client,
    cache: Cache,
    clock: Arc<dyn Clock>,
}

impl Introspector {
    /// Checks the settings and reads the secret; asks nothing yet.
    pub(crate) fn new(
        settings: &IntrospectionSettings,
        issuer: &str,
        resource: &str,
        clock: Arc<dyn Clock>,
        network: &Network,
    ) -> Result<Self, SettingsError> {
        if settings.parallel_max == 0 || settings.parallel_max > flight::PARALLEL_MAX {
            return Err(SettingsError::Limit("parallel_max"));
        }
        let lives = Lives {
            active: Duration::from_secs(settings.active_secs_max),
            inactive: Duration::from_secs(settings.inactive_secs_max),
        };
        let cache = Cache::new(lives, settings.active_entries_max, settings.inactive_entries_max);
        let client = Client::new(settings, issuer, network)?;
        Ok(Self {
            keyed: Keyed::new([&settings.endpoint, issuer, resource])?,
            shared: Arc::new(Shared { client, cache, clock }),
            flights: Flights::new(settings.parallel_max),
        })
    }

    /// What is known of `token`, asking only when nothing is remembered.
    ///
    /// Dropping the future leaves the question in flight for those who wait for the same token.
    pub(crate) async fn ask(&self, token: BearerToken<'_>) -> Asked {
        let digest = self.keyed.digest(token.expose());
        let shared = &self.shared;
        if let Some(known) = shared.cache.find(&digest, shared.clock.monotonic()) {
            metrics::counter!("portcullis_introspection_cache_hits_total").increment(1);
            return Ok(known);
        }
        let question = || {
            let (shared, token) = (Arc::clone(shared), client::Question::new(token));
            // Waiting for one's turn is part of it: behind a server that is silent a queue would else wait
            // for each of its questions in turn (SEC-569).
            let deadline = shared.client.deadline();
            async move { shared.question(digest, token, deadline).await }
        };
        self.flights.join(digest, question).await
    }
}

impl Shared {
    /// Asks, and remembers a definite answer. An outage and an answer that cannot be read are never
    /// remembered (SEC-360, SEC-367).
    async fn question(
        self: Arc<Self>,
        digest: Digest,
        question: client::Question,
        deadline: Instant,
    ) -> Asked {
        let asked_at = self.clock.monotonic();
        let answer = self.client.ask(question, deadline).await;
        metrics::histogram!("portcullis_introspection_seconds")
            .record((self.clock.monotonic().saturating_sub(asked_at)).as_secs_f64());
        let outcome = match &answer {
            Ok(Some(_)) => "active",
            Ok(None) => "inactive",
            Err(error) => {
                tracing::warn!(error = error.as_str(), "introspection failed");
                error.as_str()
            }
        };
        metrics::counter!("portcullis_introspections_total", "outcome" => outcome).increment(1);
        let known = match answer {
            Ok(facts) => facts.map(Arc::new),
            Err(error) if error.is_outage() => return Err(Unavailable),
            Err(_) => return Ok(None),
        };
        if let Some(now) = self.clock.unix_time() {
            let left = known.as_ref().map(|facts| facts.expires_at().secs_since(now));
            self.cache.insert(digest, known.clone(), left.map(Duration::from_secs), asked_at);
        }
        Ok(known)
    }
}
