//! What reaches the service behind, and what does not: credentials, paths, methods, body and headers.

mod common;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use common::*;
use http::Request;
use http_body_util::Full;
use portcullis_tokio::resource_server::Limits;
use tower::ServiceExt as _;

fn bearer() -> String {
    format!("Bearer {}", token("user"))
}

#[tokio::test]
async fn rs_20_a_good_token_and_no_token() {
    let bench = Bench::new(settings());
    bench.check(call_with(&token("user"), "get_time"), 200).await;
    let principal = bench.recorder.principal().unwrap();
    assert_eq!(principal.subject(), Some("alice"));
    assert_eq!(principal.client_id(), Some("client-1"));
    assert_eq!(principal.issuer(), ISSUER);
    assert_eq!(principal.scopes().collect::<Vec<_>>(), ["user"]);
    assert_eq!(principal.expires_at().as_secs(), NOW + 600);

    let response = bench.check(post_call("get_time").body(call("get_time")).unwrap(), 401).await;
    assert_eq!(
        field(&response, "www-authenticate"),
        "Bearer scope=\"user\", resource_metadata=\
         \"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\""
    );
}

#[tokio::test]
async fn rs_44_the_token_goes_no_further_and_the_bytes_do() {
    let bench = Bench::new(settings());
    let response = bench.check(call_with(&token("user"), "get_time"), 200).await;
    assert_eq!(response.body(), "reached");
    let requests = bench.recorder.requests();
    assert!(!requests[0].headers().contains_key("authorization"));
    assert_eq!(requests[0].headers()["mcp-name"], "get_time");
    let sent = http_body_util::BodyExt::collect(call("get_time")).await.unwrap().to_bytes();
    assert_eq!(requests[0].body(), &sent);
}

#[tokio::test]
async fn sec_120_repeated_credentials() {
    let bench = Bench::new(settings());
    for second in [bearer(), "Basic dTpw".to_owned(), "Bearer x".to_owned()] {
        for swap in [false, true] {
            let (first, second) =
                if swap { (second.clone(), bearer()) } else { (bearer(), second.clone()) };
            let request = post_call("get_time")
                .header("authorization", first)
                .header("authorization", second)
                .body(call("get_time"));
            let response = bench.check(request.unwrap(), 400).await;
            assert!(field(&response, "www-authenticate").contains("invalid_request"));
        }
    }
}

#[tokio::test]
async fn sec_121_to_128_shapes_of_the_field() {
    let bench = Bench::new(settings());
    let token = token("user");
    for (value, status) in [
        (format!("bearer {token}"), 200),
        (format!("BEARER {token}"), 200),
        (format!("Bearer {token}, Bearer {token}"), 400),
        (format!("Bearer  {token}"), 400),
        (format!("Bearer\t{token}"), 400),
        (format!("Bearer{token}"), 401),
        (format!("Bearer {token} x"), 400),
        ("Bearer".to_owned(), 400),
        (format!("Basic {token}"), 401),
        (format!("DPoP {token}"), 401),
        (token.clone(), 401),
    ] {
        let request = post_call("get_time").header("authorization", value);
        bench.check(request.body(call("get_time")).unwrap(), status).await;
    }
}

#[tokio::test]
async fn lim_4_the_longest_token() {
    let bench = Bench::new(settings());
    for (length, error) in [(4096, "invalid_token"), (4097, "invalid_token")] {
        let response = bench.check(call_with(&"a".repeat(length), "get_time"), 401).await;
        assert!(field(&response, "www-authenticate").contains(error), "{length}");
    }
}

#[tokio::test]
async fn sec_125_sec_126_tokens_in_other_places() {
    let bench = Bench::new(settings());
    let token = token("user");
    let query = Request::post(format!("/mcp?access_token={token}"))
        .header("host", "mcp.example.com")
        .header("content-type", "application/json");
    bench.check(query.body(call("get_time")).unwrap(), 401).await;
    let both = Request::post(format!("/mcp?access_token={token}"))
        .header("host", "mcp.example.com")
        .header("authorization", format!("Bearer {token}"));
    bench.check(both.body(call("get_time")).unwrap(), 400).await;
    for name in ["cookie", "x-access-token", "proxy-authorization", "x-forwarded-authorization"] {
        let request = post_call("get_time").header(name, format!("Bearer {token}"));
        bench.check(request.body(call("get_time")).unwrap(), 401).await;
    }
    let form = post()
        .header("authorization", "")
        .body(Full::new(Bytes::from(format!("access_token={token}"))));
    bench.check(form.unwrap(), 401).await;
}

#[tokio::test]
async fn sec_129_sec_130_forwarded_and_look_alike_fields_move_nothing() {
    let bench = Bench::new(settings());
    for (name, value) in [
        ("x-forwarded-user", "admin"),
        ("x-original-url", "/.well-known/oauth-protected-resource/mcp"),
        ("x-forwarded-host", "mcp.example.com"),
        ("x-http-method-override", "OPTIONS"),
        ("authorization_", "Bearer x"),
        ("user-agent", "ELB-HealthChecker/2.0"),
    ] {
        let request = post_call("get_time").header(name, value);
        bench.check(request.body(call("get_time")).unwrap(), 401).await;
    }
}

#[tokio::test]
async fn sec_131_only_the_exact_path() {
    let bench = Bench::new(settings());
    for path in
        ["//mcp", "/./mcp", "/x/../mcp", "/mcp/", "/MCP", "/mcp%2f", "/mcp;x", "/", "/%6dcp"]
    {
        let request = Request::post(path)
            .header("host", "mcp.example.com")
            .header("content-type", "application/json")
            .header("authorization", bearer());
        bench.check(request.body(call("get_time")).unwrap(), 404).await;
    }
    // The absolute form names its own host; beside a different one it is ambiguous.
    for (host, status) in
        [("mcp.example.com", 200), ("evil.example", 400), ("MCP.example.com", 400)]
    {
        let request = Request::post("https://mcp.example.com/mcp")
            .header("host", host)
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "get_time")
            .header("authorization", bearer());
        bench.check(request.body(call("get_time")).unwrap(), status).await;
    }
}

#[tokio::test]
async fn sec_132_methods_are_no_way_around() {
    let bench = Bench::new(settings());
    for (method, status) in [
        ("GET", 405),
        ("HEAD", 405),
        ("PUT", 405),
        ("DELETE", 405),
        ("TRACE", 405),
        ("post", 405),
        ("OPTIONS", 204),
    ] {
        let request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", "mcp.example.com")
            .body(Full::default());
        bench.check(request.unwrap(), status).await;
    }
}

#[tokio::test]
async fn tl_03_sessions_need_a_token_too() {
    let bench = Bench::new(settings().sessions());
    for method in ["GET", "DELETE"] {
        let head =
            || Request::builder().method(method).uri("/mcp").header("host", "mcp.example.com");
        bench.check(head().body(Full::default()).unwrap(), 401).await;
        let with = head().header("authorization", bearer()).body(Full::default());
        bench.check(with.unwrap(), 200).await;
        let scopeless = format!("Bearer {}", token(""));
        let without = head().header("authorization", scopeless).body(Full::default());
        bench.check(without.unwrap(), 403).await;
    }
}

#[tokio::test]
async fn sec_133_a_request_is_not_vouched_for_by_the_one_before() {
    let bench = Bench::new(settings());
    bench.check(call_with(&token("user"), "get_time"), 200).await;
    bench.check(post_call("get_time").body(call("get_time")).unwrap(), 401).await;
    bench.check(call_with(&token("user"), "get_time"), 200).await;
}

#[tokio::test]
async fn sec_134_sec_385_hosts() {
    let bench = Bench::new(settings().host("inner:8001"));
    let request = |hosts: &[&str]| {
        let mut request = Request::post("/mcp").header("content-type", "application/json");
        for host in hosts {
            request = request.header("host", *host);
        }
        request
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "get_time")
            .header("authorization", bearer())
            .body(call("get_time"))
            .unwrap()
    };
    for host in ["mcp.example.com", "MCP.Example.com", "mcp.example.com:443", "inner:8001"] {
        bench.check(request(&[host]), 200).await;
    }
    for host in ["evil.example", "mcp.example.com:8443", "mcp.example.com.", "inner", "localhost"] {
        bench.check(request(&[host]), 421).await;
    }
    for hosts in [&["a/b?x"][..], &["a#"], &["u@mcp.example.com"], &[""], &[], &["a", "a"]] {
        bench.check(request(hosts), 400).await;
    }
}

#[tokio::test]
async fn sec_340_sec_341_tokens_for_others_and_of_others() {
    let bench = Bench::new(settings());
    let good = Token::default;
    for bad in [
        Token { audience: &["https://mcp.example.com/other"], ..good() },
        Token { audience: &["https://mcp.example.com"], ..good() },
        Token { audience: &[RESOURCE, "https://other.example/mcp"], ..good() },
        Token { issuer: "https://as.example.com/", ..good() },
        Token { issuer: "https://other.example", ..good() },
        Token { key: [0x4c; 32], ..good() },
        Token { expires_at: NOW - 60, ..good() },
    ] {
        let response = bench.check(call_with(&bad.mint(), "get_time"), 401).await;
        assert!(field(&response, "www-authenticate").contains("error=\"invalid_token\""));
    }
    bench.check(call_with(&good().mint(), "get_time"), 200).await;
}

#[tokio::test]
async fn sec_343_sec_344_the_scope_of_the_tool_in_every_revision() {
    let bench = Bench::new(settings());
    let (read, write) = (token("user"), token("user time:write"));
    let response = bench.check(call_with(&read, "set_time"), 403).await;
    let challenge = field(&response, "www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"user time:write\""), "{challenge}");
    bench.check(call_with(&write, "set_time"), 200).await;

    for version in ["2025-11-25", "2025-06-18"] {
        for (token, status) in [(&read, 403), (&write, 200)] {
            let request = post()
                .header("mcp-protocol-version", version)
                .header("authorization", format!("Bearer {token}"));
            bench.check(request.body(legacy_call("set_time")).unwrap(), status).await;
        }
    }
    let batch = Full::new(Bytes::from_static(
        b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"set_time\"}}]",
    ));
    let request = post().header("authorization", format!("Bearer {write}")).body(batch);
    bench.check(request.unwrap(), 400).await;
}

#[tokio::test]
async fn sec_345_head_and_body_must_agree() {
    let bench = Bench::new(settings());
    let request = |names: &[&str], body| {
        let mut request = post()
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("authorization", bearer());
        for name in names {
            request = request.header("mcp-name", *name);
        }
        request.body(body).unwrap()
    };
    bench.check(request(&["get_time"], call("get_time")), 200).await;
    bench.check(request(&["=?base64?Z2V0X3RpbWU=?="], call("get_time")), 200).await;
    for names in [
        &["get_time"][..],
        &[],
        &["set_time", "set_time"],
        &["=?BASE64?c2V0X3RpbWU=?="],
        &["=?base64?c2V0X3RpbWU?="],
    ] {
        let response = bench.check(request(names, call("set_time")), 400).await;
        assert!(std::str::from_utf8(response.body()).unwrap().contains("-32020"), "{names:?}");
    }
}

#[tokio::test]
async fn sec_386_sec_387_origins() {
    let bench = Bench::new(settings().origin("https://app.example.com"));
    let request = |origins: &[&str]| {
        let mut request = post_call("get_time").header("authorization", bearer());
        for origin in origins {
            request = request.header("origin", *origin);
        }
        request.header("x-forwarded-proto", "https").body(call("get_time")).unwrap()
    };
    let response = bench.check(request(&["https://app.example.com"]), 200).await;
    assert_eq!(field(&response, "access-control-allow-origin"), "https://app.example.com");
    assert!(field(&response, "access-control-expose-headers").contains("WWW-Authenticate"));
    bench.check(request(&[]), 200).await;
    for origins in [
        &["null"][..],
        &["https://evil.example"],
        &["https://app.example.com.evil.example"],
        &["https://APP.example.com"],
        &["https://app.example.com:8443"],
        &["http://app.example.com"],
        &["https://app.example.com", "https://app.example.com"],
    ] {
        let response = bench.check(request(origins), 403).await;
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{origins:?}");
    }
}

#[tokio::test]
async fn rs_36_preflight_and_readable_challenge() {
    let bench = Bench::new(settings().origin("https://app.example.com"));
    let preflight = Request::options("/mcp")
        .header("host", "mcp.example.com")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .body(Full::default());
    let response = bench.check(preflight.unwrap(), 204).await;
    assert!(field(&response, "access-control-allow-headers").contains("Authorization"));
    assert!(field(&response, "access-control-allow-methods").contains("POST"));
    let request = post_call("get_time").header("origin", "https://app.example.com");
    let response = bench.check(request.body(call("get_time")).unwrap(), 401).await;
    assert_eq!(field(&response, "access-control-allow-origin"), "https://app.example.com");
}

#[tokio::test]
async fn sec_388_only_json() {
    let bench = Bench::new(settings());
    for content_type in [Some("text/plain"), Some("application/x-www-form-urlencoded"), None] {
        let mut request = Request::post("/mcp")
            .header("host", "mcp.example.com")
            .header("authorization", bearer());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        bench.check(request.body(call("get_time")).unwrap(), 415).await;
    }
}

#[tokio::test]
async fn lim_10_bodies_at_the_limit() {
    let limit = 1000;
    let limits = Limits { body_len_max: limit, ..Limits::default() };
    let bench = Bench::new(settings().limits(limits));
    for (length, status) in [(limit - 1, 200), (limit, 200), (limit + 1, 413), (limit * 9, 413)] {
        let call = http_body_util::BodyExt::collect(call("get_time")).await.unwrap().to_bytes();
        let mut body = call.to_vec();
        body.resize(length, b' ');
        let request = post_call("get_time").header("authorization", bearer());
        bench.check(request.body(Full::from(body)).unwrap(), status).await;
    }
}

#[tokio::test]
async fn sec_500_without_a_clock_nobody_is_admitted() {
    let bench = Bench::new(settings());
    bench.clock.set_unix(UNKNOWN);
    let response = bench.check(call_with(&token("user"), "get_time"), 503).await;
    assert!(response.headers().contains_key("retry-after"));
    bench.clock.set_unix(NOW);
    bench.check(call_with(&token("user"), "get_time"), 200).await;
}

/// A body that is announced and never sent.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn lim_14_a_body_that_does_not_come() {
    let limits = Limits { body_secs_max: 1, ..Limits::default() };
    let bench = Bench::new(settings().limits(limits));
    let request = |authorization| post_call("get_time").header("authorization", authorization);
    let answer = bench.protect.clone().oneshot(request(bearer()).body(Never).unwrap());
    let response = tokio::time::timeout(Duration::from_secs(5), answer).await.unwrap().unwrap();
    assert_eq!((response.status().as_u16(), bench.recorder.count()), (408, 0));
    // RS-35: without a token nobody waits for the body.
    let answer = bench.protect.clone().oneshot(request("".to_owned()).body(Never).unwrap());
    let response = tokio::time::timeout(Duration::from_millis(500), answer).await.unwrap();
    assert_eq!(response.unwrap().status().as_u16(), 401);
}
