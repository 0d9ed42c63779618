//! The load: several kept connections, each of which asks again as soon as it is answered.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::task::JoinSet;

use crate::RESOURCE;
use crate::browser::{Browser, VERIFIER};
use crate::connection::{Answer, Connection, encode};
use crate::target::{REDIRECT, Target};

/// How much is asked for in one round.
#[derive(Clone, Copy)]
pub struct Plan {
    pub connections: usize,
    /// Codes that are exchanged; they are obtained outside of the time that is measured.
    pub codes: usize,
    /// How long it refreshes, and how long it introspects.
    pub time: Duration,
}

/// What one kind of request showed in one round.
#[derive(Clone, Copy)]
pub struct Measured {
    pub per_second: f64,
    /// Processor time of the server for one request, in microseconds.
    pub cost: f64,
}

/// The kinds of requests, in the order in which a round makes them.
pub const KINDS: [&str; 3] = ["code exchange", "refresh", "introspection"];

/// Access and refresh token.
type Tokens = (String, String);

/// One round with one logical server, of one or several processes.
pub async fn round(targets: &[Arc<Target>], plan: Plan) -> [Measured; 3] {
    let codes = codes(targets, plan).await;
    let (exchanged, tokens) = measure(targets, codes, exchange).await;
    let end = Instant::now() + plan.time;
    let chains = spread(targets, plan.connections, tokens.clone());
    let (refreshed, tokens) =
        measure(targets, chains, move |target, chain| refresh(target, chain, end)).await;
    let end = Instant::now() + plan.time;
    let chains = spread(targets, plan.connections, tokens);
    let (introspected, _) =
        measure(targets, chains, move |target, own| introspect(target, own, end)).await;
    [exchanged, refreshed, introspected]
}

/// Runs one connection for each of `work`, and counts what they give.
async fn measure<W, F>(
    targets: &[Arc<Target>],
    work: Vec<(Arc<Target>, Vec<W>)>,
    each: impl Fn(Arc<Target>, Vec<W>) -> F,
) -> (Measured, Vec<Tokens>)
where
    F: Future<Output = (usize, Vec<Tokens>)> + Send + 'static,
{
    let spent = || targets.iter().map(|target| target.processor_time()).sum::<Duration>();
    let (before, started) = (spent(), Instant::now());
    let mut connections: JoinSet<_> =
        work.into_iter().map(|(target, own)| each(target, own)).collect();
    let (mut count, mut tokens) = (0, Vec::new());
    while let Some(done) = connections.join_next().await {
        let (own, got) = done.expect("every answer as it should be");
        count += own;
        tokens.extend(got);
    }
    let elapsed = started.elapsed();
    let cost = (spent() - before).as_secs_f64() * 1e6 / count as f64;
    (Measured { per_second: count as f64 / elapsed.as_secs_f64(), cost }, tokens)
}

/// Deals `what` out to as many connections, which are dealt out to the processes.
fn spread<W>(
    targets: &[Arc<Target>],
    connections: usize,
    what: Vec<W>,
) -> Vec<(Arc<Target>, Vec<W>)> {
    let mut hands: Vec<_> =
        (0..connections).map(|at| (Arc::clone(&targets[at % targets.len()]), Vec::new())).collect();
    for (at, one) in what.into_iter().enumerate() {
        hands[at % connections].1.push(one);
    }
    hands
}

async fn codes(targets: &[Arc<Target>], plan: Plan) -> Vec<(Arc<Target>, Vec<String>)> {
    let mut browsers = JoinSet::new();
    for (target, own) in spread(targets, plan.connections, vec![(); plan.codes]) {
        browsers.spawn(async move {
            let mut browser = Browser::new(target.address).await;
            let mut codes = Vec::new();
            for () in own {
                codes.push(browser.code(&target, RESOURCE).await);
            }
            (target, codes)
        });
    }
    browsers.join_all().await
}

async fn exchange(target: Arc<Target>, codes: Vec<String>) -> (usize, Vec<Tokens>) {
    let mut connection = Connection::open(target.address).await;
    let mut tokens = Vec::new();
    for code in codes {
        let form = encode(&[
            ("grant_type", "authorization_code"),
            ("client_id", &target.client_id),
            ("code", &code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", REDIRECT),
            ("resource", RESOURCE),
        ]);
        tokens.push(tokens_of(&connection.post_form(&target.token, &[], form).await));
    }
    (tokens.len(), tokens)
}

/// Refreshes one chain over and over; the other tokens are left as they are.
async fn refresh(target: Arc<Target>, mut own: Vec<Tokens>, end: Instant) -> (usize, Vec<Tokens>) {
    let mut connection = Connection::open(target.address).await;
    let (mut access, mut token) = own.pop().expect("a code for each connection at least");
    let mut count = 0;
    while Instant::now() < end {
        let form = encode(&[
            ("grant_type", "refresh_token"),
            ("client_id", &target.client_id),
            ("refresh_token", &token),
        ]);
        (access, token) = tokens_of(&connection.post_form(&target.token, &[], form).await);
        count += 1;
    }
    own.push((access, token));
    (count, own)
}

/// Asks about one token after the other.
async fn introspect(target: Arc<Target>, own: Vec<Tokens>, end: Instant) -> (usize, Vec<Tokens>) {
    let mut connection = Connection::open(target.address).await;
    let authorization = target.resource_server.as_ref().map(|(id, secret)| basic(id, secret));
    let fields: Vec<_> =
        authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    let mut count = 0;
    for (access, _) in own.iter().cycle() {
        if Instant::now() >= end {
            break;
        }
        let form = encode(&[("token", access)]);
        let answer = connection.post_form(&target.introspection, &fields, form).await;
        assert!(answer.text().contains("\"active\":true"), "{}", answer.text());
        count += 1;
    }
    (count, own)
}

fn tokens_of(answer: &Answer) -> Tokens {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    (answer.member("access_token"), answer.member("refresh_token"))
}

/// RFC 7617; both parts are plain ASCII here.
fn basic(id: &str, secret: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{id}:{secret}");
    let digits = text.as_bytes().chunks(3).flat_map(|chunk| {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        (0..4).map(move |at| match at > chunk.len() {
            true => '=',
            false => char::from(ALPHABET[bits >> (18 - 6 * at) & 63]),
        })
    });
    format!("Basic {}", digits.collect::<String>())
}
