//! Logins that are kept over restarts, and shared between processes: each client here is one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{super::store::Kept, world::browse, *};

/// A client that begins with what is stored in the folder.
fn process(world: &World, folder: impl Into<PathBuf>) -> McpClient {
    with(world, FileStore::new(folder))
}

fn with(world: &World, store: impl TokenStore + 'static) -> McpClient {
    let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
    McpClient::with_authorizer(Arc::new(authorizer.with_store(store)))
}

fn folder() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("logins");
    (parent, folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn record(folder: &Path) -> PathBuf {
    let mut records = files(folder);
    records.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

fn is_store_error(outcome: Result<serde_json::Value, McpError>) -> StoreError {
    match outcome {
        Err(McpError::Authorize(AuthorizeError::Store(error))) => error,
        other => panic!("{other:?}"),
    }
}

/// A client that has looked at what is stored in the folder.
async fn loaded(world: &World, folder: &Path) -> McpClient {
    let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
    let authorizer = authorizer.with_store(FileStore::new(folder));
    authorizer.stored_login().await.unwrap().unwrap();
    McpClient::with_authorizer(Arc::new(authorizer))
}

/// A login whose time has come, in this folder.
async fn due(world: &World, folder: &Path) {
    process(world, folder).list_tools().await.unwrap();
    let path = record(folder);
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["refresh_at"] = json!(1);
    fs::write(&path, record.to_string()).unwrap();
}

#[tokio::test]
async fn cl_84_a_login_outlives_the_program() {
    let (_parent, folder) = folder();
    let world = World::honest().await;
    process(&world, &folder).list_tools().await.unwrap();
    let before = world.paths().len();
    let client = process(&world, &folder);
    client.list_tools().await.unwrap();
    assert_eq!(world.paths()[before..], ["/mcp"]);
    let login = client.login().await.unwrap();
    assert_eq!((login.asked_scope(), login.client_id()), ("user", "c-1"));
    assert_eq!((login.issuer(), login.resource()), (&*world.issuer, &*world.resource));
    assert_eq!(FileStore::new(&folder).servers().unwrap(), std::slice::from_ref(&world.resource));

    // SEC-475: another server begins with nothing.
    let other = World::honest().await;
    let client = process(&other, &folder);
    client.list_tools().await.unwrap();
    assert_eq!(other.seen("/mcp")[0].field("authorization"), None);
}

#[tokio::test]
async fn cl_85_what_was_denied_outlives_the_program() {
    let (_parent, folder) = folder();
    let world = World::with(|world, seen| {
        if seen.path == "/token" {
            // Whatever is asked for, the user agrees to one scope.
            world.known.lock().unwrap().tokens += 1;
            let number = world.known.lock().unwrap().tokens;
            let token = format!("at-{number}");
            let tokens = json!({ "access_token": token, "token_type": "Bearer", "scope": "user" });
            return Some(json_body(200, tokens.to_string()));
        }
        seen.field("authorization")?;
        let mut response = text(403, "text/plain", "");
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"admin\"";
        response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
        (seen.field("mcp-name") == Some("wipe")).then_some(response)
    })
    .await;
    for _ in 0..2 {
        let outcome = process(&world, &folder).call_tool("wipe", json!({})).await;
        assert!(matches!(outcome, Err(McpError::Refused { status: 403, .. })), "{outcome:?}");
        // The user was asked when logging in, and once more; the second process asks nobody.
        assert_eq!(world.seen("/authorize").len(), 2);
        let stored = fs::read_to_string(record(&folder)).unwrap();
        assert!(stored.contains(r#""scope":"user","denied_scope":"admin""#), "{stored}");
    }
}

#[tokio::test]
async fn sec_479_processes_at_once_refresh_once() {
    let (_parent, folder) = folder();
    let world = World::honest().await;
    due(&world, &folder).await;
    let (one, two, three) =
        (process(&world, &folder), process(&world, &folder), process(&world, &folder));
    let (a, b, c) = tokio::join!(one.list_tools(), two.list_tools(), three.list_tools());
    assert!(a.is_ok() && b.is_ok() && c.is_ok(), "{a:?} {b:?} {c:?}");
    assert_eq!((world.seen("/token").len(), world.seen("/authorize").len()), (2, 1));
}

#[tokio::test]
async fn sec_479_a_process_whose_token_was_replaced_takes_the_new_one() {
    let (_parent, folder) = folder();
    let world = World::honest().await;
    due(&world, &folder).await;
    let old = loaded(&world, &folder).await;
    process(&world, &folder).list_tools().await.unwrap();
    let before = world.paths().len();
    old.list_tools().await.unwrap();
    assert_eq!(world.paths()[before..], ["/mcp"]);
    assert_eq!(old.login().await.unwrap().access_token(), "at-2");
}

#[tokio::test]
async fn sec_479_the_newest_refresh_token_is_used_though_the_access_token_is_the_same() {
    let (_parent, folder) = folder();
    let world = World::with(|world, seen| {
        if seen.path != "/token" || !world.token(seen).status().is_success() {
            return None;
        }
        let refresh_token = format!("rt-{}", world.known.lock().unwrap().tokens);
        let tokens = json!({
            "access_token": "same", "refresh_token": refresh_token, "token_type": "Bearer",
        });
        Some(json_body(200, tokens.to_string()))
    })
    .await;
    let authorizer = || {
        let new = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
        new.with_store(FileStore::new(&folder))
    };
    authorizer().log_in().await.unwrap();
    let path = record(&folder);
    let stored = fs::read_to_string(&path).unwrap();
    let mut stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    stored["refresh_at"] = json!(1);
    fs::write(&path, stored.to_string()).unwrap();
    let (one, other) = (authorizer(), authorizer());
    one.stored_login().await.unwrap();
    other.fresh_login().await.unwrap();
    // Another process used the first refresh token up: whoever shows it again is taken for a thief.
    let login = one.fresh_login().await.unwrap().unwrap();
    assert!(login.is_refreshable());
    for seen in world.seen("/token").iter().skip(2) {
        assert_ne!(seen.parameter("refresh_token").as_deref(), Some("rt-1"));
    }
}

#[tokio::test]
async fn a_login_that_another_process_forgot_is_forgotten() {
    let (_parent, folder) = folder();
    let world = World::honest().await;
    due(&world, &folder).await;
    let client = loaded(&world, &folder).await;
    let other = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
    let other = other.with_store(FileStore::new(&folder));
    assert!(other.forget().await.unwrap());
    assert!(!other.forget().await.unwrap());
    client.list_tools().await.unwrap();
    // Not refreshed: the user logged in again.
    assert_eq!(world.seen("/authorize").len(), 2);
}

#[tokio::test]
async fn rfc_7009_a_login_that_ends_is_revoked_and_forgotten() {
    let revoked = Arc::new(AtomicBool::new(true));
    let willing = Arc::clone(&revoked);
    let world = World::with(move |world, seen| match seen.path.as_str() {
        AS => {
            let endpoint = format!("{{\"revocation_endpoint\":\"{}/revoke\",", world.issuer);
            Some(json_body(200, world.issuer_document().replacen('{', &endpoint, 1)))
        }
        "/revoke" => {
            let status = if willing.load(Ordering::Relaxed) { 200 } else { 503 };
            Some(text(status, "text/plain", ""))
        }
        _ => None,
    })
    .await;
    let (_parent, folder) = folder();
    let authorizer = || {
        let new = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
        new.with_store(FileStore::new(&folder))
    };
    assert!(matches!(authorizer().log_out().await, Ok(LoggedOut::NoLogin)));
    authorizer().log_in().await.unwrap();
    assert!(matches!(authorizer().log_out().await, Ok(LoggedOut::Revoked)));
    let request = &world.seen("/revoke")[0];
    assert_eq!(request.parameter("token").as_deref(), Some("rt-1"));
    assert_eq!(request.parameter("client_id").as_deref(), Some("c-1"));
    assert!(authorizer().fresh_login().await.unwrap().is_none());

    // A server in trouble keeps nobody from forgetting.
    authorizer().log_in().await.unwrap();
    revoked.store(false, Ordering::Relaxed);
    let outcome = authorizer().log_out().await;
    assert!(matches!(outcome, Ok(LoggedOut::NotRevoked(NotRevoked::Revocation(_)))), "{outcome:?}");
    assert!(authorizer().fresh_login().await.unwrap().is_none());
}

#[tokio::test]
async fn sec_480_a_new_refresh_token_is_stored_before_anything_is_used() {
    let (_parent, folder) = folder();
    let stored = Arc::new(AtomicBool::new(false));
    let (seen_by_server, watched) = (Arc::clone(&stored), folder.clone());
    let world = World::with(move |_, seen| {
        if seen.field("authorization") == Some("Bearer at-2") {
            let text = fs::read_to_string(record(&watched)).unwrap();
            seen_by_server.store(text.contains("rt-2"), Ordering::Relaxed);
        }
        let old = seen.field("authorization") == Some("Bearer at-1");
        (old && seen.field("mcp-name") == Some("again")).then(|| text(401, "text/plain", ""))
    })
    .await;
    let client = process(&world, &folder);
    client.list_tools().await.unwrap();
    client.call_tool("again", json!({})).await.unwrap();
    assert!(stored.load(Ordering::Relaxed));
    // What a crash right then leaves is enough to go on.
    drop(client);
    process(&world, &folder).list_tools().await.unwrap();
    assert_eq!((world.seen("/token").len(), world.seen("/authorize").len()), (2, 1));
}

/// A store whose medium is full while the switch is on.
struct Full(FileStore, Arc<AtomicBool>);

impl TokenStore for Full {
    fn read(&self, server_url: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.0.read(server_url)
    }

    fn write(&self, server_url: &str, record: &[u8]) -> Result<(), StoreError> {
        if self.1.load(Ordering::Relaxed) {
            return Err(StoreError::Io("full".into(), io::ErrorKind::StorageFull.into()));
        }
        self.0.write(server_url, record)
    }

    fn remove(&self, server_url: &str) -> Result<bool, StoreError> {
        self.0.remove(server_url)
    }

    fn servers(&self) -> Result<Vec<String>, StoreError> {
        self.0.servers()
    }

    fn lock(&self, server_url: &str) -> Result<StoreLock, StoreError> {
        self.0.lock(server_url)
    }
}

#[tokio::test]
async fn sec_480_tokens_that_cannot_be_stored_are_not_used_and_not_lost() {
    let (_parent, folder) = folder();
    let world = World::honest().await;
    due(&world, &folder).await;
    let is_full = Arc::new(AtomicBool::new(true));
    let client = with(&world, Full(FileStore::new(&folder), Arc::clone(&is_full)));
    let before = world.seen("/mcp").len();
    for _ in 0..2 {
        assert!(matches!(is_store_error(client.list_tools().await), StoreError::Io(..)));
    }
    assert_eq!((world.seen("/mcp").len(), world.seen("/token").len()), (before, 2));
    is_full.store(false, Ordering::Relaxed);
    client.list_tools().await.unwrap();
    assert_eq!(world.seen("/token").len(), 2);
    assert!(fs::read_to_string(record(&folder)).unwrap().contains("rt-2"));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_an_error_and_stays() {
    let (_parent, folder) = folder();
    let world = World::honest().await;
    process(&world, &folder).list_tools().await.unwrap();
    let (before, path) = (world.paths().len(), record(&folder));
    let good = fs::read(&path).unwrap();
    let foreign =
        String::from_utf8(good.clone()).unwrap().replace(&world.resource, "https://x/mcp");
    for bad in [&good[..good.len() / 2], b"", b"{}", foreign.as_bytes()] {
        fs::write(&path, bad).unwrap();
        let error = is_store_error(process(&world, &folder).list_tools().await);
        assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("at-1"));
        assert_eq!(fs::read(&path).unwrap(), bad);
    }
    let long = [&good[..], &vec![b' '; RECORD_LEN_MAX]].concat();
    fs::write(&path, long).unwrap();
    assert!(matches!(
        is_store_error(process(&world, &folder).list_tools().await),
        StoreError::TooLong
    ));
    assert_eq!(world.paths().len(), before);
    fs::write(&path, good).unwrap();
    process(&world, &folder).list_tools().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn sec_481_what_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set =
        |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let (_parent, folder) = folder();
    let world = World::honest().await;
    process(&world, &folder).list_tools().await.unwrap();
    let (before, path) = (world.paths().len(), record(&folder));
    assert_eq!(mode(&folder), 0o700);
    for path in files(&folder) {
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
    for (wrong, right, modes) in
        [(&path, 0o600, [0o640, 0o604, 0o620]), (&folder, 0o700, [0o750, 0o705, 0o701])]
    {
        for refused in modes {
            set(wrong, refused);
            let error = is_store_error(process(&world, &folder).list_tools().await);
            assert!(matches!(error, StoreError::NotPrivate(_)), "{refused:o} {error:?}");
        }
        set(wrong, right);
    }
    let aside = folder.join("aside");
    fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &path).unwrap();
    let error = is_store_error(process(&world, &folder).list_tools().await);
    assert!(matches!(error, StoreError::NotAFile(_)), "{error:?}");
    assert_eq!(world.paths().len(), before);
}

#[tokio::test]
async fn sec_481_sec_320_secrets_are_in_the_record_alone() {
    let (_parent, folder) = folder();
    let world = World::honest().await;
    let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
    let authorizer = authorizer.with_store(FileStore::new(&folder));
    authorizer.log_in().await.unwrap();
    let record = record(&folder);
    assert!(fs::read_to_string(&record).unwrap().contains("rt-1"));
    for path in files(&folder).iter().filter(|path| **path != record) {
        let text = fs::read_to_string(path).unwrap();
        assert!(!["at-1", "rt-1"].iter().any(|secret| text.contains(secret)), "{path:?}");
    }
    let shown =
        format!("{authorizer:?} {:?} {:?}", authorizer.login().await, authorizer.operation());
    assert!(!["at-1", "rt-1"].iter().any(|secret| shown.contains(secret)), "{shown}");
}

#[test]
fn sec_480_what_a_crash_left_aside_is_not_read() {
    let (_parent, folder) = folder();
    let store = FileStore::new(&folder);
    let url = "https://mcp.example/mcp";
    let _lock = store.lock(url).unwrap();
    store.write(url, b"old").unwrap();
    let half = record(&folder).with_extension("new");
    fs::write(&half, b"ne").unwrap();
    assert_eq!(**store.read(url).unwrap().unwrap(), *b"old");
    store.write(url, b"new").unwrap();
    assert_eq!(**store.read(url).unwrap().unwrap(), *b"new");
    assert!(!half.exists());
}

#[tokio::test]
async fn what_cannot_be_written_takes_no_records_place() {
    let (_parent, folder) = folder();
    let url: Arc<str> = "https://mcp.example/mcp".into();
    let kept = Kept { store: Arc::new(FileStore::new(&folder)), server_url: url };
    kept.write(Zeroizing::new(vec![b'x'; RECORD_LEN_MAX])).await.unwrap();
    let empty = kept.write(Zeroizing::default()).await;
    assert!(matches!(empty, Err(StoreError::NotStorable)), "{empty:?}");
    let long = kept.write(Zeroizing::new(vec![b'y'; RECORD_LEN_MAX + 1])).await;
    assert!(matches!(long, Err(StoreError::TooLong)), "{long:?}");
    assert_eq!(fs::read(record(&folder)).unwrap(), [b'x'; RECORD_LEN_MAX]);
}

#[test]
fn sec_479_one_at_a_time_has_the_lock() {
    let (_parent, folder) = folder();
    let inside = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let _lock = FileStore::new(&folder).lock("https://mcp.example/mcp").unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    // Another server's lock is another one.
    let store = FileStore::new(&folder);
    let _both = (store.lock("https://a/").unwrap(), store.lock("https://b/").unwrap());
}

#[cfg(feature = "keyring")]
#[tokio::test]
async fn sec_481_a_login_in_a_keyring() {
    let (_parent, folder) = folder();
    let world = World::honest().await;
    let keyring = keyring_core::mock::Store::new().unwrap();
    let store = || KeyringStore::with(keyring.clone(), "portcullis-test", &folder);
    with(&world, store()).list_tools().await.unwrap();
    let before = world.paths().len();
    with(&world, store()).list_tools().await.unwrap();
    assert_eq!(world.paths()[before..], ["/mcp"]);
    assert_eq!(store().servers().unwrap(), std::slice::from_ref(&world.resource));
    for path in files(&folder) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!["at-1", "rt-1"].iter().any(|secret| text.contains(secret)), "{path:?}");
    }
    assert!(store().remove(&world.resource).unwrap());
    assert!(!store().remove(&world.resource).unwrap());
    assert_eq!(store().servers().unwrap(), Vec::<String>::new());
    assert!(store().read(&world.resource).unwrap().is_none());
}
