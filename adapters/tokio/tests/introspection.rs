//! The authorization server is asked: what it answers, what is remembered, and what happens when it
//! cannot be asked.

mod common;

use std::{sync::Arc, time::Duration};

use common::{
    scripted::{Script, Scripted, active},
    *,
};
use portcullis_tokio::resource_server::{KeySettings, Secret, Settings, Verification};

fn settings_for(server: &Scripted) -> Settings {
    with_verification(server.verification())
}

async fn bench(script: Script) -> (Bench, Scripted) {
    let server = Scripted::start(script).await;
    (Bench::new(settings_for(&server)), server)
}

fn good() -> Script {
    Script::json(active("user", NOW + 600))
}

#[tokio::test]
async fn rs_80_the_question() {
    let (bench, server) = bench(good()).await;
    bench.check(call_with("opaque-1~+/=", "get_time"), 200).await;
    assert_eq!(bench.recorder.principal().unwrap().subject(), Some("alice"));
    let question = &server.questions()[0];
    assert!(question.starts_with("POST /introspect HTTP/1.1\r\n"), "{question}");
    let has = |part: &str| assert!(question.to_ascii_lowercase().contains(part), "{question}");
    has("content-type: application/x-www-form-urlencoded\r\n");
    // base64("rs-1:rs-secret-6f1d"), in lower case like the rest here.
    has("authorization: basic cnmtmtpycy1zzwnyzxqtnmyxza==\r\n");
    has("token=opaque-1%7e%2b%2f%3d&token_type_hint=access_token");
}

#[tokio::test]
async fn sec_360_whoever_cannot_be_asked_is_a_503_and_is_not_remembered() {
    let (bench, server) = bench(Script::Reset).await;
    let redirect = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\
                    connection: close\r\n\r\n";
    let troubles = [
        Script::Reset,
        Script::Silent(Duration::from_secs(2)),
        Script::status(500),
        Script::status(401),
        Script::status(429),
        Script::status(204),
        Script::Raw(redirect.to_owned()),
        Script::with_type(200, "text/html", "<html>busy</html>"),
        Script::with_type(200, "text/html", active("user", NOW + 600)),
        Script::json(format!("{{\"active\":true,\"x\":\"{}\"}}", "x".repeat(1 << 20))),
        Script::Raw("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"active\":true".to_owned()),
        Script::Raw("nonsense\r\n\r\n".to_owned()),
    ];
    let mut asked = 0;
    for trouble in troubles {
        // A connection that is closed unanswered may have been an old one: the question is asked once more.
        asked += if matches!(trouble, Script::Reset) { 2 } else { 1 };
        server.script(trouble);
        let response = bench.check(call_with("opaque", "get_time"), 503).await;
        field(&response, "retry-after").parse::<u32>().unwrap();
        assert!(!response.headers().contains_key("www-authenticate"));
        assert_eq!(server.asked(), asked);
    }
    // INV-7: as soon as it can be asked, the same token is judged.
    server.script(good());
    bench.check(call_with("opaque", "get_time"), 200).await;
}

#[tokio::test]
async fn sec_360_a_connection_that_ends_unanswered_is_no_outage() {
    let (bench, server) = bench(Script::ResetThen(Box::new(good()))).await;
    bench.check(call_with("opaque", "get_time"), 200).await;
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn sec_360_nobody_listens() {
    let server = Scripted::start(good()).await;
    let mut introspection = server.settings();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    introspection.endpoint = format!("http://{closed}/introspect");
    let bench = Bench::new(with_verification(Verification::Introspection(introspection)));
    bench.check(call_with("opaque", "get_time"), 503).await;
    // SEC-372: what speaks no TLS is no authorization server.
    let mut introspection = server.settings();
    introspection.endpoint = format!("https://{}/introspect", server.address);
    let bench = Bench::new(with_verification(Verification::Introspection(introspection)));
    bench.check(call_with("opaque", "get_time"), 503).await;
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn sec_361_sec_362_answers_that_admit_nobody() {
    let (bench, server) = bench(good()).await;
    let good = active("user", NOW + 600);
    let mut answers = vec![
        "{}".to_owned(),
        String::new(),
        "[]".to_owned(),
        "{\"active\":false}".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good} x"),
    ];
    for (from, to) in [
        ("\"active\":true", "\"active\":\"true\""),
        ("\"active\":true", "\"active\":1"),
        ("\"active\":true", "\"active\":true,\"active\":true"),
        ("\"active\":true", "\"active\":null"),
        (RESOURCE, "https://mcp.example.com/other"),
        (ISSUER, "https://other.example"),
        ("\"Bearer\"", "\"DPoP\""),
        ("\"exp\":1800000600", "\"exp\":1799999900"),
        (",\"exp\":1800000600", ""),
        ("\"exp\":1800000600", "\"exp\":\"1800000600\""),
        ("\"iat\":1799999995", "\"nbf\":1800000100"),
        ("\"scope\":\"user\"", "\"scope\":[\"user\"]"),
    ] {
        assert!(good.contains(from), "{from}");
        answers.push(good.replacen(from, to, 1));
    }
    for (n, answer) in answers.into_iter().enumerate() {
        server.script(Script::json(&answer));
        let response = bench.send(call_with(&format!("opaque-{n}"), "get_time")).await;
        assert_eq!(response.status(), 401, "{answer}");
    }
    assert_eq!(bench.recorder.count(), 0);
    server.script(Script::json(good));
    bench.check(call_with("opaque", "get_time"), 200).await;
}

#[tokio::test]
async fn sec_363_facts_are_remembered_and_decisions_are_not() {
    let (bench, server) = bench(good()).await;
    bench.check(call_with("opaque", "get_time"), 200).await;
    let response = bench.check(call_with("opaque", "set_time"), 403).await;
    assert!(field(&response, "www-authenticate").contains("insufficient_scope"));
    bench.check(call_with("opaque", "get_time"), 200).await;
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn sec_366_no_answer_is_used_past_its_life() {
    let (bench, server) = bench(good()).await;
    bench.check(call_with("opaque", "get_time"), 200).await;
    bench.clock.set_monotonic(9);
    bench.check(call_with("opaque", "get_time"), 200).await;
    assert_eq!(server.asked(), 1);
    bench.clock.set_monotonic(10);
    bench.check(call_with("opaque", "get_time"), 200).await;
    assert_eq!(server.asked(), 2);
    // The time of day went back an hour: nothing lives longer for it.
    bench.clock.set_unix(NOW + 5);
    bench.clock.set_monotonic(20);
    server.script(Script::json("{\"active\":false}"));
    bench.check(call_with("opaque", "get_time"), 401).await;
}

#[tokio::test]
async fn sec_366_a_remembered_token_still_expires() {
    let (bench, server) = bench(Script::json(active("user", NOW + 3))).await;
    bench.check(call_with("opaque", "get_time"), 200).await;
    // Within the ceiling of the memory, but past `exp` and leeway by the time of day.
    bench.clock.set_unix(NOW + 3 + 60);
    bench.check(call_with("opaque", "get_time"), 401).await;
    // And forgotten when its own time is over.
    bench.clock.set_unix(NOW);
    bench.clock.set_monotonic(3);
    bench.check(call_with("opaque", "get_time"), 200).await;
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn sec_367_only_a_definite_no_is_remembered_and_shortly() {
    let (bench, server) = bench(Script::json("{\"active\":false}")).await;
    bench.check(call_with("opaque", "get_time"), 401).await;
    bench.check(call_with("opaque", "get_time"), 401).await;
    assert_eq!(server.asked(), 1);
    server.script(good());
    bench.clock.set_monotonic(2);
    bench.check(call_with("opaque", "get_time"), 200).await;
    // An answer that says nothing is a 401 too, and forgotten at once.
    server.script(Script::json("{}"));
    bench.check(call_with("other", "get_time"), 401).await;
    server.script(good());
    bench.check(call_with("other", "get_time"), 200).await;
}

#[tokio::test]
async fn sec_368_no_question_about_what_cannot_be_a_token() {
    let (bench, server) = bench(good()).await;
    for token in ["a=b", "", "a b", &"x".repeat(4097)] {
        let response = bench.send(call_with(token, "get_time")).await;
        assert!([400, 401].contains(&response.status().as_u16()), "{}", response.status());
    }
    bench.check(post_call("get_time").body(call("get_time")).unwrap(), 401).await;
    assert_eq!((server.asked(), bench.recorder.count()), (0, 0));
    // LIM-4: the longest that can be one.
    bench.check(call_with(&"x".repeat(4096), "get_time"), 200).await;
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn sec_369_sec_561_one_question_for_one_token() {
    let Script::Raw(answer) = good() else { unreachable!() };
    let server = Scripted::start(Script::Gated(answer)).await;
    let mut introspection = server.settings();
    introspection.deadline_millis = 10_000;
    let settings = with_verification(Verification::Introspection(introspection));
    let bench = Arc::new(Bench::new(settings));
    let ask = || {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.send(call_with("opaque", "get_time")).await.status() })
    };
    let first = ask();
    server.wait_for_questions(1).await;
    let others: Vec<_> = (0..20).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    // Whoever asked first goes away; the question goes on.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    server.open();
    for other in others {
        assert_eq!(other.await.unwrap(), 200);
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn sec_373_a_jwt_that_fails_here_is_not_asked_about() {
    let server = Scripted::start(good()).await;
    let bench = Bench::new(with_verification(Verification::JwtOrIntrospection {
        keys: vec![KeySettings::new(KEY_ID, Secret::value(KEY_TEXT))],
        introspection: server.settings(),
    }));
    bench.check(call_with(&token("user"), "get_time"), 200).await;
    let forged = Token { key: [1; 32], ..Token::default() }.mint();
    bench.check(call_with(&forged, "get_time"), 401).await;
    let expired = Token { expires_at: NOW - 100, ..Token::default() }.mint();
    bench.check(call_with(&expired, "get_time"), 401).await;
    assert_eq!(server.asked(), 0);
    bench.check(call_with("opaque", "get_time"), 200).await;
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn sec_371_the_secret_goes_to_the_configured_endpoint_alone() {
    let elsewhere = Scripted::start(good()).await;
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{}/introspect\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n",
        elsewhere.address
    );
    let (bench, server) = bench(Script::Raw(redirect)).await;
    let issuer = format!("http://{}", elsewhere.address);
    let named = Token { issuer: &issuer, ..Token::default() }.mint();
    bench.check(call_with(&named, "get_time"), 503).await;
    assert_eq!((server.asked(), elsewhere.asked()), (1, 0));
}

#[tokio::test]
async fn sec_500_no_clock_means_no_question() {
    let (bench, server) = bench(good()).await;
    bench.clock.set_unix(UNKNOWN);
    bench.check(call_with("opaque", "get_time"), 503).await;
    assert_eq!(server.asked(), 0);
}
