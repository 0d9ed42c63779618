//! A server and an authorization server on loopback that say what a script has them say.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Places of documents: `server` or `issuer`, and a path.
pub(super) const PRM: &str = "server /.well-known/oauth-protected-resource/mcp";
pub(super) const ROOT_PRM: &str = "server /.well-known/oauth-protected-resource";
pub(super) const METADATA: &str = "issuer /.well-known/oauth-authorization-server";
pub(super) const OPENID: &str = "issuer /.well-known/openid-configuration";
pub(super) const AUTHORIZE: &str = "issuer /authorize";
pub(super) const KEYS: &str = "issuer /jwks";

/// What the doctor takes for slow, and a little more.
const SLOW: Duration = Duration::from_millis(3_100);

/// What is sent after the head of an answer.
#[derive(Clone)]
pub(super) enum Body {
    Text(String),
    /// More than anybody wants.
    Endless,
    /// A byte now and then, until nobody listens.
    Drip,
}

#[derive(Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) body: Body,
}

impl Reply {
    pub(super) fn new(status: u16, body: &str) -> Self {
        Self { status, fields: Vec::new(), body: Body::Text(body.to_owned()) }
    }

    pub(super) fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.retain(|(other, _)| *other != name);
        self.fields.push((name, value.into()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(other, _)| *other != name);
        self
    }

    pub(super) fn json(value: &Value) -> Self {
        Self::new(200, &value.to_string()).field("content-type", "application/json")
    }

    /// A document that everybody may read and keep.
    fn public(value: &Value) -> Self {
        Self::json(value)
            .field("cache-control", "max-age=3600")
            .field("access-control-allow-origin", "*")
    }
}

/// Everything that is answered.
pub(super) struct Script {
    pub(super) server: String,
    pub(super) issuer: String,
    /// To a request of this method without a token, in place of `challenge`.
    pub(super) open: BTreeMap<&'static str, Reply>,
    pub(super) challenge: Reply,
    pub(super) garbage: Reply,
    pub(super) malformed: Reply,
    /// To a token in the query, in place of `challenge`.
    pub(super) query: Option<Reply>,
    pub(super) preflight: Reply,
    pub(super) documents: BTreeMap<String, Reply>,
    /// Seconds by which `Date` is ahead.
    pub(super) clock: i64,
    /// Whether a cache gives the answers, that has kept them for so long.
    pub(super) is_cached: bool,
    /// The status of answers to HEAD, where it is not that of GET.
    pub(super) head: Option<u16>,
    /// The place where an answer takes longer than is good.
    pub(super) slow: Option<&'static str>,
}

impl Script {
    fn sound(server: String, issuer: String) -> Self {
        let pointer = format!("{server}/.well-known/oauth-protected-resource/mcp");
        let bearer = |error: &str| {
            let value = format!("Bearer {error}resource_metadata=\"{pointer}\", scope=\"user\"");
            Reply::new(401, "").field("www-authenticate", value)
        };
        let resource = json!({
            "resource": format!("{server}/mcp"),
            "authorization_servers": [issuer],
            "scopes_supported": ["user"],
            "bearer_methods_supported": ["header"],
        });
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "registration_endpoint": format!("{issuer}/register"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
        });
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "1", "alg": "EdDSA", "use": "sig",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let documents = [
            (PRM, Reply::public(&resource)),
            (METADATA, Reply::public(&metadata)),
            (KEYS, Reply::public(&json!({"keys": [key]}))),
            (AUTHORIZE, Reply::new(400, "This client is not known.")),
        ];
        Self {
            open: BTreeMap::new(),
            challenge: bearer(""),
            garbage: bearer("error=\"invalid_token\", "),
            malformed: bearer("error=\"invalid_request\", ").with_status(400),
            query: None,
            preflight: Reply::new(204, ""),
            documents: documents.map(|(place, reply)| (place.to_owned(), reply)).into(),
            clock: 0,
            is_cached: false,
            head: None,
            slow: None,
            server,
            issuer,
        }
    }

    /// Changes the members of a document.
    pub(super) fn edit(&mut self, place: &str, change: impl FnOnce(&mut Map<String, Value>)) {
        let reply = self.documents.get_mut(place).expect(place);
        let Body::Text(text) = &reply.body else { panic!("{place} is no text") };
        let mut members = serde_json::from_str(text).unwrap();
        change(&mut members);
        reply.body = Body::Text(Value::Object(members).to_string());
    }

    pub(super) fn change(&mut self, place: &str, change: impl FnOnce(Reply) -> Reply) {
        let reply = self.documents.remove(place).expect(place);
        self.documents.insert(place.to_owned(), change(reply));
    }

    /// Another text in place of one, in both challenges.
    pub(super) fn replace_in_challenges(&mut self, from: &str, to: &str) {
        for reply in [&mut self.challenge, &mut self.garbage] {
            for (_, value) in &mut reply.fields {
                assert!(value.contains(from), "{value}");
                *value = value.replace(from, to);
            }
        }
    }

    fn answer(&self, who: &str, request: &str) -> Reply {
        let mut words = request.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some(reply) = self.documents.get(&format!("{who} {path}")) {
            let head = self.head.filter(|_| method == "HEAD");
            return reply.clone().with_status(head.unwrap_or(reply.status));
        }
        if (who, path) != ("server", "/mcp") {
            return Reply::new(404, "");
        }
        let authorization =
            request.split("\r\n").find_map(|line| line.strip_prefix("authorization: "));
        let opened = self.open.iter().find(|(name, _)| request.contains(&format!("\"{name}\"")));
        match (authorization, opened) {
            _ if method == "OPTIONS" => self.preflight.clone(),
            (Some("Bearer no token at all"), _) => self.malformed.clone(),
            (Some(_), _) => self.garbage.clone(),
            (None, Some((_, reply))) => reply.clone(),
            (None, None) if !query.is_empty() => {
                self.query.clone().unwrap_or_else(|| self.challenge.clone())
            }
            (None, None) => self.challenge.clone(),
        }
    }
}

impl Reply {
    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

/// Both servers, until it is dropped.
pub(super) struct World {
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl World {
    pub(super) async fn start(plant: impl FnOnce(&mut Script)) -> Self {
        let listeners = [listen().await, listen().await];
        let [server, issuer] =
            [0, 1].map(|nth: usize| format!("http://{}", listeners[nth].local_addr().unwrap()));
        let mut script = Script::sound(server, issuer);
        plant(&mut script);
        let (script, requests) = (Arc::new(script), Arc::default());
        let mut tasks = JoinSet::new();
        for (listener, who) in listeners.into_iter().zip(["server", "issuer"]) {
            tasks.spawn(serve(listener, who, Arc::clone(&script), Arc::clone(&requests)));
        }
        Self { script, requests, _tasks: tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("{}/mcp", self.script.server)
    }

    /// The URL of a place.
    pub(super) fn at(&self, place: &str) -> String {
        let (who, path) = place.split_once(' ').unwrap();
        let origin = if who == "server" { &self.script.server } else { &self.script.issuer };
        format!("{origin}{path}")
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn serve(
    listener: TcpListener,
    who: &'static str,
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, who, Arc::clone(&script), Arc::clone(&requests)));
    }
}

/// One request, one answer. Whoever asked may be gone by then.
async fn connection(
    mut stream: TcpStream,
    who: &'static str,
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let Some(request) = request(&mut stream).await else { return };
    requests.lock().unwrap().push(request.clone());
    let place = format!("{who} {}", request.split(' ').nth(1).unwrap_or_default());
    if script.slow == Some(place.as_str()) {
        tokio::time::sleep(SLOW).await;
    }
    let reply = script.answer(who, &request);
    let ahead = Duration::from_secs(script.clock.unsigned_abs());
    let now = match script.clock {
        ..0 => SystemTime::now() - ahead,
        _ => SystemTime::now() + ahead,
    };
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", reply.status);
    head += &format!("date: {}\r\n", httpdate::fmt_http_date(now));
    if script.is_cached {
        head += &format!("age: {}\r\n", ahead.as_secs());
    }
    for (name, value) in &reply.fields {
        head += &format!("{name}: {value}\r\n");
    }
    let is_head = request.starts_with("HEAD ");
    if let Body::Text(text) = &reply.body {
        head += &format!("content-length: {}\r\n", text.len());
    }
    head += "\r\n";
    let _ = stream.write_all(head.as_bytes()).await;
    match &reply.body {
        _ if is_head => {}
        Body::Text(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Body::Endless => while stream.write_all(&[b' '; 4096]).await.is_ok() {},
        Body::Drip => {
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let _ = stream.shutdown().await;
}

/// Head and body as text; `None` when the connection ends before.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let len = stream.read(&mut piece).await.ok().filter(|len| *len > 0)?;
        bytes.extend_from_slice(&piece[..len]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Some(text.into_owned());
        }
    }
}
