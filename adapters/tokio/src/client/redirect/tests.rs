use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Sends `request` as it stands and reads until the connection ends.
async fn send(uri: &str, request: &str) -> String {
    let authority = uri.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap();
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(uri: &str, target: &str) -> String {
    send(uri, &format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n")).await
}

/// A wait that ends with the query `end=…`.
async fn waiting() -> (String, JoinHandle<io::Result<String>>) {
    waiting_for_heads(HEAD_TIME_LIMIT).await
}

async fn waiting_for_heads(limit: Duration) -> (String, JoinHandle<io::Result<String>>) {
    let (mut redirect, uri) = Redirect::bind(0).await.unwrap();
    redirect.head_time_limit = limit;
    let wait = redirect.wait(|query| match query.strip_prefix("end=") {
        Some(end) => Judged::Over(end.to_owned(), Page::LoggedIn),
        None => Judged::WaitOn,
    });
    (uri, tokio::spawn(wait))
}

#[tokio::test]
async fn sec_472_loopback_only_exact_path_get_only_then_closed() {
    let (uri, wait) = waiting().await;
    assert!(uri.starts_with("http://127.0.0.1:") && uri.ends_with("/callback"), "{uri}");
    // Another address of this machine, which all of Linux's loopback network is.
    #[cfg(target_os = "linux")]
    {
        let elsewhere = uri.replace("http://127.0.0.1", "127.0.0.2").replace("/callback", "");
        assert!(TcpStream::connect(&elsewhere).await.is_err(), "{elsewhere}");
    }
    for (request, status) in [
        ("GET /callback/ HTTP/1.1", "404"),
        ("GET /Callback?end=x HTTP/1.1", "404"),
        ("GET /callback2?end=x HTTP/1.1", "404"),
        ("GET /%63allback?end=x HTTP/1.1", "404"),
        ("GET /?end=x HTTP/1.1", "404"),
        ("POST /callback?end=x HTTP/1.1", "405"),
        ("HEAD /callback?end=x HTTP/1.1", "405"),
        ("OPTIONS /callback?end=x HTTP/1.1", "405"),
        ("GET /callback HTTP/1.1", "400"),
    ] {
        let answer = send(&uri, &format!("{request}\r\nhost: x\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
    }
    let answer = get(&uri, "/callback?end=now").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(wait.await.unwrap().unwrap(), "now");
    let authority = uri.trim_start_matches("http://").trim_end_matches("/callback");
    assert!(TcpStream::connect(authority).await.is_err(), "still listening");
}

#[tokio::test]
async fn sec_473_hostile_requests_do_not_end_the_wait() {
    let (uri, wait) = waiting().await;
    let authority = uri.trim_start_matches("http://").trim_end_matches("/callback").to_owned();
    // Idle ones first, more than there is room for.
    let mut idle = Vec::new();
    for _ in 0..3 * CONNECTIONS_MAX {
        idle.push(TcpStream::connect(&authority).await.unwrap());
    }
    let long = format!("GET /callback?{} HTTP/1.1\r\n\r\n", "a".repeat(2 * HEAD_LEN_MAX));
    for hostile in ["\0\0\0\r\n\r\n", "GET / HTTP/9\r\n\r\n", long.as_str()] {
        let answer = send(&uri, hostile).await;
        assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    for _ in 0..3 * CONNECTIONS_MAX {
        assert!(get(&uri, "/callback?error=x").await.starts_with("HTTP/1.1 400 "));
    }
    idle.push(TcpStream::connect(&authority).await.unwrap());
    let start = std::time::Instant::now();
    assert!(get(&uri, "/callback?end=now").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(wait.await.unwrap().unwrap(), "now");
    assert!(start.elapsed() < PAGE_TIME_LIMIT, "idle connections are waited for");
    drop(idle);
}

/// Sends the beginning of a head, and of a field byte after byte, until the other side ends the connection.
async fn trickle(stream: &mut TcpStream) -> Vec<u8> {
    let _ = stream.write_all(b"GET /callback?end=early HTTP/1.1\r\nhost: ").await;
    let mut answer = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_millis(5), stream.read_buf(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return answer,
            Ok(Ok(_)) => {}
            Err(_) => drop(stream.write_all(b"x").await),
        }
    }
}

#[tokio::test]
async fn lim_13_a_head_that_does_not_come_is_cut_off() {
    let connect = async |uri: &str| {
        let authority = uri.trim_start_matches("http://").trim_end_matches("/callback");
        TcpStream::connect(authority).await.unwrap()
    };
    let (patient_uri, patient) = waiting_for_heads(Duration::from_secs(3600)).await;
    let mut in_time = connect(&patient_uri).await;
    in_time.write_all(b"GET /callback?end=late HTTP/1.1\r\nhost: ").await.unwrap();

    let (uri, wait) = waiting_for_heads(Duration::from_millis(50)).await;
    let mut stream = connect(&uri).await;
    let cut_off = tokio::time::timeout(Duration::from_secs(60), trickle(&mut stream)).await;
    let answer = String::from_utf8(cut_off.expect("the head is waited for")).unwrap();
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert!(!wait.is_finished(), "half a head is no answer");
    wait.abort();

    // What was begun before that, where there is time for it, is served.
    in_time.write_all(b"x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    in_time.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(patient.await.unwrap().unwrap(), "late");
}

#[tokio::test]
async fn sec_471_fixed_text_and_no_reflection() {
    let (uri, wait) = waiting().await;
    for target in
        ["/callback?error=%3Cscript%3E&code=hush", "/hush%3Cscript%3E", "/callback?end=hush"]
    {
        let answer = get(&uri, target).await.to_lowercase();
        assert!(!answer.contains("hush") && !answer.contains("script"), "{answer}");
        for field in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "content-type: text/html; charset=utf-8",
        ] {
            assert!(answer.contains(field), "{field} is missing: {answer}");
        }
    }
    assert_eq!(wait.await.unwrap().unwrap(), "hush");
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let (_redirect, uri) = Redirect::bind(0).await.unwrap();
    let port = uri.trim_start_matches("http://127.0.0.1:").trim_end_matches("/callback");
    let taken = Redirect::bind(port.parse().unwrap()).await;
    assert_eq!(taken.err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
}

#[tokio::test]
async fn the_same_redirect_uri_again_if_it_is_free() {
    let (first, uri) = Redirect::bind(0).await.unwrap();
    let (_second, other) = Redirect::bind_again(&uri).await.unwrap();
    assert_ne!(uri, other, "the port is taken");
    drop(first);
    let (_third, again) = Redirect::bind_again(&uri).await.unwrap();
    assert_eq!(uri, again);
    for unlike in ["https://app.example/callback", "http://127.0.0.1:99999/callback", ""] {
        let (_, uri) = Redirect::bind_again(unlike).await.unwrap();
        assert!(uri.starts_with("http://127.0.0.1:") && uri.ends_with(PATH), "{uri}");
    }
}
