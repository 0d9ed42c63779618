//! A server in memory, a browser and a client, all driven through the router.

use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use http::{HeaderMap, Method, Request, StatusCode, header};
use portcullis_authorization_server::testing::TestClock;
use portcullis_authorization_server::{AuthorizationServer, Resource, Settings, TokenFormat};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

use crate::processes;

pub(crate) const ISSUER: &str = "http://localhost:9000";
/// Takes opaque tokens.
pub(crate) const OPAQUE: &str = "http://localhost:8001/mcp";
/// Takes HS256 tokens.
pub(crate) const SIGNED: &str = "http://localhost:8002/mcp";
pub(crate) const REDIRECT: &str = "http://localhost:3030/callback";
// RFC 7636 Appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const OTHER_VERIFIER: &str = "aBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

pub(crate) struct Server {
    pub(crate) server: AuthorizationServer,
    /// Where requests go; to `server` itself unless there is one.
    process: Option<SocketAddr>,
    pub(crate) clock: TestClock,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A registered client and how it authenticates.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
}

/// A user agent with one cookie.
#[derive(Default, Clone)]
pub(crate) struct Browser {
    pub(crate) cookie: Option<String>,
}

pub(crate) fn settings() -> Settings {
    let resource = |identifier, format| {
        Resource::new(identifier, "Clock", format)
            .unwrap()
            .with_scope("user", "read the time for you")
            .with_further_scope("admin", "set the clock")
    };
    Settings::demo(ISSUER)
        .unwrap()
        .with_resource(resource(OPAQUE, TokenFormat::Opaque))
        .with_resource(resource(SIGNED, TokenFormat::Hs256))
}

impl Server {
    pub(crate) async fn new() -> Self {
        Self::with(settings()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let clock = TestClock::at(1_800_000_000);
        let settings = settings.with_clock((&clock).into());
        let server = AuthorizationServer::new(settings).await.unwrap();
        Self { server, process: None, clock }
    }

    /// A server that runs in another process, with the same settings.
    pub(crate) async fn in_process(settings: Settings, address: SocketAddr) -> Self {
        Self { process: Some(address), ..Self::with(settings).await }
    }

    pub(crate) fn pass_secs(&self, secs: u64) {
        self.clock.advance(secs);
    }

    pub(crate) fn now_secs(&self) -> u64 {
        self.clock.secs()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        if let Some(address) = self.process {
            return processes::send(address, request).await.unwrap();
        }
        let response = self.server.router().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, &[], Body::empty())).await
    }

    pub(crate) async fn post_form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Answer {
        let mut fields = fields.to_vec();
        fields.push(("content-type", "application/x-www-form-urlencoded"));
        self.send(request(Method::POST, path, &fields, Body::from(encode(form)))).await
    }

    pub(crate) async fn register(&self, metadata: Value) -> Answer {
        let fields = [("content-type", "application/json")];
        self.send(request(Method::POST, "/register", &fields, Body::from(metadata.to_string())))
            .await
    }

    /// A public client as the SDKs register it.
    pub(crate) async fn public_client(&self) -> Client {
        self.client_with("none").await
    }

    pub(crate) async fn client_with(&self, method: &str) -> Client {
        let answer = self
            .register(json!({
                "client_name": "Simple Auth Client",
                "redirect_uris": [REDIRECT],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": method,
                "scope": "user",
            }))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        let registered = answer.json();
        Client {
            id: registered["client_id"].as_str().unwrap().to_owned(),
            secret: registered["client_secret"].as_str().map(str::to_owned),
        }
    }

    /// Signs in and allows; gives the whole redirect.
    pub(crate) async fn authorize(&self, query: &str) -> String {
        let mut browser = Browser::default();
        let consent = browser.sign_in(self, query).await;
        assert_eq!(consent.status, StatusCode::OK, "{}", consent.body);
        browser.decide(self, &consent, "approve").await.location()
    }

    /// A code for `client` and `resource`, scope `user`.
    pub(crate) async fn code(&self, client: &Client, resource: &str) -> String {
        let location = self.authorize(&query(&client.id, &[("resource", resource)])).await;
        parameter(&location, "code").unwrap_or_else(|| panic!("no code in {location}"))
    }

    pub(crate) async fn token(&self, client: &Client, form: &[(&str, &str)]) -> Answer {
        self.as_client("/token", client, form).await
    }

    pub(crate) async fn as_client(
        &self,
        path: &str,
        client: &Client,
        form: &[(&str, &str)],
    ) -> Answer {
        let mut form = form.to_vec();
        form.push(("client_id", &client.id));
        if let Some(secret) = &client.secret {
            form.push(("client_secret", secret));
        }
        self.post_form(path, &[], &form).await
    }

    pub(crate) async fn redeem(&self, client: &Client, code: &str) -> Answer {
        self.token(client, &redemption(code)).await
    }

    pub(crate) async fn refresh(&self, client: &Client, refresh_token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.token(client, &form).await
    }

    /// Tokens for a fresh code: access and refresh.
    pub(crate) async fn tokens(&self, client: &Client, resource: &str) -> (String, String) {
        let code = self.code(client, resource).await;
        let answer = self.redeem(client, &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.tokens()
    }

    /// Introspects as the resource server of `resource`.
    pub(crate) async fn introspect(&self, resource: &str, token: &str) -> Value {
        let credentials = self.server.introspection_credentials(resource).unwrap();
        let basic = basic(&credentials.client_id, &credentials.client_secret);
        let answer =
            self.post_form("/introspect", &[("authorization", &basic)], &[("token", token)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        answer.json()
    }

    pub(crate) async fn is_active(&self, resource: &str, token: &str) -> bool {
        let answer = self.introspect(resource, token).await;
        let active = answer["active"].as_bool().unwrap();
        if !active {
            assert_eq!(answer, json!({ "active": false }));
        }
        active
    }
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> String {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.field("location").unwrap().to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    pub(crate) fn tokens(&self) -> (String, String) {
        let text = |name: &str| self.json()[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    /// Status and `error` of a refusal, which nobody may keep.
    pub(crate) fn refusal(&self) -> (u16, String) {
        assert_eq!(self.field("cache-control"), Some("no-store"));
        let error = self.json()["error"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), error)
    }

    /// The value of a hidden field of the page's form.
    pub(crate) fn hidden(&self, name: &str) -> String {
        let marker = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&marker).unwrap_or_else(|| panic!("{}", self.body));
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// A page that keeps the browser here.
    #[track_caller]
    pub(crate) fn is_page(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.field("location"), None);
        assert_eq!(self.field("content-type"), Some("text/html; charset=utf-8"));
        assert!(self.field("access-control-allow-origin").is_none());
    }
}

impl Browser {
    pub(crate) async fn get(&mut self, server: &Server, path: &str) -> Answer {
        let cookie = self.cookie.clone();
        let fields: Vec<(&str, &str)> =
            cookie.iter().map(|cookie| ("cookie", cookie.as_str())).collect();
        let answer = server.send(request(Method::GET, path, &fields, Body::empty())).await;
        self.keep_cookie(&answer);
        answer
    }

    pub(crate) async fn post(
        &mut self,
        server: &Server,
        path: &str,
        fields: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Answer {
        let cookie = self.cookie.clone();
        let mut fields = fields.to_vec();
        fields.extend(cookie.iter().map(|cookie| ("cookie", cookie.as_str())));
        let answer = server.post_form(path, &fields, form).await;
        self.keep_cookie(&answer);
        answer
    }

    /// Follows `/authorize` to the login page.
    pub(crate) async fn ask(&mut self, server: &Server, query: &str) -> Answer {
        let location = self.get(server, &format!("/authorize?{query}")).await.location();
        assert!(location.starts_with('/'), "{location}");
        self.get(server, &location).await
    }

    /// Sends the login page's form.
    pub(crate) async fn log_in(
        &mut self,
        server: &Server,
        page: &Answer,
        password: &str,
    ) -> Answer {
        let (id, token) = (page.hidden("request"), page.hidden("form_token"));
        let form = [
            ("request", id.as_str()),
            ("form_token", &token),
            ("username", "demo_user"),
            ("password", password),
        ];
        self.post(server, "/login", &[("sec-fetch-site", "same-origin")], &form).await
    }

    /// Asks, signs in, and gives the page that follows.
    pub(crate) async fn sign_in(&mut self, server: &Server, query: &str) -> Answer {
        let page = self.ask(server, query).await;
        page.is_page(200);
        let location = self.log_in(server, &page, "demo_password").await.location();
        self.get(server, &location).await
    }

    pub(crate) async fn decide(
        &mut self,
        server: &Server,
        page: &Answer,
        decision: &str,
    ) -> Answer {
        let (id, token) = (page.hidden("request"), page.hidden("form_token"));
        let form = [("request", id.as_str()), ("form_token", &token), ("decision", decision)];
        self.post(server, "/consent", &[("origin", ISSUER)], &form).await
    }

    fn keep_cookie(&mut self, answer: &Answer) {
        if let Some(field) = answer.field("set-cookie") {
            self.cookie = Some(field.split(';').next().unwrap().to_owned());
        }
    }
}

pub(crate) fn request(
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
    body: Body,
) -> Request<Body> {
    let mut builder =
        Request::builder().method(method).uri(path).header(header::HOST, "localhost:9000");
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    builder.body(body).unwrap()
}

/// A good authorization request; `changes` replace, or with an empty value remove, parameters.
pub(crate) fn query(client_id: &str, changes: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", REDIRECT),
        ("state", "st&te=1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("scope", "user"),
        ("resource", OPAQUE),
    ];
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        pairs.push((name, value));
    }
    pairs.retain(|(_, value)| !value.is_empty());
    encode(&pairs)
}

/// A good redemption of `code`.
pub(crate) fn redemption(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

/// A parameter of a redirect, decoded.
pub(crate) fn parameter(location: &str, name: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    let mut bytes = Vec::new();
    let mut rest = pair.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", Base64::encode_string(format!("{id}:{secret}").as_bytes()))
}

pub(crate) fn challenge_of(verifier: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(verifier.as_bytes()))
}
