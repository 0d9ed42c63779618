//! What the tests share: a clock that is set by hand, tokens, a service that records what reaches it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part of this"
)]

pub mod scripted;
pub mod signing;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, request::Builder};
use http_body_util::{BodyExt, Full};
use portcullis_core::{
    jwt::{HmacKey, KeyId, MintClaims, mint},
    scope::ScopeSet,
    time::UnixTime,
};
use portcullis_tokio::resource_server::{
    Clock, Issuer, Principal, Protect, ProtectLayer, Secret, Settings, Verification,
};
use tower::{Service, ServiceExt};
use tower_layer::Layer;

pub const RESOURCE: &str = "https://mcp.example.com/mcp";
pub const ISSUER: &str = "https://as.example.com";
pub const KEY: [u8; 32] = [0x4b; 32];
/// [`KEY`] as base64url text.
pub const KEY_TEXT: &str = "S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s";
pub const KEY_ID: &str = "k1";
/// What the clock of the tests says when they begin.
pub const NOW: u64 = 1_800_000_000;
/// `NOW` of a clock that nobody has set.
pub const UNKNOWN: u64 = u64::MAX;

/// Two hands, both set by the test.
#[derive(Clone)]
pub struct TestClock(Arc<[AtomicU64; 2]>);

impl TestClock {
    pub fn new() -> Self {
        Self(Arc::new([AtomicU64::new(NOW), AtomicU64::new(0)]))
    }

    pub fn set_unix(&self, secs: u64) {
        self.0[0].store(secs, Ordering::SeqCst);
    }

    pub fn set_monotonic(&self, secs: u64) {
        self.0[1].store(secs, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn unix_time(&self) -> Option<UnixTime> {
        let secs = self.0[0].load(Ordering::SeqCst);
        (secs != UNKNOWN).then_some(UnixTime::from_secs(secs))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0[1].load(Ordering::SeqCst))
    }
}

/// A token; change what a case is about.
pub struct Token<'a> {
    pub subject: &'a str,
    pub issuer: &'a str,
    pub audience: &'a [&'a str],
    pub scope: &'a str,
    pub expires_at: u64,
    pub key: [u8; 32],
}

impl Default for Token<'_> {
    fn default() -> Self {
        Self {
            subject: "alice",
            issuer: ISSUER,
            audience: &[RESOURCE],
            scope: "user",
            expires_at: NOW + 600,
            key: KEY,
        }
    }
}

impl Token<'_> {
    pub fn mint(&self) -> String {
        let claims = MintClaims {
            issuer: self.issuer,
            audience: self.audience,
            subject: self.subject,
            client_id: "client-1",
            scope: ScopeSet::parse(self.scope).unwrap(),
            issued_at: UnixTime::from_secs(self.expires_at - 600),
            expires_at: UnixTime::from_secs(self.expires_at),
            id: "token-1",
        };
        let key = HmacKey::new(&self.key).unwrap();
        let mut out = [0; 4096];
        mint(&claims, &key, &KeyId::new(KEY_ID).unwrap(), &mut out).unwrap().to_owned()
    }
}

/// A token with this scope and otherwise good.
pub fn token(scope: &str) -> String {
    Token { scope, ..Token::default() }.mint()
}

/// Offline verification, base scope `user`, `time:write` for the tool `set_time`.
pub fn settings() -> Settings {
    let key = Verification::offline(KEY_ID, Secret::value(KEY_TEXT));
    with_verification(key)
}

pub fn with_verification(verification: Verification) -> Settings {
    Settings::new(RESOURCE, Issuer::new(ISSUER, verification))
        .base_scopes("user")
        .tool_scopes("set_time", "time:write")
}

/// Answers 200 and remembers what reached it.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Request<Bytes>>>>);

impl Recorder {
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn principal(&self) -> Option<Principal> {
        self.0.lock().unwrap().last()?.extensions().get().cloned()
    }
}

impl Service<Request<Full<Bytes>>> for Recorder {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let whole = request.map(|body| {
            // A `Full` is all there at once.
            let mut body = std::pin::pin!(body.collect());
            let mut context = Context::from_waker(std::task::Waker::noop());
            match body.as_mut().poll(&mut context) {
                Poll::Ready(Ok(body)) => body.to_bytes(),
                Poll::Ready(Err(never)) => match never {},
                Poll::Pending => unreachable!("a Full body does not wait"),
            }
        });
        self.0.lock().unwrap().push(whole);
        ready(Ok(Response::new(Full::new(Bytes::from_static(b"reached")))))
    }
}

use std::future::Future;

/// A protected recorder, driven without a socket.
pub struct Bench {
    pub protect: Protect<Recorder>,
    pub recorder: Recorder,
    pub clock: TestClock,
}

impl Bench {
    pub fn new(settings: Settings) -> Self {
        let (clock, recorder) = (TestClock::new(), Recorder::default());
        let layer = ProtectLayer::with_clock(settings, clock.clone()).unwrap();
        Self { protect: layer.layer(recorder.clone()), recorder, clock }
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let (head, body) = self.protect.clone().oneshot(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    /// Sends and compares the status; the service is reached by 200 and by nothing else.
    #[track_caller]
    pub fn check(
        &self,
        request: Request<Full<Bytes>>,
        status: u16,
    ) -> impl Future<Output = Response<Bytes>> {
        let place = std::panic::Location::caller();
        let before = self.recorder.count();
        async move {
            let label = format!("{} {}", request.method(), request.uri());
            let response = self.send(request).await;
            assert_eq!(response.status(), status, "{label} at {place}: {:?}", response.body());
            let reached = self.recorder.count() > before;
            assert_eq!(reached, status == 200, "{label} at {place}: reached the service");
            response
        }
    }
}

/// A request head for the endpoint with everything but a token.
pub fn post() -> Builder {
    Request::post("/mcp")
        .header("host", "mcp.example.com")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
}

/// The headers that mirror [`call`].
pub fn post_call(tool: &str) -> Builder {
    post()
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
}

/// A call of a tool in the current revision.
pub fn call(tool: &str) -> Full<Bytes> {
    let meta = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
                \"io.modelcontextprotocol/clientCapabilities\":{}";
    Full::new(Bytes::from(format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":\
         {{\"name\":\"{tool}\",\"arguments\":{{}},\"_meta\":{{{meta}}}}}}}"
    )))
}

/// A call of a tool as before 2026-07-28.
pub fn legacy_call(tool: &str) -> Full<Bytes> {
    Full::new(Bytes::from(format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":\
         {{\"name\":\"{tool}\",\"arguments\":{{}}}}}}"
    )))
}

/// A whole request that calls a tool with a token.
pub fn call_with(token: &str, tool: &str) -> Request<Full<Bytes>> {
    post_call(tool).header("authorization", format!("Bearer {token}")).body(call(tool)).unwrap()
}

/// The one value of a field of a response.
#[track_caller]
pub fn field<'r>(response: &'r Response<Bytes>, name: &str) -> &'r str {
    let mut values = response.headers().get_all(name).iter();
    let value = values.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(values.next().is_none(), "{name} twice");
    value.to_str().unwrap()
}
