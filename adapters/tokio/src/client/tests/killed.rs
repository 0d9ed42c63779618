//! A process that is killed in the middle of a refresh, while another one waits for its turn.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Instant,
};

use super::{world::browse, *};

const SERVER: &str = "PORTCULLIS_TEST_SERVER";
const FOLDER: &str = "PORTCULLIS_TEST_FOLDER";
const STOP_AT: &str = "PORTCULLIS_TEST_STOP_AT";
/// What a process makes when it has stopped.
const STOPPED: &str = "stopped";
/// For whatever is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where a process stops, beside the requests that the authorization server does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Point {
    /// The tokens are there, and nothing is stored.
    BeforeTheWrite,
    /// Half of the new file is written.
    InTheWrite,
    /// The new file is written, and has not its name yet.
    BeforeTheRename,
    /// The new file has its name.
    AfterTheRename,
}

impl Point {
    /// Stops here for ever, if this is the process that is to.
    pub(in crate::client) fn reached(self) {
        if env::var(STOP_AT).is_ok_and(|at| at == format!("{self:?}")) {
            fs::write(folder().with_file_name(STOPPED), "").unwrap();
            loop {
                std::thread::park();
            }
        }
    }
}

fn folder() -> PathBuf {
    env::var(FOLDER).unwrap().into()
}

/// The process that is killed, and the other one.
#[tokio::test]
#[ignore = "another test starts it in a process of its own"]
async fn a_process_that_lists_tools() {
    let Ok(server) = env::var(SERVER) else { return };
    let options = Options { fetch_time_limit: 10 * DEADLINE, ..Options::new("Test client") };
    let authorizer = Authorizer::new(server, options, browse).unwrap();
    let client =
        McpClient::with_authorizer(Arc::new(authorizer.with_store(FileStore::new(folder()))));
    client.list_tools().await.unwrap();
}

fn start(world: &World, folder: &Path, stop_at: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "client::tests::killed::a_process_that_lists_tools"])
        .env(SERVER, &world.resource)
        .env(FOLDER, folder)
        .env(STOP_AT, stop_at)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it takes too long");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A world that does not answer the next request to the path that is set, once.
async fn stalling(path: &Arc<Mutex<Option<&'static str>>>) -> World {
    let path = Arc::clone(path);
    World::with(move |world, seen| {
        path.lock().unwrap().take_if(|path| *path == seen.path)?;
        // It is done, though nobody hears of it.
        let _ = world.honest_answer(seen);
        Some(text(200, "application/json", futures_pending("{")))
    })
    .await
}

fn record(folder: &Path) -> serde_json::Value {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut records = files.filter(|path| path.extension().is_some_and(|it| it == "json"));
    serde_json::from_slice(&fs::read(records.next().unwrap()).unwrap()).unwrap()
}

/// Makes the stored token one whose time is over.
fn expire(folder: &Path) {
    let mut record = record(folder);
    record["expires_at"] = json!(1);
    record["refresh_at"] = json!(1);
    FileStore::new(folder)
        .write(record["server_url"].as_str().unwrap(), record.to_string().as_bytes())
        .unwrap();
}

/// One process is killed where it stopped; `is_lost` says that the authorization server has given tokens that
/// no file has. Then only a new login helps, and the user is asked for one.
async fn check(stalled: Option<&'static str>, point: Option<Point>, is_lost: bool) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("logins");
    let path = Arc::default();
    let world = stalling(&path).await;
    let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
    authorizer.with_store(FileStore::new(&folder)).log_in().await.unwrap();
    expire(&folder);

    *path.lock().unwrap() = stalled;
    let stop_at = point.map(|point| format!("{point:?}")).unwrap_or_default();
    let mut first = start(&world, &folder, &stop_at);
    match stalled {
        Some(_) => until(|| path.lock().unwrap().is_none()).await,
        None => until(|| parent.path().join(STOPPED).exists()).await,
    }
    let second = start(&world, &folder, "");
    first.kill().unwrap();
    let status = first.wait().unwrap();
    assert!(!status.success(), "{status:?}");
    // Old or new, but whole.
    let left = record(&folder)["refresh_token"].clone();
    assert!(left.as_str().is_some_and(|token| token.starts_with("rt-")), "{left}");
    let ended = tokio::task::spawn_blocking(|| second.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");

    let sent = world.seen("/token");
    let uses = sent.iter().filter(|it| it.parameter("refresh_token").as_deref() == Some("rt-1"));
    // A server that hears one a second time refuses it: nobody has two tokens for it.
    assert_eq!(uses.count(), if is_lost { 2 } else { 1 }, "{point:?}");
    assert_eq!(world.seen("/authorize").len(), if is_lost { 2 } else { 1 }, "{point:?}");
    let newest = world.known.lock().unwrap().tokens;
    assert_eq!(newest, if is_lost { 3 } else { 2 }, "{point:?}");
    assert_eq!(record(&folder)["access_token"], format!("at-{newest}"));
    let calls = world.seen("/mcp");
    let served = calls.last().unwrap().field("authorization").map(str::to_owned);
    assert_eq!(served, Some(format!("Bearer at-{newest}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_480_a_process_that_dies_before_its_refresh_costs_nothing() {
    check(Some(AS), None, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_480_a_process_that_dies_when_its_tokens_are_stored_costs_nothing() {
    check(None, Some(Point::AfterTheRename), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_480_a_process_that_dies_with_the_only_tokens_costs_a_login() {
    check(Some("/token"), None, true).await;
    for point in [Point::BeforeTheWrite, Point::InTheWrite, Point::BeforeTheRename] {
        check(None, Some(point), true).await;
    }
}
