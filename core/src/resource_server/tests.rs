mod whole_requests;

use std::{format, string::String, vec::Vec};

use super::*;
use crate::{
    challenge::{Reason, Unavailable},
    introspection::Introspected,
    message::{Field, IncomingResponse, RequestHead},
    scope::ScopeSet,
    time::UnixTime,
    token::{Audience, Binding, TokenError, TokenFacts},
};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ISSUER: &str = "https://as.example.com";
const NOW: u64 = 1_800_000_000;
const HOST: (&str, &[u8]) = ("host", b"mcp.example.com");

fn set(text: &str) -> ScopeSet<'_> {
    ScopeSet::parse(text).unwrap()
}

fn asked() -> [TrustedIssuer<'static>; 1] {
    [TrustedIssuer { identifier: ISSUER, verification: Verification::Introspection }]
}

/// Runs `test` with a server made from the usual configuration after `change`.
fn with_server(
    change: impl FnOnce(&mut Configuration<'_>),
    test: impl FnOnce(&ResourceServer<'_>),
) {
    let issuers = asked();
    let mut memory = [0; 2048];
    let mut configuration = Configuration::new(RESOURCE, &issuers);
    configuration.policy.base = set("user");
    change(&mut configuration);
    test(&ResourceServer::new(configuration, &mut Scratch::new(&mut memory)).unwrap());
}

/// What becomes of a request, in one word and a status.
fn outcome(server: &ResourceServer<'_>, head: &RequestHead<'_>, now: Option<u64>) -> String {
    let mut scratch = [0; crate::limits::SCRATCH_LEN];
    let needed = server.policy().base();
    let now = now.map(UnixTime::from_secs);
    match server.decide(head, needed, now, &mut Scratch::new(&mut scratch)) {
        Decision::Allow(_) => "allow".into(),
        Decision::Challenge(challenge) => format!("challenge {}", challenge.status()),
        Decision::Metadata(_) => "metadata".into(),
        Decision::NeedIntrospection(_) => "ask".into(),
        Decision::Refuse(refusal) => format!("refuse {}", refusal.status()),
        Decision::Preflight => "preflight".into(),
    }
}

#[track_caller]
fn check(method: &str, target: &str, fields: &[(&str, &[u8])], expected: &str) {
    with_server(
        |_| (),
        |server| {
            let head = RequestHead::new(method, target, fields.iter().copied());
            assert_eq!(outcome(server, &head, Some(NOW)), expected, "{method} {target}");
        },
    );
}

#[test]
fn sec_131_paths_are_compared_as_received() {
    check("POST", "/mcp", &[HOST], "challenge 401");
    for path in
        ["//mcp", "/./mcp", "/x/../mcp", "/mcp/", "/MCP", "/mcp%2f", "/mcp;x", "/%6dcp", "/", ""]
    {
        check("POST", path, &[HOST], "refuse 404");
    }
    check("POST", "/mcp?x", &[HOST], "challenge 401");
}

#[test]
fn sec_132_no_method_skips_the_token() {
    for method in ["GET", "HEAD", "DELETE", "PUT", "TRACE", "CONNECT", "post"] {
        check(method, "/mcp", &[HOST], "refuse 405");
    }
    check("OPTIONS", "/mcp", &[HOST], "preflight");
    with_server(
        |configuration| configuration.sessions = true,
        |server| {
            for method in ["GET", "DELETE"] {
                let head = RequestHead::new(method, "/mcp", [HOST]);
                assert_eq!(outcome(server, &head, Some(NOW)), "challenge 401");
            }
            let head = RequestHead::new("PUT", "/mcp", [HOST]);
            assert_eq!(outcome(server, &head, Some(NOW)), "refuse 405");
        },
    );
}

#[test]
fn rs_17_metadata_needs_no_token_and_only_its_own_path() {
    let path = "/.well-known/oauth-protected-resource/mcp";
    check("GET", path, &[], "metadata");
    check("HEAD", path, &[], "metadata");
    check("OPTIONS", path, &[], "preflight");
    check("POST", path, &[], "refuse 405");
    check("GET", "/.well-known/oauth-protected-resource", &[HOST], "refuse 404");
    check("GET", "/.well-known/oauth-protected-resource/mcp/", &[HOST], "refuse 404");
    with_server(
        |configuration| configuration.root_metadata = true,
        |server| {
            let head = RequestHead::new("GET", "/.well-known/oauth-protected-resource", []);
            assert_eq!(outcome(server, &head, None), "metadata");
        },
    );
}

#[test]
fn sec_174_the_metadata_is_made_from_configuration_alone() {
    with_server(
        |_| (),
        |server| {
            assert_eq!(
                server.metadata_url(),
                "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
            );
            let document: serde_json::Value =
                serde_json::from_str(&format!("{}", server.metadata_answer().body())).unwrap();
            assert_eq!(document["resource"], RESOURCE);
            assert_eq!(document["authorization_servers"], serde_json::json!([ISSUER]));
            assert_eq!(document["scopes_supported"], serde_json::json!(["user"]));
            assert_eq!(document["bearer_methods_supported"], serde_json::json!(["header"]));
            assert_eq!(document.get("resource_name"), None);
        },
    );
}

#[test]
fn sec_385_foreign_hosts_are_refused_before_the_token() {
    let token: (&str, &[u8]) = ("authorization", b"Bearer opaque");
    for host in ["mcp.example.com", "MCP.example.com", "mcp.example.com:443"] {
        check("POST", "/mcp", &[("host", host.as_bytes()), token], "ask");
    }
    for host in ["evil.example", "mcp.example.com:8443", "mcp.example.com.evil", "localhost"] {
        check("POST", "/mcp", &[("host", host.as_bytes()), token], "refuse 421");
    }
    for host in ["", "a/b?x", "a#", "@", "u@mcp.example.com", "mcp.example.com ,x"] {
        check("POST", "/mcp", &[("host", host.as_bytes()), token], "refuse 400");
    }
    check("POST", "/mcp", &[token], "refuse 400");
    check("POST", "/mcp", &[HOST, HOST, token], "refuse 400");
}

#[test]
fn ts_12_a_loopback_server_has_three_names() {
    let issuers = asked();
    let mut memory = [0; 2048];
    let configuration = Configuration::new("http://127.0.0.1:8001/mcp", &issuers);
    let server = ResourceServer::new(configuration, &mut Scratch::new(&mut memory)).unwrap();
    for (host, expected) in [
        ("127.0.0.1:8001", "challenge 401"),
        ("localhost:8001", "challenge 401"),
        ("[::1]:8001", "challenge 401"),
        ("localhost:8002", "refuse 421"),
        ("localhost", "refuse 421"),
        ("127.0.0.1.nip.io:8001", "refuse 421"),
    ] {
        let head = RequestHead::new("POST", "/mcp", [("host", host.as_bytes())]);
        assert_eq!(outcome(&server, &head, Some(NOW)), expected, "{host}");
    }
}

#[test]
fn sec_386_origins_are_exact() {
    check("POST", "/mcp", &[HOST, ("origin", b"https://mcp.example.com")], "challenge 401");
    for origin in [
        "null",
        "",
        "https://evil.example",
        "https://mcp.example.com.evil",
        "https://MCP.example.com",
        "https://mcp.example.com:8443",
        "http://mcp.example.com",
        "https://mcp.example.com/",
    ] {
        check("POST", "/mcp", &[HOST, ("origin", origin.as_bytes())], "refuse 403");
        check("OPTIONS", "/mcp", &[HOST, ("origin", origin.as_bytes())], "refuse 403");
    }
    let own: (&str, &[u8]) = ("origin", b"https://mcp.example.com");
    check("POST", "/mcp", &[HOST, own, own], "refuse 403");
}

#[test]
fn sec_158_only_allowed_origins_are_told_to_read() {
    let fields = |origin: &str| -> Vec<String> {
        let mut names = Vec::new();
        with_server(
            |configuration| configuration.origins = &["https://app.example"],
            |server| {
                let fields: [(&str, &[u8]); 2] = [HOST, ("origin", origin.as_bytes())];
                let head = RequestHead::new("OPTIONS", "/mcp", fields);
                let answer = server.preflight_answer(&head);
                names = answer.fields().map(|(name, value)| format!("{name}: {value}")).collect();
            },
        );
        names
    };
    assert!(
        fields("https://app.example")
            .contains(&"access-control-allow-origin: https://app.example".into())
    );
    for origin in ["null", "https://app.example.evil", "https://APP.example"] {
        assert_eq!(fields(origin), ["allow: POST, OPTIONS"]);
    }
}

#[test]
fn sec_120_to_128_credentials() {
    let line = |value: &'static str| -> (&str, &[u8]) { ("authorization", value.as_bytes()) };
    check("POST", "/mcp", &[HOST, line("Bearer opaque")], "ask");
    check("POST", "/mcp", &[HOST, line("bEARER opaque")], "ask");
    check("POST", "/mcp", &[HOST, line("Bearer a"), line("Bearer a")], "challenge 400");
    check("POST", "/mcp", &[HOST, line("Bearer a"), line("Basic a")], "challenge 400");
    check("POST", "/mcp", &[HOST, line("Bearer")], "challenge 400");
    check("POST", "/mcp", &[HOST, line("Bearer a, Bearer b")], "challenge 400");
    check("POST", "/mcp", &[HOST, line("Basic YTpi")], "challenge 401");
}

#[test]
fn sec_125_a_token_in_the_query_is_never_honoured() {
    let token: (&str, &[u8]) = ("authorization", b"Bearer opaque");
    check("POST", "/mcp?access_token=opaque", &[HOST], "challenge 401");
    check("POST", "/mcp?access_token=opaque", &[HOST, token], "challenge 400");
    check("POST", "/mcp?a=b&access%5Ftoken=x", &[HOST, token], "challenge 400");
    check("POST", "/mcp?other=x", &[HOST, token], "ask");
}

#[test]
fn sec_500_without_a_clock_a_token_is_not_judged() {
    with_server(
        |_| (),
        |server| {
            let token: (&str, &[u8]) = ("authorization", b"Bearer opaque");
            let head = RequestHead::new("POST", "/mcp", [HOST, token]);
            assert_eq!(outcome(server, &head, None), "challenge 503");
            let bare = RequestHead::new("POST", "/mcp", [HOST]);
            assert_eq!(outcome(server, &bare, None), "challenge 401");
        },
    );
}

fn facts<'s>(audience: &'s str, scope: &'s str) -> TokenFacts<'s> {
    TokenFacts {
        issuer: ISSUER,
        audience: Audience::from_slice(&[audience]).unwrap(),
        subject: Some("alice"),
        client_id: Some("client"),
        scope: set(scope),
        expires_at: UnixTime::from_secs(NOW + 600),
        not_before: None,
        issued_at: None,
        id: None,
        binding: Binding::Bearer,
    }
}

/// Asks about an opaque token and goes on with `answer`.
#[track_caller]
fn check_resume(
    answer: Result<Introspected<'_>, Unavailable>,
    now: Option<u64>,
    expected: Result<&str, Reason>,
) {
    with_server(
        |_| (),
        |server| {
            let fields: [(&str, &[u8]); 2] = [HOST, ("authorization", b"Bearer opaque")];
            let head = RequestHead::new("POST", "/mcp", fields);
            let mut scratch = [0; crate::limits::SCRATCH_LEN];
            let mut scratch = Scratch::new(&mut scratch);
            let at = Some(UnixTime::from_secs(NOW));
            let Decision::NeedIntrospection(introspection) =
                server.decide(&head, server.policy().base(), at, &mut scratch)
            else {
                panic!("not asked");
            };
            assert_eq!(introspection.token().expose(), "opaque");
            assert_eq!(introspection.issuer(), ISSUER);
            let verdict = match introspection.resume_with(answer, now.map(UnixTime::from_secs)) {
                Verdict::Allow(principal) => Ok(principal.subject().unwrap()),
                Verdict::Challenge(challenge) => Err(challenge.reason()),
            };
            assert_eq!(verdict, expected);
        },
    );
}

#[test]
fn sec_362_an_active_answer_is_checked_like_a_jwt() {
    let active = |audience, scope| Ok(Introspected::Active(facts(audience, scope)));
    check_resume(active(RESOURCE, "user"), Some(NOW), Ok("alice"));
    check_resume(active(RESOURCE, ""), Some(NOW), Err(Reason::Scope));
    check_resume(
        active("https://other.example.com", "user"),
        Some(NOW),
        Err(Reason::Token(TokenError::Audience)),
    );
    check_resume(
        active(RESOURCE, "user"),
        Some(NOW + 1000),
        Err(Reason::Token(TokenError::Expired)),
    );
    check_resume(
        active(RESOURCE, "user"),
        None,
        Err(Reason::Unavailable(Unavailable::ClockUnknown)),
    );
}

#[test]
fn sec_360_no_word_about_a_token_is_a_503() {
    check_resume(
        Err(Unavailable::AuthorizationServer),
        Some(NOW),
        Err(Reason::Unavailable(Unavailable::AuthorizationServer)),
    );
    check_resume(Ok(Introspected::Inactive), Some(NOW), Err(Reason::Token(TokenError::Inactive)));
}

#[test]
fn rs_81_an_answer_that_does_not_say_active_is_the_tokens_failure() {
    let inactive = Reason::Token(TokenError::Inactive);
    let unavailable = Reason::Unavailable(Unavailable::AuthorizationServer);
    for (status, body, expected) in [
        (200, "{\"active\":false}", inactive),
        (200, "{}", inactive),
        (200, "{\"active\":\"true\"}", inactive),
        (200, "<html>", inactive),
        (401, "{\"active\":false}", unavailable),
        (500, "{}", unavailable),
    ] {
        with_server(
            |_| (),
            |server| {
                let fields: [(&str, &[u8]); 2] = [HOST, ("authorization", b"Bearer opaque")];
                let head = RequestHead::new("POST", "/mcp", fields);
                let (now, mut buffer) = (Some(UnixTime::from_secs(NOW)), [0; 64]);
                let mut scratch = Scratch::new(&mut buffer);
                let needed = server.policy().base();
                let Decision::NeedIntrospection(asked) =
                    server.decide(&head, needed, now, &mut scratch)
                else {
                    panic!("not asked");
                };
                let content_type = Field::One(b"application/json");
                let response = IncomingResponse { status, content_type, body: body.as_bytes() };
                match asked.resume(Some(&response), now, &mut scratch) {
                    Verdict::Challenge(challenge) => assert_eq!(challenge.reason(), expected),
                    Verdict::Allow(_) => panic!("admitted by {body}"),
                }
            },
        );
    }
}
