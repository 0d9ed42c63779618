//! The example as its user runs it, with settings from a file, at an address of its own.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const TIME_MAX: Duration = Duration::from_secs(60);

/// The running example, which ends with the test.
struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the example with `settings` in a file that has this name.
fn start(name: &str, settings: &str, address: &str) -> Example {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, settings).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_desktop_server"))
        .args([file.as_os_str(), address.as_ref()])
        .env("MCP_KEY", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY")
        .stderr(Stdio::null())
        .spawn();
    Example(child.unwrap())
}

/// The answer to a request without a token.
fn ask(address: &str) -> String {
    let started = Instant::now();
    let mut connection = loop {
        match TcpStream::connect(address) {
            Ok(connection) => break connection,
            Err(error) => assert!(started.elapsed() < TIME_MAX, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let host = address.replace("127.0.0.1", "localhost");
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn settings_and_address_are_those_it_is_given() {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = probe.local_addr().unwrap().to_string();
    drop(probe);
    let resource = format!("http://{}/mcp", address.replace("127.0.0.1", "localhost"));
    let built_in = include_str!("../settings.toml");
    let settings =
        built_in.replace("http://localhost:8001/mcp", &resource).replace("\"user\"", "\"reader\"");
    assert_ne!(settings, built_in);

    let _example = start("good.toml", &settings, &address);
    let answer = ask(&address);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("scope=\"reader\""), "{answer}");
}

#[test]
fn without_whole_settings_it_serves_nothing() {
    let mut example = start("bad.toml", "resource = \"http://localhost:8001/mcp\"", "127.0.0.1:0");
    let started = Instant::now();
    while started.elapsed() < TIME_MAX {
        if let Some(status) = example.0.try_wait().unwrap() {
            assert!(!status.success());
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it serves");
}
