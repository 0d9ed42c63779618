//! How fast the authorization server is, and how much memory it takes, beside its peers.
//!
//! `README.md` says what is measured and what came out. `./run` installs the peers and starts this.

#![forbid(unsafe_code)]

mod browser;
mod connection;
mod load;
mod options;
#[path = "../../tests/support/postgresql.rs"]
mod postgresql;
mod registrations;
mod server;
mod table;
mod target;

use std::sync::Arc;

use load::{Measured, round};
use options::Options;
use postgresql::Postgresql;
use table::print_rounds;
use target::{Target, pin_self};
use tempfile::TempDir;

/// What all tokens are for.
const RESOURCE: &str = "http://localhost:8001/mcp";
/// Processors that servers and the load are kept on.
const SERVER: usize = 0;
const LOAD: usize = 1;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("server", words)) = words.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        return server::run(words);
    }
    let options = Options::read(&words);
    pin_self(LOAD);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
    if options.peers {
        runtime.block_on(beside_peers(&options));
    }
    if options.postgresql {
        runtime.block_on(on_postgresql(&options));
    }
    if options.registrations > 0 {
        runtime.block_on(registrations::run(options.registrations));
    }
}

/// This program as a server.
fn own(words: &[&str]) -> Vec<String> {
    let program = std::env::current_exe().expect("this program").display().to_string();
    [program, "server".into()].into_iter().chain(words.iter().map(|word| (*word).into())).collect()
}

/// All servers in turns, each with one processor.
async fn beside_peers(options: &Options) {
    let folder = TempDir::new_in(".").expect("a folder on this disk");
    let database = folder.path().join("records.db").display().to_string();
    let mut servers = vec![Target::start("Portcullis, SQLite", Some(SERVER), &own(&[&database]))];
    if let Some(program) = &options.oidc_provider {
        let program = ["node".into(), program.clone()];
        servers.push(Target::start("oidc-provider, memory", Some(SERVER), &program));
    }
    if let Some(python) = &options.python {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python_sdk.py");
        let program = [python.clone(), script.into()];
        servers.push(Target::start("Python SDK, memory", Some(SERVER), &program));
    }
    let servers: Vec<_> = servers.into_iter().map(|server| vec![Arc::new(server)]).collect();
    let at_start: Vec<_> = servers.iter().map(|server| server[0].memory()).collect();
    println!("\n## Each on one processor, in turns\n");
    let rounds = rounds(&servers, options).await;
    let names: Vec<_> = servers.iter().map(|server| server[0].name.as_str()).collect();
    print_rounds(&names, &rounds);
    println!("\n| server | resident at the start, MiB | after all rounds, MiB |");
    println!("| --- | ---: | ---: |");
    for (server, before) in servers.iter().zip(at_start) {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let [server] = server.as_slice() else { continue };
        println!("| {} | {:.0} | {:.0} |", server.name, mib(before), mib(server.memory()));
    }
}

/// One, two and four processes on one PostgreSQL. They, it and the load share all processors.
async fn on_postgresql(options: &Options) {
    let postgresql = match Postgresql::start() {
        Ok(postgresql) => postgresql,
        Err(reason) => return println!("\nnothing measured on PostgreSQL: {reason}"),
    };
    let (mut all, mut names) = (Vec::new(), Vec::new());
    // One after the other: each process keeps ten connections, of which PostgreSQL has so many.
    for processes in [1, 2, 4] {
        let database = postgresql.database(&format!("bench{processes}"));
        let start = |_| Arc::new(Target::start("", None, &own(&[&database])));
        let servers = [(0..processes).map(start).collect::<Vec<_>>()];
        all.extend(rounds(&servers, options).await);
        names.push(format!("{processes} on PostgreSQL"));
    }
    println!("\n## Processes on one PostgreSQL\n");
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    print_rounds(&names, &all);
}

/// Every round of every server; the first one warms up and is left out.
async fn rounds(servers: &[Vec<Arc<Target>>], options: &Options) -> Vec<Vec<[Measured; 3]>> {
    let mut rounds: Vec<Vec<_>> = servers.iter().map(|_| Vec::new()).collect();
    for at in 0..=options.rounds {
        for (server, results) in servers.iter().zip(&mut rounds) {
            let measured = round(server, options.plan).await;
            if at > 0 {
                results.push(measured);
            }
        }
    }
    rounds
}
