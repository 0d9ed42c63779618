//! Where the log goes: standard error, and what is audited to a file of its own as well.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::Targets,
    fmt::{format::FmtSpan, layer},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use serde::Deserialize;

use crate::files::{self, FileError};

/// The target of audit events.
const AUDIT: &str = "audit";

/// How a line of the log looks.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// What is written, unless `RUST_LOG` says otherwise.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// Starts the log; gives the audit file, if there is one.
pub(crate) fn start(
    format: LogFormat,
    level: Level,
    audit: Option<PathBuf>,
) -> Result<Option<AuditFile>, FileError> {
    let level = match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    };
    let shown = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let text: Box<dyn Layer<Registry> + Send + Sync> = match format {
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
    let audit = audit.map(AuditFile::open).transpose()?;
    if let Some(audit) = audit.clone() {
        let lines = layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_span_events(FmtSpan::NONE)
            .with_writer(move || audit.clone())
            .with_filter(Targets::new().with_target(AUDIT, tracing::Level::INFO));
        layers.push(lines.boxed());
    }
    tracing_subscriber::registry().with(layers).init();
    Ok(audit)
}

/// The file that audit events are appended to, whoever holds it.
#[derive(Clone)]
pub(crate) struct AuditFile {
    path: Arc<PathBuf>,
    // A line is written by one call, so whoever panicked in between left whole lines.
    file: Arc<Mutex<File>>,
}

impl AuditFile {
    fn open(path: PathBuf) -> Result<Self, FileError> {
        if let Some(folder) = path.parent() {
            files::make_private_folder(folder)?;
        }
        let file = Arc::new(Mutex::new(files::append(&path)?));
        Ok(Self { path: Arc::new(path), file })
    }

    /// Goes on in the file that has the name now: the one before may have been moved away.
    pub(crate) fn reopen(&self) -> Result<(), FileError> {
        let file = files::append(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }
}

impl Write for AuditFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write(line)
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
