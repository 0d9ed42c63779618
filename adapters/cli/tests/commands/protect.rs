//! `portcullis protect` as an operator runs it: with our authorization server, before an upstream.

// It asks the system what a process holds.
#[cfg(target_os = "linux")]
mod crowd;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ClientConnection, ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    authorization_server::{configured, process::*},
    harness::*,
    tls,
};

const MESSAGE: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"now","arguments":{}}}"#;

/// An MCP server in some other language: it records what it gets and answers each request alike.
#[derive(Clone, Default)]
pub(crate) struct Upstream(Arc<Mutex<Vec<String>>>);

impl Upstream {
    pub(crate) fn start(tls: Option<Arc<ServerConfig>>) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (upstream, port) = (Self::default(), listener.local_addr().unwrap().port());
        let own = upstream.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (own, tls) = (own.clone(), tls.clone());
                thread::spawn(move || match tls {
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        own.answer(StreamOwned::new(connection, stream));
                    }
                    None => own.answer(stream),
                });
            }
        });
        (upstream, port)
    }

    fn answer(&self, mut stream: impl Read + Write) {
        let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
        while !bytes.ends_with(MESSAGE.as_bytes()) {
            match stream.read(&mut piece) {
                Ok(count @ 1..) => bytes.extend_from_slice(&piece[..count]),
                Ok(0) | Err(_) => return,
            }
        }
        self.0.lock().unwrap().push(String::from_utf8(bytes).unwrap());
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
        let _ = stream.flush();
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn call(stream: impl Read + Write, token: Option<&str>) -> Answer {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut fields = vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    fields.extend(authorization.as_deref().map(|value| ("authorization", value)));
    exchange(stream, "POST", "/mcp", &fields, MESSAGE)
}

/// A folder with a key and a token for [`RESOURCE`], from the tools of the program.
fn with_token() -> (Folder, String) {
    let folder = Folder::provisioned();
    let derive = "key derive --master-key master.key --resource";
    folder.run(&format!("{derive} {RESOURCE} --out mcp.key")).ok();
    let token = folder.run("token mint --provisioning device.json").ok().trim().to_owned();
    (folder, token)
}

/// Flags of a proxy for [`RESOURCE`] on `port`, before `upstream`.
fn flags(port: u16, upstream: &str, key: &str) -> Vec<String> {
    let host = format!("127.0.0.1:{port}");
    [
        "protect",
        "--upstream",
        upstream,
        "--resource",
        RESOURCE,
        "--issuer",
        ISSUER,
        "--listen",
        &host,
        "--key-file",
        key,
        "--host",
        "localhost",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn start(folder: &Folder, port: u16, arguments: &[String]) -> Server {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::run(folder, port, &arguments, "\nlistens")
}

#[test]
fn end_to_end_with_our_authorization_server() {
    let (folder, as_port) = configured("");
    let server = Server::start(&folder, as_port, &[]);
    let client = server.register();
    let code = server.code(&client, "alice", &mut Vec::new());
    let (token, _) = server.redeem(&client, &code).tokens();
    let derive = format!(
        "key derive --master-key portcullis-data/master.key --resource {RESOURCE} --out mcp.key"
    );
    folder.run(&derive).ok();
    let (upstream, upstream_port) = Upstream::start(None);
    let [port, metrics] = [free_port(), free_port()];
    let url = format!("http://127.0.0.1:{upstream_port}/inner");
    let mut arguments = flags(port, &url, "mcp.key");
    arguments[6] = format!("http://localhost:{as_port}");
    let further = ["--scopes", "user", "--tool", "set_time=time:write", "--metrics"];
    arguments.extend(further.map(str::to_owned));
    arguments.push(format!("127.0.0.1:{metrics}"));
    let proxy = start(&folder, port, &arguments);

    let refused = call(connect(port), None);
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(upstream.requests().is_empty());
    let metadata = proxy.get("/.well-known/oauth-protected-resource/mcp").json();
    assert_eq!(
        (metadata["resource"].as_str(), metadata["authorization_servers"][0].as_str()),
        (Some(RESOURCE), Some(arguments[6].as_str()))
    );
    let admitted = call(connect(port), Some(&token));
    assert_eq!((admitted.status, admitted.body.as_str()), (200, "{}"), "{admitted:?}");
    let requests = upstream.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("POST /inner HTTP/1.1\r\n") && !requests[0].contains(&token));

    let operations = |path| exchange(connect(metrics), "GET", path, &[], "");
    assert_eq!((operations("/health").status, operations("/ready").status), (200, 200));
    let counted = operations("/metrics").body;
    assert!(
        counted.contains("portcullis_upstream_requests_total{outcome=\"answered\"} 1"),
        "{counted}"
    );
    assert_eq!(proxy.get("/metrics").status, 404);

    let ended = proxy.terminate();
    for words in ["allowed", "alice", "refused", "forwarded", "proxy ended"] {
        assert!(ended.stderr.contains(words), "{words}: {ended:?}");
    }
    assert!(!ended.stderr.contains(&token) && ended.stdout.contains(&url), "{ended:?}");
    assert_eq!(ended.status, 0);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

fn server_config(folder: &Folder, name: &str) -> Arc<ServerConfig> {
    let read = |file: &str| std::fs::read(folder.path(&format!("{name}/{file}"))).unwrap();
    let chain = CertificateDer::pem_slice_iter(&read("server.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&read("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.unwrap())
}

/// A connection to whoever shows a certificate of this authority.
fn trusting(
    folder: &Folder,
    authority: &str,
    port: u16,
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    tls::connect(&folder.path(&format!("{authority}/authority.pem")), port)
}

#[cfg(unix)]
#[test]
fn rs_14_tls_on_both_sides() {
    let (folder, token) = with_token();
    for name in ["front", "next", "inner"] {
        folder.run(&format!("key certificate --host localhost --out {name}")).ok();
    }
    let (upstream, upstream_port) = Upstream::start(Some(server_config(&folder, "inner")));
    let port = free_port();
    let url = format!("https://localhost:{upstream_port}/mcp");
    let mut arguments = flags(port, &url, "mcp.key");
    let further =
        ["--tls-certificate", "front/server.pem", "--tls-key", "front/server.key", "--upstream-ca"];
    arguments.extend(further.map(str::to_owned));
    for (authority, status) in [("front", 502), ("inner", 200)] {
        let mut arguments = arguments.clone();
        arguments.push(format!("{authority}/authority.pem"));
        let proxy = start(&folder, port, &arguments);
        let answer = call(trusting(&folder, "front", port).unwrap(), Some(&token));
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(trusting(&folder, "next", port).is_none());
        if status == 200 {
            for file in ["server.pem", "server.key"] {
                let path = |name: &str| folder.path(&format!("{name}/{file}"));
                std::fs::rename(path("next"), path("front")).unwrap();
            }
            proxy.signal("HUP");
            proxy.wait_for_log("certificate read again");
            assert!(
                trusting(&folder, "front", port).is_none()
                    && trusting(&folder, "next", port).is_some()
            );
        }
        proxy.terminate().ok();
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_served() {
    let (folder, _) = with_token();
    let run = |arguments: &[String]| {
        folder.run_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), "")
    };
    let good = flags(8080, "http://127.0.0.1:3000/mcp", "mcp.key");
    let with = |further: &[&str]| {
        let further = further.iter().map(|word| (*word).to_owned());
        good.iter().cloned().chain(further).collect::<Vec<_>>()
    };
    assert_eq!(run(&with(&["--check"])).ok(), "The configuration is good.\n");
    for (further, words) in [
        (&["--tool", "set_time"][..], "is not TOOL=SCOPES"),
        (&["--identity-key", "nothing"], "identity.key: cannot read nothing"),
        (&["--upstream-ca", "mcp.key"], "holds no certificates"),
        (&["--scopes", "a  \"b"], "resource_server: "),
        (&["--metrics", "127.0.0.1:8080"], "metrics.listen"),
    ] {
        run(&with(&[further, &["--check"]].concat())).refused(1, words);
        run(&with(further)).refused(1, words);
    }
    let elsewhere = flags(8080, "http://10.0.0.7/mcp", "mcp.key");
    run(&elsewhere).refused(1, "upstream: url");
    folder.run("protect").refused(2, "required");
    folder.run("protect --upstream http://127.0.0.1:1/").refused(2, "--resource");
    run(&with(&["--config", "protect.toml"])).refused(2, "cannot be used with");
    run(&with(&["--jwks", "https://as.example.com/jwks"])).refused(2, "cannot be used with");
    folder.run("protect --config none.toml").refused(1, "none.toml");
    let example = folder.run("protect --example-config").ok();
    folder.write("protect.toml", &example);
    folder.run("protect --config protect.toml --check").ok();
    folder.write("protect.toml", example + "\nsurprise = 1\n");
    folder.run("protect --config protect.toml --check").refused(1, "unknown field `surprise`");
}
