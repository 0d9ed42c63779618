//! Memory over very many attempts to register.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::own;
use crate::target::{REDIRECT, Target};

const CONNECTIONS: usize = 16;
/// Attempts after which memory is looked at, besides the last one.
const LOOKS: [u64; 2] = [10_000, 100_000];

/// As many attempts as `attempts`: refused for their rate, refused for their number, and from as many peers.
pub async fn run(attempts: u64) {
    println!("\n## Memory over attempts to register\n");
    println!(
        "| attempts | answered 201 | answered 429 | others | resident after 0, MiB | 10 000 | 100 000 | all |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let scenarios = [
        ("of one peer, with the limits as they are", Some("limited"), false),
        ("of as many peers, with the limits as they are", Some("limited"), true),
        ("without a limit for peers", None, false),
    ];
    for (name, limited, many_peers) in scenarios {
        let folder = TempDir::new_in(".").expect("a folder on this disk");
        let database = folder.path().join("records.db").display().to_string();
        let words: Vec<_> = std::iter::once(database.as_str()).chain(limited).collect();
        let target = Arc::new(Target::start(name, None, &own(&words)));
        let mut memory = vec![target.memory()];
        let counts = Arc::new(Counts::default());
        let mut done = 0;
        for until in LOOKS.into_iter().filter(|look| *look < attempts).chain([attempts]) {
            attempt(&target, &counts, done..until, many_peers).await;
            memory.push(target.memory());
            done = until;
        }
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let memory: Vec<_> =
            memory.iter().map(|kib| format!("{:.1}", *kib as f64 / 1024.0)).collect();
        println!(
            "| {attempts} {name} | {} | {} | {} | {} |",
            of(&counts.created),
            of(&counts.limited),
            of(&counts.others),
            memory.join(" | ")
        );
    }
}

#[derive(Default)]
struct Counts {
    created: AtomicU64,
    limited: AtomicU64,
    others: AtomicU64,
}

async fn attempt(
    target: &Arc<Target>,
    counts: &Arc<Counts>,
    range: std::ops::Range<u64>,
    many_peers: bool,
) {
    let next = Arc::new(AtomicU64::new(range.start));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (target, counts, next) = (Arc::clone(target), Arc::clone(counts), Arc::clone(&next));
        connections.spawn(async move {
            let mut connection = Connection::open(target.address).await;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= range.end {
                    return;
                }
                let peer = if many_peers { u32::try_from(number).unwrap_or(0) } else { 0 };
                let peer = Ipv4Addr::from_bits(0x0a00_0000 + peer).to_string();
                let fields = [("content-type", "application/json"), ("x-forwarded-for", &peer)];
                let body = format!(
                    "{{\"client_name\":\"Client {number}\",\"redirect_uris\":[\"{REDIRECT}\"],\
                     \"token_endpoint_auth_method\":\"none\"}}"
                );
                let answer = connection.send(Method::POST, "/register", &fields, body.into()).await;
                let count = match answer.status.as_u16() {
                    201 => &counts.created,
                    429 => &counts.limited,
                    _ => &counts.others,
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    connections.join_all().await;
}
