//! Where the log goes: standard error, and what is audited to a file of its own as well.

use std::{
    io::{self, IsTerminal as _},
    sync::Mutex,
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::Targets,
    fmt::{format::FmtSpan, layer},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{
    Error,
    configuration::{Configuration, Level, LogFormat},
};
use crate::files;

/// The target of audit events.
const AUDIT: &str = "audit";

/// Starts the log of a server.
pub(super) fn start(configuration: &Configuration) -> Result<(), Error> {
    let level = match configuration.log.level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    };
    start_at(configuration, level)
}

/// Starts the log of an administrator's command, which says nothing on the terminal as long as all is well.
pub(super) fn start_quiet(configuration: &Configuration) -> Result<(), Error> {
    start_at(configuration, "warn")
}

fn start_at(configuration: &Configuration, level: &str) -> Result<(), Error> {
    let shown = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let text: Box<dyn Layer<Registry> + Send + Sync> = match configuration.log.format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal();
            layer().with_ansi(colours).with_writer(io::stderr).with_filter(shown).boxed()
        }
        LogFormat::Json => layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(io::stderr)
            .with_filter(shown)
            .boxed(),
    };
    let mut layers = vec![text];
    if let Some(path) = configuration.audit_file() {
        if let Some(folder) = path.parent() {
            files::make_private_folder(folder)?;
        }
        let lines = layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_span_events(FmtSpan::NONE)
            .with_writer(Mutex::new(files::append(&path)?))
            .with_filter(Targets::new().with_target(AUDIT, tracing::Level::INFO));
        layers.push(lines.boxed());
    }
    tracing_subscriber::registry().with(layers).init();
    Ok(())
}
