//! `portcullis demo --device`: the authorization server of a device that runs elsewhere. `portcullis demo
//! --legacy`: one server that is both.

#[cfg(target_os = "linux")]
mod listening;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Child,
    sync::{Arc, mpsc},
    thread,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};
use serde_json::Value;

use crate::harness::*;

/// A demo that is up; killed when dropped.
struct Demo {
    child: Child,
    shown: String,
}

impl Demo {
    fn start(folder: &Folder, arguments: &str) -> Self {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let mut child = folder.command(&arguments).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut demo = Self { child, shown: String::new() };
        let (send, lines) = mpsc::channel();
        // Reads on as long as the program prints, whoever listens.
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        while !demo.shown.contains("Ctrl-C") {
            let line = lines.recv_timeout(DEADLINE);
            demo.shown += &line.unwrap_or_else(|error| panic!("{error}: {}", demo.shown));
            demo.shown.push('\n');
        }
        demo
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago: the issuer has to be known before the program listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends a request and reads the answer to its end.
fn exchange(mut stream: impl Read + Write, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        // Whoever closes without a word of TLS after a whole answer has answered.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
        other => drop(other?),
    }
    Ok(answer)
}

/// `POST /introspect` over TLS, by a client that trusts `authority`, as a device asks.
fn introspect(port: u16, authority: Vec<u8>, credentials: (&str, &str)) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority)).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("as.local").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let body = format!("token=x&client_id={}&client_secret={}", credentials.0, credentials.1);
    let request = format!(
        "POST /introspect HTTP/1.1\r\nHost: as.local\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(StreamOwned::new(connection, connect(port)), &request)
}

/// Provisions `name` for an authorization server on `port`.
fn provision(folder: &Folder, port: u16, name: &str, further: &str) {
    let command = format!(
        "key derive --resource {RESOURCE} --provisioning --issuer http://localhost:{port} --out {name} {further}"
    );
    folder.run(&command).ok();
}

#[test]
fn it_serves_what_the_provisioning_says() {
    let folder = Folder::new();
    folder.run("key new --out master.key").ok();
    let port = free_port();
    provision(&folder, port, "device.json", "--master-key master.key --kid 2026-11");
    let base = format!(
        "demo --device device.json --master-key master.key --authorization-server-port {port}"
    );
    for (further, scopes) in [
        ("", r#""scopes_supported":["device:read","device:write"]"#),
        (" --scope a=One --scope b=Two", r#""scopes_supported":["a","b"]"#),
    ] {
        let demo = Demo::start(&folder, &format!("{base}{further}"));
        for line in [
            format!("authorization server  http://localhost:{port}\n"),
            format!("server URL  {RESOURCE}\n"),
            "sign in as  demo_user with password demo_password\n".to_owned(),
        ] {
            assert!(demo.shown.contains(&line), "{}", demo.shown);
        }
        let get = "GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let metadata = exchange(connect(port), get).unwrap();
        assert!(metadata.contains(&format!(r#""issuer":"http://localhost:{port}""#)), "{metadata}");
        assert!(
            metadata.contains(&format!(r#""protected_resources":["{RESOURCE}"]"#)),
            "{metadata}"
        );
        assert!(metadata.contains(scopes), "{metadata}");
    }
}

#[test]
fn a_device_asks_over_tls_with_the_credentials_of_its_provisioning() {
    let folder = Folder::new();
    for name in ["certificates", "others"] {
        folder.run(&format!("key certificate --host as.local --out {name}")).ok();
    }
    let (port, tls_port) = (free_port(), free_port());
    let introspection = format!(
        "--introspection https://as.local:{tls_port}/introspect --address 10.0.2.2:{tls_port} --certificate certificates/authority.der"
    );
    provision(&folder, port, "device.json", &introspection);
    let base = format!("demo --device device.json --authorization-server-port {port}");
    let tls = "--tls-certificate certificates/server.pem --tls-key certificates/server.key";
    let demo = Demo::start(&folder, &format!("{base} {tls}"));
    assert!(demo.shown.contains(&format!("https://as.local:{tls_port}/introspect\n")));
    let document: Value = serde_json::from_str(&folder.read("device.json")).unwrap();
    let text = |name: &str| document["introspection"][name].as_str().unwrap();
    let credentials = (text("client_id"), text("client_secret"));
    let authority = |name: &str| std::fs::read(folder.path(name).join("authority.der")).unwrap();

    let answer = introspect(tls_port, authority("certificates"), credentials).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"active":false}"#), "{answer}");
    let wrong = (credentials.0, "another-secret-of-that-length");
    let answer = introspect(tls_port, authority("certificates"), wrong).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(introspect(tls_port, authority("others"), credentials).is_err(), "not trusted");
    drop(demo);

    for (further, words) in [
        ("", "--tls-certificate"),
        (" --tls-certificate others/server.pem --tls-key others/server.key", "would not accept"),
        (" --tls-certificate certificates/server.pem --tls-key others/server.key", "not that of"),
        (" --tls-certificate certificates/server.key --tls-key certificates/server.key", "PEM"),
        (
            " --tls-certificate certificates/none.pem --tls-key certificates/server.key",
            "cannot be read",
        ),
    ] {
        folder.run(&format!("{base}{further}")).refused(1, words);
    }
    folder.run("key new --out master.key").ok();
    folder.run(&format!("{base} {tls} --master-key master.key")).refused(1, "no use");
    folder
        .run(&format!("{base} --tls-key certificates/server.key"))
        .refused(2, "--tls-certificate");
    provision(&folder, port, "path.json", &introspection.replace("/introspect ", "/ask "));
    let elsewhere = base.replace("device.json", "path.json");
    folder.run(&format!("{elsewhere} {tls}")).refused(1, "must have the path /introspect");
}

#[test]
fn what_would_not_work_is_refused_before_anything_is_served() {
    let folder = Folder::provisioned();
    folder.run("key new --out another.key").ok();
    folder.run("key certificate --host as.local --out c").ok();
    folder.write_changed("elsewhere.json", ISSUER, "https://as.example");
    folder.write_changed("unknown.json", "\"version\"", "\"revision\"");
    let with = |device: &str, rest: &str| folder.run(&format!("demo --device {device}{rest}"));
    let own = " --master-key master.key";
    for (device, rest, words) in [
        ("device.json", String::new(), "--master-key"),
        ("device.json", " --master-key another.key".into(), "another key"),
        ("device.json", " --master-key none.key".into(), "cannot be read"),
        (
            "device.json",
            format!("{own} --authorization-server-port 9001"),
            "--authorization-server-port 9000",
        ),
        ("device.json", format!("{own} --authorization-server-port 0"), "port 9000, not 0"),
        (
            "device.json",
            format!("{own} --tls-certificate c/server.pem --tls-key c/server.key"),
            "no use",
        ),
        ("elsewhere.json", own.into(), "issuer on this machine"),
        ("unknown.json", own.into(), "member"),
        ("none.json", own.into(), "cannot be read"),
    ] {
        with(device, &rest).refused(1, words);
    }
    for rest in [
        " --once",
        " --legacy",
        " --verify offline",
        " --server-port 1",
        " --scope a",
        " --scope a=",
        " --scope =w",
    ] {
        with("device.json", &format!("{own}{rest}")).refused(2, "error:");
    }
    folder.run("demo --once --master-key master.key").refused(2, "cannot be used with");
    folder.run("demo --master-key master.key").refused(2, "--device");
}

#[test]
fn lg_10_one_server_for_old_clients_and_for_new_ones() {
    let folder = Folder::new();
    let port = free_port();
    let shown =
        folder.run(&format!("demo --legacy --once --server-port {port} --redirect-port 0")).ok();
    let origin = format!("http://localhost:{port}");
    for line in [
        format!("authorization server  {origin}\n"),
        format!("protected MCP server  {origin}/mcp\n"),
        "names no resource\n".to_owned(),
        "led by the server's metadata\n".to_owned(),
    ] {
        assert!(shown.contains(&line), "{shown}");
    }
    let tools = shown.matches(" for demo_user\n").count();
    assert_eq!(tools, 2, "each client called a tool: {shown}");
    folder.run("demo --legacy --authorization-server-port 9000").refused(2, "cannot be used with");
}
