//! An introspection endpoint on loopback that says what a case tells it to say.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::device::introspection::ScriptedAnswer;

/// How long it says nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// What it does when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// Hangs up without a word.
    Unreachable,
    /// Says nothing, for longer than anybody waits.
    Silent,
    /// Answers.
    Answers {
        /// The status code.
        status: u16,
        /// `Content-Type`, if there is to be one.
        content_type: Option<String>,
        /// The body.
        body: Vec<u8>,
    },
}

impl Script {
    /// What comes back for one who only sees the answer, if there is one.
    pub fn answer(&self) -> Option<ScriptedAnswer<'_>> {
        match self {
            Self::Unreachable | Self::Silent => None,
            Self::Answers { status, content_type, body } => Some(ScriptedAnswer {
                status: *status,
                content_type: content_type.as_deref(),
                body,
            }),
        }
    }
}

/// The endpoint; ends with its runtime.
pub struct AuthorizationServer {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    script: Mutex<Script>,
    questions: AtomicUsize,
}

impl AuthorizationServer {
    /// Starts to listen on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            script: Mutex::new(Script::Unreachable),
            questions: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}/introspect", self.address)
    }

    /// What it does from now on.
    pub fn follow(&self, script: Script) {
        *self.state.script.lock().unwrap() = script;
    }

    /// How often it was asked.
    pub fn questions(&self) -> usize {
        self.state.questions.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: TcpStream, state: Arc<State>) {
    let Some(question) = read_request(&mut stream).await else { return };
    state.questions.fetch_add(1, Ordering::SeqCst);
    let script = state.script.lock().unwrap().clone();
    let (status, content_type, body) = match script {
        Script::Unreachable => return,
        Script::Silent => return tokio::time::sleep(SILENCE).await,
        Script::Answers { status, content_type, body } => (status, content_type, body),
    };
    let is_authenticated = question.to_ascii_lowercase().contains("\r\nauthorization: basic ");
    let status = if is_authenticated { status } else { 401 };
    let kind = content_type.map(|kind| format!("content-type: {kind}\r\n")).unwrap_or_default();
    // A redirect leads back here, so that following it would be a second question.
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\n{kind}location: /introspect\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    // The peer may hang up first; that is its business.
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    let _ = stream.shutdown().await;
}

/// One request with `Content-Length`.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0usize) {
                return Some(text.into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
