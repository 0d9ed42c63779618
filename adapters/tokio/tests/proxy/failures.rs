//! An upstream that is not there, is slow, or lies. None of it is a challenge, and none shows what is in here.

use portcullis_tokio::proxy::UpstreamSettings;

use crate::{common::settings, harness::*};

#[track_caller]
fn is_failure((status, head, body): (u16, String, String), expected: u16, words: &str) {
    assert_eq!(status, expected, "{head}{body}");
    assert!(body.contains(words), "{body}");
    assert_eq!(values(&head, "cache-control"), ["no-store"]);
    for name in ["www-authenticate", "location", "set-cookie", "upgrade"] {
        assert!(values(&head, name).is_empty(), "{head}");
    }
    assert!(!body.contains("127.0.0.1") && !body.contains("inner"), "{body}");
}

#[tokio::test]
async fn nobody_there_is_502() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    drop(upstream);
    let mut client = proxied.call("").await;
    is_failure(client.answer().await, 502, "cannot be reached");
}

#[tokio::test]
async fn sec_420_an_answer_that_is_none_is_502() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let huge = format!("HTTP/1.1 200 OK\r\nX-Inner: {}\r\n\r\n", "a".repeat(512 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Inner: 1\r\n".repeat(200));
    for answer in [
        "",
        "SSH-2.0-inner\r\n\r\n",
        "HTTP/1.1 200",
        "HTTP/1.1 999999 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nX Inner: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        huge.as_str(),
        many.as_str(),
    ] {
        let mut client = proxied.call("").await;
        let mut request = upstream.request().await;
        request.peer.send(answer).await;
        drop(request);
        is_failure(client.answer().await, 502, "no usable answer");
    }
    // The twin, on the same client connection as a failure before it.
    let mut client = proxied.call("").await;
    drop(upstream.request().await);
    is_failure(client.answer().await, 502, "no usable answer");
    client.send(&post(&crate::common::token("user"), "")).await;
    upstream.request().await.answer("200 OK", "{}").await;
    assert_eq!(client.answer().await.0, 200);
}

/// RFC 9112 §6.3: a length that is said twice is one, and what follows the answer is no part of it.
#[tokio::test]
async fn sec_420_an_answer_with_two_lengths_has_one_for_the_client() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let chunked = "5\r\nhello\r\n0\r\n\r\n";
    for (head, body) in [
        ("Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked", chunked),
        ("Content-Length: 5\r\nContent-Length: 5", "hello"),
    ] {
        let mut client = proxied.call("Connection: close\r\n").await;
        let mut request = upstream.request().await;
        let hidden = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden";
        request.peer.send(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}{hidden}")).await;
        let answer = client.rest().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let lengths = [values(head, "content-length"), values(head, "transfer-encoding")].concat();
        assert_eq!((lengths.len(), answer.matches("HTTP/1.1").count()), (1, 1), "{answer}");
        assert!(body.contains("hello") && !body.contains("hidden"), "{answer}");
    }
}

#[tokio::test]
async fn what_the_upstream_wants_of_the_proxy_is_no_challenge_to_the_client() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    for (answer, words) in [
        (
            "401 Unauthorized\r\nWWW-Authenticate: Bearer resource_metadata=\"http://inner/\"",
            "does not accept the proxy",
        ),
        (
            "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic",
            "does not accept the proxy",
        ),
        ("302 Found\r\nLocation: http://127.0.0.1/inner", "a redirect"),
        ("307 Temporary Redirect\r\nLocation: /inner", "a redirect"),
        ("304 Not Modified", "a redirect"),
    ] {
        let mut client = proxied.call("").await;
        upstream.request().await.answer(&format!("{answer}\r\nConnection: close"), "inner").await;
        is_failure(client.answer().await, 502, words);
    }
    let mut client = proxied.call("Connection: upgrade\r\nUpgrade: websocket\r\n").await;
    let mut request = upstream.request().await;
    assert!(request.values("upgrade").is_empty());
    request
        .peer
        .send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.0, 502);
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let mut client = proxied.call("").await;
    let mut request = upstream.request().await;
    request.peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <http://inner/>\r\n\r\n").await;
    request.answer("200 OK", "{}").await;
    let (status, head, body) = client.answer().await;
    assert_eq!((status, body.as_str()), (200, "{}"));
    assert!(!head.contains("inner"));
}

#[tokio::test]
async fn a_silent_upstream_is_504_and_its_request_is_cancelled() {
    let upstream = Upstream::start().await;
    let mut with = UpstreamSettings::new(upstream.url());
    with.limits.answer_secs = 1;
    let proxied = Proxied::start(settings(), with).await;
    let mut client = proxied.call("").await;
    let mut request = upstream.request().await;
    is_failure(client.answer().await, 504, "not answer in time");
    assert_eq!(request.peer.rest().await, "");
}

#[tokio::test]
async fn an_upstream_that_shakes_no_hands_is_504() {
    let upstream = Upstream::start().await;
    let mut with = UpstreamSettings::new(upstream.url().replace("http:", "https:"));
    with.limits.connect_millis = 100;
    let proxied = Proxied::start(settings(), with).await;
    let mut client = proxied.call("").await;
    is_failure(client.answer().await, 504, "not answer in time");
}

/// The client can tell a broken answer from a whole one.
#[tokio::test]
async fn an_answer_that_breaks_off_does_so_for_the_client() {
    let upstream = Upstream::start().await;
    let mut with = UpstreamSettings::new(upstream.url());
    with.limits.idle_secs = 1;
    let proxied = Proxied::start(settings(), with).await;
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    // It dies; its chunks are wrong; it falls silent.
    for (sent, dies) in [
        ("8\r\ndata: 1\n\r\n", true),
        ("8\r\ndata: 1\n\r\nzz\r\n", false),
        ("8\r\ndata: 1\n\r\n", false),
    ] {
        let mut client = proxied.call("").await;
        let mut request = upstream.request().await;
        request.peer.send(&format!("{head}{sent}")).await;
        client.until("data: 1\n").await;
        let kept = (!dies).then_some(request);
        let rest = client.rest().await;
        assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
        drop(kept);
    }
    let mut client = proxied.call("").await;
    let mut request = upstream.request().await;
    request.peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345").await;
    drop(request);
    assert!(client.rest().await.ends_with("12345"));
}

#[tokio::test]
async fn too_many_at_once_are_503_and_a_place_comes_free() {
    let upstream = Upstream::start().await;
    let mut with = UpstreamSettings::new(upstream.url());
    with.limits.requests = 1;
    let proxied = Proxied::start(settings(), with).await;
    let first = proxied.call("").await;
    let mut request = upstream.request().await;
    let mut second = proxied.call("").await;
    let (status, head, body) = second.answer().await;
    assert_eq!(values(&head, "retry-after"), ["1"]);
    is_failure((status, head, body), 503, "too many");
    drop(first);
    assert_eq!(request.peer.rest().await, "");
    // The place is free once the cancelled request is gone, which is when its connection is.
    let mut third = proxied.call("").await;
    upstream.request().await.answer("200 OK", "{}").await;
    assert_eq!(third.answer().await.0, 200);
}
