//! SEC-320: a whole run with everything written down, searched for everything that is secret.

mod common;

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use common::{
    scripted::{Script, Scripted, active},
    *,
};
use http::Request;
use http_body_util::Full;
use metrics_util::debugging::DebuggingRecorder;
use portcullis_tokio::resource_server::{KeySettings, Secret, Verification};

/// Everything that is written down.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The secret, its usual spellings, and a piece of each that is long enough to be no accident.
fn spellings(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let base64 = Base64::encode_string(secret.as_bytes());
    let base64url = Base64UrlUnpadded::encode_string(secret.as_bytes());
    let numbers = format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned();
    [secret.to_owned(), hex, percent, base64, base64url, numbers]
        .into_iter()
        .map(|text| text.chars().take(12).collect())
        .collect()
}

// One thread, so that the subscriber of this thread sees every task.
#[tokio::test(flavor = "current_thread")]
async fn sec_320_no_secret_is_written_down() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _metrics = metrics::set_default_local_recorder(&recorder);

    let server = Scripted::start(Script::json(active("user", NOW + 600))).await;
    let settings = with_verification(Verification::JwtOrIntrospection {
        keys: vec![KeySettings::new(KEY_ID, Secret::value(KEY_TEXT))],
        introspection: server.settings(),
    });
    let mut log_of_debug = log.clone();
    write!(log_of_debug, "{settings:?} {:?}", server.settings()).unwrap();
    let bench = Bench::new(settings);

    let good = token("user");
    let forged = Token { key: [1; 32], ..Token::default() }.mint();
    let opaque = "0p4que-T0ken-8d1c7b33";
    for tool in ["get_time", "set_time"] {
        for token in [&good, &forged, opaque, "rem0te-n0t-act1ve-77aa"] {
            bench.send(call_with(token, tool)).await;
        }
    }
    server.script(Script::status(500));
    bench.send(call_with("0utage-t0ken-55ee11", "get_time")).await;
    let in_query = format!("/mcp?access_token={good}");
    for path in [in_query.as_str(), "/mcp/0p4que-T0ken-8d1c7b33"] {
        let request = Request::post(path).header("host", "mcp.example.com");
        bench.send(request.body(Full::default()).unwrap()).await;
    }
    if let Some(principal) = bench.recorder.principal() {
        write!(log_of_debug, "{principal:?}").unwrap();
    }
    let response = bench.send(call_with(&forged, "get_time")).await;
    write!(log_of_debug, "{response:?}").unwrap();
    for (key, unit, description, value) in snapshotter.snapshot().into_vec() {
        write!(log_of_debug, "{key:?} {unit:?} {description:?} {value:?}").unwrap();
    }

    let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // The log is not empty by accident: decisions and counts are in it.
    for expected in ["allowed", "refused", "alice", "portcullis_decisions_total", "introspection"] {
        assert!(written.contains(expected), "{expected} is missing from:\n{written}");
    }
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let payload = |token: &str| token.split('.').nth(1).unwrap().to_owned();
    let secrets = [
        signature(&good),
        signature(&forged),
        payload(&good),
        opaque.to_owned(),
        "rem0te-n0t-act1ve-77aa".to_owned(),
        "0utage-t0ken-55ee11".to_owned(),
        "rs-secret-6f1d".to_owned(),
        "rs-1:rs-secret-6f1d".to_owned(),
        KEY_TEXT.to_owned(),
    ];
    for secret in secrets {
        for spelling in spellings(&secret) {
            assert!(!written.contains(&spelling), "{spelling} of {secret} is in:\n{written}");
        }
    }
}
