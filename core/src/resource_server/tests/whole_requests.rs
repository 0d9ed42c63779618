//! Whole requests with keys at hand: whose token it is, what its scopes let it do, and what the answer
//! gives away.

use super::*;
use crate::jwt::{Header, HmacKey, KeyId, KeyRing, MintClaims, SignatureVerifier, mint};

const OTHER_ISSUER: &str = "https://as2.example.com";
const POST: &[(&str, &[u8])] = &[HOST, ("content-type", b"application/json")];

fn ring(key: u8) -> KeyRing {
    KeyRing::new(KeyId::new("k1").unwrap(), HmacKey::new(&[key; 32]).unwrap())
}

/// A token, good unless changed.
#[derive(Clone, Copy)]
struct Token {
    issuer: &'static str,
    audience: &'static [&'static str],
    scope: &'static str,
    issued_at: u64,
    key: u8,
}

const GOOD: Token =
    Token { issuer: ISSUER, audience: &[RESOURCE], scope: "user", issued_at: NOW, key: 1 };

impl Token {
    /// The value of `Authorization`.
    fn credentials(self) -> String {
        let claims = MintClaims {
            issuer: self.issuer,
            audience: self.audience,
            subject: "alice",
            client_id: "client",
            scope: set(self.scope),
            issued_at: UnixTime::from_secs(self.issued_at),
            expires_at: UnixTime::from_secs(self.issued_at + 600),
            id: "t1",
        };
        let mut out = [0; 2048];
        let key = HmacKey::new(&[self.key; 32]).unwrap();
        let id = KeyId::new("k1").unwrap();
        format!("Bearer {}", mint(&claims, &key, &id, &mut out).unwrap())
    }
}

/// Runs `test` with a server that trusts these issuers and has one tool with a scope of its own.
fn with_issuers(issuers: &[TrustedIssuer<'_>], test: impl FnOnce(&ResourceServer<'_>)) {
    let tools = [Rule { name: "set_led", scopes: set("device:write") }];
    let mut configuration = Configuration::new(RESOURCE, issuers);
    configuration.policy = Policy { base: set("user"), tools: &tools, ..Policy::default() };
    let mut memory = [0; 2048];
    test(&ResourceServer::new(configuration, &mut Scratch::new(&mut memory)).unwrap());
}

/// What becomes of a POST to the endpoint with these credentials.
#[track_caller]
fn check_credentials(server: &ResourceServer<'_>, credentials: &str, expected: &str) {
    let fields = POST.iter().copied().chain([("authorization", credentials.as_bytes())]);
    let head = RequestHead::new("POST", "/mcp", fields);
    assert_eq!(outcome(server, &head, Some(NOW)), expected, "{credentials}");
}

#[test]
fn sec_088_keys_belong_to_their_issuer() {
    let (first, second) = (ring(1), ring(2));
    let issuers = [
        TrustedIssuer { identifier: ISSUER, verification: Verification::Offline(&first) },
        TrustedIssuer { identifier: OTHER_ISSUER, verification: Verification::Offline(&second) },
    ];
    with_issuers(&issuers, |server| {
        for (issuer, key, expected) in [
            (ISSUER, 1, "allow"),
            (OTHER_ISSUER, 2, "allow"),
            (ISSUER, 2, "challenge 401"),
            (OTHER_ISSUER, 1, "challenge 401"),
            (ISSUER, 3, "challenge 401"),
        ] {
            check_credentials(server, &Token { issuer, key, ..GOOD }.credentials(), expected);
        }
    });
}

#[test]
fn sec_340_sec_341_tokens_for_others_and_of_others() {
    let keys = ring(1);
    let issuers =
        [TrustedIssuer { identifier: ISSUER, verification: Verification::Offline(&keys) }];
    with_issuers(&issuers, |server| {
        check_credentials(server, &GOOD.credentials(), "allow");
        for bad in [
            Token { audience: &["https://mcp.example.com/other"], ..GOOD },
            Token { audience: &["https://mcp.example.com"], ..GOOD },
            Token { audience: &[ISSUER], ..GOOD },
            Token { audience: &[RESOURCE, "https://other.example.com"], ..GOOD },
            Token { issuer: OTHER_ISSUER, ..GOOD },
            Token { issued_at: NOW - 1000, ..GOOD },
            Token { key: 2, ..GOOD },
        ] {
            check_credentials(server, &bad.credentials(), "challenge 401");
        }
        check_credentials(server, &Token { scope: "", ..GOOD }.credentials(), "challenge 403");
    });
}

#[test]
fn sec_373_a_jwt_that_fails_here_is_not_asked_about() {
    let keys = ring(1);
    let verification = Verification::OfflineOrIntrospection(&keys);
    with_issuers(&[TrustedIssuer { identifier: ISSUER, verification }], |server| {
        check_credentials(server, &GOOD.credentials(), "allow");
        for bad in [
            Token { key: 2, ..GOOD },
            Token { issued_at: NOW - 1000, ..GOOD },
            Token { audience: &["https://mcp.example.com/other"], ..GOOD },
            Token { issuer: OTHER_ISSUER, ..GOOD },
        ] {
            check_credentials(server, &bad.credentials(), "challenge 401");
        }
        // What is no JWT at all is another kind of token.
        check_credentials(server, "Bearer opaque", "ask");
        check_credentials(server, "Bearer a.b.c", "ask");
    });
}

/// Keys that are read from their issuer, and are not here yet.
struct NotHere;

impl SignatureVerifier for NotHere {
    fn verify(&self, _: &Header<'_>, _: &[u8], _: &[u8]) -> Result<(), TokenError> {
        Err(TokenError::KeysUnavailable)
    }
}

#[test]
fn rs_71_a_token_whose_keys_are_not_known_is_neither_admitted_nor_refused() {
    let keys = ring(1);
    let here = TrustedIssuer { identifier: ISSUER, verification: Verification::Offline(&keys) };
    let other = |verification| TrustedIssuer { identifier: OTHER_ISSUER, verification };
    let offline = other(Verification::Offline(&NotHere));
    let asked = other(Verification::OfflineOrIntrospection(&NotHere));
    for issuers in [[here, offline], [offline, here], [here, asked], [asked, here]] {
        with_issuers(&issuers, |server| {
            check_credentials(server, &GOOD.credentials(), "allow");
            let unknown = Token { key: 2, issuer: OTHER_ISSUER, ..GOOD };
            check_credentials(server, &unknown.credentials(), "challenge 503");
            // What no key could make a good token needs none.
            check_credentials(server, "Bearer eyJhbGciOiJub25lIn0.e30.AA", "challenge 401");
        });
    }
    with_issuers(&[asked], |server| check_credentials(server, "Bearer opaque", "ask"));
}

/// Headers of the modern era for a call of `tool`.
fn modern(tool: &str) -> [(&str, &[u8]); 3] {
    [
        ("mcp-protocol-version", b"2026-07-28"),
        ("mcp-method", b"tools/call"),
        ("mcp-name", tool.as_bytes()),
    ]
}

fn call(tool: &str, more: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"{more}}}}}"#
    )
}

const META: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// What becomes of a message of somebody with these scopes.
#[track_caller]
fn check_operation(scope: &'static str, fields: &[(&str, &[u8])], body: &str, expected: &str) {
    let keys = ring(1);
    let issuers =
        [TrustedIssuer { identifier: ISSUER, verification: Verification::Offline(&keys) }];
    with_issuers(&issuers, |server| {
        let credentials = Token { scope, ..GOOD }.credentials();
        let credentials = ("authorization", credentials.as_bytes());
        let fields = POST.iter().copied().chain([credentials]).chain(fields.iter().copied());
        let head = RequestHead::new("POST", "/mcp", fields);
        let mut buffer = [0; crate::limits::SCRATCH_LEN];
        let mut scratch = Scratch::new(&mut buffer);
        let now = Some(UnixTime::from_secs(NOW));
        let needed = server.policy().base();
        let Decision::Allow(principal) = server.decide(&head, needed, now, &mut scratch) else {
            panic!("a good token was refused");
        };
        let outcome = match server.operation(&head, body.as_bytes(), &principal, &mut scratch) {
            Operation::Proceed(_) => "proceed".into(),
            Operation::Session => "session".into(),
            Operation::Challenge(challenge) => format!(
                "{} {}",
                challenge.status(),
                challenge.www_authenticate().map_or(String::new(), |value| format!("{value}"))
            ),
            Operation::Reject(error) => format!("{} {}", error.status(), error.code()),
        };
        assert!(outcome.starts_with(expected), "{scope}: {body}: {outcome}");
    });
}

#[test]
fn sec_343_sec_344_one_point_for_every_revision() {
    let lacks = "403 Bearer error=\"insufficient_scope\", \
                 error_description=\"The access token lacks a required scope\", \
                 scope=\"user device:write\"";
    let of = |version: &'static str| [("mcp-protocol-version", version.as_bytes())];
    let notified = call("set_led", "").replace("\"id\":1,", "");
    let escaped = call("set\\u005fled", "");
    let (old, older) = (of("2025-11-25"), of("2025-06-18"));
    for (fields, body) in [
        (&modern("set_led")[..], &call("set_led", META)),
        (&[], &call("set_led", "")),
        (&old, &call("set_led", "")),
        (&older, &call("set_led", "")),
        (&[], &notified),
        (&old, &escaped),
    ] {
        check_operation("user", fields, body, lacks);
        check_operation("user device", fields, body, lacks);
        check_operation("user device:write", fields, body, "proceed");
    }
    check_operation("user", &[], &call("get_time", ""), "proceed");
    // In a batch a call would go unseen.
    for body in [format!("[{}]", call("set_led", "")), format!("[{}]", call("get_time", ""))] {
        check_operation("user", &older, &body, "400 -32600");
    }
}

#[test]
fn sec_345_the_body_decides_and_the_head_must_agree() {
    check_operation("user", &modern("get_time"), &call("get_time", META), "proceed");
    for (named, called) in [("get_time", "set_led"), ("set_led", "get_time")] {
        for scope in ["user", "user device:write"] {
            check_operation(scope, &modern(named), &call(called, META), "400 -32020");
            let legacy = [("mcp-name", named.as_bytes())];
            check_operation(scope, &legacy, &call(called, ""), "400 -32020");
        }
    }
    // A name twice has no meaning at all.
    let twice = call("get_time", r#","name":"set_led""#);
    check_operation("user", &[], &twice, "400 -32600");
}

/// Status, fields and body of the answer to a request that goes no further.
fn refused(server: &ResourceServer<'_>, head: &RequestHead<'_>) -> String {
    let mut buffer = [0; crate::limits::SCRATCH_LEN];
    let now = Some(UnixTime::from_secs(NOW));
    let needed = server.policy().base();
    let answer = match server.decide(head, needed, now, &mut Scratch::new(&mut buffer)) {
        Decision::Challenge(challenge) => server.challenge_answer(challenge, head),
        Decision::Refuse(refusal) => server.refusal_answer(refusal),
        Decision::Preflight => server.preflight_answer(head),
        Decision::Metadata(_) => server.metadata_answer(),
        other => panic!("{other:?}"),
    };
    let mut shown = format!("{} {}", answer.status(), answer.body());
    for (name, value) in answer.fields() {
        let value = format!("{value}");
        // SEC-150: nothing that could end the field.
        assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{name}: {value}");
        shown.push_str(&format!(" {name}: {value}"));
    }
    shown
}

#[test]
fn sec_152_no_word_of_the_request_is_in_the_answer() {
    let keys = ring(1);
    let issuers =
        [TrustedIssuer { identifier: ISSUER, verification: Verification::Offline(&keys) }];
    with_issuers(&issuers, |server| {
        let check = |method: &str, target: &str, fields: &[(&str, &[u8])], status: &str| {
            let head = RequestHead::new(method, target, fields.iter().copied());
            let answer = refused(server, &head);
            assert!(answer.starts_with(status), "{answer}");
            assert!(!answer.to_lowercase().contains("marker"), "{answer}");
        };
        let metadata = "/.well-known/oauth-protected-resource/mcp";
        check("MARKER", "/mcp", &[HOST], "405");
        check("POST", "/marker", &[HOST], "404");
        check("POST", "/mcp", &[("host", b"marker.example")], "421");
        check("POST", "/mcp", &[("host", b"marker.example/\"")], "400");
        check("POST", "/mcp", &[HOST, ("origin", b"https://marker.example")], "403");
        check("OPTIONS", "/mcp", &[HOST, ("access-control-request-method", b"MARKER")], "204");
        check("POST", "/mcp?marker=marker", &[HOST, ("x-marker", b"marker")], "401");
        check("GET", metadata, &[("host", b"marker.example")], "200");
        for (credentials, status) in [
            ("Bearer marker", "401"),
            ("Bearer marker.marker.marker", "401"),
            ("Bearer marker\", error=\"marker", "400"),
            ("Bearer marker, Bearer marker", "400"),
            ("Marker marker", "401"),
        ] {
            let credentials = ("authorization", credentials.as_bytes());
            check("POST", "/mcp", &[HOST, credentials], status);
            check("POST", "/mcp", &[HOST, credentials, credentials], "400");
        }
    });
}
