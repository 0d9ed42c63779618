//! The hosts, the clocks, and a hand that moves both.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request as Received;
use axum::middleware::{Next, from_fn};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use portcullis_authorization_server::{
    AuthorizationServer, Clock, Resource, Settings, TokenFormat,
};
use portcullis_core::time::UnixTime;
use portcullis_tokio::Network;
use portcullis_tokio::resource_server::{self, Issuer, ProtectLayer, Secret, Verification};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower::ServiceExt;
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, Sim};

pub(crate) const ISSUER: &str = "http://localhost:9000";
pub(crate) const RESOURCE: &str = "http://localhost:8001/mcp";
const REDIRECT: &str = "http://localhost:3030/callback";
// RFC 7636 Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// What the clocks say at the start, in seconds since 1970.
const START: u64 = 1_800_000_000;
const TICK: Duration = Duration::from_millis(5);
/// How long the client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Steps after which something must have happened.
const STEPS_MAX: usize = 10_000;
/// A registration that is accepted.
pub(crate) const REGISTRATION: &str =
    r#"{"redirect_uris":["http://localhost:3030/callback"],"token_endpoint_auth_method":"none"}"#;
const CLIENT: [&str; 2] = ["resource-server", "a-secret-of-thirty-two-characters"];

/// Wall clock and monotonic clock of a host.
#[derive(Clone, Default)]
struct Clocks {
    elapsed_nanos: Arc<AtomicU64>,
    /// What somebody set the wall clock forward or back by.
    set_by_secs: Arc<AtomicI64>,
    /// What the wall clock of this host alone is set forward by.
    ahead: Arc<AtomicI64>,
}

impl Clocks {
    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.elapsed_nanos.load(Ordering::SeqCst))
    }

    fn wall(&self) -> SystemTime {
        let set = self.set_by_secs.load(Ordering::SeqCst) + self.ahead.load(Ordering::SeqCst);
        let start = START.checked_add_signed(set).expect("after 1970");
        UNIX_EPOCH + Duration::from_secs(start) + self.monotonic()
    }
}

impl resource_server::Clock for Clocks {
    fn unix_time(&self) -> Option<UnixTime> {
        let since = self.wall().duration_since(UNIX_EPOCH).ok()?;
        Some(UnixTime::from_secs(since.as_secs()))
    }

    fn monotonic(&self) -> Duration {
        Clocks::monotonic(self)
    }
}

/// Status and body; `None` when there was no answer.
pub(crate) type Outcome = Option<(u16, String)>;

/// A request under way.
pub(crate) struct Pending(Arc<Mutex<Option<Outcome>>>);

impl Pending {
    /// Whether there is an answer, or will be none.
    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().unwrap().is_some()
    }
}

/// Status, media type and body.
pub(crate) type Answer = (u16, &'static str, String);

/// What the authorization server is asked for its keys, and an answer that it gives instead.
#[derive(Clone, Default)]
struct KeySet {
    asked: Arc<AtomicUsize>,
    instead: Arc<Mutex<Option<Answer>>>,
}

impl KeySet {
    async fn answer(self, request: Received, next: Next) -> Response<Body> {
        if request.uri().path() != "/jwks" {
            return next.run(request).await;
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let instead = self.instead.lock().unwrap().clone();
        let Some((status, media_type, body)) = instead else { return next.run(request).await };
        let response = Response::builder().status(status).header("content-type", media_type);
        response.header("location", ISSUER).body(Body::from(body)).unwrap()
    }
}

type Job = (&'static str, u16, Request<Full<bytes::Bytes>>, Arc<Mutex<Option<Outcome>>>);

pub(crate) struct World {
    pub(crate) sim: Sim<'static>,
    pub(crate) server: AuthorizationServer,
    clocks: Clocks,
    /// What the resource server's wall clock is ahead of the others by.
    resource_ahead: Arc<AtomicI64>,
    keys: KeySet,
    jobs: mpsc::UnboundedSender<Job>,
    /// For what is done beside the simulation.
    runtime: Runtime,
}

impl World {
    /// Hosts `as`, `rs` and `client`. The resource server verifies as `verification` says.
    pub(crate) fn new(
        seed: u64,
        format: TokenFormat,
        verification: Verification,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        println!("PORTCULLIS_SEED={seed}");
        let runtime = Runtime::new().unwrap();
        let clocks = Clocks::default();
        let server = runtime.block_on(authorization_server(format, &clocks, change));
        let mut sim = Builder::new()
            .rng_seed(seed)
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(40))
            .simulation_duration(Duration::from_secs(3_600))
            .build();
        let keys = KeySet::default();
        let answering = keys.clone();
        let answering = move |request, next| answering.clone().answer(request, next);
        let router = server.router().layer(from_fn(answering));
        sim.host("as", move || serve(9000, router.clone()));
        let resource_ahead = Arc::<AtomicI64>::default();
        let ahead = Arc::clone(&resource_ahead);
        let protected = resource(verification, Clocks { ahead, ..clocks.clone() });
        sim.host("rs", move || {
            serve(8001, Router::new().fallback_service(protected.protect(service())))
        });
        let (jobs, mut waiting) = mpsc::unbounded_channel::<Job>();
        sim.client("client", async move {
            while let Some((host, port, request, outcome)) = waiting.recv().await {
                tokio::spawn(async move {
                    let answer = timeout(PATIENCE, send(host, port, request)).await;
                    *outcome.lock().unwrap() = Some(answer.ok().and_then(Result::ok));
                });
            }
            Ok(())
        });
        Self { sim, server, clocks, resource_ahead, keys, jobs, runtime }
    }

    pub(crate) fn step(&mut self) {
        let nanos = u64::try_from(TICK.as_nanos()).unwrap();
        self.clocks.elapsed_nanos.fetch_add(nanos, Ordering::SeqCst);
        self.sim.step().unwrap();
    }

    /// Lets time pass for the clocks of all hosts, at once.
    pub(crate) fn pass(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap();
        self.clocks.elapsed_nanos.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Sets the wall clocks of all hosts forward or back.
    pub(crate) fn set_clocks_by(&mut self, secs: i64) {
        self.clocks.set_by_secs.fetch_add(secs, Ordering::SeqCst);
    }

    /// Sets the resource server's wall clock ahead of the authorization server's, or behind it.
    pub(crate) fn set_resource_ahead(&self, secs: i64) {
        self.resource_ahead.store(secs, Ordering::SeqCst);
    }

    pub(crate) fn start(
        &self,
        host: &'static str,
        port: u16,
        request: Request<Full<bytes::Bytes>>,
    ) -> Pending {
        let outcome = Arc::new(Mutex::new(None));
        self.jobs.send((host, port, request, Arc::clone(&outcome))).ok().unwrap();
        Pending(outcome)
    }

    pub(crate) fn finish(&mut self, pending: &Pending) -> Outcome {
        for _ in 0..STEPS_MAX {
            if let Some(outcome) = pending.0.lock().unwrap().take() {
                return outcome;
            }
            self.step();
        }
        panic!("neither an answer nor none");
    }

    pub(crate) fn start_refresh(&self, token: &str) -> Pending {
        let form = format!("grant_type=refresh_token&client_id=client&refresh_token={token}");
        let content_type = ("content-type", "application/x-www-form-urlencoded");
        self.start("as", 9000, request(Method::POST, "/token", &[content_type], form))
    }

    /// How often the authorization server was asked for its keys over the network.
    pub(crate) fn key_requests(&self) -> usize {
        self.keys.asked.load(Ordering::SeqCst)
    }

    /// Over the network the authorization server answers this instead of its keys.
    pub(crate) fn answer_keys_with(&self, answer: Option<Answer>) {
        *self.keys.instead.lock().unwrap() = answer;
    }

    /// What the resource server answers a call with this token.
    pub(crate) fn call(&mut self, token: &str) -> u16 {
        let pending = self.start_call(token);
        self.finish(&pending).map_or(0, |(status, _)| status)
    }

    pub(crate) fn start_call(&self, token: &str) -> Pending {
        let authorization = format!("Bearer {token}");
        let fields = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "get_time"),
        ];
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_time",
            "arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{}}}}"#;
        self.start("rs", 8001, request(Method::POST, "/mcp", &fields, body))
    }

    /// Does something beside the simulation, for which no simulated time passes.
    pub(crate) fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Access and refresh token of a user who has just agreed.
    pub(crate) fn tokens(&self) -> (String, String) {
        self.beside(tokens(&self.server))
    }

    /// The code that a user's agreement gave.
    pub(crate) fn code(&self) -> String {
        self.beside(code(&mut Browser::new(&self.server)))
    }

    /// What the authorization server answers this client when it redeems the code.
    pub(crate) fn redeem(&mut self, client: &str, code: &str) -> Outcome {
        let content_type = ("content-type", "application/x-www-form-urlencoded");
        let form = redemption(client, code);
        let pending =
            self.start("as", 9000, request(Method::POST, "/token", &[content_type], form));
        self.finish(&pending)
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let request = request(Method::GET, path, &[], String::new()).map(Body::new);
        let response = self.beside(self.server.router().oneshot(request)).unwrap();
        self.beside(read(response)).unwrap().2
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: String) -> (u16, String) {
        let request = request(Method::POST, path, &[("content-type", content_type)], body);
        let response = self.beside(self.server.router().oneshot(request.map(Body::new))).unwrap();
        self.beside(read(response)).map(|(status, _, body)| (status, body)).unwrap()
    }
}

/// The seeds of a test: the one that is asked for, or so many.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("PORTCULLIS_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=count).collect(),
    }
}

/// Numbers that a seed decides (xorshift64*).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// Asks the authorization server about each token, and remembers nothing.
pub(crate) fn introspection(deadline_millis: u64) -> Verification {
    let endpoint = format!("{ISSUER}/introspect");
    let secret = Secret::value(CLIENT[1]);
    let mut settings = resource_server::IntrospectionSettings::new(endpoint, CLIENT[0], secret);
    settings.deadline_millis = deadline_millis;
    settings.active_secs_max = 0;
    settings.inactive_secs_max = 0;
    Verification::Introspection(settings)
}

async fn authorization_server(
    format: TokenFormat,
    clocks: &Clocks,
    change: impl FnOnce(&mut Settings),
) -> AuthorizationServer {
    let resource = Resource::new(RESOURCE, "Clock", format)
        .unwrap()
        .with_scope("user", "read the time for you")
        .with_introspection_credentials(CLIENT[0], CLIENT[1]);
    let (wall, monotonic) = (clocks.clone(), clocks.clone());
    let clock = Clock::from_fn(move || wall.wall()).with_monotonic(move || monotonic.monotonic());
    let mut settings = Settings::demo(ISSUER)
        .and_then(|settings| settings.with_public_client("client", "Client", [REDIRECT]))
        .unwrap()
        .with_resource(resource)
        .with_clock(clock);
    change(&mut settings);
    AuthorizationServer::new(settings).await.unwrap()
}

fn resource(verification: Verification, clocks: Clocks) -> ProtectLayer {
    let settings = resource_server::Settings::new(RESOURCE, Issuer::new(ISSUER, verification))
        .base_scopes("user");
    let network = Network::from_fn(|_| TcpStream::connect(("as", 9000)));
    ProtectLayer::with_clock_and_network(settings, clocks, &network).unwrap()
}

/// What is protected.
fn service() -> Router {
    Router::new().fallback(async || "here you are")
}

async fn serve(port: u16, router: Router) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(router.clone());
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A connection that breaks has no one left to tell.
            let _ = connection.await;
        });
    }
}

async fn send(
    host: &str,
    port: u16,
    request: Request<Full<bytes::Bytes>>,
) -> Result<(u16, String), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect((host, port)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let says_when = head.status != 503 || head.headers.contains_key("retry-after");
    assert!(says_when, "a 503 that does not say when to come again");
    Ok((head.status.as_u16(), String::from_utf8(body.to_vec())?))
}

pub(crate) fn request(
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
    body: impl Into<bytes::Bytes>,
) -> Request<Full<bytes::Bytes>> {
    let host = if path == "/mcp" { "localhost:8001" } else { "localhost:9000" };
    let mut request = Request::builder().method(method).uri(path).header("host", host);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

/// Status, `location` and body; cookies are kept.
async fn read(response: Response<Body>) -> io::Result<(u16, String, String)> {
    let (head, body) = response.into_parts();
    let location = head.headers.get("location").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let body = to_bytes(body, 1 << 20).await.map_err(io::Error::other)?;
    Ok((head.status.as_u16(), location.to_owned(), String::from_utf8_lossy(&body).into_owned()))
}

/// Signs the demo's user in, and agrees.
async fn code(browser: &mut Browser<'_>) -> String {
    let query = format!(
        "/authorize?response_type=code&client_id=client&redirect_uri={}&scope=user&resource={}\
         &code_challenge={CHALLENGE}&code_challenge_method=S256",
        encoded(REDIRECT),
        encoded(RESOURCE)
    );
    let (_, login, _) = browser.send(Method::GET, &query, String::new()).await;
    let (_, _, page) = browser.send(Method::GET, &login, String::new()).await;
    let form = format!("{}&username=demo_user&password=demo_password", hidden(&page));
    let (_, consent, _) = browser.send(Method::POST, "/login", form).await;
    let (_, _, page) = browser.send(Method::GET, &consent, String::new()).await;
    let form = format!("{}&decision=approve", hidden(&page));
    let (_, location, _) = browser.send(Method::POST, "/consent", form).await;
    let (_, rest) = location.split_once("code=").unwrap_or_else(|| panic!("{location}"));
    rest.split('&').next().unwrap().to_owned()
}

fn redemption(client: &str, code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id={client}&code={code}&code_verifier={VERIFIER}\
         &redirect_uri={}",
        encoded(REDIRECT)
    )
}

/// Signs the demo's user in, agrees, and redeems the code.
async fn tokens(server: &AuthorizationServer) -> (String, String) {
    let mut browser = Browser::new(server);
    let code = code(&mut browser).await;
    let form = redemption("client", &code);
    let (status, _, body) = browser.send(Method::POST, "/token", form).await;
    assert_eq!(status, 200, "{body}");
    (member(&body, "access_token"), member(&body, "refresh_token"))
}

pub(crate) fn member(body: &str, name: &str) -> String {
    let object: serde_json::Value = serde_json::from_str(body).unwrap();
    object[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}")).to_owned()
}

fn encoded(url: &str) -> String {
    url.replace(':', "%3A").replace('/', "%2F")
}

/// The hidden fields of a page's form, as a form.
fn hidden(page: &str) -> String {
    let value = |name: &str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect(page);
        rest.split('"').next().unwrap().to_owned()
    };
    format!("request={}&form_token={}", value("request"), value("form_token"))
}

struct Browser<'s> {
    server: &'s AuthorizationServer,
    cookie: String,
}

impl<'s> Browser<'s> {
    const fn new(server: &'s AuthorizationServer) -> Self {
        Self { server, cookie: String::new() }
    }

    async fn send(&mut self, method: Method, path: &str, form: String) -> (u16, String, String) {
        let fields = [
            ("cookie", self.cookie.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-site", "same-origin"),
        ];
        let request = request(method, path, &fields, form).map(Body::new);
        let response = self.server.router().oneshot(request).await.unwrap();
        if let Some(field) = response.headers().get("set-cookie") {
            let field = field.to_str().unwrap();
            self.cookie = field.split(';').next().unwrap().to_owned();
        }
        read(response).await.unwrap()
    }
}
