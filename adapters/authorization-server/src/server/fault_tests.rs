//! Every call of the storage fails once, in every request that changes tokens.

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use oauth_as::{AuthorizationRequest, UserApproval};
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::settings::{Resource, TokenFormat};
use crate::storage::faulty::{Fault, Faults};

const OPAQUE: &str = "http://localhost:8001/mcp";
const SIGNED: &str = "http://localhost:8002/mcp";
const REDIRECT: &str = "http://localhost:3030/callback";
// RFC 7636 Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn server() -> AuthorizationServer {
    let resource = |identifier, format| {
        Resource::new(identifier, "Clock", format)
            .unwrap()
            .with_scope("user", "words")
            .with_introspection_credentials(format!("rs {identifier}"), "sixteen characters")
    };
    let settings = Settings::demo("http://localhost:9000")
        .unwrap()
        .with_resource(resource(OPAQUE, TokenFormat::Opaque))
        .with_resource(resource(SIGNED, TokenFormat::Hs256))
        .with_public_client("tool", "Tool", [REDIRECT])
        .unwrap();
    AuthorizationServer::new(settings).await.unwrap()
}

fn faults(server: &AuthorizationServer) -> &Faults {
    &server.inner.engine.store().records().faults
}

/// A code as the consent page gives it.
async fn code(server: &AuthorizationServer, resource: &str) -> String {
    let request = AuthorizationRequest::from_pairs([
        ("response_type", "code"),
        ("client_id", "tool"),
        ("redirect_uri", REDIRECT),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("scope", "user"),
        ("resource", resource),
    ]);
    let engine = &server.inner.engine;
    let asked = engine.validate_authorization_request(&request).await.unwrap();
    let approval = UserApproval::granted(&asked, "demo_user");
    engine.issue_authorization_code(approval).await.unwrap().code
}

async fn post(server: &AuthorizationServer, path: &str, form: &str) -> (StatusCode, Value) {
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    let answer = server.router().oneshot(request).await.unwrap();
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn redemption(code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id=tool&code={code}&code_verifier={VERIFIER}\
         &redirect_uri=http%3A%2F%2Flocalhost%3A3030%2Fcallback"
    )
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap().to_owned()
}

/// Access and refresh token of a fresh grant.
async fn tokens(server: &AuthorizationServer, resource: &str) -> (String, String) {
    let code = code(server, resource).await;
    let (status, answer) = post(server, "/token", &redemption(&code)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    (text(&answer, "access_token"), text(&answer, "refresh_token"))
}

async fn is_active(server: &AuthorizationServer, resource: &str, token: &str) -> bool {
    let secret = "client_secret=sixteen+characters";
    let id = format!("rs {resource}").replace(' ', "+").replace(':', "%3A").replace('/', "%2F");
    let form = format!("client_id={id}&{secret}&token={token}");
    let (status, answer) = post(server, "/introspect", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["active"].as_bool().unwrap()
}

fn issued(answer: &Value) -> bool {
    answer.get("access_token").is_some() || answer.get("refresh_token").is_some()
}

/// What an answer must be, whether or not the storage failed under it. Says whether it did.
#[track_caller]
fn judge(struck: bool, at: usize, status: StatusCode, answer: &Value) -> bool {
    if struck {
        assert!(status.is_server_error(), "call {at}: {status} {answer}");
        assert!(!issued(answer), "call {at}: {answer}");
    } else {
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    struck
}

/// Every call that the request for tokens makes fails in turn; afterwards at most one try succeeds.
async fn check_issuing(resource: &str, fault: Fault, refresh: bool, calls_min: usize) {
    let server = server().await;
    let records = faults(&server);
    for at in 0.. {
        let form = if refresh {
            let (_, refresh_token) = tokens(&server, resource).await;
            format!("grant_type=refresh_token&client_id=tool&refresh_token={refresh_token}")
        } else {
            redemption(&code(&server, resource).await)
        };
        records.fail_after(at, fault);
        let (status, answer) = post(&server, "/token", &form).await;
        let struck = !records.heal();
        if !judge(struck, at, status, &answer) {
            assert!(at >= calls_min, "only {at} calls");
            return;
        }
        let (status, answer) = post(&server, "/token", &form).await;
        match status {
            StatusCode::OK => assert!(issued(&answer)),
            StatusCode::BAD_REQUEST => assert_eq!(answer["error"], "invalid_grant"),
            other => panic!("call {at}: {other} {answer}"),
        }
        let (status, answer) = post(&server, "/token", &form).await;
        assert_eq!((status, issued(&answer)), (StatusCode::BAD_REQUEST, false), "call {at}");
    }
}

#[tokio::test]
async fn sec_238_a_failing_storage_redeems_no_code() {
    for resource in [OPAQUE, SIGNED] {
        for fault in [Fault::Refused, Fault::Applied] {
            check_issuing(resource, fault, false, 2).await;
        }
    }
}

#[tokio::test]
async fn sec_238_a_failing_storage_rotates_no_refresh_token() {
    for resource in [OPAQUE, SIGNED] {
        for fault in [Fault::Refused, Fault::Applied] {
            check_issuing(resource, fault, true, 2).await;
        }
    }
}

/// Every call that a revocation makes fails in turn: 503 with a time to come back, and the try
/// after it revokes all that the first one had to.
async fn check_revoking(resource: &str, fault: Fault, refresh: bool) {
    let server = server().await;
    let records = faults(&server);
    for at in 0.. {
        let (access, refresh_token) = tokens(&server, resource).await;
        let form = format!(
            "client_id=tool&token={}&token_type_hint={}",
            if refresh { &refresh_token } else { &access },
            if refresh { "refresh_token" } else { "access_token" },
        );
        records.fail_after(at, fault);
        let (status, answer) = post(&server, "/revoke", &form).await;
        let struck = !records.heal();
        if judge(struck, at, status, &answer) {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "call {at}");
            assert_eq!(post(&server, "/revoke", &form).await.0, StatusCode::OK, "call {at}");
        }
        assert!(!is_active(&server, resource, &access).await, "call {at}: {resource}");
        if refresh {
            let renewal =
                format!("grant_type=refresh_token&client_id=tool&refresh_token={refresh_token}");
            let (status, _) = post(&server, "/token", &renewal).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "call {at}");
        }
        if !struck {
            assert!(at >= 3, "only {at} calls");
            return;
        }
    }
}

#[tokio::test]
async fn sec_310_a_failing_storage_revokes_nothing_silently() {
    for resource in [OPAQUE, SIGNED] {
        for fault in [Fault::Refused, Fault::Applied] {
            check_revoking(resource, fault, false).await;
            check_revoking(resource, fault, true).await;
        }
    }
}

/// A family that could not be revoked is tried again without anybody asking.
#[tokio::test]
async fn sec_310_sweeping_ends_what_could_not_be_ended() {
    let server = server().await;
    let (access, refresh_token) = tokens(&server, OPAQUE).await;
    let form = format!("client_id=tool&token={refresh_token}");
    let records = faults(&server);
    let mut calls = 0;
    while !server.inner.engine.store().has_unrevoked() {
        records.fail_after(calls, Fault::Refused);
        post(&server, "/revoke", &form).await;
        assert!(!records.heal(), "no call that revokes a family");
        calls += 1;
    }
    assert!(is_active(&server, OPAQUE, &access).await);
    server.sweep().await;
    assert!(!is_active(&server, OPAQUE, &access).await);
    assert!(!server.inner.engine.store().has_unrevoked());
}
