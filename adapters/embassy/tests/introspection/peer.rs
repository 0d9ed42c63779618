//! An authorization server that follows a script.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::device::{ISSUER, NOW, RESOURCE};

/// A connection on which nothing happens for so long is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the peer does with one question.
pub(crate) enum Act {
    /// Answers with these bytes.
    Say(String),
    /// Likewise, and closes the connection.
    SayAndEnd(String),
    /// Answers with these bytes after 200 ms.
    SayLate(String),
    /// Reads it and closes the connection.
    Hear,
    /// Reads it and is silent.
    Mute,
    /// Closes the connection without reading.
    End,
}

/// The acts of one connection; after the last it is honest.
pub(crate) type Script = Vec<Act>;

#[derive(Default)]
struct State {
    /// For the next connections; without one a connection is honest.
    scripts: VecDeque<Script>,
    connections: usize,
    handshakes: usize,
    requests: Vec<String>,
    tls: Option<Arc<ServerConfig>>,
}

pub(crate) struct Peer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    ends: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Peer {
    /// Plain HTTP.
    pub(crate) fn start() -> Self {
        Self::at(&SocketAddr::from(([127, 0, 0, 1], 0)), State::default())
    }

    pub(crate) fn start_tls(config: Arc<ServerConfig>) -> Self {
        let state = State { tls: Some(config), ..State::default() };
        Self::at(&SocketAddr::from(([127, 0, 0, 1], 0)), state)
    }

    fn at(address: &SocketAddr, state: State) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(state));
        let ends = Arc::new(AtomicBool::new(false));
        let listening = thread::spawn({
            let (state, ends) = (Arc::clone(&state), Arc::clone(&ends));
            move || {
                while !ends.load(Ordering::Relaxed) {
                    let Ok((socket, _)) = listener.accept() else {
                        thread::sleep(Duration::from_millis(2));
                        continue;
                    };
                    let state = Arc::clone(&state);
                    thread::spawn(move || serve(socket, &state));
                }
            }
        });
        Self { address, state, ends, listening: Some(listening) }
    }

    /// Goes away: nobody listens any more.
    pub(crate) fn stop(mut self) -> SocketAddr {
        self.end();
        self.address
    }

    /// Comes back.
    pub(crate) fn again(address: SocketAddr) -> Self {
        Self::at(&address, State::default())
    }

    fn end(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(listening) = self.listening.take() {
            listening.join().unwrap();
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the next connection does.
    pub(crate) fn then(&self, script: Script) {
        self.state.lock().unwrap().scripts.push_back(script);
    }

    pub(crate) fn set_tls(&self, config: Arc<ServerConfig>) {
        self.state.lock().unwrap().tls = Some(config);
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    pub(crate) fn handshakes(&self) -> usize {
        self.state.lock().unwrap().handshakes
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

fn serve(socket: TcpStream, state: &Mutex<State>) {
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    let (script, tls) = {
        let mut state = state.lock().unwrap();
        state.connections += 1;
        (state.scripts.pop_front(), state.tls.clone())
    };
    match tls {
        None => follow(socket, script, state),
        Some(config) => {
            let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
            while stream.conn.is_handshaking() {
                if stream.conn.complete_io(&mut stream.sock).is_err() {
                    return;
                }
            }
            state.lock().unwrap().handshakes += 1;
            follow(stream, script, state);
        }
    }
}

fn follow(mut stream: impl Read + Write, script: Option<Script>, state: &Mutex<State>) {
    let hear = |stream: &mut dyn Read| {
        let request = read_request(stream)?;
        state.lock().unwrap().requests.push(request.clone());
        Some(request)
    };
    for act in script.unwrap_or_default() {
        if matches!(act, Act::End) || hear(&mut stream).is_none() {
            return;
        }
        match act {
            Act::Say(text) => drop(stream.write_all(text.as_bytes())),
            Act::SayLate(text) => {
                thread::sleep(Duration::from_millis(200));
                drop(stream.write_all(text.as_bytes()));
            }
            Act::SayAndEnd(text) => {
                drop(stream.write_all(text.as_bytes()));
                return;
            }
            Act::Mute => {
                // Until the device has enough of it.
                while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
                return;
            }
            Act::Hear | Act::End => return,
        }
    }
    while let Some(request) = hear(&mut stream) {
        if stream.write_all(honest(&request).as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(stream: &mut dyn Read) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut byte = [0];
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return None;
        }
        bytes.push(byte[0]);
        if bytes.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8(bytes).unwrap();
            let length = head.split_once("Content-Length: ").unwrap().1;
            let mut body = vec![0; length.split_once("\r\n").unwrap().0.parse().unwrap()];
            stream.read_exact(&mut body).ok()?;
            return Some(head + &String::from_utf8(body).unwrap());
        }
    }
}

/// Tokens that begin with `no` are not active.
fn honest(request: &str) -> String {
    let token = request.split_once("token=").unwrap().1.split('&').next().unwrap();
    if token.starts_with("no") { inactive() } else { json(&active(token)) }
}

/// The body of an active answer.
pub(crate) fn active(subject: &str) -> String {
    active_until(subject, NOW + 600)
}

pub(crate) fn active_until(subject: &str, expires_at: u64) -> String {
    format!(
        r#"{{"active":true,"iss":"{ISSUER}","aud":"{RESOURCE}","sub":"{subject}","client_id":"c","scope":"device:read","token_type":"Bearer","iat":{},"exp":{expires_at}}}"#,
        NOW - 10
    )
}

pub(crate) fn json(body: &str) -> String {
    with("200 OK", "Content-Type: application/json\r\n", body)
}

pub(crate) fn inactive() -> String {
    json(r#"{"active":false}"#)
}

pub(crate) fn with(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}
