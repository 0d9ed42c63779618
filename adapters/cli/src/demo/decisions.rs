//! Overhears what the protected server decides and asks, so that the demo can show the reason beside
//! the status.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{Event, Subscriber, field::Field};
use tracing_subscriber::{Layer, layer::Context};

/// The events of the layer before the MCP server.
const TARGET: &str = "portcullis_tokio::resource_server";

/// What the protected server did with one request.
#[derive(Debug, Default)]
pub(crate) struct Overheard {
    /// What it decided, and why.
    pub(crate) decision: Option<String>,
    /// The endpoint it asked about the token, and the status it got.
    pub(crate) introspection: Option<(String, u16)>,
}

/// What was overheard since somebody asked last.
///
/// The demo's requests come one after the other, so that it belongs to the exchange that just ended.
#[derive(Clone, Default)]
pub(crate) struct Decisions(Arc<Mutex<Overheard>>);

impl Decisions {
    /// Takes what was overheard.
    pub(crate) fn take(&self) -> Overheard {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Decisions {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !event.metadata().target().starts_with(TARGET) {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        let mut overheard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match words.message.as_str() {
            "refused" => overheard.decision = Some(words.reason),
            "allowed" => overheard.decision = Some(format!("allowed for {}", words.subject)),
            "introspected" => overheard.introspection = Some((words.endpoint, words.status)),
            _ => {}
        }
    }
}

/// The parts of an event that are shown.
#[derive(Default)]
struct Words {
    message: String,
    reason: String,
    subject: String,
    endpoint: String,
    status: u16,
}

impl tracing::field::Visit for Words {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = u16::try_from(value).unwrap_or_default();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let place = match field.name() {
            "message" => &mut self.message,
            "reason" => &mut self.reason,
            "subject" => &mut self.subject,
            "endpoint" => &mut self.endpoint,
            _ => return,
        };
        *place = format!("{value:?}").trim_start_matches("Some(").trim_end_matches(')').to_owned();
    }
}
