//! Programs without a browser, and users who type in a code elsewhere (RFC 8628).

use http::StatusCode;
use portcullis_authorization_server::{Database, Settings};
use serde_json::{Value, json};

use crate::databases::{TestDatabase, durable};
use crate::harness::*;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn device(server: &Server) -> Client {
    let answer = server
        .register(json!({
            "client_name": "Headless",
            "grant_types": [GRANT, "refresh_token"],
            "token_endpoint_auth_method": "none",
        }))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    Client { id: answer.json()["client_id"].as_str().unwrap().to_owned(), secret: None }
}

async fn begin(server: &Server, client: &Client, form: &[(&str, &str)]) -> Answer {
    server.as_client("/device_authorization", client, form).await
}

/// What the device shows, and what it polls with.
async fn codes(server: &Server, client: &Client, resource: &str) -> (String, String) {
    let answer = begin(server, client, &[("resource", resource), ("scope", "user")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    (text("user_code"), text("device_code"))
}

async fn poll(server: &Server, client: &Client, device_code: &str) -> Answer {
    server.token(client, &[("grant_type", GRANT), ("device_code", device_code)]).await
}

async fn enter(server: &Server, browser: &mut Browser, user_code: &str) -> Answer {
    let page = browser.get(server, "/device").await;
    page.is_page(200);
    let token = page.hidden("form_token");
    let form = [("form_token", token.as_str()), ("user_code", user_code)];
    browser.post(server, "/device", &[("sec-fetch-site", "same-origin")], &form).await
}

/// Types in the code, signs in, and gives the consent page.
async fn consent(server: &Server, browser: &mut Browser, user_code: &str) -> Answer {
    let location = enter(server, browser, user_code).await.location();
    assert!(location.starts_with("/login?"), "{location}");
    let page = browser.get(server, &location).await;
    let location = browser.log_in(server, &page, "demo_password").await.location();
    assert!(location.starts_with("/consent?"), "{location}");
    browser.get(server, &location).await
}

async fn whole_flow(settings: Settings) {
    let server = Server::with(settings).await;
    let client = device(&server).await;
    for resource in [OPAQUE, SIGNED] {
        let (user_code, device_code) = codes(&server, &client, resource).await;
        let waiting = (400, "authorization_pending".to_owned());
        assert_eq!(poll(&server, &client, &device_code).await.refusal(), waiting);
        let mut browser = Browser::default();
        // As people type.
        let typed = user_code.replace('-', " ").to_lowercase();
        let page = consent(&server, &mut browser, &typed).await;
        server.pass_secs(5);
        assert_eq!(poll(&server, &client, &device_code).await.refusal(), waiting);
        let done = browser.decide(&server, &page, "approve").await;
        done.is_page(200);
        assert!(done.body.contains("Device connected"));
        server.pass_secs(5);
        let answer = poll(&server, &client, &device_code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.json()["scope"], "user");
        let (access, refresh) = answer.tokens();
        let told = server.introspect(resource, &access).await;
        assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!("demo_user")));
        let other = if resource == OPAQUE { SIGNED } else { OPAQUE };
        assert!(!server.is_active(other, &access).await);
        let again = server.refresh(&client, &refresh).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.body);
        assert!(server.is_active(resource, &again.tokens().0).await);
        server.pass_secs(5);
        let spent = poll(&server, &client, &device_code).await.refusal();
        assert_eq!(spent, (400, "invalid_grant".into()));
    }
    server.server.close().await;
}

#[tokio::test]
async fn a_headless_client_is_authorized_from_elsewhere() {
    whole_flow(settings()).await;
}

#[tokio::test]
async fn a_headless_client_is_authorized_with_records_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    whole_flow(settings().with_database(Database::Sqlite(folder.path().join("records.db")))).await;
}

#[tokio::test]
async fn what_the_device_is_told() {
    let server = Server::new().await;
    let client = device(&server).await;
    let answer = begin(&server, &client, &[("resource", OPAQUE)]).await;
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let told = answer.json();
    assert_eq!(told["verification_uri"], "http://localhost:9000/device");
    assert_eq!((&told["expires_in"], &told["interval"]), (&json!(600), &json!(5)));
    // No link that carries the code: the user types it.
    assert_eq!(told["verification_uri_complete"], Value::Null);
    let user_code = told["user_code"].as_str().unwrap();
    assert_eq!(user_code.len(), 9);
    let is_consonant = |c: char| c == '-' || "BCDFGHJKLMNPQRSTVWXZ".contains(c);
    assert!(user_code.chars().all(is_consonant), "{user_code}");
    assert!(told["device_code"].as_str().unwrap().len() >= 43);
    let (other, _) = codes(&server, &client, OPAQUE).await;
    assert_ne!(user_code, other);
}

#[tokio::test]
async fn the_consent_page_of_a_device() {
    let server = Server::new().await;
    let client = device(&server).await;
    let (user_code, device_code) = codes(&server, &client, OPAQUE).await;
    let mut browser = Browser::default();
    let page = consent(&server, &mut browser, &user_code).await;
    for shown in [user_code.as_str(), "the device in front of you", "Headless", "read the time"] {
        assert!(page.body.contains(shown), "{shown}\n{}", page.body);
    }
    for absent in ["Answer goes to", "your own machine", "set the clock"] {
        assert!(!page.body.contains(absent), "{absent}");
    }
    browser.decide(&server, &page, "deny").await.is_page(200);
    let denied = poll(&server, &client, &device_code).await.refusal();
    assert_eq!(denied, (400, "access_denied".into()));
    server.pass_secs(5);
    assert_eq!(poll(&server, &client, &device_code).await.refusal().1, "invalid_grant");
    // What was decided is decided.
    browser.decide(&server, &page, "approve").await.is_page(400);
    let location = enter(&server, &mut browser, &user_code).await.location();
    assert_eq!(location, "/device?failed=1");
}

#[tokio::test]
async fn two_users_with_one_code_the_first_decides() {
    let server = Server::new().await;
    let client = device(&server).await;
    let (user_code, device_code) = codes(&server, &client, OPAQUE).await;
    let (mut first, mut second) = (Browser::default(), Browser::default());
    let pages = [
        consent(&server, &mut first, &user_code).await,
        consent(&server, &mut second, &user_code).await,
    ];
    first.decide(&server, &pages[0], "deny").await.is_page(200);
    second.decide(&server, &pages[1], "approve").await.is_page(400);
    assert_eq!(poll(&server, &client, &device_code).await.refusal().1, "access_denied");
}

#[tokio::test]
async fn polling_too_fast_and_too_long() {
    let server = Server::new().await;
    let client = device(&server).await;
    let (user_code, device_code) = codes(&server, &client, OPAQUE).await;
    let next = async |secs: u64| {
        server.pass_secs(secs);
        poll(&server, &client, &device_code).await.refusal().1
    };
    assert_eq!(next(0).await, "authorization_pending");
    assert_eq!(next(4).await, "slow_down");
    // From now on the device must wait longer.
    assert_eq!(next(9).await, "slow_down");
    assert_eq!(next(15).await, "authorization_pending");
    assert_eq!(next(600).await, "expired_token");
    assert_eq!(next(60).await, "invalid_grant");
    let location = enter(&server, &mut Browser::default(), &user_code).await.location();
    assert_eq!(location, "/device?failed=1");
}

#[tokio::test]
async fn who_may_ask_and_for_what() {
    let server = Server::with(settings().with_device_client("tv", "TV").unwrap()).await;
    let tv = Client { id: "tv".into(), secret: None };
    let (_, device_code) = codes(&server, &tv, OPAQUE).await;
    let other = device(&server).await;
    assert_eq!(poll(&server, &other, &device_code).await.refusal().1, "invalid_grant");
    assert_eq!(poll(&server, &tv, "guess").await.refusal().1, "invalid_grant");
    assert_eq!(server.token(&tv, &[("grant_type", GRANT)]).await.refusal().1, "invalid_request");
    let form = [("grant_type", GRANT), ("device_code", &device_code), ("resource", SIGNED)];
    assert_eq!(server.token(&tv, &form).await.refusal().1, "invalid_target");
    assert_eq!(poll(&server, &tv, &device_code).await.refusal().1, "authorization_pending");
    // A device has no redirect, and an app with redirects no device code.
    server.get(&format!("/authorize?{}", query("tv", &[]))).await.is_page(400);
    let app = server.public_client().await;
    let refused = begin(&server, &app, &[("resource", OPAQUE)]).await.refusal();
    assert_eq!(refused, (400, "unauthorized_client".into()));
    let nobody = Client { id: "nobody".into(), secret: None };
    let refused = begin(&server, &nobody, &[("resource", OPAQUE)]).await.refusal();
    assert_eq!(refused, (401, "invalid_client".into()));
    assert_eq!(begin(&server, &tv, &[]).await.refusal().1, "invalid_target");
    let scope = begin(&server, &tv, &[("resource", OPAQUE), ("scope", "other")]).await;
    assert_eq!(scope.refusal().1, "invalid_scope");
    assert_eq!(server.get("/device_authorization").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn lim_20_guesses_of_user_codes_are_counted() {
    let server = Server::new().await;
    let client = device(&server).await;
    let (user_code, _) = codes(&server, &client, OPAQUE).await;
    let mut browser = Browser::default();
    for _ in 0..10 {
        let location = enter(&server, &mut browser, "BCDF-GHJK").await.location();
        assert_eq!(location, "/device?failed=1");
    }
    assert!(browser.get(&server, "/device?failed=1").await.body.contains("No device waits"));
    enter(&server, &mut browser, &user_code).await.is_page(429);
    server.pass_secs(60);
    assert!(enter(&server, &mut browser, &user_code).await.location().starts_with("/login?"));
}

#[tokio::test]
async fn devices_of_one_peer_are_counted() {
    let mut settings = settings();
    settings.limits.device_grants_per_peer_per_minute = 1;
    let server = Server::with(settings).await;
    let client = device(&server).await;
    codes(&server, &client, OPAQUE).await;
    let answer = begin(&server, &client, &[("resource", OPAQUE)]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    server.pass_secs(60);
    codes(&server, &client, OPAQUE).await;
}

#[tokio::test]
async fn lim_17_devices_are_counted_in_all() {
    for database in TestDatabase::each() {
        let mut settings = durable(database.place());
        settings.limits.device_grants = 2;
        let server = Server::with(settings).await;
        let client = device(&server).await;
        codes(&server, &client, OPAQUE).await;
        codes(&server, &client, OPAQUE).await;
        let answer = begin(&server, &client, &[("resource", OPAQUE)]).await;
        assert_eq!(answer.refusal(), (429, "temporarily_unavailable".into()));
        server.pass_secs(600);
        codes(&server, &client, OPAQUE).await;
    }
}

#[tokio::test]
async fn sec_201_codes_from_elsewhere() {
    let server = Server::new().await;
    let client = device(&server).await;
    let (user_code, _) = codes(&server, &client, OPAQUE).await;
    let (mut browser, mut other) = (Browser::default(), Browser::default());
    let token = browser.get(&server, "/device").await.hidden("form_token");
    let foreign = other.get(&server, "/device").await.hidden("form_token");
    let own = ("sec-fetch-site", "same-origin");
    for (field, token, status) in [
        (("sec-fetch-site", "cross-site"), token.as_str(), 403),
        (("origin", "https://evil.example"), &token, 403),
        (own, "", 403),
        (own, &foreign, 403),
    ] {
        let form = [("form_token", token), ("user_code", &user_code)];
        browser.post(&server, "/device", &[field], &form).await.is_page(status);
    }
    let form = [("form_token", token.as_str()), ("user_code", &user_code)];
    server.post_form("/device", &[own], &form).await.is_page(400);
    let page = browser.get(&server, "/device").await;
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(page.field("x-frame-options"), Some("DENY"));
    assert!(!page.body.contains("<script"));
    let good = browser.post(&server, "/device", &[own], &form).await;
    assert!(good.location().starts_with("/login?"));
}

#[tokio::test]
async fn sec_222_parallel_polls_have_one_success() {
    let server = Server::new().await;
    let client = device(&server).await;
    let (user_code, device_code) = codes(&server, &client, OPAQUE).await;
    let mut browser = Browser::default();
    let page = consent(&server, &mut browser, &user_code).await;
    browser.decide(&server, &page, "approve").await.is_page(200);
    let race = || poll(&server, &client, &device_code);
    let (a, b, c, d) = tokio::join!(race(), race(), race(), race());
    let granted = [a, b, c, d].iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(granted, 1);
}
