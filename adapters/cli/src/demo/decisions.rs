//! Overhears what the protected server decides, so that the demo can show the reason beside the status.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{Event, Subscriber, field::Field};
use tracing_subscriber::{Layer, layer::Context};

/// The events of the layer before the MCP server.
pub(crate) const TARGET: &str = "portcullis_tokio::resource_server";

/// The newest decision that nobody has asked for yet.
///
/// The demo's requests come one after the other, so that it belongs to the exchange that just ended.
#[derive(Clone, Default)]
pub(crate) struct Decisions(Arc<Mutex<Option<String>>>);

impl Decisions {
    /// Takes the newest decision.
    pub(crate) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<S: Subscriber> Layer<S> for Decisions {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !event.metadata().target().starts_with(TARGET) {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        let decision = match (words.message.as_str(), words.reason) {
            ("refused", Some(reason)) => reason,
            ("allowed", _) => format!("allowed for {}", words.subject),
            _ => return,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(decision);
    }
}

/// The parts of an event that are shown.
#[derive(Default)]
struct Words {
    message: String,
    reason: Option<String>,
    subject: String,
}

impl tracing::field::Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.message = value,
            "reason" => self.reason = Some(value),
            "subject" => {
                self.subject = value.trim_start_matches("Some(").trim_end_matches(')').into()
            }
            _ => {}
        }
    }
}
