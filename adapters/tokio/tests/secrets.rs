//! What is written down: nothing that is secret, over a whole run (SEC-320), and what makes it weaker (INV-9).

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
use portcullis_tokio::resource_server::{
    IntrospectionSettings, Issuer, JwksSettings, KeySettings, Limits, ProtectLayer, Secret,
    Settings, Verification,
};

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

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
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

    let written = log.text();
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

/// What is written at the level `WARN` by whatever `work` does on this thread.
fn warnings(work: impl FnOnce()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    log.text()
}

/// Each is refused unless it is asked for by name, which other tests show.
#[test]
fn inv_9_each_weakening_is_written_down() {
    let start = |settings: Settings| {
        warnings(|| {
            ProtectLayer::new(settings).ok().unwrap();
        })
    };
    let at = |resource: &str| {
        Settings::new(
            resource,
            Issuer::new(ISSUER, Verification::offline(KEY_ID, Secret::value(KEY_TEXT))),
        )
    };
    let asks = |endpoint: &str, plain_http| {
        let settings =
            IntrospectionSettings::new(endpoint, "rs-1", Secret::value("rs-secret-6f1d"));
        with_verification(Verification::Introspection(IntrospectionSettings {
            plain_http,
            ..settings
        }))
    };
    let reads = |url: &str, plain_http| {
        with_verification(Verification::Jwks(JwksSettings {
            url: Some(url.to_owned()),
            plain_http,
            ..JwksSettings::default()
        }))
    };
    let several = Limits { several_audiences: true, ..Limits::default() };
    for (weaker, address, words) in [
        (
            at("http://mcp.example.com/mcp").allow_plain_http(),
            "http://mcp.example.com/mcp",
            "in clear",
        ),
        (asks("http://as.example.com/ask", true), "http://as.example.com/ask", "plain http"),
        (reads("http://as.example.com/jwks", true), "http://as.example.com/jwks", "plain http"),
        (settings().limits(several), RESOURCE, "other servers"),
    ] {
        let log = start(weaker);
        assert!(log.contains("WARN") && log.contains(address) && log.contains(words), "{log:?}");
        assert!(!log.contains("rs-secret"), "{log}");
    }
    for usual in [
        at("https://mcp.example.com/mcp"),
        at("http://localhost:8001/mcp"),
        asks("https://as.example.com/ask", true),
        asks("http://127.0.0.1:9000/ask", false),
        reads("https://as.example.com/jwks", true),
        reads("http://127.0.0.1:9000/jwks", false),
    ] {
        assert_eq!(start(usual), "");
    }
}

#[cfg(feature = "proxy")]
#[test]
fn inv_9_an_upstream_without_tls_is_written_down() {
    use portcullis_tokio::proxy::{Proxy, UpstreamSettings};

    let start = |url: &str| {
        let mut settings = UpstreamSettings::new(url);
        settings.plain_http = true;
        warnings(|| {
            Proxy::new(settings, RESOURCE).ok().unwrap();
        })
    };
    let log = start("http://10.0.0.7/mcp");
    assert!(log.contains("WARN") && log.contains("http://10.0.0.7/mcp"), "{log:?}");
    for usual in ["https://10.0.0.7/mcp", "http://127.0.0.1:3000/mcp"] {
        assert_eq!(start(usual), "");
    }
}
