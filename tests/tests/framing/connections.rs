//! What a connection carries beside one whole request: what follows it, how it is cut, and what never ends.

use crate::{
    bench::{
        BAD, Bench,
        Want::{Accepted, Answered, Refused},
    },
    requests::{CHUNKED, Requests, bytes, message},
    servers::Outcome,
};

#[tokio::test]
async fn sec_414_sec_415_what_stands_behind_a_request() {
    let mut bench = Bench::start().await;
    let requests = Requests::new();
    let (call, hidden) = (requests.call(1, ""), requests.call(3, ""));
    bench.check(&call, Accepted).await;
    let length = format!("Content-Length: {}\r\n", hidden.len());
    for line in ["GET", "DELETE"] {
        let framed = requests.framed(&length, &hidden).replacen("POST", line, 1);
        bench.check(&framed, Answered(&[400, 405, 403])).await;
    }
    let unknown = requests.framed(&length, &hidden).replacen("Bearer ", "Bearer x", 1);
    bench.check(&unknown, Answered(&[401])).await;
    bench.check(&requests.framed("Content-Length: 0\r\n", ""), Answered(&[400])).await;
    bench.check(&requests.framed("", ""), Answered(&[400])).await;

    // The valid one is answered completely, then 400 and the end.
    for garbage in
        ["GARBAGE\r\n\r\n", "\0", "\r\n", "GET /mcp HTTP/1.1\n", "POST /mcp HTTP/9.9\r\n\r\n"]
    {
        let all = bytes(&format!("{call}{garbage}{}", requests.honest()));
        let expected = Outcome { statuses: vec![200, 400], bodies: vec![message(1).into_bytes()] };
        assert_eq!(bench.servers.device(&all).await, expected, "{garbage:?}");
        assert_eq!(bench.servers.desktop(&[&all]).await, expected, "{garbage:?}");
        assert_eq!(bench.servers.proxy(&all).await, expected, "{garbage:?}");
    }
}

#[tokio::test]
async fn sec_416_every_way_to_split_a_request() {
    let bench = Bench::start().await;
    let requests = Requests::new();
    let chunks = format!(
        "5;x=y\r\n{}\r\n{:x}\r\n{}\r\n0\r\nX: y\r\n\r\n",
        &message(1)[..5],
        message(1).len() - 5,
        &message(1)[5..]
    );
    let both = format!("{CHUNKED}Content-Length: 3\r\n");
    let good = Outcome {
        statuses: vec![200, 200],
        bodies: vec![message(1).into_bytes(), message(2).into_bytes()],
    };
    let bad = Outcome { statuses: vec![400], bodies: vec![] };
    for (request, expected) in [
        (requests.call(1, ""), &good),
        (requests.framed(CHUNKED, &chunks), &good),
        (requests.framed(&both, &chunks), &bad),
        (requests.chunk("5\n", "\r\n", "0\r\n\r\n"), &bad),
    ] {
        let (len, request) = (request.len(), bytes(&format!("{request}{}", requests.honest())));
        let single: Vec<&[u8]> = request.chunks(1).collect();
        assert_eq!(bench.servers.desktop(&single).await, *expected);
        for at in 1..=len {
            let (first, second) = request.split_at(at);
            assert_eq!(bench.servers.desktop(&[first, second]).await, *expected, "{at}");
        }
    }
}

#[tokio::test]
async fn sec_417_sec_418_expectations_and_upgrades() {
    let mut bench = Bench::start().await;
    let requests = Requests::new();
    for expectation in ["100-continue", "100-Continue"] {
        let line = format!("Expect: {expectation}\r\n");
        bench.check(&requests.call(1, &line), Accepted).await;
    }
    bench.check(&requests.framed("Expect: 100-continue\r\n", ""), Answered(&[400])).await;
    for expectation in ["200-ok", "", "100-continue, x", "100-continue\r\nExpect: x"] {
        let line = format!("Expect: {expectation}\r\n");
        bench.check(&requests.call(1, &line), Refused(&[417])).await;
    }
    let large = "Expect: 100-continue\r\nContent-Length: 10000000\r\n";
    bench.check(&requests.framed(large, ""), Refused(&[413])).await;
    for lines in [
        "Connection: upgrade\r\nUpgrade: h2c\r\n",
        "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ] {
        bench.check(&requests.call(1, lines), Accepted).await;
    }
    bench.check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD).await;
    for line in ["CONNECT mcp.example.com:80", "CONNECT /mcp"] {
        let line = format!("{line} HTTP/1.1");
        bench.check(&requests.with_line(&line), Answered(&[400, 403, 404, 405, 421])).await;
    }
}

#[tokio::test]
async fn sec_442_heads_without_end() {
    let mut bench = Bench::start().await;
    let requests = Requests::new();
    for lines in ["X: y\r\n".repeat(10_000), format!("X: {}\r\n", "y".repeat(16 * 1024))] {
        bench.check(&requests.call(1, &lines), Refused(&[431])).await;
    }
}
