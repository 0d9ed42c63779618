//! An authorization server that answers introspection as a test tells it to.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portcullis_tokio::resource_server::{IntrospectionSettings, Secret, Verification};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::{ISSUER, NOW, RESOURCE};

/// What it does with the next questions.
#[derive(Clone)]
pub enum Script {
    /// Sends these bytes and closes.
    Raw(String),
    /// Closes without a word.
    Reset,
    /// Closes without a word, and does this with the question after it.
    ResetThen(Box<Self>),
    /// Says nothing for this long, then closes.
    Silent(Duration),
    /// Waits for [`Scripted::open`], then sends these bytes.
    Gated(String),
}

impl Script {
    /// 200 with this JSON.
    pub fn json(body: impl AsRef<str>) -> Self {
        Self::with_type(200, "application/json", body)
    }

    pub fn with_type(status: u16, content_type: &str, body: impl AsRef<str>) -> Self {
        let body = body.as_ref();
        Self::Raw(format!(
            "HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ))
    }

    pub fn status(status: u16) -> Self {
        Self::with_type(status, "application/json", active("user", NOW + 600))
    }
}

/// A positive answer that is right in everything.
pub fn active(scope: &str, expires_at: u64) -> String {
    format!(
        "{{\"active\":true,\"iss\":\"{ISSUER}\",\"aud\":\"{RESOURCE}\",\"sub\":\"alice\",\
         \"client_id\":\"client-1\",\"scope\":\"{scope}\",\"exp\":{expires_at},\"iat\":{},\
         \"token_type\":\"Bearer\"}}",
        NOW - 5
    )
}

/// A listener on loopback; ends with the test.
pub struct Scripted {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<Script>,
    questions: Mutex<Vec<String>>,
    asked: AtomicUsize,
    gate: Notify,
}

impl Scripted {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            questions: Mutex::default(),
            asked: AtomicUsize::new(0),
            gate: Notify::new(),
        });
        let server = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&server)));
            }
        });
        Self { address, shared }
    }

    pub fn script(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
    }

    /// Lets one gated question go on.
    pub fn open(&self) {
        self.shared.gate.notify_one();
    }

    /// How many questions came in.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    pub async fn wait_for_questions(&self, count: usize) {
        while self.asked() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Head and body of each question.
    pub fn questions(&self) -> Vec<String> {
        self.shared.questions.lock().unwrap().clone()
    }

    pub fn settings(&self) -> IntrospectionSettings {
        let endpoint = format!("http://{}/introspect", self.address);
        let mut settings =
            IntrospectionSettings::new(endpoint, "rs-1", Secret::value("rs-secret-6f1d"));
        settings.deadline_millis = 300;
        settings
    }

    pub fn verification(&self) -> Verification {
        Verification::Introspection(self.settings())
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Shared>) {
    let Some(question) = read_request(&mut stream).await else { return };
    shared.questions.lock().unwrap().push(question);
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let script = shared.script.lock().unwrap().clone();
    let text = match script {
        Script::Raw(text) => text,
        Script::Reset => return,
        Script::ResetThen(next) => {
            *shared.script.lock().unwrap() = *next;
            return;
        }
        Script::Silent(time) => {
            tokio::time::sleep(time).await;
            return;
        }
        Script::Gated(text) => {
            shared.gate.notified().await;
            text
        }
    };
    // The peer may hang up first; that is its business.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// One request with `Content-Length`.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0usize) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
