//! Requests per second and latency of one rmcp service, bare and behind `Protect`, in turns.
//!
//! Server and load each have one thread. The bytes of a request are the same for every server, token
//! included. Beside wall time it prints the processor time that the server's thread took for one
//! request: on a machine that does other things too, that is the number to compare.
//!
//! `portcullis-tokio-benches [--rounds N] [--seconds N] [--connections N] [--other HOST:PORT/PATH TOKEN]`

mod load;
mod servers;

use std::{net::SocketAddr, time::Duration};

use load::{Load, Measured};
use servers::{Listener, Server};

fn main() {
    let options = Options::read();
    let servers = [
        Server::start("bare", Listener::Axum, servers::bare),
        Server::start("bare, by `serve`", Listener::Portcullis, servers::bare),
        Server::start("protected, offline", Listener::Axum, servers::offline),
        Server::start("protected, offline, by `serve`", Listener::Portcullis, servers::offline),
        Server::start(
            "protected, introspection remembered",
            Listener::Axum,
            servers::introspection,
        ),
    ];
    let token = servers::token();
    let mut rounds: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..=options.rounds {
        for (server, results) in servers.iter().zip(&mut rounds) {
            let load = options.load(server.address, "/mcp", &token);
            let before = server.processor_time();
            let mut measured = load.run();
            measured.processor_time = server.processor_time() - before;
            // The first round warms up.
            if round > 0 {
                results.push(measured);
            }
        }
    }
    println!("| server | requests/s | p50 µs | p99 µs | processor µs/request |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let bare = Measured::median(&rounds[0]);
    for (server, results) in servers.iter().zip(&rounds) {
        let median = Measured::median(results);
        println!("| {} | {} |", server.name, median.row());
        if server.name != servers[0].name {
            println!(
                "| … against bare | {} | | | {} |",
                bare.change_of_rate(&median),
                bare.change_of_cost(&median)
            );
        }
    }
    if let Some((address, path, token)) = &options.other {
        let results: Vec<_> =
            (0..=options.rounds).map(|_| options.load(*address, path, token).run()).collect();
        println!("| other | {} |", Measured::median(&results[1..]).row());
    }
}

struct Options {
    rounds: usize,
    seconds: u64,
    connections: usize,
    other: Option<(SocketAddr, String, String)>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { rounds: 9, seconds: 2, connections: 16, other: None };
        let mut words = std::env::args().skip(1);
        let number =
            |word: Option<String>| word.and_then(|word| word.parse().ok()).expect("a number");
        while let Some(word) = words.next() {
            match word.as_str() {
                "--rounds" => options.rounds = number(words.next()),
                "--seconds" => options.seconds = number(words.next()) as u64,
                "--connections" => options.connections = number(words.next()),
                "--other" => {
                    let url = words.next().expect("HOST:PORT/PATH");
                    let (address, path) = url.split_once('/').expect("HOST:PORT/PATH");
                    let address = address.parse().expect("HOST:PORT");
                    let token = words.next().expect("a token");
                    options.other = Some((address, format!("/{path}"), token));
                }
                other => panic!("unknown option {other}"),
            }
        }
        options
    }

    fn load(&self, address: SocketAddr, path: &str, token: &str) -> Load {
        Load {
            address,
            request: load::request(address, path, token),
            connections: self.connections,
            time: Duration::from_secs(self.seconds),
        }
    }
}
