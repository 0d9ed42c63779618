//! Nothing secret is printed while all scenarios run: events of every level, metrics, `Debug` (SEC-320).

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use metrics_util::debugging::DebuggingRecorder;
use portcullis_tests::{
    judge::Judge,
    scenario::Scenarios,
    secrets::{Search, Secret},
};
use tracing_subscriber::fmt::MakeWriter;

/// Keeps what is printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Printed {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn sec_320_no_secret_is_printed() {
    let printed = Printed::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(printed.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::set_global_recorder(recorder).unwrap();

    let scenarios = Scenarios::load();
    let mut judge = Judge::new();
    for scenario in scenarios.iter() {
        judge.run(scenario);
    }
    let metrics: Vec<_> =
        snapshotter.snapshot().into_vec().into_iter().map(|(key, ..)| format!("{key:?}")).collect();
    let mut text = printed.0.lock().unwrap().clone();
    text.extend_from_slice(metrics.join("\n").as_bytes());

    // Both drivers and the metrics are in it, so that the search is not for nothing.
    let has = |wanted: &str| text.windows(wanted.len()).any(|part| part == wanted.as_bytes());
    for wanted in ["decision=Allow", "verdict=", "refused", "allowed", "portcullis_decisions_total"]
    {
        assert!(has(wanted), "{wanted}");
    }
    let secrets = Secret::all(&scenarios);
    assert!(secrets.len() > 300, "{}", secrets.len());
    println!("{} bytes, {} metrics, {} secrets", text.len(), metrics.len(), secrets.len());
    let search = Search::new(secrets);
    let found = search.find(&text);
    assert!(found.is_empty(), "{found:?}");

    // The same search finds what is planted in the middle of the same text.
    let planted = Search::new(vec![Secret::new("planted", "q7Zx-Kp93_vL0mWe4RtY")]);
    assert_eq!(planted.find(&text), []);
    let middle = text.len() / 2;
    text.splice(middle..middle, *b" q7Zx- ");
    assert_eq!(planted.find(&text), [("planted", "plain")]);
}
