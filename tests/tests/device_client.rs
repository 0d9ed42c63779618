//! A device as a client, from nothing to a called tool, at the real authorization server.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use portcullis_authorization_server::{
    Resource, ServiceAuthentication, TokenFormat,
    testing::{SampleService, TestClock, TestServer, User},
};
use portcullis_core::{
    client::{ClientSecret, DeviceError, DiscoveryError, ErrorResponse, FetchFailure, UrlPolicy},
    time::UnixTime,
};
use portcullis_embassy::{
    Clock,
    client::{
        Access, Answer, Client, ClientError, ClientMemory, ClientSettings, ConfiguredClient,
        Message, UserCode, Watcher,
    },
    outgoing::LoopbackHttp,
};
use portcullis_tokio::{
    resource_server::ProtectLayer,
    serve::{ListenerLimits, serve},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const ID: &str = "service-probe";
const SECRET: &str = "a secret of more than sixteen characters";
const HOSTS: &[(&str, IpAddr)] = &[];
const NOBODY: ConfiguredClient<'static> =
    ConfiguredClient { issuer: "http://localhost:1", id: ID, secret: None };

/// A protected server with one tool that needs more, and an authorization server that knows a service.
struct World {
    url: &'static str,
    issuer: &'static str,
    clock: TestClock,
    _authorization_server: TestServer,
}

impl World {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let resource = Resource::new(&url, "Clock", TokenFormat::Hs256).unwrap();
        let resource = resource.with_scope("user", "read the time");
        let resource = resource.with_scope("time:write", "set the clock");
        let server = TestServer::start_with([resource], |settings| {
            let secret = ServiceAuthentication::secret(SECRET).unwrap();
            settings.with_service(ID, "Probe", secret, ["user"]).unwrap()
        });
        let server = server.await.unwrap();
        let settings = server.server().resource_server_settings(&url).unwrap();
        let settings = settings.base_scopes("user").tool_scopes("set_time", "time:write");
        let layer = ProtectLayer::with_clock(settings, server.clock().clone()).unwrap();
        let protected = layer.protect(SampleService);
        tokio::spawn(async move {
            serve(listener, protected, ListenerLimits::default(), std::future::pending()).await;
        });
        Self {
            url: url.leak(),
            issuer: server.issuer().to_owned().leak(),
            clock: server.clock().clone(),
            _authorization_server: server,
        }
    }

    fn client(&self, access: Access<'static>) -> Device {
        device(self.url, access, Time(Some(self.clock.clone())))
    }

    fn service(&self) -> Access<'static> {
        let secret = Some(ClientSecret::new(SECRET));
        Access::ClientCredentials(ConfiguredClient { issuer: self.issuer, id: ID, secret })
    }
}

struct Time(Option<TestClock>);

impl Clock for Time {
    fn unix_time(&self) -> Option<UnixTime> {
        self.0.as_ref().map(|clock| UnixTime::from_secs(clock.secs()))
    }
}

type Device =
    Client<'static, LoopbackHttp<edge_nal_std::Stack>, &'static [(&'static str, IpAddr)], Time>;

fn device(url: &'static str, access: Access<'static>, time: Time) -> Device {
    let url_policy = UrlPolicy::HttpsOrLoopback;
    let settings = ClientSettings { url_policy, ..ClientSettings::new(access) };
    let parts = (LoopbackHttp(edge_nal_std::Stack::new()), HOSTS, time);
    Client::new(url, settings, parts, Box::leak(Box::new(<ClientMemory>::new()))).unwrap()
}

/// Users who see the device's display, one for each code that it shows.
#[derive(Clone, Default)]
struct Users {
    coming: Arc<Mutex<VecDeque<User>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Users {
    fn of(coming: impl IntoIterator<Item = User>) -> Self {
        let coming = Arc::new(Mutex::new(coming.into_iter().collect()));
        Self { coming, ..Self::default() }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Watcher for Users {
    fn show_code(&mut self, code: &UserCode<'_>) {
        self.seen.lock().unwrap().push("code".into());
        let user = self.coming.lock().unwrap().pop_front().expect("nobody is there");
        let (page, code) = (code.page.to_owned(), code.code.to_owned());
        tokio::spawn(async move { user.enter_code(&page, &code).await.unwrap() });
    }

    fn hide_code(&mut self) {
        self.seen.lock().unwrap().push("hidden".into());
    }

    fn refused(&mut self, words: &ErrorResponse<'_>) {
        self.seen.lock().unwrap().push(words.error.into());
    }
}

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

fn call(tool: &'static str) -> Message<'static> {
    let params = serde_json::json!({
        "name": tool,
        "arguments": {},
        "_meta": { VERSION: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} },
    });
    let body =
        serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    Message { method: "tools/call", name: Some(tool), body: body.to_string().leak().as_bytes() }
}

fn text(answer: Result<Answer<'_>, ClientError>) -> String {
    let answer = answer.unwrap();
    let body = String::from_utf8_lossy(answer.body).into_owned();
    assert_eq!((answer.status, answer.is_json), (200, true), "{body}");
    body
}

fn status(answer: Result<Answer<'_>, ClientError>) -> u16 {
    answer.unwrap().status
}

#[tokio::test]
async fn a_device_acts_for_itself() {
    let world = World::start().await;
    let (mut client, mut nobody) = (world.client(world.service()), Users::default());
    let answer = text(client.post(&call("get_time"), &mut nobody).await);
    assert!(answer.contains("get_time for service-probe"), "{answer}");
    assert!(client.expires_at().is_some() && client.stored_tokens().is_none(), "CC-07");
    // CL-80: it has nobody to ask for more.
    assert_eq!(status(client.post(&call("set_time"), &mut nobody).await), 403);
    // The token ends, and there is another one.
    world.clock.advance(24 * 3600);
    text(client.post(&call("get_time"), &mut nobody).await);
    assert_eq!(nobody.seen(), [""; 0]);
}

#[tokio::test]
async fn a_device_with_a_wrong_secret_gets_nothing() {
    let world = World::start().await;
    let Access::ClientCredentials(service) = world.service() else { unreachable!() };
    let wrong = ConfiguredClient { secret: Some(ClientSecret::new("wrong")), ..service };
    let (mut client, mut watcher) =
        (world.client(Access::ClientCredentials(wrong)), Users::default());
    let refused = client.post(&call("get_time"), &mut watcher).await.map(|_| ());
    assert!(matches!(refused, Err(ClientError::Tokens(_))), "{refused:?}");
    assert_eq!(watcher.seen(), ["invalid_client"]);
    assert!(client.expires_at().is_none());
}

#[tokio::test]
async fn cl_37_a_secret_is_for_one_authorization_server() {
    let world = World::start().await;
    let secret = Some(ClientSecret::new(SECRET));
    let elsewhere = Access::ClientCredentials(ConfiguredClient { secret, ..NOBODY });
    let mut client = world.client(elsewhere);
    let refused = client.post(&call("get_time"), &mut Users::default()).await.map(|_| ());
    assert!(matches!(refused, Err(ClientError::Discovery(_))), "{refused:?}");
}

fn by_code() -> Access<'static> {
    Access::DeviceCode { client: None, name: "Thermometer" }
}

#[tokio::test]
async fn a_user_agrees_on_another_machine() {
    let world = World::start().await;
    let (mut client, mut users) =
        (world.client(by_code()), Users::of([User::demo(), User::demo()]));
    let answer = text(client.post(&call("get_time"), &mut users).await);
    assert!(answer.contains("get_time for demo_user"), "{answer}");
    let seen = users.seen();
    assert_eq!((seen.first().unwrap().as_str(), seen.last().unwrap().as_str()), ("code", "hidden"));
    // CL-81: the user is asked for more when it is needed, and nothing of before is lost.
    let answer = text(client.post(&call("set_time"), &mut users).await);
    assert!(answer.contains("set_time for demo_user"), "{answer}");
    text(client.post(&call("get_time"), &mut users).await);
    assert_eq!(client.stored_tokens().unwrap().asked_scope.as_str(), "user time:write");
}

#[tokio::test]
async fn a_login_outlives_a_restart_and_the_end_of_its_token() {
    let world = World::start().await;
    let (mut first, mut users) = (world.client(by_code()), Users::of([User::demo()]));
    text(first.post(&call("get_time"), &mut users).await);
    world.clock.advance(3600);
    text(first.post(&call("get_time"), &mut users).await);
    let mut second = world.client(by_code());
    second.restore(&first.stored_tokens().unwrap()).unwrap();
    text(second.post(&call("get_time"), &mut users).await);
    // CL-63: the first one's refresh token was used by the second. Using it again ends both.
    world.clock.advance(3600);
    let refused = first.post(&call("get_time"), &mut Users::of([User::demo().who_denies()])).await;
    let refused = refused.map(|_| ());
    assert_eq!(refused, Err(ClientError::Device(DeviceError::Denied)));
}

#[tokio::test]
async fn a_user_who_does_not_agree() {
    let world = World::start().await;
    let mut client = world.client(by_code());
    let mut users = Users::of([User::demo().who_denies()]);
    let refused = client.post(&call("get_time"), &mut users).await.map(|_| ());
    assert_eq!(refused, Err(ClientError::Device(DeviceError::Denied)));
    assert!(client.stored_tokens().is_none() && client.expires_at().is_none());
    assert_eq!(users.seen().last().map(String::as_str), Some("hidden"));
}

#[tokio::test]
async fn a_device_that_nobody_knows_must_be_told_its_id() {
    let world = World::start().await;
    let client = Some(NOBODY);
    let mut device = world.client(Access::DeviceCode { client, name: "Thermometer" });
    let refused = device.post(&call("get_time"), &mut Users::default()).await.map(|_| ());
    assert!(matches!(refused, Err(ClientError::Discovery(_))), "{refused:?}");
}

/// Answers every request with these bytes; gives its URL, and how often it was asked.
async fn stranger(answer: String) -> (&'static str, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap()).leak();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            // One read has the whole of so small a request.
            if stream.read(&mut head).await.is_ok_and(|len| len > 0) {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    (url, asked)
}

/// How the first request to a stranger ends, and how often the stranger is asked.
async fn first_request(answer: &str, time: Time) -> (Result<u16, ClientError>, usize) {
    let (url, asked) = stranger(answer.to_owned()).await;
    let mut client = device(url, by_code(), time);
    let outcome = client.post(&call("get_time"), &mut Users::default()).await;
    (outcome.map(|answer| answer.status), asked.load(Ordering::SeqCst))
}

fn now() -> Time {
    Time(Some(TestClock::now()))
}

#[tokio::test]
async fn sec_500_without_the_time_nothing_is_sent() {
    let good = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(first_request(good, Time(None)).await, (Err(ClientError::NoTime), 0));
    assert_eq!(first_request(good, now()).await, (Ok(200), 1));
}

#[tokio::test]
async fn sec_168_a_redirect_is_an_answer_and_not_followed() {
    let (elsewhere, asked) = stranger(String::new()).await;
    let redirect =
        format!("HTTP/1.1 307 Elsewhere\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(first_request(&redirect, now()).await, (Ok(307), 1));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn sec_443_an_answer_that_is_too_long_is_refused_from_its_number() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
    let too_large = Err(ClientError::Server(FetchFailure::TooLarge));
    assert_eq!(first_request(long, now()).await, (too_large, 1));
}

#[tokio::test]
async fn sec_155_metadata_where_nothing_may_be_asked() {
    let challenge = |url: &str| {
        let field = format!("WWW-Authenticate: Bearer resource_metadata=\"{url}\"");
        format!("HTTP/1.1 401 No\r\n{field}\r\nContent-Length: 0\r\n\r\n")
    };
    for url in ["http://192.0.2.1/metadata", "javascript:alert(1)", "https://a@b/metadata"] {
        let (outcome, asked) = first_request(&challenge(url), now()).await;
        assert!(
            matches!(outcome, Err(ClientError::Discovery(DiscoveryError::ResourceMetadataUrl(_)))),
            "{url}: {outcome:?}"
        );
        assert_eq!(asked, 1, "{url}");
    }
    // A name that nobody provisioned leads nowhere.
    let (outcome, asked) = first_request(&challenge("https://rs.example/m"), now()).await;
    let nowhere = DiscoveryError::Fetch(FetchFailure::Unreachable);
    assert_eq!((outcome, asked), (Err(ClientError::Discovery(nowhere)), 1));
}
