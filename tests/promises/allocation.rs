//! A counting allocator sees nothing while the core decides (INV-2), as a server or as a client.
#![forbid(unsafe_code)]

use allocation_counter::measure;
use portcullis_core::{
    client::{
        Client, ClientSecret, Discovery, Grant, KnownClient, Machine, Origin, Preferences,
        TokenRequest, Wish,
    },
    encoding::scratch::Scratch,
    jwt::{HmacKey, KeyId, KeyRing, MintClaims, mint},
    limits::SCRATCH_LEN,
    message::{Field, IncomingResponse, RequestHead},
    resource_server::{
        Configuration, Decision, Operation, Policy, ResourceServer, Rule, TrustedIssuer, Verdict,
        Verification,
    },
    scope::ScopeSet,
    time::UnixTime,
};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ISSUER: &str = "https://as.example.com";
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"set_led"}}"#;

fn scope(text: &str) -> ScopeSet<'_> {
    ScopeSet::parse(text).expect("well-formed")
}

fn key() -> HmacKey {
    HmacKey::new(&[7; 32]).expect("long enough")
}

fn key_id() -> KeyId {
    KeyId::new("k1").expect("a plain id")
}

/// A good token with these scopes, behind the scheme's name.
fn credentials(scopes: &str) -> String {
    let claims = MintClaims {
        issuer: ISSUER,
        audience: &[RESOURCE],
        subject: "u1",
        client_id: "c1",
        scope: scope(scopes),
        issued_at: NOW,
        expires_at: NOW.plus(600),
        id: "t1",
    };
    let mut out = [0; 2048];
    format!("Bearer {}", mint(&claims, &key(), &key_id(), &mut out).expect("a token"))
}

fn head<'r>(path: &'r str, authorization: &'r str) -> RequestHead<'r> {
    let fields = [
        ("Host", "mcp.example.com"),
        ("Authorization", authorization),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2025-11-25"),
    ];
    let present = fields.into_iter().filter(|(_, value)| !value.is_empty());
    RequestHead::new("POST", path, present.map(|(name, value)| (name, value.as_bytes())))
}

/// Makes the server, whose memory is its owner's, and hands it over.
fn with_server(verification: Verification<'_>, test: impl FnOnce(&ResourceServer<'_>)) {
    let issuers = [TrustedIssuer { identifier: ISSUER, verification }];
    let tools = [Rule { name: "set_led", scopes: scope("device:write") }];
    let mut configuration = Configuration::new(RESOURCE, &issuers);
    configuration.policy = Policy { base: scope("user"), tools: &tools, ..Policy::default() };
    let mut memory = [0; 1024];
    test(&ResourceServer::new(configuration, &mut Scratch::new(&mut memory)).expect("sound"));
}

/// Decides on a request; says what came out and how much was allocated meanwhile.
fn decide(
    server: &ResourceServer<'_>,
    path: &str,
    authorization: &str,
    now: Option<UnixTime>,
) -> (&'static str, u64) {
    let mut buffer = [0; SCRATCH_LEN];
    let mut outcome = "";
    let seen = measure(|| {
        let head = head(path, authorization);
        let mut scratch = Scratch::new(&mut buffer);
        outcome = match server.decide(&head, server.policy().base(), now, &mut scratch) {
            Decision::Allow(principal) => {
                match server.operation(&head, BODY.as_bytes(), &principal, &mut scratch) {
                    Operation::Proceed(_) => "proceed",
                    Operation::Challenge(_) => "scope",
                    Operation::Reject(_) => "reject",
                    Operation::Session => "session",
                }
            }
            Decision::Challenge(challenge) => match challenge.status() {
                400 => "400",
                401 => "401",
                403 => "403",
                _ => "503",
            },
            Decision::Metadata(_) => "metadata",
            Decision::NeedIntrospection(introspection) => resume(introspection),
            Decision::Refuse(_) => "refuse",
            Decision::Preflight => "preflight",
        };
    });
    (outcome, seen.count_total)
}

fn resume(introspection: portcullis_core::resource_server::Introspection<'_>) -> &'static str {
    let content_type = Field::One(b"application/json");
    let body = br#"{"active":true,"sub":"u1","scope":"us\u0065r","aud":"https://mcp.example.com/mcp","iat":1800000000,"exp":1800000600}"#;
    let response = IncomingResponse { status: 200, content_type, body };
    let mut buffer = [0; SCRATCH_LEN];
    match introspection.resume(Some(&response), Some(NOW), &mut Scratch::new(&mut buffer)) {
        Verdict::Allow(_) => "asked and allowed",
        Verdict::Challenge(_) => "asked and challenged",
    }
}

#[test]
fn the_counter_counts() {
    let seen = measure(|| drop(vec![0_u8; 64]));
    assert_eq!(seen.count_total, 1);
}

#[test]
fn decide_allocates_nothing() {
    let ring = KeyRing::new(key_id(), key());
    let (user, both, other) =
        (credentials("user"), credentials("user device:write"), credentials("x"));
    with_server(Verification::Offline(&ring), |server| {
        for (path, authorization, now, expected) in [
            ("/mcp", both.as_str(), Some(NOW), "proceed"),
            ("/mcp", user.as_str(), Some(NOW), "scope"),
            ("/mcp", other.as_str(), Some(NOW), "403"),
            ("/mcp", both.as_str(), Some(NOW.plus(3600)), "401"),
            ("/mcp", both.as_str(), None, "503"),
            ("/mcp", "", Some(NOW), "401"),
            ("/mcp", "Bearer a b", Some(NOW), "400"),
            ("/mcp", "Bearer mF_9.B5f-4.1JqM", Some(NOW), "401"),
            ("/elsewhere", both.as_str(), Some(NOW), "refuse"),
        ] {
            assert_eq!(
                decide(server, path, authorization, now),
                (expected, 0),
                "{path} {expected}"
            );
        }
    });
    with_server(Verification::Introspection, |server| {
        assert_eq!(decide(server, "/mcp", "Bearer opaque", Some(NOW)), ("asked and allowed", 0));
    });
}

/// What the client of this test asks, in the order in which it asks.
const ANSWERS: [&str; 3] = [
    r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://as.example.com"]}"#,
    r#"{"issuer":"https://as.example.com","authorization_endpoint":"https://as.example.com/a","token_endpoint":"https://as.example.com/t"}"#,
    r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"Bearer","scope":"us\u0065r"}"#,
];

fn give<'s>(machine: &mut impl Machine<'s>, body: &str, scratch: &mut Scratch<'s>) {
    let content_type = Field::One(b"application/json");
    let response = IncomingResponse { status: 200, content_type, body: body.as_bytes() };
    machine.handle_response(Ok(response), scratch);
}

/// From the server's URL to tokens, as the client itself; the number of scopes that it got.
fn client_credentials(scratch: &mut Scratch<'_>) -> Option<usize> {
    let [resource, server, tokens] = ANSWERS;
    let preferences = Preferences { grant: Grant::ClientCredentials, ..Preferences::default() };
    let mut discovery = Discovery::new(RESOURCE, None, preferences, scratch).ok()?;
    give(&mut discovery, resource, scratch);
    give(&mut discovery, server, scratch);
    let discovered = discovery.finish().ok()?;
    let known = KnownClient {
        issuer: ISSUER,
        id: "c1",
        secret: Some(ClientSecret::new("hush")),
        secret_expires_at: None,
        key: None,
        authentication: None,
        redirect_uri: None,
        origin: Origin::Configured,
    };
    let client = Client::configured(&discovered, &[known], None).ok()?;
    let wish = Wish::default();
    let request = TokenRequest::client_credentials(&discovered, &client, &wish, None, scratch).ok();
    let mut request = request?;
    give(&mut request, tokens, scratch);
    Some(request.finish().ok()?.scope().iter().count())
}

#[test]
fn a_client_allocates_nothing() {
    let mut buffer = [0; 4096];
    let mut scopes = None;
    let seen = measure(|| scopes = client_credentials(&mut Scratch::new(&mut buffer)));
    assert_eq!((scopes, seen.count_total), (Some(1), 0));
}
