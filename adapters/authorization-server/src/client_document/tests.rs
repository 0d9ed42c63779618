use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use serde_json::json;

use super::site::{Site, Then};
use super::*;
use crate::clock::Clock;
use crate::settings::{Resource, TokenFormat};

struct World {
    site: Site,
    settings: Settings,
    documents: Documents,
    now_secs: Arc<AtomicU64>,
}

async fn world(change: impl FnOnce(&mut Settings)) -> World {
    let site = Site::named("localhost").await;
    let now_secs = Arc::new(AtomicU64::new(1_800_000_000));
    let hand = Arc::clone(&now_secs);
    let clock =
        Clock::from_fn(move || UNIX_EPOCH + Duration::from_secs(hand.load(Ordering::SeqCst)));
    let resource = Resource::new("http://localhost:8001/mcp", "Clock", TokenFormat::Opaque);
    let mut settings = Settings::new("http://localhost:9000")
        .unwrap()
        .with_resource(resource.unwrap().with_scope("user", "words"))
        .with_clock(clock);
    settings.client_documents.loopback_for_development = true;
    settings.client_documents.extra_roots = vec![site.root.clone()];
    change(&mut settings);
    settings.check().unwrap();
    let documents = Documents::new(&settings).unwrap();
    World { site, settings, documents, now_secs }
}

fn peer(number: u8) -> Peer {
    Peer::from(std::net::IpAddr::from([192, 0, 2, number]))
}

impl World {
    fn publish(&self, path: &str, fields: &str) -> String {
        let url = self.site.url(path);
        let body = json!({
            "client_id": url, "client_name": "App", "redirect_uris": ["http://localhost/cb"],
        });
        self.site.document(path, fields, &body.to_string());
        url
    }

    async fn look_up(&self, url: &str) -> Result<(), LookUpError> {
        self.look_up_for(url, 1).await
    }

    async fn look_up_for(&self, url: &str, number: u8) -> Result<(), LookUpError> {
        self.documents.look_up(url, peer(number), &self.settings).await
    }

    fn pass_secs(&self, secs: u64) {
        self.now_secs.fetch_add(secs, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn as_38_a_good_document_is_fetched_once_while_it_is_fresh() {
    let world = world(|_| {}).await;
    let url = world.publish("/c", "cache-control: max-age=120\r\n");
    assert!(world.documents.known(&url).is_none());
    for _ in 0..3 {
        assert_eq!(world.look_up(&url).await, Ok(()));
    }
    assert_eq!(world.site.requests(), 1);
    assert_eq!(world.documents.known(&url).unwrap().client_id.as_str(), url);
    world.pass_secs(119);
    assert_eq!(world.look_up(&url).await, Ok(()));
    assert_eq!(world.site.requests(), 1);
    world.pass_secs(1);
    assert_eq!(world.look_up(&url).await, Ok(()));
    assert_eq!(world.site.requests(), 2);
}

#[tokio::test]
async fn sec_284_a_failure_is_no_success_and_ends_what_was_known() {
    let world = world(|_| {}).await;
    let url = world.publish("/c", "");
    assert_eq!(world.look_up(&url).await, Ok(()));
    world.pass_secs(5 * 60);
    world.site.answer("/c", "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", Then::Close);
    assert_eq!(world.look_up(&url).await, Err(LookUpError::Unknown));
    assert!(world.documents.known(&url).is_none());
    // For a moment its host is spared; then it is asked again, and the failure is forgotten.
    world.publish("/c", "");
    assert_eq!(world.look_up(&url).await, Err(LookUpError::Unknown));
    assert_eq!(world.site.requests(), 2);
    world.pass_secs(5);
    assert_eq!(world.look_up(&url).await, Ok(()));
}

#[tokio::test]
async fn sec_287_one_refusal_for_everything_and_none_at_once() {
    let world = world(|_| {}).await;
    world.site.document("/not-json", "", "<html>");
    world.site.document("/other-id", "", r#"{"client_id":"https://other.example/c"}"#);
    world.site.answer("/moved", "HTTP/1.1 302 Found\r\nlocation: /c\r\n\r\n", Then::Close);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [
        world.site.url("/not-json"),
        world.site.url("/other-id"),
        world.site.url("/moved"),
        world.site.url("/nothing"),
        format!("https://localhost:{nobody}/c"),
    ] {
        let started = Instant::now();
        assert_eq!(world.look_up(&url).await, Err(LookUpError::Unknown), "{url}");
        assert!(started.elapsed() >= REFUSAL_TIME, "{url}");
    }
}

#[tokio::test]
async fn sec_281_sec_288_what_is_never_asked() {
    let world = world(|settings| {
        settings.issuer = "http://localhost:9000".into();
        settings.client_documents.hosts = Some(vec!["app.example".into(), "localhost".into()]);
    })
    .await;
    let url = world.publish("/c", "");
    assert_eq!(world.look_up(&url).await, Ok(()));
    for refused in [
        format!("https://127.0.0.1:{}/c", world.site.port),
        format!("https://localhost.:{}/c", world.site.port),
        format!("http://localhost:{}/c", world.site.port),
        format!("{url}?x=1"),
        // The server itself.
        "https://localhost:9000/c".into(),
        // Not on the list.
        "https://other.example/c".into(),
    ] {
        let before = world.site.connections();
        assert_eq!(world.look_up(&refused).await, Err(LookUpError::Unknown), "{refused}");
        assert_eq!(world.site.connections(), before);
    }
}

#[tokio::test]
async fn as_20_documents_can_be_turned_off() {
    let world = world(|settings| settings.client_documents.offered = false).await;
    let url = world.publish("/c", "");
    assert_eq!(world.look_up(&url).await, Err(LookUpError::Unknown));
    assert_eq!(world.site.connections(), 0);
}

#[tokio::test]
async fn sec_287_fetches_are_counted_by_peer_and_by_host() {
    let world = world(|settings| {
        settings.limits.document_fetches_per_peer_per_minute = 2;
        settings.limits.document_fetches_per_host_per_minute = 3;
    })
    .await;
    let urls: Vec<String> = (0..5).map(|number| world.publish(&format!("/{number}"), "")).collect();
    assert_eq!(world.look_up_for(&urls[0], 1).await, Ok(()));
    assert_eq!(world.look_up_for(&urls[1], 1).await, Ok(()));
    assert_eq!(world.look_up_for(&urls[2], 1).await, Err(LookUpError::TooMany));
    assert_eq!(world.look_up_for(&urls[0], 1).await, Ok(()), "what is fresh costs nothing");
    assert_eq!(world.look_up_for(&urls[2], 2).await, Ok(()));
    assert_eq!(world.look_up_for(&urls[3], 3).await, Err(LookUpError::TooMany));
    world.pass_secs(60);
    assert_eq!(world.look_up_for(&urls[3], 1).await, Ok(()));
}

#[tokio::test]
async fn sec_290_a_host_that_stalls_keeps_no_other_waiting() {
    let world = Arc::new(world(|_| {}).await);
    // It takes connections and says nothing.
    let stalled = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stalled_url = format!("https://localhost:{}/c", stalled.local_addr().unwrap().port());
    let waiting: Vec<_> = (0..4)
        .map(|number| {
            let (world, url) = (Arc::clone(&world), stalled_url.clone());
            tokio::spawn(async move { world.look_up_for(&url, number).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let url = world.publish("/c", "");
    let started = Instant::now();
    assert_eq!(world.look_up_for(&url, 9).await, Ok(()));
    assert!(started.elapsed() < WAIT, "not behind those who wait");
    for waiting in waiting {
        assert!(waiting.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn callers_who_ask_at_once_share_one_fetch() {
    let world = Arc::new(world(|_| {}).await);
    let url = world.publish("/c", "");
    let callers: Vec<_> = (0..8)
        .map(|number| {
            let (world, url) = (Arc::clone(&world), url.clone());
            tokio::spawn(async move { world.look_up_for(&url, number).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Ok(()));
    }
    assert_eq!(world.site.requests(), 1);
}
