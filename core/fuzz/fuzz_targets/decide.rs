//! The resource server's machine: nobody gets in without a token that other code finds good, nothing
//! needs a clock that is not there, and no operation goes on without its scope.
#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    encoding::scratch::Scratch,
    limits::SCRATCH_LEN,
    message::{Field, IncomingResponse, RequestHead},
    resource_server::{
        Configuration, Decision, Operation, Policy, Principal, ResourceServer, Rule, TrustedIssuer,
        Verdict, Verification,
    },
    scope::ScopeSet,
    time::UnixTime,
};
use portcullis_fuzz::{json::Tree, token};

const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"set_led"}}"#;

// Lines: request line; `Host`; `Authorization`, where `@` and a header stand for a token that is signed
// around the next line; payload of that token; then the body, which also is the introspection's answer.
fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(5, |byte| *byte == b'\n');
    let [request, host, authorization, payload, body] =
        core::array::from_fn(|_| lines.next().unwrap_or_default());
    let Ok(request) = core::str::from_utf8(request) else { return };
    let (method, target) = request.split_once(' ').unwrap_or(("POST", "/mcp"));
    let host = if host.is_empty() { b"mcp.example.com" } else { host };
    let signed = authorization.strip_prefix(b"@").map(|header| {
        let header = if header.is_empty() { token::HEADER } else { header };
        format!("Bearer {}", token::sign(header, payload)).into_bytes()
    });
    let authorization = signed.as_deref().unwrap_or(authorization);
    let fields = [
        ("host", host),
        ("authorization", authorization),
        ("content-type", b"application/json"),
        ("mcp-protocol-version", b"2025-11-25"),
    ];
    let head = RequestHead::new(method, target, fields);
    let ring = token::key_ring();
    for verification in [
        Verification::Offline(&ring),
        Verification::OfflineOrIntrospection(&ring),
        Verification::Introspection,
    ] {
        check(&head, authorization, body, verification);
    }
});

fn check(
    head: &RequestHead<'_>,
    authorization: &[u8],
    body: &[u8],
    verification: Verification<'_>,
) {
    let issuers = [TrustedIssuer { identifier: token::ISSUER, verification }];
    let scope = |text| ScopeSet::parse(text).expect("well-formed");
    let tools = [Rule { name: "set_led", scopes: scope("device:write") }];
    let mut configuration = Configuration::new(token::RESOURCE, &issuers);
    configuration.policy = Policy { base: scope("user"), tools: &tools, ..Policy::default() };
    let mut memory = [0; 1024];
    let server = ResourceServer::new(configuration, &mut Scratch::new(&mut memory)).expect("sound");
    let needed = server.policy().base();
    let now = UnixTime::from_secs(token::NOW);

    let mut buffer = [0; SCRATCH_LEN];
    let blind = server.decide(head, needed, None, &mut Scratch::new(&mut buffer));
    assert!(
        !matches!(blind, Decision::Allow(_) | Decision::NeedIntrospection(_)),
        "without a clock"
    );

    let mut scratch = Scratch::new(&mut buffer);
    match server.decide(head, needed, Some(now), &mut scratch) {
        Decision::Allow(principal) => {
            assert!(!matches!(verification, Verification::Introspection));
            let Some(claims) = good_token(authorization) else { return };
            let claims = claims.expect("a token that other code finds good");
            let scope = claims.text_member("scope").unwrap_or_default();
            admitted(&server, head, &principal, scope, body);
        }
        Decision::NeedIntrospection(introspection) => {
            assert!(!matches!(verification, Verification::Offline(_)));
            let credentials = without_outer_blanks(authorization);
            assert_eq!(credentials.get(7..), Some(introspection.token().expose().as_bytes()));
            let content_type = Field::One(b"application/json");
            let response = IncomingResponse { status: 200, content_type, body };
            let mut room = vec![0; body.len() + SCRATCH_LEN];
            let mut room = Scratch::new(&mut room);
            assert!(matches!(
                introspection.resume(None, Some(now), &mut room),
                Verdict::Challenge(_)
            ));
            if let Verdict::Allow(principal) =
                introspection.resume(Some(&response), Some(now), &mut room)
            {
                let Some(answer) = Tree::accepted(body) else { return };
                assert_eq!(answer.member("active"), Some(&Tree::Bool(true)));
                assert!(is_good(&answer, true), "{answer:?}");
                let scope = answer.text_member("scope").unwrap_or_default();
                admitted(&server, head, &principal, scope, BODY.as_bytes());
            }
        }
        Decision::Challenge(challenge) => {
            assert!(matches!(challenge.status(), 400 | 401 | 403 | 503));
            assert_eq!(challenge.www_authenticate().is_some(), challenge.status() != 503);
        }
        Decision::Metadata(document) => {
            assert_eq!(head.path, "/.well-known/oauth-protected-resource/mcp");
            assert!(Tree::by_serde(document.as_bytes()).is_ok());
        }
        Decision::Refuse(_) | Decision::Preflight => {}
    }
}

/// What must hold whenever somebody was let in.
fn admitted(
    server: &ResourceServer<'_>,
    head: &RequestHead<'_>,
    principal: &Principal<'_>,
    scope: &str,
    body: &[u8],
) {
    assert_eq!(head.path, server.endpoint_path());
    assert_eq!(principal.scope().as_str(), scope);
    assert!(scope.split(' ').any(|token| token == "user"));
    for body in [body, BODY.as_bytes()] {
        let mut buffer = vec![0; body.len() + SCRATCH_LEN];
        let operation = server.operation(head, body, principal, &mut Scratch::new(&mut buffer));
        if let Operation::Proceed(_) = operation {
            let Some(message) = Tree::accepted(body) else { continue };
            let tool = message.member("params").and_then(|params| params.text_member("name"));
            let guarded =
                message.text_member("method") == Some("tools/call") && tool == Some("set_led");
            assert!(!guarded || scope.split(' ').any(|token| token == "device:write"));
        }
    }
}

/// Blanks and tabs around a field's value are not part of it (RFC 9110 §5.5).
fn without_outer_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The claims of the field's token, if other code than the core's finds nothing wrong with it. `None`
/// when that code cannot read one of its numbers, see [`Tree::accepted`].
fn good_token(authorization: &[u8]) -> Option<Option<Tree>> {
    let Some((header, payload)) = segments(authorization) else { return Some(None) };
    let (header_tree, claims) = (Tree::accepted(&header)?, Tree::accepted(&payload)?);
    let text = core::str::from_utf8(without_outer_blanks(authorization)).unwrap_or_default();
    let sound = text.get(7..) == Some(token::sign(&header, &payload).as_str())
        && header_tree.text_member("alg") == Some("HS256")
        && ["sub", "client_id", "jti"].iter().all(|name| claims.text_member(name).is_some())
        && is_good(&claims, false);
    Some(sound.then_some(claims))
}

/// Header and payload of a bearer token that looks like a JWS.
fn segments(authorization: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let text = core::str::from_utf8(without_outer_blanks(authorization)).ok()?;
    let (scheme, text) = text.split_once(' ')?;
    let [header, payload, _] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
    let decode = |segment: &str| URL_SAFE_NO_PAD.decode(segment).ok();
    scheme.eq_ignore_ascii_case("bearer").then_some((decode(header)?, decode(payload)?))
}

/// Issuer, audience and end, read by another parser.
fn is_good(facts: &Tree, introspected: bool) -> bool {
    let audience = facts.member("aud");
    let for_us = audience.is_some_and(|aud| {
        aud.text() == Some(token::RESOURCE) || aud.texts() == Some(vec![token::RESOURCE])
    });
    // Scheme and host in another case are the same identifier (authorization §8.7).
    let for_us = for_us
        || audience.is_some_and(|aud| {
            let one = aud
                .text()
                .or_else(|| aud.texts().filter(|list| list.len() == 1).map(|list| list[0]));
            one.is_some_and(|one| {
                one.eq_ignore_ascii_case(token::RESOURCE) && one.ends_with("/mcp")
            })
        });
    let issuer = facts.text_member("iss");
    let leeway = 60.0;
    for_us
        && (issuer == Some(token::ISSUER) || (introspected && facts.member("iss").is_none()))
        && matches!(facts.member("exp"), Some(Tree::Number(exp)) if *exp + leeway > token::NOW as f64)
        && !matches!(facts.member("nbf"), Some(Tree::Number(nbf)) if *nbf > token::NOW as f64 + leeway)
        && facts.member("cnf").is_none()
}
