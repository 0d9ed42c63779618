use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::super::site::{Site, Then};
use super::*;

/// A deadline for what is to miss it.
const SOON: Duration = Duration::from_millis(1_500);

/// A fetcher to whom every name has these addresses, and how often it asked.
fn fetcher(site: &Site, loopback: bool, addresses: &[&str]) -> (Fetcher, Arc<AtomicUsize>) {
    let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let resolve: Resolve = Arc::new(move |_, port| {
        counter.fetch_add(1, Ordering::SeqCst);
        let found = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        Box::pin(async move { Ok(found) })
    });
    let roots = [site.root.clone()];
    (Fetcher::new(&roots, loopback).unwrap().with_resolve(resolve), asked)
}

async fn fetch(fetcher: &Fetcher, url: &str) -> Result<Fetched, FetchError> {
    fetcher.fetch(DocumentUrl::parse(url, true).unwrap(), &DOCUMENT, SystemTime::UNIX_EPOCH).await
}

#[tokio::test]
async fn sec_280_sec_282_every_address_is_vetted_and_the_vetted_one_is_used() {
    let site = Site::named("localhost").await;
    site.document("/c", "", "{}");
    let (permitted, asked) = fetcher(&site, true, &["127.0.0.1"]);
    assert_eq!(fetch(&permitted, &site.url("/c")).await.unwrap().body, "{}");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the name is looked up once");
    assert_eq!(site.connections(), 1);
    for (loopback, addresses) in [
        (false, &["127.0.0.1"][..]),
        (false, &["::1"]),
        (false, &["::ffff:127.0.0.1"]),
        (false, &["93.184.216.34", "127.0.0.1"]),
        (true, &["127.0.0.1", "10.0.0.1"]),
        (true, &["127.0.0.1", "169.254.169.254"]),
        (true, &["127.0.0.1", "fd00::1"]),
        (true, &["0.0.0.0"]),
    ] {
        let (fetcher, _) = fetcher(&site, loopback, addresses);
        let refused = fetch(&fetcher, &site.url("/c")).await.unwrap_err();
        assert_eq!(refused, FetchError::Address, "{addresses:?}");
    }
    let (nowhere, _) = fetcher(&site, true, &[]);
    assert_eq!(fetch(&nowhere, &site.url("/c")).await.unwrap_err(), FetchError::Name);
    assert_eq!(site.connections(), 1, "no other connection");
}

#[tokio::test]
async fn an_address_that_is_dead_leaves_the_next() {
    let site = Site::named("localhost").await;
    site.document("/c", "", "{}");
    // Nothing listens on the second address of this machine at this port.
    let (fetcher, _) = fetcher(&site, true, &["127.0.0.2", "127.0.0.1"]);
    assert!(fetch(&fetcher, &site.url("/c")).await.is_ok());
}

#[tokio::test]
async fn sec_283_sec_284_only_a_plain_json_answer_is_taken() {
    let site = Site::named("localhost").await;
    let (fetcher, _) = fetcher(&site, true, &["127.0.0.1"]);
    let json = "content-type: application/json\r\n";
    for (head, fields, expected) in [
        ("200 OK", json, None),
        ("200 OK", "content-type: Application/JSON; charset=utf-8\r\n", None),
        (
            "301 Moved",
            "location: /c\r\ncontent-type: application/json\r\n",
            Some(FetchError::Status),
        ),
        (
            "302 Found",
            "location: /c\r\ncontent-type: application/json\r\n",
            Some(FetchError::Status),
        ),
        ("204 No Content", json, Some(FetchError::Status)),
        ("206 Partial Content", json, Some(FetchError::Status)),
        ("404 Not Found", json, Some(FetchError::Status)),
        ("500 Oops", json, Some(FetchError::Status)),
        ("200 OK", "", Some(FetchError::MediaType)),
        ("200 OK", "content-type: text/html\r\n", Some(FetchError::MediaType)),
        ("200 OK", "content-type: text/plain\r\n", Some(FetchError::MediaType)),
        (
            "200 OK",
            "content-type: application/json\r\ncontent-encoding: gzip\r\n",
            Some(FetchError::Encoding),
        ),
    ] {
        let answer = format!("HTTP/1.1 {head}\r\n{fields}content-length: 2\r\n\r\n{{}}");
        site.answer("/a", answer, Then::Close);
        let before = site.requests();
        let seen = fetch(&fetcher, &site.url("/a")).await.err();
        assert_eq!(seen, expected, "{head} {fields}");
        assert_eq!(site.requests(), before + 1, "nothing is followed or repeated");
    }
    site.answer("/a", "SSH-2.0-x\r\n", Then::Close);
    assert_eq!(fetch(&fetcher, &site.url("/a")).await.unwrap_err(), FetchError::Http);
}

#[tokio::test]
async fn lim_11_a_document_on_both_sides_of_the_limit() {
    let site = Site::named("localhost").await;
    let (fetcher, _) = fetcher(&site, true, &["127.0.0.1"]);
    for (len, expected) in [
        (DOCUMENT_LEN_MAX - 1, None),
        (DOCUMENT_LEN_MAX, None),
        (DOCUMENT_LEN_MAX + 1, Some(FetchError::TooLarge)),
    ] {
        site.document("/c", "", &" ".repeat(len));
        assert_eq!(fetch(&fetcher, &site.url("/c")).await.err(), expected, "{len}");
    }
    // Without a length, too.
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    site.answer("/c", endless, Then::Endless);
    let refused = fetch(&fetcher, &site.url("/c")).await.unwrap_err();
    assert!(matches!(refused, FetchError::TooLarge | FetchError::Deadline), "{refused:?}");
    // A head without end is none.
    site.answer("/c", "HTTP/1.1 200 OK\r\nx: ", Then::Endless);
    let refused = fetch(&fetcher, &site.url("/c")).await.unwrap_err();
    assert!(matches!(refused, FetchError::Http | FetchError::Deadline), "{refused:?}");
}

#[tokio::test]
async fn sec_284_a_stalled_answer_ends_at_the_deadline() {
    let site = Site::named("localhost").await;
    let (fetcher, _) = fetcher(&site, true, &["127.0.0.1"]);
    let fetcher = fetcher.with_deadline(SOON);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{";
    for part in [0, 12, head.len() - 1, head.len()] {
        site.answer("/c", head.get(..part).unwrap(), Then::Stall);
        let started = Instant::now();
        let refused = fetch(&fetcher, &site.url("/c")).await.unwrap_err();
        assert_eq!(refused, FetchError::Deadline, "{part}");
        assert!(started.elapsed() >= SOON);
    }
}

#[tokio::test]
async fn sec_284_the_certificate_must_be_for_the_name_and_from_a_trusted_authority() {
    let site = Site::named("other.example").await;
    site.document("/c", "", "{}");
    let (wrong_name, _) = fetcher(&site, true, &["127.0.0.1"]);
    assert_eq!(fetch(&wrong_name, &site.url("/c")).await.unwrap_err(), FetchError::Tls);
    let (good, stranger) = (Site::named("localhost").await, Site::named("localhost").await);
    good.document("/c", "", "{}");
    let (foreign_root, _) = fetcher(&stranger, true, &["127.0.0.1"]);
    assert_eq!(fetch(&foreign_root, &good.url("/c")).await.unwrap_err(), FetchError::Tls);
    let (own_root, _) = fetcher(&good, true, &["127.0.0.1"]);
    assert!(fetch(&own_root, &good.url("/c")).await.is_ok());
    assert_eq!(site.requests() + stranger.requests(), 0);
}

#[track_caller]
fn check_max_age(fields: &[&str], expected: Option<u64>) {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(header::CACHE_CONTROL, field.parse().unwrap());
    }
    assert_eq!(
        max_age(&headers, SystemTime::UNIX_EPOCH),
        expected.map(Duration::from_secs),
        "{fields:?}"
    );
}

#[test]
fn as_38_what_cache_control_says() {
    check_max_age(&[], None);
    check_max_age(&["public"], None);
    check_max_age(&["public, max-age=600"], Some(600));
    check_max_age(&["Max-Age=\"600\""], Some(600));
    check_max_age(&["max-age=600, no-store"], Some(0));
    check_max_age(&["max-age=600", "no-cache"], Some(0));
    check_max_age(&["max-age=600, max-age=30"], Some(30));
    check_max_age(&["max-age=-1"], Some(0));
    check_max_age(&["max-age=x"], Some(0));
    check_max_age(&["s-maxage=600"], None);
}

#[test]
fn as_38_what_expires_says() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // RFC 9110 §5.6.7
    let check = |fields: &[(&str, &str)], expected: Option<u64>| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        assert_eq!(max_age(&headers, now).map(|age| age.as_secs()), expected, "{fields:?}");
    };
    let later = ("expires", "Sun, 06 Nov 1994 08:59:37 GMT");
    check(&[later], Some(600));
    // The sender's clock counts where it is told.
    check(&[later, ("date", "Sun, 06 Nov 1994 08:58:37 GMT")], Some(60));
    check(&[later, ("date", "never")], Some(600));
    check(&[("expires", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(0));
    check(&[("expires", "Sun, 06 Nov 1994 08:49:36 GMT")], Some(0));
    check(&[("expires", "0")], Some(0));
    check(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], None);
    // RFC 9111 §5.3: what Cache-Control says wins.
    check(&[later, ("cache-control", "max-age=30")], Some(30));
    check(&[later, ("cache-control", "public")], Some(600));
}
