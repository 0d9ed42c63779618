//! The proxy under a crowd: it holds afterwards what it held before, and still answers.

use std::{
    fs,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use super::*;

/// Most descriptors of the proxy that runs out of them.
const DESCRIPTORS_MAX: usize = 40;
/// What a process may hold more in the end, in KiB: less than half a KiB for each round of the longest test.
const GROWTH_MAX: u64 = 4096;

/// A proxy, what it needs to answer with 200, and the token for that.
struct Crowded {
    server: Server,
    token: String,
    _upstream: Upstream,
    _folder: Folder,
}

impl Crowded {
    fn start(descriptors_max: usize) -> Self {
        let (folder, token) = with_token();
        let (upstream, upstream_port) = Upstream::start(None);
        let port = free_port();
        let url = format!("http://127.0.0.1:{upstream_port}/mcp");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {descriptors_max} && exec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_portcullis")).args(flags(port, &url, "mcp.key"));
        let server = Server::spawn(folder.at_home(command), port, "\nlistens");
        Self { server, token, _upstream: upstream, _folder: folder }
    }

    fn answers(&self) {
        let answer = call(connect(self.server.port), Some(&self.token));
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"), "{answer:?}");
    }

    fn process(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.server.id())
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(self.process("fd")).unwrap().count()
    }

    /// Waits until the number of its descriptors is as `holds` says.
    fn until_descriptors(&self, holds: impl Fn(usize) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds(self.descriptors()) {
            assert!(Instant::now() < deadline, "{} descriptors", self.descriptors());
            sleep(Duration::from_millis(5));
        }
    }

    /// Its memory that is there, in KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(self.process("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// What it has used of the processor, in hundredths of a second.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(self.process("stat")).unwrap();
        // proc(5): the fields behind the name, which is in parentheses; 14 and 15 are the times.
        let fields = stat.rsplit_once(") ").unwrap().1;
        fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// A connection that may be refused or broken at any time.
    fn send(&self, bytes: &[u8]) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.server.port)).ok()?;
        stream.write_all(bytes).ok()?;
        Some(stream)
    }

    /// Waits until the crowd is gone: until then there are connections that nobody has accepted yet, or so many that
    /// one more is closed without a word (LIM-15). They are accepted in their order.
    fn until_calm(&self) {
        let deadline = Instant::now() + DEADLINE;
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        loop {
            let mut answer = Vec::new();
            let read = self.send(request).map(|mut stream| stream.read_to_end(&mut answer));
            if matches!(read, Some(Ok(1..))) {
                break;
            }
            assert!(Instant::now() < deadline, "{read:?}");
            sleep(Duration::from_millis(5));
        }
        self.until_descriptors(|count| count < 32);
    }

    /// Does `round` so many times; neither memory nor descriptors grow with it.
    fn stays_flat(&self, rounds: usize, round: impl Fn(usize)) {
        self.answers();
        (0..rounds / 10).for_each(&round);
        self.until_calm();
        let before = self.resident();
        (0..rounds).for_each(&round);
        self.until_calm();
        let after = self.resident();
        assert!(after < before + GROWTH_MAX, "from {before} to {after} KiB in {rounds} rounds");
        self.answers();
    }
}

#[test]
fn sec_391_ten_thousand_broken_connections_leave_nothing_behind() {
    let crowded = Crowded::start(1024);
    let fields = "Host: 127.0.0.1:8080\r\nContent-Type: application/json\r\n\
                  Accept: application/json, text/event-stream\r\n";
    let head = format!("POST /mcp HTTP/1.1\r\n{fields}Authorization: Bearer {}\r\n", crowded.token);
    let whole = format!("{head}Content-Length: {}\r\n\r\n{MESSAGE}", MESSAGE.len());
    let broken = [
        String::new(),
        "POST /mcp HT".into(),
        "GARBAGE\r\n\r\n".into(),
        format!("{head}Content-Length: 1000\r\n\r\n{MESSAGE}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nx\r\n"),
        format!("POST /mcp HTTP/1.1\r\n{fields}Content-Length: 3\r\n\r\nabc"),
        format!("{whole}GARBAGE\r\n\r\n"),
        whole,
        "\0".into(),
    ];
    crowded.stays_flat(10_000, |round| drop(crowded.send(broken[round % broken.len()].as_bytes())));
}

#[test]
fn sec_442_header_floods_take_no_memory() {
    let crowded = Crowded::start(1024);
    let line = "POST /mcp HTTP/1.1\r\n";
    let floods = [
        format!("{line}{}", "X: y\r\n".repeat(10_000)),
        format!("{line}X: {}", "y".repeat(100_000)),
    ];
    crowded.stays_flat(500, |round| {
        let Some(mut stream) = crowded.send(floods[round % 2].as_bytes()) else { return };
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{answer:?}");
    });
}

#[test]
fn sec_444_without_descriptors_it_waits_and_then_goes_on() {
    let crowded = Crowded::start(DESCRIPTORS_MAX);
    crowded.answers();
    let crowd: Vec<_> = (0..DESCRIPTORS_MAX).filter_map(|_| crowded.send(b"POST ")).collect();
    assert_eq!(crowd.len(), DESCRIPTORS_MAX, "the system takes them all");
    crowded.until_descriptors(|count| count >= DESCRIPTORS_MAX);
    // It does not try again without a pause.
    let before = crowded.ticks();
    sleep(Duration::from_secs(1));
    let used = crowded.ticks() - before;
    assert!(used < 50, "{used} ticks");
    assert!(crowded.descriptors() >= DESCRIPTORS_MAX, "they were there all the time");
    drop(crowd);
    crowded.answers();
}
