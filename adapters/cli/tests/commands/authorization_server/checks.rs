//! What is refused before anything is served.

use super::*;

#[test]
fn the_example_is_checked_and_good() {
    let folder = Folder::new();
    let example = folder.run("authorization-server --example-config").ok();
    folder.write("portcullis.toml", &example);
    assert_eq!(folder.run("authorization-server --check").ok(), "The configuration is good.\n");
    // Nothing was made by looking.
    assert!(!folder.path("portcullis-data").exists());
    folder.run("authorization-server --example-config --check").refused(2, "cannot be used with");
}

#[test]
fn everything_that_is_wrong_is_listed_at_once() {
    let folder = Folder::new();
    let text = "issuer = \"http://as.example\"\nlisten = \"0.0.0.0:9000\"\n\
        default_resource = \"https://none.example\"\n\
        [[resource]]\nidentifier = \"https://rs.example/#f\"\nname = \"A\"\ntoken_format = \"hs256\"\n\
        scope = []\n\
        [[resource]]\nidentifier = \"https://b.example\"\nname = \"B\"\ntoken_format = \"opaque\"\n\
        scope = [{ name = \"user\", description = \"use it\" }]\n";
    folder.write("as.toml", text);
    let ended = folder.run("authorization-server --check --config as.toml");
    for words in [
        "issuer: the issuer must be https",
        "listen: 0.0.0.0:9000 can be reached from elsewhere",
        "resource https://rs.example/#f: ",
        "resource https://b.example: opaque tokens need introspection",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {ended:?}");
    }
    ended.refused(1, "the configuration cannot be used");
    folder.run("authorization-server --config as.toml").refused(1, "can be reached from elsewhere");
    assert!(!folder.path("portcullis-data").exists());
}

#[track_caller]
fn check(further: &str, words: &str) {
    let folder = Folder::new();
    folder.write("portcullis.toml", configuration(9000, further));
    folder.run("authorization-server --check").refused(1, words);
    folder.run("authorization-server").refused(1, words);
}

#[test]
fn sec_325_one_mistake_is_enough() {
    check("isuer = \"https://as.example\"", "portcullis.toml:2: unknown field `isuer`");
    check("[limits]\nconections = 1", "portcullis.toml:3: unknown field `conections`");
    check("issuer = 7", "portcullis.toml:2: invalid type");
    check("issuer = \"https://as.example/\"", "issuer");
    check("default_resource = \"https://none.example\"", "default resource");
    check("[lifetimes]\naccess_token_secs = 0", "lifetime");
    check("[lifetimes]\npushed_request_secs = 1", "lifetime");
    check("[lifetimes]\nrefresh_token_idle_secs = 1", "lifetime");
    check("dpop = \"yes\"", "portcullis.toml:2: unknown variant `yes`");
    check("[keys]\nkid = \"a b\"", "keys.kid");
    check("[database]\nsqlite = \"a\"\npostgresql = \"postgresql://h/d\"", "exclude each other");
    check("[database]\npostgresql = \"mysql://h/d\"", "does not start with postgresql://");
    check("[database]\npostgresql = { env = \"PORTCULLIS_NOT_SET\" }", "is not set");
    let service = "[[service]]\nid = \"service-job\"\nname = \"Job\"\nscopes = [\"user\"]\n";
    check(service, "service service-job: it needs either secret or public_keys");
    check(&format!("{service}secret = {{ file = \"none\" }}"), "service service-job: ");
    check(&format!("{service}public_keys = \"portcullis.toml\""), "service service-job: ");
    check("[client_documents]\nloopback = true", "portcullis.toml:3: unknown field `loopback`");
    check("[tls]\ncertificate = \"none.pem\"\nkey = \"none.key\"", "none.pem: cannot be read");
    check("[metrics]\nlisten = \"127.0.0.1:9000\"", "metrics.listen");
    let client = "[[client]]\nname = \"N\"\nredirect_uris = [\"https://a.example/\"]\nid = ";
    check(&format!("{client}\"client-x\""), "client client-x");
    check(&format!("{client}\"https://a.example\""), "client https://a.example");
    let app = format!("{client}\"app\"");
    let bound = format!("{app}\ndpop_bound_access_tokens = true");
    check(&bound, "nonces and clients of bound tokens need dpop");
    check("dpop_nonces = true", "nonces and clients of bound tokens need dpop");
    let bound = format!("dpop = \"offered\"\ndpop_nonces = true\n{bound}");
    for good in [&app, &bound, "[lifetimes]\naccess_token_secs = 60", "dpop = \"required\""] {
        let folder = Folder::new();
        folder.write("portcullis.toml", configuration(9000, good));
        folder.run("authorization-server --check").ok();
    }
}

#[test]
fn sec_320_a_password_in_the_file_is_refused_and_not_repeated() {
    let folder = Folder::new();
    let url = "[database]\npostgresql = \"postgresql://u:hunter2@127.0.0.1/d\"";
    folder.write("portcullis.toml", configuration(9000, url));
    let ended = folder.run("authorization-server --check");
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    ended.refused(1, "a password is not written here");
}

#[test]
fn as_13_plain_http_for_others_only_when_it_is_asked_for() {
    let folder = Folder::new();
    for (further, words) in
        [("", Some("plain HTTP is for this machine only")), ("plain_http = true\n", None)]
    {
        let text = configuration(9000, further).replace("127.0.0.1:9000", "192.0.2.1:9000");
        folder.write("portcullis.toml", text);
        let ended = folder.run("authorization-server --check");
        match words {
            Some(words) => ended.refused(1, words),
            None => drop(ended.ok()),
        }
    }
}

#[cfg(unix)]
#[test]
fn sec_240_what_others_can_read_is_refused() {
    let (folder, port) = configured("");
    Server::start(&folder, port, &[]).terminate();
    for name in ["portcullis-data/master.key", "portcullis-data/records.db"] {
        assert_eq!(mode(&folder, name), 0o600, "{name}");
        for others in [0o640, 0o604, 0o660] {
            set_mode(&folder, name, others);
            folder.run("authorization-server --check").refused(1, "others");
            let ended = folder.run("authorization-server");
            assert_eq!(ended.status, 1, "{name} {others:o} {ended:?}");
        }
        set_mode(&folder, name, 0o600);
        folder.run("authorization-server --check").ok();
    }
    assert_eq!(mode(&folder, "portcullis-data"), 0o700);

    let job = "[[service]]\nid = \"service-job\"\nname = \"Job\"\nscopes = [\"user\"]\n\
               secret = { file = \"job\" }\n";
    folder.write("portcullis.toml", configuration(port, job));
    folder.write("job", "0123456789abcdef".repeat(2));
    for (mode, is_good) in [(0o600, true), (0o440, true), (0o444, false), (0o620, false)] {
        set_mode(&folder, "job", mode);
        let ended = folder.run("authorization-server --check");
        match is_good {
            true => drop(ended.ok()),
            false => ended.refused(1, "service service-job: "),
        }
    }
}

#[cfg(unix)]
#[test]
fn sec_240_signing_keys_are_made_once_and_for_their_owner_alone() {
    let (folder, port) = (Folder::new(), free_port());
    folder.write("portcullis.toml", configuration(port, "").replace("hs256", "es256"));
    let server = Server::start(&folder, port, &[]);
    let keys = server.get("/jwks").json();
    assert_eq!(keys["keys"][0]["alg"], "ES256");
    server.terminate();
    let server = Server::start(&folder, port, &[]);
    assert_eq!(server.get("/jwks").json(), keys);
    server.terminate();
    let made: Vec<_> = std::fs::read_dir(folder.path("portcullis-data/keys"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".pem"))
        .collect();
    assert_eq!(made.len(), 1);
    let key = format!("portcullis-data/keys/{}", made[0]);
    for (name, good, bad) in [(&key as &str, 0o600, 0o640), ("portcullis-data/keys", 0o700, 0o750)]
    {
        assert_eq!(mode(&folder, name), good, "{name}");
        set_mode(&folder, name, bad);
        folder.run("authorization-server --check").refused(1, "others may read");
        folder.run("authorization-server").refused(1, "key");
        set_mode(&folder, name, good);
        folder.run("authorization-server --check").ok();
    }
}

#[test]
fn a_master_key_is_never_overwritten() {
    let (folder, port) = configured("");
    Server::start(&folder, port, &[]).terminate();
    let made = folder.read("portcullis-data/master.key");
    Server::start(&folder, port, &[]).terminate();
    assert_eq!(folder.read("portcullis-data/master.key"), made);
    folder.write("portcullis-data/master.key", "half a key");
    folder.run("authorization-server --check").refused(1, "master.key");
    folder.run("authorization-server").refused(1, "master.key");
    assert_eq!(folder.read("portcullis-data/master.key"), "half a key");
}

#[test]
fn a_taken_port_is_said() {
    let (folder, port) = configured("");
    let _server = Server::start(&folder, port, &[]);
    folder.run("authorization-server").refused(1, "cannot be used");
}
