//! A server that is measured: a process, pinned to one processor, and what it said about itself.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

pub const REDIRECT: &str = "http://localhost:3030/callback";
/// How long a server may take to start on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);
/// `USER_HZ` of Linux: what `/proc` counts processor time in, on every architecture that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

pub struct Target {
    pub name: String,
    pub address: SocketAddr,
    pub authorization: String,
    pub token: String,
    pub introspection: String,
    pub client_id: String,
    pub scope: String,
    /// What it wants of whoever introspects: id and secret.
    pub resource_server: Option<(String, String)>,
    process: Child,
}

impl Target {
    /// Starts a program with a free port as its last argument, on one processor. Its first line of
    /// output is a JSON object with the members of this type.
    pub fn start(name: impl Into<String>, processor: Option<usize>, program: &[String]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let mut words: Vec<String> = match processor {
            Some(processor) => vec!["taskset".into(), "-c".into(), processor.to_string()],
            None => Vec::new(),
        };
        words.extend(program.iter().cloned());
        words.push(address.port().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().expect("the server starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{words:?}"));
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let started = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < START_MAX, "{words:?} does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        let secret = |at: usize| said["resource_server"][at].as_str().map(str::to_owned);
        Self {
            name: name.into(),
            address,
            authorization: text("authorization"),
            token: text("token"),
            introspection: text("introspection"),
            client_id: text("client_id"),
            scope: text("scope"),
            resource_server: secret(0).zip(secret(1)),
            process,
        }
    }

    /// Processor time so far, in user space and in the kernel.
    pub fn processor_time(&self) -> Duration {
        let stat = self.read("stat");
        // The name of the program, in parentheses, may have spaces.
        let (_, rest) = stat.rsplit_once(") ").expect("a line of /proc");
        let ticks = rest.split(' ').skip(11).take(2).filter_map(|it| it.parse::<u32>().ok());
        TICK * ticks.sum()
    }

    /// Resident memory, in KiB.
    pub fn memory(&self) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a line of /proc")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.process.id())).expect("it lives")
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Keeps this process, and threads that it starts later, on one processor.
pub fn pin_self(processor: usize) {
    let (processor, own) = (processor.to_string(), std::process::id().to_string());
    let done =
        Command::new("taskset").args(["-cp", &processor, &own]).stdout(Stdio::null()).status();
    assert!(done.is_ok_and(|status| status.success()), "taskset");
}
