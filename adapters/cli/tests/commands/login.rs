//! `portcullis login`, `token get` and `logout` against our own authorization server and a server that it
//! protects: each command is a process of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Output},
    thread,
    time::{Duration, Instant},
};

use portcullis_authorization_server::testing::{ProtectedServer, User};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::harness::*;

/// A protected server, its authorization server, and a folder for logins.
struct World {
    folder: Folder,
    runtime: Runtime,
    server: ProtectedServer,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(ProtectedServer::sample().start()).unwrap();
        Self { folder: Folder::new(), runtime, server }
    }

    fn url(&self) -> &str {
        self.server.url()
    }

    /// A command about the server, with the logins in the folder.
    fn arguments<'a>(&'a self, command: &'a str) -> Vec<&'a str> {
        let store = ["--store", "file", "--folder", "logins"];
        command.split(' ').chain([self.url()]).chain(store).collect()
    }

    fn run(&self, command: &str) -> Ended {
        self.folder.run_with(&self.arguments(command), "")
    }

    /// Logs in with a user who reads the page's address from the terminal.
    fn log_in(&self, user: &User) -> Ended {
        self.watched("login --no-browser", |shown| {
            let page = shown.lines().find(|line| line.starts_with("http"))?;
            self.visit(user, page);
            Some(())
        })
    }

    /// Runs a command, and shows its every line of standard error to a user until that one has acted.
    fn watched(&self, command: &str, mut act: impl FnMut(&str) -> Option<()>) -> Ended {
        let mut child = self.folder.command(&self.arguments(command)).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut shown = String::new();
        loop {
            assert_ne!(stderr.read_line(&mut shown).unwrap(), 0, "{shown}");
            if act(&shown).is_some() {
                break;
            }
        }
        let Output { status, stdout, .. } = child.wait_with_output().unwrap();
        stderr.read_to_string(&mut shown).unwrap();
        let stdout = String::from_utf8(stdout).unwrap();
        Ended { status: status.code().unwrap_or(-1), stdout, stderr: shown }
    }

    /// The user signs in, agrees or not, and is sent back.
    fn visit(&self, user: &User, page: &str) {
        self.runtime.block_on(async {
            let back = user.authorize(page).await.unwrap();
            user.open(&back).await.unwrap();
        });
    }

    /// Whether the server takes the token.
    fn takes(&self, token: &str) -> bool {
        let answer = self.server.call_tool(token, "get_time", json!({}));
        self.runtime.block_on(answer).unwrap().status() == 200
    }

    fn record(&self) -> PathBuf {
        let mut files = fs::read_dir(self.folder.path("logins")).unwrap();
        let is_record = |path: &PathBuf| path.extension().is_some_and(|it| it == "json");
        files.find_map(|entry| Some(entry.unwrap().path()).filter(is_record)).unwrap()
    }

    fn stored(&self) -> Value {
        serde_json::from_slice(&fs::read(self.record()).unwrap()).unwrap()
    }

    /// Makes the stored token one whose time is over.
    fn expire(&self) {
        let mut record = self.stored();
        record["expires_at"] = json!(1);
        record["refresh_at"] = json!(1);
        fs::write(self.record(), record.to_string()).unwrap();
    }
}

fn one_line(ended: Ended) -> String {
    let stdout = ended.ok();
    let token = stdout.strip_suffix('\n').unwrap().to_owned();
    assert!(!token.contains(char::is_whitespace), "{stdout:?}");
    token
}

#[test]
fn a_login_serves_later_processes() {
    let world = World::new();
    world.run("token get").refused(1, "no login");
    let shown = world.log_in(&User::demo()).ok();
    // SEC-470: where the user is signed in now.
    let issuer = world.server.authorization_server().issuer();
    for expected in [world.url(), issuer, "user", "is refreshed", "file"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let token = one_line(world.run("token get"));
    assert!(world.takes(&token));
    assert_eq!(one_line(world.run("token get")), token);
    let whole = world.run("token get --json").json();
    assert_eq!((&whole["access_token"], &whole["resource"]), (&json!(token), &json!(world.url())));

    let list = world.folder.run("login --list --store file --folder logins");
    let json = world.folder.run("login --list --store file --folder logins --json").json();
    assert_eq!(json["logins"][0]["server"], world.url());
    assert_eq!(json["logins"].as_array().unwrap().len(), 1);
    // INV-6: nothing but `token get` shows a secret.
    let record = world.stored();
    let shown = format!("{shown}{}{json}", list.ok());
    for secret in ["access_token", "refresh_token"] {
        assert!(!shown.contains(record[secret].as_str().unwrap()), "{secret}: {shown}");
    }
}

#[test]
fn sec_480_an_expired_token_is_refreshed_and_the_new_one_stored() {
    let world = World::new();
    world.log_in(&User::demo()).ok();
    let (first, before) = (one_line(world.run("token get")), world.stored());
    world.expire();
    let second = one_line(world.run("token get"));
    assert!(second != first && world.takes(&second));
    let after = world.stored();
    assert_eq!(after["access_token"], second);
    assert_ne!(after["refresh_token"], before["refresh_token"]);
    for kept in ["issuer", "resource", "client_id", "asked_scope", "redirect_uri"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
}

#[test]
fn sec_479_processes_at_once_refresh_once() {
    let world = World::new();
    world.log_in(&User::demo()).ok();
    // The authorization server ends a login whose refresh token comes twice: a second round would fail.
    for _ in 0..2 {
        world.expire();
        let start = || world.folder.command(&world.arguments("token get")).spawn().unwrap();
        let children: Vec<Child> = (0..4).map(|_| start()).collect();
        let tokens: Vec<_> = children
            .into_iter()
            .map(|child| child.wait_with_output().unwrap())
            .map(|output| String::from_utf8(output.stdout).unwrap())
            .collect();
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
        assert!(world.takes(tokens[0].trim_end()), "{tokens:?}");
    }
}

#[test]
fn rfc_7009_a_logout_revokes_and_forgets() {
    let world = World::new();
    world.log_in(&User::demo()).ok();
    world.expire();
    let (path, copy) = (world.record(), fs::read(world.record()).unwrap());
    let outcome = world.run("logout --json").json();
    assert_eq!(outcome, json!({ "forgotten": true, "revoked": true }));
    assert!(!path.exists());
    world.run("token get").refused(1, "no login");
    let again = world.run("logout");
    assert_eq!((again.status, again.stdout.trim_end()), (1, "there is no login for this server"));
    // Whoever kept a copy has nothing of it: its refresh token is dead.
    world.folder.write("copy", &copy);
    fs::rename(world.folder.path("copy"), &path).unwrap();
    world.run("token get").refused(1, "no login");
}

#[test]
fn a_logout_without_a_server_says_that_tokens_may_live_on() {
    let mut world = World::new();
    world.log_in(&User::demo()).ok();
    let url = world.url().to_owned();
    let elsewhere = world.runtime.block_on(ProtectedServer::sample().start()).unwrap();
    drop(std::mem::replace(&mut world.server, elsewhere));
    let arguments = ["logout", &url, "--store", "file", "--folder", "logins"];
    let shown = world.folder.run_with(&arguments, "").ok();
    assert!(shown.contains("forgotten, but may be in force"), "{shown}");
    let list = world.folder.run("login --list --store file --folder logins --json").json();
    assert_eq!(list, json!({ "logins": [] }));
}

#[test]
fn rfc_8628_a_login_with_a_code_for_another_machine() {
    let world = World::new();
    let shown = world.watched("login --device", |shown| {
        let mut lines = shown.lines().skip_while(|line| !line.starts_with("http"));
        let (page, code) = (lines.next()?, lines.next()?);
        // Its clock stands still: the first poll is not to be too early.
        world.server.clock().advance(5);
        world.runtime.block_on(User::demo().enter_code(page, code)).unwrap();
        Some(())
    });
    assert!(shown.ok().contains("is refreshed"));
    world.expire();
    assert!(world.takes(&one_line(world.run("token get"))));
    assert_eq!(world.run("logout --json").json()["revoked"], true);
}

#[test]
fn a_user_who_denies_is_no_login() {
    let world = World::new();
    world.log_in(&User::demo().who_denies()).refused(1, "access denied");
    world.run("token get").refused(1, "no login");
}

#[cfg(unix)]
#[test]
fn sec_481_what_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.log_in(&User::demo()).ok();
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (folder, record) = (world.folder.path("logins"), world.record());
    assert_eq!((mode(&folder), mode(&record)), (0o700, 0o600));
    for (path, wrong, right) in [(&folder, 0o755, 0o700), (&record, 0o644, 0o600)] {
        fs::set_permissions(path, PermissionsExt::from_mode(wrong)).unwrap();
        world.run("token get").refused(2, "others may read or change it");
        world.run("login --no-browser").refused(1, "others may read or change it");
        fs::set_permissions(path, PermissionsExt::from_mode(right)).unwrap();
    }
    one_line(world.run("token get"));

    world.folder.write("secret", "s");
    fs::set_permissions(world.folder.path("secret"), PermissionsExt::from_mode(0o644)).unwrap();
    let with_secret = "login --issuer https://as.example --client-id c --client-secret-file secret";
    world.run(with_secret).refused(1, "others may read or change it");
}

#[test]
fn a_record_that_cannot_be_read_stays_until_a_logout() {
    let world = World::new();
    world.log_in(&User::demo()).ok();
    let path = world.record();
    fs::write(&path, "{").unwrap();
    world.run("token get").refused(2, "cannot be read");
    world.run("login --no-browser").refused(1, "cannot be read");
    world.run("login --no-browser").refused(1, &format!("portcullis logout {}", world.url()));
    assert_eq!(fs::read(&path).unwrap(), b"{");
    let list = "login --list --store file --folder logins";
    world.folder.run(list).refused(1, "invalid data");
    // One whose server can be told hides no other.
    fs::write(&path, json!({ "server_url": world.url() }).to_string()).unwrap();
    let shown = world.folder.run(&format!("{list} --json"));
    assert!(shown.stderr.contains("portcullis logout"), "{}", shown.stderr);
    assert_eq!(shown.json(), json!({ "logins": [] }));
    assert!(world.run("logout").ok().contains("forgotten, but may be in force"));
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn a_browser_opens_and_without_a_keyring_there_are_files() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    // What desktops have to open a page, told to write down which one.
    let opener = "#!/bin/sh\nprintf %s \"$1\" > page.part && mv page.part page\n";
    fs::create_dir(world.folder.path("bin")).unwrap();
    world.folder.write("bin/xdg-open", opener);
    let set = |mode| fs::set_permissions(world.folder.path("bin/xdg-open"), mode).unwrap();
    set(PermissionsExt::from_mode(0o700));
    let path = format!("{}:/usr/bin:/bin", world.folder.path("bin").display());
    let command = |arguments: &[&str]| {
        let mut command = world.folder.command(arguments);
        command.env("PATH", &path).env("XDG_DATA_HOME", world.folder.path("data"));
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
        command
    };
    let child = command(&["login", world.url(), "--scope", "user", "--json"]).spawn();
    let deadline = Instant::now() + DEADLINE;
    while !world.folder.path("page").exists() {
        assert!(Instant::now() < deadline, "no page was opened");
        thread::sleep(Duration::from_millis(5));
    }
    world.visit(&User::demo(), &world.folder.read("page"));
    let output = child.unwrap().wait_with_output().unwrap();
    // Nothing but the object is on standard output.
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["store"], &shown["scope"]), (&json!("file"), &json!("user")));
    assert!(world.folder.path("data/portcullis/logins").is_dir());
    let token = command(&["token", "get", world.url()]).output().unwrap();
    assert!(world.takes(String::from_utf8(token.stdout).unwrap().trim_end()));
}
