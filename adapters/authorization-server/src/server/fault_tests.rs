//! Every call of the storage fails once, in every request that changes tokens.

use std::future::{Future, poll_fn};
use std::task::Poll;

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use oauth_as::{AuthorizationRequest, UserApproval};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::settings::{Resource, TokenFormat};
use crate::storage::Database;
use crate::storage::faulty::{Fault, Faults};

#[cfg(feature = "enterprise-managed")]
mod assertions;

const OPAQUE: &str = "http://localhost:8001/mcp";
const SIGNED: &str = "http://localhost:8002/mcp";
const REDIRECT: &str = "http://localhost:3030/callback";
// RFC 7636 Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A server with records in memory, or in a file of `folder`.
async fn server(folder: Option<&TempDir>) -> AuthorizationServer {
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
        .unwrap()
        .with_database(match folder {
            Some(folder) => Database::Sqlite(folder.path().join("records.db")),
            None => Database::Memory,
        });
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

/// Runs a check with records in memory and in a file, for each kind of token and of fault.
async fn for_each_server(check: impl AsyncFn(&AuthorizationServer, &str, Fault)) {
    let folder = TempDir::new().unwrap();
    for server in [server(None).await, server(Some(&folder)).await] {
        for resource in [OPAQUE, SIGNED] {
            for fault in [Fault::Refused, Fault::Applied] {
                check(&server, resource, fault).await;
            }
        }
    }
}

/// Every call that the request for tokens makes fails in turn; afterwards at most one try succeeds.
async fn check_issuing(server: &AuthorizationServer, resource: &str, fault: Fault, refresh: bool) {
    let records = faults(server);
    for at in 0.. {
        let form = if refresh {
            let (_, refresh_token) = tokens(server, resource).await;
            format!("grant_type=refresh_token&client_id=tool&refresh_token={refresh_token}")
        } else {
            redemption(&code(server, resource).await)
        };
        records.fail_after(at, fault);
        let (status, answer) = post(server, "/token", &form).await;
        let struck = !records.heal();
        if !judge(struck, at, status, &answer) {
            // The code or token is looked at, and redeemed.
            assert!(at >= 2, "only {at} calls");
            return;
        }
        let (status, answer) = post(server, "/token", &form).await;
        match status {
            StatusCode::OK => assert!(issued(&answer)),
            StatusCode::BAD_REQUEST => assert_eq!(answer["error"], "invalid_grant"),
            other => panic!("call {at}: {other} {answer}"),
        }
        let (status, answer) = post(server, "/token", &form).await;
        assert_eq!((status, issued(&answer)), (StatusCode::BAD_REQUEST, false), "call {at}");
    }
}

#[tokio::test]
async fn sec_238_a_failing_storage_redeems_no_code() {
    for_each_server(async |server, resource, fault| {
        check_issuing(server, resource, fault, false).await;
    })
    .await;
}

#[tokio::test]
async fn sec_238_a_failing_storage_rotates_no_refresh_token() {
    for_each_server(async |server, resource, fault| {
        check_issuing(server, resource, fault, true).await;
    })
    .await;
}

/// Every call that a revocation makes fails in turn: 503 with a time to come back, and the try
/// after it revokes all that the first one had to.
async fn check_revoking(server: &AuthorizationServer, resource: &str, fault: Fault, refresh: bool) {
    let records = faults(server);
    for at in 0.. {
        let (access, refresh_token) = tokens(server, resource).await;
        let form = format!(
            "client_id=tool&token={}&token_type_hint={}",
            if refresh { &refresh_token } else { &access },
            if refresh { "refresh_token" } else { "access_token" },
        );
        records.fail_after(at, fault);
        let (status, answer) = post(server, "/revoke", &form).await;
        let struck = !records.heal();
        if judge(struck, at, status, &answer) {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "call {at}");
            assert_eq!(post(server, "/revoke", &form).await.0, StatusCode::OK, "call {at}");
        }
        assert!(!is_active(server, resource, &access).await, "call {at}: {resource}");
        if refresh {
            let renewal =
                format!("grant_type=refresh_token&client_id=tool&refresh_token={refresh_token}");
            let (status, _) = post(server, "/token", &renewal).await;
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
    for_each_server(async |server, resource, fault| {
        check_revoking(server, resource, fault, false).await;
        check_revoking(server, resource, fault, true).await;
    })
    .await;
}

/// A family that could not be revoked is tried again without anybody asking.
#[tokio::test]
async fn sec_310_sweeping_ends_what_could_not_be_ended() {
    let server = server(None).await;
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

/// What a page answers while the storage fails under it: nothing that goes on.
struct Page {
    status: StatusCode,
    location: String,
    cookie: Option<String>,
    body: String,
}

impl Page {
    fn hidden(&self, name: &str) -> String {
        let marker = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&marker).unwrap_or_else(|| panic!("{}", self.body));
        rest.split_once('"').unwrap().0.to_owned()
    }
}

async fn page(server: &AuthorizationServer, cookie: &str, path: &str, form: Option<&str>) -> Page {
    let builder = match form {
        Some(_) => Request::post(path).header("content-type", "application/x-www-form-urlencoded"),
        None => Request::get(path),
    };
    let body = Body::from(form.unwrap_or_default().to_owned());
    let answer = server.router().oneshot(builder.header("cookie", cookie).body(body).unwrap());
    let (head, body) = answer.await.unwrap().into_parts();
    let field = |name: &str| head.headers.get(name).map(|it| it.to_str().unwrap().to_owned());
    let cookie = field("set-cookie").map(|it| it.split(';').next().unwrap().to_owned());
    Page {
        status: head.status,
        location: field("location").unwrap_or_default(),
        cookie,
        body: String::from_utf8(to_bytes(body, 1 << 16).await.unwrap().to_vec()).unwrap(),
    }
}

const AUTHORIZE: &str = "/authorize?response_type=code&client_id=tool&scope=user\
    &redirect_uri=http%3A%2F%2Flocalhost%3A3030%2Fcallback\
    &resource=http%3A%2F%2Flocalhost%3A8001%2Fmcp\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// The way of a browser to a code, during which the call `at` fails. Gives the page where it ended,
/// and whether the fault came.
async fn walk(server: &AuthorizationServer, at: usize, fault: Fault) -> (Page, bool) {
    let faults = faults(server);
    faults.fail_after(at, fault);
    let mut cookie = String::new();
    let mut step = page(server, &cookie, AUTHORIZE, None).await;
    for _ in 0..8 {
        cookie = step.cookie.take().unwrap_or(cookie);
        step = match (step.status, step.location.as_str()) {
            (StatusCode::SEE_OTHER, to) if to.starts_with('/') => {
                let to = to.to_owned();
                page(server, &cookie, &to, None).await
            }
            (StatusCode::OK, _) => {
                let (id, token) = (step.hidden("request"), step.hidden("form_token"));
                let form = format!("request={id}&form_token={token}");
                let login = "&username=demo_user&password=demo_password";
                match step.body.contains("name=\"password\"") {
                    true => page(server, &cookie, "/login", Some(&(form + login))).await,
                    false => {
                        page(server, &cookie, "/consent", Some(&(form + "&decision=approve"))).await
                    }
                }
            }
            _ => break,
        };
    }
    (step, !faults.heal())
}

/// Every call on the way from the authorization request to the code fails in turn.
#[tokio::test]
async fn sec_562_a_failing_storage_lets_nobody_through() {
    let folder = TempDir::new().unwrap();
    for server in [server(None).await, server(Some(&folder)).await] {
        for fault in [Fault::Refused, Fault::Applied] {
            for at in 0.. {
                let (end, struck) = walk(&server, at, fault).await;
                if !struck {
                    assert!(end.location.contains("code="), "{}: {}", end.status, end.location);
                    assert!(at >= 10, "only {at} calls");
                    break;
                }
                assert!(!end.location.contains("code="), "call {at}: {}", end.location);
                let to_client = end.location.starts_with(REDIRECT)
                    && end.location.contains("error=server_error");
                assert!(
                    end.status == StatusCode::SERVICE_UNAVAILABLE || to_client,
                    "call {at}: {} {}",
                    end.status,
                    end.location
                );
            }
        }
    }
}

/// Every call of a registration fails in turn: no client is answered that may not be there.
#[tokio::test]
async fn sec_562_a_failing_storage_registers_nobody() {
    let folder = TempDir::new().unwrap();
    for server in [server(None).await, server(Some(&folder)).await] {
        for fault in [Fault::Refused, Fault::Applied] {
            for at in 0.. {
                faults(&server).fail_after(at, fault);
                let body = Body::from(format!("{{\"redirect_uris\":[\"{REDIRECT}\"]}}"));
                let request = Request::post("/register").header("content-type", "application/json");
                let answer = server.router().oneshot(request.body(body).unwrap()).await.unwrap();
                let struck = !faults(&server).heal();
                if !struck {
                    assert_eq!(answer.status(), StatusCode::CREATED);
                    assert!(at >= 2, "only {at} calls");
                    break;
                }
                // Clearing away old clients may fail; the registration does not depend on it.
                let cleared = at == 0 && answer.status() == StatusCode::CREATED;
                assert!(cleared || answer.status() == StatusCode::SERVICE_UNAVAILABLE, "call {at}");
            }
        }
    }
}

/// Polls `work` at most so many times, then drops it as a connection does that has gone.
async fn cut_off<T>(work: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut work = Box::pin(work);
    let mut left = polls;
    poll_fn(|context| match left {
        0 => Poll::Ready(None),
        _ => {
            left -= 1;
            work.as_mut().poll(context).map(Some)
        }
    })
    .await
}

/// A request for tokens is cut off wherever it waits; afterwards the code or token gives at most once,
/// and the server goes on. How often it waits is not the same in each run: the file's thread may be faster.
#[tokio::test]
async fn sec_561_a_request_that_is_cut_off_leaves_no_half_of_it() {
    let folder = TempDir::new().unwrap();
    let server = server(Some(&folder)).await;
    for refresh in [false, true] {
        let mut waited = 0;
        for _ in 0..100 {
            waited += cut_off_wherever_it_waits(&server, refresh).await;
            if waited >= 8 {
                break;
            }
        }
        assert!(waited >= 8, "cut off {waited} times only");
    }
}

/// How often a request of this kind waited, and was cut off there.
async fn cut_off_wherever_it_waits(server: &AuthorizationServer, refresh: bool) -> usize {
    for polls in 0.. {
        let form = if refresh {
            let (_, refresh_token) = tokens(server, OPAQUE).await;
            format!("grant_type=refresh_token&client_id=tool&refresh_token={refresh_token}")
        } else {
            redemption(&code(server, OPAQUE).await)
        };
        if let Some((status, answer)) = cut_off(post(server, "/token", &form), polls).await {
            assert_eq!(status, StatusCode::OK, "{answer}");
            // The first was dropped before it was polled at all, the last did not wait.
            return polls - 1;
        }
        let (status, answer) = post(server, "/token", &form).await;
        match status {
            StatusCode::OK => assert!(issued(&answer)),
            _ => assert_eq!(answer["error"], "invalid_grant", "cut off after {polls}"),
        }
        let (status, answer) = post(server, "/token", &form).await;
        assert_eq!((status, issued(&answer)), (StatusCode::BAD_REQUEST, false), "{polls}");
    }
    unreachable!("a request ends")
}

/// A call that never ends is cut off by the deadline of its request, whichever it is; nothing is issued,
/// and the code is as good as it was.
#[tokio::test]
async fn sec_238_a_storage_that_never_answers_holds_nobody() {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let folder = TempDir::new().unwrap();
    for mut server in [server(None).await, server(Some(&folder)).await] {
        let inner = Arc::get_mut(&mut server.inner).unwrap();
        inner.settings.limits.request_time = Duration::from_secs(1);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = server.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        let (mut at, mut sweeps) = (0, 0);
        loop {
            let form = redemption(&code(&server, OPAQUE).await);
            faults(&server).fail_after(at, Fault::Stalled);
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!(
                "POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
                form.len()
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let struck = !faults(&server).heal();
            match answer.split(' ').nth(1) {
                Some("408") => {
                    assert!(struck && !answer.contains("access_token"), "call {at}: {answer}");
                    assert_eq!(post(&server, "/token", &form).await.0, StatusCode::OK, "call {at}");
                    at += 1;
                }
                // It has fewer calls than that.
                Some("200") if !struck => break,
                // The server's sweep met the fault.
                Some("200") if sweeps < 3 => sweeps += 1,
                _ => panic!("call {at}: {answer}"),
            }
            assert_eq!(post(&server, "/token", &form).await.0, StatusCode::BAD_REQUEST);
        }
        assert!(at >= 2, "only {at} calls");
    }
}
