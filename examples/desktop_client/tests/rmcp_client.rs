//! The example as its user runs it: an rmcp client, our authorization, a protected server, a login page.

use std::{process::Stdio, time::Duration};

use portcullis_authorization_server::testing::{ProtectedServer, User};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
    time::timeout,
};

const TIME_MAX: Duration = Duration::from_secs(60);

/// Runs the example against `server`, where `user` logs in when it shows the page. Gives what it printed
/// after that, and whether it ended well.
async fn run(server: &ProtectedServer, user: &User, tool: &str) -> (String, bool) {
    let mut example = Command::new(env!("CARGO_BIN_EXE_rmcp_client"))
        .args([server.url(), tool])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(example.stdout.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("it shows a login page");
        if line.contains("response_type=code") {
            let back = user.authorize(&line).await.unwrap();
            // A user who denies is told so on the page there.
            drop(user.open(&back).await);
            break;
        }
    }
    let mut printed = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        printed += &line;
    }
    let mut errors = String::new();
    example.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
    (printed + &errors, example.wait().await.unwrap().success())
}

#[tokio::test]
async fn an_rmcp_client_gets_its_tokens() {
    let server = ProtectedServer::sample().start().await.unwrap();
    let ran = timeout(TIME_MAX, run(&server, &User::demo(), "get_time")).await;
    let (printed, well) = ran.expect("it ends in time");
    assert!(well && printed.contains("get_time for demo_user"), "{printed}");
}

#[tokio::test]
async fn without_consent_there_is_no_result() {
    let server = ProtectedServer::sample().start().await.unwrap();
    let ran = timeout(TIME_MAX, run(&server, &User::demo().who_denies(), "get_time")).await;
    let (printed, well) = ran.expect("it ends in time");
    assert!(!well && !printed.contains("get_time for"), "{printed}");
}
