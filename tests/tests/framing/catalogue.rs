//! The cases of the catalogue that are one request.

use crate::{
    bench::{
        BAD, Bench,
        Want::{Accepted, Answered, Refused},
    },
    requests::{CHUNKED, HOST, Requests, message},
};

#[tokio::test]
async fn sec_400_two_kinds_of_framing() {
    let mut bench = Bench::start().await;
    let (body, requests) = (message(1), Requests::new());
    let (len, size) = (body.len(), format!("{:x}", body.len()));
    let chunks = format!("{size}\r\n{body}\r\n0\r\n\r\n");
    let length = format!("Content-Length: {len}\r\n");
    bench.check(&requests.framed(&length, &body), Accepted).await;
    bench.check(&requests.framed(CHUNKED, &chunks), Accepted).await;
    bench
        .check(
            &requests.framed("Transfer_Encoding: chunked\r\nContent-Length: 0\r\n", ""),
            Answered(&[400]),
        )
        .await;
    for lines in [format!("{length}{CHUNKED}"), format!("{CHUNKED}{length}")] {
        bench.check(&requests.framed(&lines, &chunks), BAD).await;
        bench.check(&requests.framed(&lines, &body), BAD).await;
    }
    // The length of the chunks, so that whichever reader is asked finds a whole body.
    let length = format!("Content-Length: {}\r\n", chunks.len());
    for lines in [format!("{length}{CHUNKED}"), format!("{CHUNKED}X: y\r\n{length}")] {
        bench.check(&requests.framed(&lines, &chunks), BAD).await;
    }
}

#[tokio::test]
async fn sec_401_lengths() {
    let mut bench = Bench::start().await;
    let (body, requests) = (message(1), Requests::new());
    let len = body.len();
    for value in [format!("{len}"), format!("\t {len} \t")] {
        bench
            .check(&requests.framed(&format!("Content-Length:{value}\r\n"), &body), Accepted)
            .await;
    }
    let line = |value: &str| format!("Content-Length: {value}\r\n");
    for second in [len, len - 1, len + 1, 0] {
        let lines = format!("{}X: y\r\n{}", line(&len.to_string()), line(&second.to_string()));
        bench.check(&requests.framed(&lines, &body), BAD).await;
    }
    for value in [
        format!("{len}, {len}"),
        String::new(),
        format!("+{len}"),
        "-1".into(),
        format!("0x{len:x}"),
        format!("{len}_0"),
        format!("0{len}"),
        format!("{len} x"),
        format!("{len} {len}"),
        "9".repeat(20),
        "18446744073709551616".into(),
        format!("{len}.0"),
        format!("{len};"),
        "1e1".into(),
        format!("\"{len}\""),
        format!("{len}\u{b}"),
        format!("{len}\u{a0}"),
    ] {
        bench.check(&requests.framed(&line(&value), &body), BAD).await;
    }
    for value in ["4294967296", "1048577"] {
        bench.check(&requests.framed(&line(value), ""), Refused(&[413])).await;
    }
    bench.check(&requests.framed(&line("18446744073709551615"), ""), Refused(&[413, 431])).await;
}

#[tokio::test]
async fn sec_402_transfer_encodings() {
    let mut bench = Bench::start().await;
    let requests = Requests::new();
    let (len, size) = (message(1).len(), format!("{:x}", message(1).len()));
    let chunks = format!("{size}\r\n{}\r\n0\r\n\r\n", message(1));
    for value in ["CHUNKED", "\tChunked \t"] {
        let lines = format!("transfer-ENCODING:{value}\r\n");
        bench.check(&requests.framed(&lines, &chunks), Accepted).await;
    }
    for value in [
        "xchunked",
        "chunked, chunked",
        ",chunked",
        "chunked,",
        "chunked, identity",
        "identity",
        "gzip, chunked",
        "gzip",
        "",
        "chun\tked",
        "\u{b}chunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked\u{a0}",
        "chunked chunked",
    ] {
        let lines = format!("Transfer-Encoding: {value}\r\n");
        bench.check(&requests.framed(&lines, &chunks), BAD).await;
        let lines = format!("{lines}Content-Length: {len}\r\n");
        bench.check(&requests.framed(&lines, &message(1)), BAD).await;
    }
    for lines in [CHUNKED.repeat(2), format!("Transfer-Encoding: gzip\r\n{CHUNKED}")] {
        bench.check(&requests.framed(&lines, &chunks), BAD).await;
    }
    let old = requests.framed(CHUNKED, &chunks).replacen("HTTP/1.1", "HTTP/1.0", 1);
    bench.check(&old, BAD).await;
}

#[tokio::test]
async fn sec_403_sec_404_sec_405_field_lines() {
    let mut bench = Bench::start().await;
    let requests = Requests::new();
    for line in ["X: \u{e9}\u{a0}", "X:", "!#$%&'*+-.^_`|~: y"] {
        bench.check(&requests.call(1, &format!("{line}\r\n")), Accepted).await;
    }
    for line in [
        "X : y",
        " X: y",
        "\tX: y",
        ": y",
        "X\u{1}: y",
        "X(: y",
        "X\0: y",
        "X\u{80}: y",
        "X y: z",
        "X",
        "X: y\r\n z",
        "X: y\r\n\tz",
        "X: y\rZ: w",
        "X: y\nZ: w",
        "X: y\0z",
        "X: y\u{7f}",
        "X: y\r",
        "Content-Length : 3",
        "Transfer-Encoding : chunked",
        "Content-Length\r\n: 3",
        "Transfer-Encoding:\r\n chunked",
        "X: y\nTransfer-Encoding: chunked",
    ] {
        bench.check(&requests.call(1, &format!("{line}\r\n")), BAD).await;
    }
    let call = requests.call(1, "");
    for (from, to) in [
        ("\r\nAccept", "\nAccept"),
        ("\r\nAccept", "\r\r\nAccept"),
        ("\r\nAccept", "\n\r\nAccept"),
        ("Bearer ", "Bearer\r\n "),
        ("\r\n\r\n", "\n\n"),
        ("\r\n\r\n", "\r\n\n"),
        ("\r\n\r\n", "\n\r\n"),
        ("\r\n\r\n", "\r\n\rX"),
        ("\r\n\r\n", "\r\r"),
    ] {
        bench.check(&call.replacen(from, to, 1), BAD).await;
    }
    bench.check(&call.replace("\r\n", "\n"), BAD).await;
    for front in ["\r\n", "\n", "\r", "\0"] {
        bench.check(&format!("{front}{call}"), BAD).await;
    }
}

#[tokio::test]
async fn sec_406_sec_407_chunks() {
    let mut bench = Bench::start().await;
    let requests = Requests::new();
    let (body, last) = (message(1), "0\r\n\r\n");
    let size = format!("{:x}", body.len());
    for size in [size.to_uppercase(), format!("0000{size}")] {
        bench.check(&requests.chunk(&size, "\r\n", last), Accepted).await;
    }
    for size in [
        String::new(),
        format!("0x{size}"),
        format!("+{size}"),
        "-1".into(),
        format!("{size}_0"),
        format!(" {size}"),
        format!("{size} "),
        format!("{size}\t"),
        "g".into(),
        format!("{size}g"),
        format!("{}{size}", "0".repeat(15)),
        "fffffffffffffffff".into(),
        format!("1 {size}"),
        format!("\t{size}"),
        format!("{size},"),
        format!("{size}\u{80}"),
    ] {
        bench.check(&requests.chunk(&size, "\r\n", last), BAD).await;
    }
    for (after, end) in [
        ("X", last),
        ("\n", last),
        ("\r", last),
        ("\rX", last),
        ("", last),
        ("\r\n", "\r\n0\r\n\r\n"),
        ("\r\n", "0\n\n"),
        ("\r\n", "0\r\n\n"),
        ("\r\n", "0\n\r\n"),
        ("\r\n", "0\r\n\rX"),
        ("\r\n", ""),
    ] {
        bench.check(&requests.chunk(&size, after, end), BAD).await;
    }
    for end in ["\n", "\rX", "\r", "\n\r\n"] {
        let chunks = format!("{size}{end}{body}\r\n{last}");
        bench.check(&requests.framed(CHUNKED, &chunks), BAD).await;
    }
    let endless = format!("100\r\n{}\r\n", " ".repeat(256)).repeat(4200);
    bench.check(&requests.framed(CHUNKED, &endless), Refused(&[413])).await;
}

#[tokio::test]
async fn sec_408_sec_409_extensions_and_trailers() {
    let mut bench = Bench::start().await;
    let requests = Requests::new();
    let size = format!("{:x}", message(1).len());
    let last = "0\r\n\r\n";
    for extension in [";x=y", ";x=\"y\"", "; x", &format!(";{}", "x".repeat(64))] {
        bench.check(&requests.chunk(&format!("{size}{extension}"), "\r\n", last), Accepted).await;
    }
    for extension in [
        ";x\ry",
        ";x\ny",
        ";x=\"\r\n\"",
        ";x=\"\n\"",
        "\r;x",
        ";\0",
        ";\u{80}",
        " ;x",
        &format!(";{}", "x".repeat(65)),
        &format!(";{}", "x".repeat(50_000)),
    ] {
        bench.check(&requests.chunk(&format!("{size}{extension}"), "\r\n", last), BAD).await;
    }
    for trailer in [
        "X: y".to_owned(),
        "Content-Length: 3\r\nHost: evil.example\r\nTransfer-Encoding: chunked".into(),
        format!("Authorization: Bearer {}", requests.token.replace('.', "")),
    ] {
        let end = format!("0\r\n{trailer}\r\n\r\n");
        bench.check(&requests.chunk(&size, "\r\n", &end), Accepted).await;
    }
    for trailer in ["X: y\nZ: w", "X: y\n", "X: y\r", "X: \0", &"X: y\r\n".repeat(10_000)] {
        let end = format!("0\r\n{trailer}\r\n\r\n");
        bench.check(&requests.chunk(&size, "\r\n", &end), BAD).await;
    }
    // SEC-126: a credential that comes late is none.
    let credential = format!("Authorization: Bearer {}\r\n", requests.token);
    let late = requests.chunk(&size, "\r\n", &format!("0\r\n{credential}\r\n"));
    bench.check(&late.replacen(&credential, "", 1), Answered(&[401])).await;
}

#[tokio::test]
async fn sec_410_sec_411_sec_412_request_lines() {
    let mut bench = Bench::start().await;
    let requests = Requests::new();
    for line in [
        "POST\t/mcp HTTP/1.1",
        "POST\n/mcp HTTP/1.1",
        "POST  /mcp HTTP/1.1",
        "POST /mcp  HTTP/1.1",
        "POST /mcp\tHTTP/1.1",
        "POST /mcp",
        "POST HTTP/1.1",
        "/mcp HTTP/1.1",
        "POST /mcp HTTP/1.32",
        "POST /mcp HTTP/01.1",
        "POST /mcp HTTP/2.0",
        "POST /mcp HTTP/257.1",
        "POST /mcp http/1.1",
        "POST /mcp HTTP/1.1 ",
        " POST /mcp HTTP/1.1",
        "POST /mcp HTTP/1",
        "POST /mcp HTTP/1.",
        "POST /m\u{1}cp HTTP/1.1",
        "POST /m\u{7f}cp HTTP/1.1",
        "POST /m\u{e9}cp HTTP/1.1",
        "POST /mcp#x HTTP/1.1",
        "POST /mcp x HTTP/1.1",
        "PO(ST /mcp HTTP/1.1",
        "P\u{80}ST /mcp HTTP/1.1",
        " /mcp HTTP/1.1",
        "PO\0ST /mcp HTTP/1.1",
    ] {
        bench.check(&requests.with_line(line), Refused(&[400, 414])).await;
    }
    for method in ["post", "PUT", "POS", "POSTX", "TRACE"] {
        let line = format!("{method} /mcp HTTP/1.1");
        bench.check(&requests.with_line(&line), Answered(&[405])).await;
    }
    // LIM-1.
    for line in [format!("{} /mcp", "POST".repeat(1024)), format!("POST /mcp?{}", "x".repeat(4096))]
    {
        let line = format!("{line} HTTP/1.1");
        bench.check(&requests.with_line(&line), Refused(&[414])).await;
    }
    for target in [
        "http://evil.example/mcp",
        "//evil.example/mcp",
        "\\mcp",
        "/\\mcp",
        "evil.example:80",
        "mcp",
        "*",
        "/mcp/../mcp",
        "http://mcp.example.com@evil.example/mcp",
    ] {
        let line = format!("POST {target} HTTP/1.1");
        bench.check(&requests.with_line(&line), Answered(&[400, 403, 404, 421])).await;
    }
}

/// The form for proxies, which the device does not take: the host in it counts, and no other may be named.
#[tokio::test]
async fn sec_412_the_absolute_form_names_this_server_alone() {
    let bench = Bench::start().await;
    let requests = Requests::new();
    let statuses = async |target: &str, host: &str| {
        let line = format!("POST {target} HTTP/1.1");
        let call = requests.with_host(host).replacen("POST /mcp HTTP/1.1", &line, 1);
        let call = call.replacen(HOST, &format!("{HOST}Connection: close\r\n"), 1);
        let outcome = bench.servers.desktop(&[call.as_bytes()]).await;
        assert_eq!(outcome.bodies.len(), usize::from(outcome.statuses == [200]));
        outcome.statuses
    };
    let other = "Host: evil.example\r\nConnection: close\r\n";
    assert_eq!(statuses("http://mcp.example.com/mcp", HOST).await, [200]);
    for (target, host) in [
        ("http://mcp.example.com/mcp", other),
        ("http://evil.example/mcp", HOST),
        ("http://evil.example/mcp", other),
        ("http://mcp.example.com@evil.example/mcp", HOST),
        ("http://a@mcp.example.com/mcp", HOST),
    ] {
        let statuses = statuses(target, host).await;
        assert!(matches!(statuses[..], [400 | 403 | 421]), "{target} {host}: {statuses:?}");
    }
}

#[tokio::test]
async fn sec_413_hosts() {
    let mut bench = Bench::start().await;
    let requests = Requests::new();
    bench.check(&requests.with_host("HOST:mcp.example.com\r\n"), Accepted).await;
    for line in [
        "",
        &HOST.repeat(2),
        "Host: \r\n",
        "Host: mcp.example.com, mcp.example.com\r\n",
        "Host: mcp.example.com/mcp\r\n",
        "Host: a@mcp.example.com\r\n",
        "Host: evil.example\r\n",
        "Host: mcp.example.com:0x50\r\n",
        "Host: mcp.example.com evil.example\r\n",
        "Host: mcp.example.com\r\nHost: evil.example\r\n",
    ] {
        bench.check(&requests.with_host(line), Answered(&[400, 403, 421])).await;
    }
}
