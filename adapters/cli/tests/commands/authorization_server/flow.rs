//! From an empty folder to a token, over restarts and several processes.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Instant,
};

use super::{postgresql::Postgresql, *};
use crate::tls;

#[test]
fn an_empty_folder_becomes_a_server() {
    let (folder, port) = (Folder::new(), free_port());
    // The one thing that two tests at once cannot share is the port.
    folder.write("portcullis.toml", format!("listen = \"127.0.0.1:{port}\"\n"));
    let server = Server::start(&folder, port, &[]);
    let metadata = server.get("/.well-known/oauth-authorization-server");
    let issuer = format!("http://localhost:{port}");
    assert_eq!(metadata.json()["issuer"], issuer);
    assert_eq!(server.get("/health").status, 200);
    assert_eq!(server.get("/ready").status, 200);
    // Metrics are for a listener of their own.
    assert_eq!(server.get("/metrics").status, 404);
    let ended = server.terminate();
    assert!(ended.stderr.contains("authorization server ended"), "{ended:?}");
    let url = format!("{issuer}/.well-known/oauth-authorization-server");
    assert!(ended.ok().contains(&url));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_request_under_way_ends_and_one_that_never_does_is_cut_off() {
    let (folder, port) = configured("");
    let server = Server::start(&folder, port, &[]);
    let head = "POST /token HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8\r\n\
                content-type: application/x-www-form-urlencoded\r\n\r\n";
    let mut begun = [connect(port), connect(port)];
    for stream in &mut begun {
        stream.write_all(head.as_bytes()).unwrap();
    }
    // Whoever is answered came after the two.
    assert_eq!(server.get("/health").status, 200);
    server.ask_to_end();
    let deadline = Instant::now() + DEADLINE;
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < deadline, "it goes on listening");
    }
    let [mut ends, mut stays] = begun;
    ends.write_all(b"client=1").unwrap();
    let mut answer = String::new();
    ends.read_to_string(&mut answer).unwrap();
    assert_eq!(Answer::parse(&answer).status, 400, "{answer}");
    server.terminate().ok();
    let mut nothing = Vec::new();
    // An end or a reset: in either case no answer.
    let _ = stays.read_to_end(&mut nothing);
    assert!(nothing.is_empty());
}

#[test]
fn it_says_what_is_missing_until_nothing_is() {
    let (folder, port) = (Folder::new(), free_port());
    let config = ["--config", "as.toml"];
    let said = || Server::start(&folder, port, &config).terminate().ok();
    folder.write("as.toml", format!("listen = \"127.0.0.1:{port}\"\n"));
    let (user, resource) =
        ("portcullis user add NAME --config as.toml", "name your MCP server in as.toml");
    let shown = said();
    assert!(shown.contains(user) && shown.contains(resource), "{shown}");
    folder.run_with(&["user", "add", "alice", "--config", "as.toml"], PASSWORD).ok();
    let shown = said();
    assert!(!shown.contains(user) && shown.contains(resource), "{shown}");
    folder.write("as.toml", configuration(port, ""));
    let shown = said();
    assert!(!shown.contains("Next"), "{shown}");
}

#[test]
fn sec_563_a_grant_outlives_restarts_and_the_token_verifies_offline() {
    let (folder, port) = configured("");
    let server = Server::start(&folder, port, &[]);
    let client = server.register();
    let code = server.code(&client, "alice", &mut Vec::new());
    let (access, refresh) = server.redeem(&client, &code).tokens();
    folder
        .run(&format!(
            "key derive --master-key portcullis-data/master.key --resource {RESOURCE} \
             --provisioning --issuer http://localhost:{port} --out device.json"
        ))
        .ok();
    let verify = ["token", "verify", "-", "--provisioning", "device.json", "--scope", "user"];
    folder.run_with(&verify, &access).ok();
    let mut flipped = access.clone().into_bytes();
    let at = flipped.len() / 2;
    flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
    assert_eq!(folder.run_with(&verify, &String::from_utf8(flipped).unwrap()).status, 1);

    server.terminate().ok();
    let server = Server::start(&folder, port, &[]);
    let (_, refresh) = server.refresh(&client, &refresh).tokens();
    server.kill();
    let server = Server::start(&folder, port, &[]);
    let (access, next) = server.refresh(&client, &refresh).tokens();
    folder.run_with(&verify, &access).ok();
    // A refresh token that was used is one that was stolen: all of the grant ends.
    assert_eq!(server.refresh(&client, &refresh).status, 400);
    assert_eq!(server.refresh(&client, &next).status, 400);
    assert_eq!(server.redeem(&client, &code).status, 400);
}

#[test]
fn sec_320_no_secret_in_log_audit_or_metrics() {
    let operations = free_port();
    let further = format!(
        "[log]\nformat = \"json\"\nlevel = \"debug\"\naudit = \"audit.jsonl\"\n\
         [metrics]\nlisten = \"127.0.0.1:{operations}\"\n"
    );
    let (folder, port) = configured(&further);
    let server = Server::start(&folder, port, &[]);
    let client = server.register();
    let mut secrets = vec![PASSWORD.to_owned(), VERIFIER.to_owned(), "wrong password".to_owned()];
    secrets.push(folder.read("portcullis-data/master.key").trim().to_owned());
    let (_, answer) = server.sign_in(&client, "alice", "wrong password");
    assert!(answer.location().contains("failed=1"));
    let code = server.code(&client, "alice", &mut secrets);
    let (access, refresh) = server.redeem(&client, &code).tokens();
    let (renewed, next) = server.refresh(&client, &refresh).tokens();
    assert_eq!(server.refresh(&client, &refresh).status, 400);
    secrets.extend([code, access, refresh, renewed, next]);
    let get = |path| exchange(connect(operations), "GET", path, &[], "");
    let metrics = get("/metrics");
    assert_eq!((metrics.status, get("/ready").status, get("/x").status), (200, 200, 404));
    for series in [
        "portcullis_audit_events_total{event=\"token issued\"} 2\n",
        "portcullis_audit_events_total{event=\"refresh token reused\"} 1\n",
        "portcullis_http_requests_total{route=\"/token\",status=\"200\"} 2\n",
        "portcullis_http_request_seconds_count{route=\"/token\"} 3\n",
    ] {
        assert!(metrics.body.contains(series), "{series}: {}", metrics.body);
    }
    let logged = server.terminate().stderr;
    let audit = folder.read("audit.jsonl");
    // SEC-326: one line for each decision, each of them JSON with the same target.
    let events: Vec<serde_json::Value> =
        audit.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(events.iter().all(|event| event["target"] == "audit"), "{audit}");
    for (message, field, value) in [
        ("user added", "subject", "alice"),
        ("client registered", "client_id", &client),
        ("sign-in failed", "peer", "127.0.0.1"),
        ("user signed in", "subject", "alice"),
        ("user decided", "resource", RESOURCE),
        ("token issued", "client_id", &client),
        ("refresh token reused", "client_id", &client),
        ("grant refused", "error", "invalid_grant"),
    ] {
        let is_told =
            |event: &serde_json::Value| event["message"] == message && event[field] == value;
        assert!(events.iter().any(is_told), "{message}: {audit}");
    }
    for line in logged.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    #[cfg(unix)]
    assert_eq!(mode(&folder, "audit.jsonl"), 0o600);
    assert!(secrets.len() > 10);
    for secret in secrets {
        // Tokens of one kind may begin alike: the middle is what tells them apart.
        let middle = &secret[secret.len() / 2..];
        let probe = middle.get(..8).unwrap_or(middle);
        for place in [&logged, &audit, &metrics.body] {
            assert!(!place.contains(probe), "a secret is in {place}");
        }
    }
}

/// The metadata over TLS, for whoever trusts this authority alone.
fn metadata_over_tls(folder: &Folder, authority: &str, port: u16) -> Option<Answer> {
    let stream = tls::connect(&folder.path(authority), port)?;
    Some(exchange(stream, "GET", "/.well-known/oauth-authorization-server", &[], ""))
}

#[test]
fn as_13_tls_from_files() {
    let (folder, port) = (Folder::new(), free_port());
    folder.run("key certificate --host localhost --out tls").ok();
    let tls = "[tls]\ncertificate = \"tls/server.pem\"\nkey = \"tls/server.key\"\n";
    folder.write("portcullis.toml", configuration(port, tls));
    let server = Server::start(&folder, port, &[]);
    let metadata = metadata_over_tls(&folder, "tls/authority.pem", port).unwrap();
    assert_eq!(metadata.json()["issuer"], format!("https://localhost:{port}"));
    server.terminate();

    for (further, words) in [
        ("plain_http = true\n", "contradicts"),
        ("issuer = \"http://localhost:9000\"\n", "https issuer"),
    ] {
        folder.write("portcullis.toml", configuration(port, &format!("{further}{tls}")));
        folder.run("authorization-server --check").refused(1, words);
    }
    #[cfg(unix)]
    {
        folder.write("portcullis.toml", configuration(port, tls));
        set_mode(&folder, "tls/server.key", 0o640);
        folder.run("authorization-server --check").ok();
        set_mode(&folder, "tls/server.key", 0o644);
        folder.run("authorization-server --check").refused(1, "others may read");
    }
}

#[cfg(unix)]
#[test]
fn sighup_renews_the_certificate_and_the_audit_file() {
    let (folder, port) = (Folder::new(), free_port());
    folder.run("key certificate --host localhost --out tls").ok();
    folder.run("key certificate --host localhost --out next").ok();
    let further = "[tls]\ncertificate = \"tls/server.pem\"\nkey = \"tls/server.key\"\n\
                   [log]\naudit = \"audit.jsonl\"\n";
    folder.write("portcullis.toml", configuration(port, further));
    let server = Server::start(&folder, port, &[]);
    let trusts =
        |authority: &str| metadata_over_tls(&folder, &format!("{authority}/authority.pem"), port);
    assert!(trusts("tls").is_some() && trusts("next").is_none());
    let rename =
        |from: &str, to: &str| std::fs::rename(folder.path(from), folder.path(to)).unwrap();
    rename("audit.jsonl", "audit.1.jsonl");
    // A certificate without its key: the one before is shown on.
    rename("next/server.pem", "tls/server.pem");
    server.signal("HUP");
    server.wait_for_log("the certificate stays as it was");
    assert!(trusts("tls").is_some() && trusts("next").is_none());
    server.wait_for_log("audit file opened again");
    assert_eq!((folder.read("audit.jsonl").as_str(), mode(&folder, "audit.jsonl")), ("", 0o600));
    rename("next/server.key", "tls/server.key");
    server.signal("HUP");
    server.wait_for_log("certificate read again");
    assert!(trusts("tls").is_none() && trusts("next").is_some());
    server.terminate().ok();
}

#[test]
fn sec_564_two_processes_on_one_postgresql_and_one_is_killed() {
    let postgresql = match Postgresql::start() {
        Ok(server) => server,
        Err(why) => return eprintln!("skip - PostgreSQL: {why}"),
    };
    let database = "[database]\npostgresql = { file = \"database-url\" }\n";
    let (folder, ports) = (Folder::new(), [free_port(), free_port()]);
    folder.write("database-url", postgresql.database("portcullis"));
    for (name, port) in ["a.toml", "b.toml"].into_iter().zip(ports) {
        let issuer = "issuer = \"http://localhost:9000\"\n";
        folder.write(name, configuration(port, &format!("{issuer}{database}")));
        folder.run(&format!("authorization-server --check --config {name}")).ok();
    }
    folder.run_with(&["user", "add", "alice", "--config", "a.toml"], PASSWORD).ok();
    let [a, b] = [("a.toml", ports[0]), ("b.toml", ports[1])]
        .map(|(name, port)| Server::start(&folder, port, &["--config", name]));
    let client = a.register();
    let code = a.code(&client, "alice", &mut Vec::new());
    // What one process issued the other one takes, once.
    let (_, refresh) = b.redeem(&client, &code).tokens();
    let (_, refresh) = a.refresh(&client, &refresh).tokens();
    a.kill();
    let (_, next) = b.refresh(&client, &refresh).tokens();
    assert_eq!(b.get("/ready").status, 200);
    assert_eq!(b.redeem(&client, &code).status, 400);
    assert_eq!(b.refresh(&client, &next).status, 400, "a replayed code ends its grant");
    // Nothing of it went into a file here.
    assert!(!folder.path("portcullis-data/records.db").exists());
    drop(postgresql);
    assert_eq!((b.get("/health").status, b.get("/ready").status), (200, 503));
    folder.run("authorization-server --check --config b.toml").refused(1, "database: ");
}
