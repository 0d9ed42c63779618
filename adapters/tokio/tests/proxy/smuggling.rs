//! Requests that two readers could take for different ones.

use crate::{common::token, harness::*};

/// What would be a second request, should anybody take it for one.
const HIDDEN: &str = "GET /admin HTTP/1.1\r\nHost: inner\r\n\r\n";

#[tokio::test]
async fn sec_131_sec_412_no_other_target_reaches_the_upstream() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    for target in [
        "/",
        "//mcp",
        "/mcp/",
        "/mcp/..",
        "/mcp/../admin",
        "/x/../mcp",
        "/./mcp",
        "/mcp%2f..%2fadmin",
        "/mcp%2F",
        "/%6dcp",
        "/mcp;x",
        "/MCP",
        "/admin",
        "/inner/mcp?k=v",
        "http://inner/mcp",
        "https://evil.example/mcp",
        "http://mcp.example.com@inner/mcp",
    ] {
        let mut client = proxied.client().await;
        let request = post(&token("user"), "Connection: close\r\n");
        client.send(&request.replace("POST /mcp ", &format!("POST {target} "))).await;
        let answer = client.rest().await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "400" | "404" | "421"), "{target}: {answer}");
    }
    upstream.is_untouched();
}

#[tokio::test]
async fn the_target_is_that_of_the_settings_whatever_the_query_says() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    for target in ["/mcp", "/mcp?", "/mcp?k=other", "/mcp?/../admin", "/mcp?a%2fb"] {
        let mut client = proxied.client().await;
        let request = post(&token("user"), "Connection: close\r\n");
        client.send(&request.replace("POST /mcp ", &format!("POST {target} "))).await;
        let mut request = upstream.request().await;
        assert_eq!(request.request_line(), "POST /inner/mcp?k=v HTTP/1.1", "{target}");
        request.answer("200 OK\r\nConnection: close", "{}").await;
        assert!(client.rest().await.starts_with("HTTP/1.1 200"));
    }
}

/// However the client frames a message, the upstream gets one request with one length, or none.
#[tokio::test]
async fn sec_400_sec_401_sec_402_sec_414_one_request_is_one_request() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let (own, chunked) = (MESSAGE.len(), format!("{:x}\r\n{MESSAGE}\r\n0\r\n\r\n", MESSAGE.len()));
    let more = own + HIDDEN.len();
    for (framing, body) in [
        (format!("Content-Length: {own}\r\nContent-Length: {more}\r\n"), MESSAGE.to_owned()),
        (format!("Content-Length: {own}, {more}\r\n"), MESSAGE.to_owned()),
        (format!("Content-Length: +{own}\r\n"), MESSAGE.to_owned()),
        (format!("Content-Length: 0x{own:x}\r\n"), MESSAGE.to_owned()),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), chunked.clone()),
        ("Transfer-Encoding: chunked, identity\r\n".to_owned(), chunked.clone()),
        ("Transfer-Encoding : chunked\r\n".to_owned(), chunked.clone()),
        ("Transfer-Encoding:\r\n chunked\r\n".to_owned(), chunked.clone()),
        ("Content-Length\r\n: 5\r\n".to_owned(), MESSAGE.to_owned()),
        ("Transfer_Encoding: chunked\r\n".to_owned(), chunked.clone()),
        (format!("Content-Length: {more}\r\nTransfer-Encoding: chunked\r\n"), chunked.clone()),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {more}\r\n"), chunked.clone()),
    ] {
        let mut client = proxied.client().await;
        let fields = fields(&token("user"));
        client.send(&format!("POST /mcp HTTP/1.1\r\n{fields}{framing}\r\n{body}{HIDDEN}")).await;
        client.finish().await;
        let answer = client.rest().await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{framing:?}: {answer}");
        upstream.is_untouched();
    }
    // What follows the chunks is the client's own next request.
    for framing in [
        "Transfer-Encoding: chunked\r\n".to_owned(),
        "Transfer-Encoding: CHUNKED\r\nContent_Length: 3\r\n".to_owned(),
    ] {
        let mut client = proxied.client().await;
        let fields = fields(&token("user"));
        client.send(&format!("POST /mcp HTTP/1.1\r\n{fields}{framing}\r\n{chunked}{HIDDEN}")).await;
        let mut request = upstream.request().await;
        assert_eq!(request.request_line(), "POST /inner/mcp?k=v HTTP/1.1");
        assert_eq!((request.body.as_str(), request.values("content-length").len()), (MESSAGE, 1));
        request.answer("200 OK\r\nConnection: close", "{}").await;
        assert_eq!(client.answer().await.0, 200, "{framing:?}");
        // The hidden one meets the layer like any other, without a token and with a foreign host.
        client.finish().await;
        let next = client.rest().await;
        assert!(next.is_empty() || next.starts_with("HTTP/1.1 4"), "{framing:?}: {next}");
        upstream.is_untouched();
    }
}

#[tokio::test]
async fn sec_132_sec_390_sec_418_no_other_method_or_protocol() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let fields = fields(&token("user"));
    for line in
        ["TRACE /mcp", "HEAD /mcp", "PUT /mcp", "GET /mcp", "DELETE /mcp", "CONNECT inner:80"]
    {
        let mut client = proxied.client().await;
        client.send(&format!("{line} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n")).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{line}: {answer}");
    }
    let mut client = proxied.client().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!client.rest().await.contains(" 200 "));
    upstream.is_untouched();
}
