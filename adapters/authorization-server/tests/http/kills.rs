//! A server is killed at a random moment under load, over and over (SEC-231, SEC-563).
//!
//! Each worker keeps a ledger of what it was answered. After the restart, what was answered must hold,
//! and what was under way must have happened wholly or not at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{Method, StatusCode};
use tokio::task::JoinHandle;

use crate::databases::TestDatabase;
use crate::harness::*;
use crate::processes::{Process, send};

const WORKERS: usize = 4;
const KILLS: usize = 4;
/// Answered requests for tokens after which the kill may come.
const ANSWERS_MIN: usize = 4 * WORKERS;
/// The longest time from then to the kill.
const DELAY_MAX_MICROS: u64 = 200_000;
/// Refreshes of one grant before the next one begins.
const REFRESHES: usize = 3;

/// What a worker knows of one grant.
#[derive(Default)]
struct Grant {
    code: String,
    /// The code was sent, and no answer came.
    redeeming: bool,
    /// Refresh tokens that were answered with a new one.
    spent: Vec<String>,
    /// Access and refresh token of the last answer.
    current: Option<(String, String)>,
    /// The current refresh token was sent, and no answer came.
    refreshing: bool,
}

/// Signs in once; the sign-in outlives the server.
async fn sign_in(server: &Server, client: &Client) -> Browser {
    let mut browser = Browser::default();
    browser.sign_in(server, &query(&client.id, &[])).await.is_page(200);
    browser
}

async fn post(address: SocketAddr, path: &str, form: &[(&str, &str)]) -> Option<Answer> {
    let fields = [("content-type", "application/x-www-form-urlencoded")];
    let body = Body::from(encode(form));
    send(address, request(Method::POST, path, &fields, body)).await.ok()
}

/// A code for a browser that is signed in; `None` when the server is gone.
async fn code(
    address: SocketAddr,
    client: &Client,
    browser: &Browser,
    state: &str,
) -> Option<String> {
    let cookie = browser.cookie.clone().unwrap();
    let fields = [("cookie", cookie.as_str())];
    let get = async |path: &str| {
        send(address, request(Method::GET, path, &fields, Body::empty())).await.ok()
    };
    let query = query(&client.id, &[("state", state)]);
    let location = get(&format!("/authorize?{query}")).await?.location();
    let page = get(&location).await?;
    let (id, token) = (page.hidden("request"), page.hidden("form_token"));
    let form = [("request", id.as_str()), ("form_token", &token), ("decision", "approve")];
    let fields = [
        ("cookie", cookie.as_str()),
        ("origin", ISSUER),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let body = Body::from(encode(&form));
    let answer = send(address, request(Method::POST, "/consent", &fields, body)).await.ok()?;
    parameter(&answer.location(), "code")
}

/// Gets grants and refreshes them until the server is gone. Gives the ledger.
async fn work(
    address: SocketAddr,
    client: Client,
    browser: Browser,
    name: String,
    answers: Arc<AtomicUsize>,
) -> Vec<Grant> {
    let mut grants = Vec::new();
    for number in 0.. {
        let Some(code) = code(address, &client, &browser, &format!("{name}-{number}")).await else {
            break;
        };
        let mut grant = Grant { code, redeeming: true, ..Grant::default() };
        let alive = fill(address, &client, &mut grant, &answers).await.is_some();
        grants.push(grant);
        if !alive {
            break;
        }
    }
    grants
}

async fn fill(
    address: SocketAddr,
    client: &Client,
    grant: &mut Grant,
    answers: &AtomicUsize,
) -> Option<()> {
    let code = grant.code.clone();
    let mut form = redemption(&code).to_vec();
    form.push(("client_id", &client.id));
    let answer = post(address, "/token", &form).await?;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    grant.current = Some(answer.tokens());
    grant.redeeming = false;
    answers.fetch_add(1, Ordering::Relaxed);
    for _ in 0..REFRESHES {
        let (_, refresh) = grant.current.clone().unwrap();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.as_str()),
            ("client_id", client.id.as_str()),
        ];
        grant.refreshing = true;
        let answer = post(address, "/token", &form).await?;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        grant.current = Some(answer.tokens());
        grant.spent.push(refresh);
        grant.refreshing = false;
        answers.fetch_add(1, Ordering::Relaxed);
    }
    Some(())
}

/// What half a redemption leaves, or two of one code or token: of each, none must be there.
const BROKEN: [&str; 3] = [
    // A spent token, and nothing that came of it.
    "SELECT COUNT(*) FROM refresh_tokens AS spent WHERE spent.state LIKE '%Spent%' AND NOT EXISTS \
     (SELECT 1 FROM refresh_tokens AS next \
      WHERE next.family_id = spent.family_id AND next.state LIKE '%Active%')",
    // A family with two ends.
    "SELECT COUNT(*) FROM (SELECT family_id FROM refresh_tokens WHERE state LIKE '%Active%' \
     GROUP BY family_id HAVING COUNT(*) > 1) AS forked",
    // A used code, and not the token that it gave.
    "SELECT COUNT(*) FROM authorization_codes WHERE state LIKE '%Consumed%' AND NOT EXISTS \
     (SELECT 1 FROM access_tokens WHERE authorization_codes.state LIKE '%' || token || '%')",
];

/// What must hold after the restart. Says whether an unanswered request had its effect.
async fn check(server: &Server, client: &Client, grant: &Grant) -> Option<bool> {
    let refused = |answer: &Answer| answer.refusal() == (400, "invalid_grant".into());
    let Some((access, refresh)) = &grant.current else {
        assert!(grant.redeeming);
        let first = server.redeem(client, &grant.code).await;
        let took_effect = refused(&first);
        assert!(took_effect || first.status == StatusCode::OK, "{}", first.body);
        assert!(refused(&server.redeem(client, &grant.code).await), "a code that gives twice");
        return Some(took_effect);
    };
    assert!(server.is_active(OPAQUE, access).await, "an answered access token is lost");
    let answer = server.refresh(client, refresh).await;
    let took_effect = refused(&answer);
    assert!(took_effect || answer.status == StatusCode::OK, "{}", answer.body);
    assert!(!took_effect || grant.refreshing, "an answered refresh token is lost");
    // One more success would be the second.
    assert!(refused(&server.refresh(client, refresh).await), "a refresh token that gives twice");
    for spent in &grant.spent {
        assert!(refused(&server.refresh(client, spent).await), "a spent token that gives");
    }
    assert!(refused(&server.redeem(client, &grant.code).await), "a spent code that gives");
    grant.refreshing.then_some(took_effect)
}

async fn kill_over_and_over(database: &TestDatabase) {
    let mut process = Process::start(database);
    let mut server = process.server().await;
    let client = server.public_client().await;
    let browser = sign_in(&server, &client).await;
    let (mut grants_seen, mut happened, mut did_not) = (0, 0, 0);
    for round in 0..KILLS {
        let answers = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let (client, browser) = (client.clone(), browser.clone());
                let name = format!("{round}-{worker}");
                tokio::spawn(work(process.address, client, browser, name, Arc::clone(&answers)))
            })
            .collect();
        while answers.load(Ordering::Relaxed) < ANSWERS_MIN {
            assert!(!workers.iter().all(JoinHandle::is_finished), "no load any more");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let delay = getrandom::u64().unwrap() % DELAY_MAX_MICROS;
        tokio::time::sleep(Duration::from_micros(delay)).await;
        process.kill();
        process = Process::start(database);
        server = process.server().await;
        for statement in BROKEN {
            assert_eq!(database.number(statement).await, 0, "{statement}");
        }
        for worker in workers {
            for grant in worker.await.unwrap() {
                grants_seen += 1;
                match check(&server, &client, &grant).await {
                    Some(true) => happened += 1,
                    Some(false) => did_not += 1,
                    None => {}
                }
            }
        }
    }
    println!(
        "{KILLS} kills, {grants_seen} grants; of unanswered requests {happened} had their effect, \
         {did_not} had none"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sec_231_sec_563_a_killed_server_loses_and_doubles_nothing() {
    for database in TestDatabase::each() {
        kill_over_and_over(&database).await;
    }
}
