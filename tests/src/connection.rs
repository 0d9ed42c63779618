//! One connection as the peer sees it: the requests of an exchange, one after the other.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::{
    driver::{Answer, Exchange, Later},
    wire::ResponseHead,
};

/// More than the longest request, so that writing never waits for reading.
const PIPE_LEN: usize = 4 * 1024 * 1024;
/// An exchange that takes longer hangs.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(20);

/// The peer's end of a connection, and the server's.
pub fn pipe() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(PIPE_LEN)
}

/// Sends the requests of an exchange; `runs` tells how often the service behind ran so far.
///
/// Panics when the server sends what is no HTTP, too little or too much of it, or nothing in time.
pub async fn converse(
    mut peer: DuplexStream,
    exchange: &Exchange,
    mut runs: impl AsyncFnMut() -> usize,
) -> Answer {
    let conversation = async {
        let mut earlier = None;
        if let Some(request) = &exchange.earlier {
            let answer = send(&mut peer, request).await.expect("the earlier request");
            earlier = Some(answer.status);
        }
        let before = runs().await;
        let answer = send(&mut peer, &exchange.request).await.expect("an answer");
        let reached = runs().await > before;
        let later = match &exchange.later {
            None => Later::None,
            Some(request) => match send(&mut peer, request).await {
                None => Later::Closed,
                Some(answer) => Later::Status(answer.status),
            },
        };
        Answer { earlier, reached, later, ..answer }
    };
    let answer = tokio::time::timeout(EXCHANGE_TIME_MAX, conversation).await;
    drop(peer);
    answer.expect("the exchange hangs")
}

/// Sends a request and reads the answer; `None` when the connection is closed.
async fn send(peer: &mut DuplexStream, request: &[u8]) -> Option<Answer> {
    peer.write_all(request).await.ok()?;
    let mut bytes = Vec::new();
    let has_content = !request.starts_with(b"HEAD ");
    loop {
        if let Some(head) = ResponseHead::read(&bytes) {
            let len = if has_content { head.body_len } else { 0 };
            if let Some(body) = bytes.get(head.head_len..head.head_len + len) {
                assert_eq!(bytes.len(), head.head_len + len, "bytes after the answer");
                let ResponseHead { status, fields, .. } = head;
                return Some(Answer { status, fields, body: body.to_vec(), ..Answer::default() });
            }
        }
        match peer.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => {
                assert!(bytes.is_empty(), "the answer breaks off");
                return None;
            }
            Ok(_) => {}
        }
    }
}
