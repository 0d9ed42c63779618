//! Clients that are known by a document at a URL, over whole flows.

use http::StatusCode;
use portcullis_authorization_server::Settings;
use serde_json::json;

use crate::harness::*;
use crate::keys::Key;
use crate::site::{Site, Then};

async fn server(site: &Site) -> Server {
    server_with(site, settings()).await
}

pub(crate) async fn server_with(site: &Site, mut settings: Settings) -> Server {
    settings.client_documents.loopback_for_development = true;
    settings.client_documents.extra_roots = vec![site.root.clone()];
    Server::with(settings).await
}

/// Publishes a document with these redirect URIs at `path`, and gives its URL.
fn publish(site: &Site, path: &str, redirect_uris: &[&str]) -> String {
    let url = site.url(path);
    let document = json!({
        "client_id": url,
        "client_name": "Described App",
        "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    site.document(path, "", &document.to_string());
    url
}

#[tokio::test]
async fn as_20_a_whole_flow_without_registration() {
    let site = Site::named("localhost").await;
    let server = server(&site).await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    let client = Client { id: publish(&site, "/client.json", &[REDIRECT]), secret: None };
    // FastMCP asks once before the browser does; a script is redirected like a browser.
    let path = format!("/authorize?{}", query(&client.id, &[]));
    for mode in ["cors", "navigate"] {
        let fields = [("sec-fetch-mode", mode)];
        let asked = request(http::Method::GET, &path, &fields, axum::body::Body::empty());
        assert!(server.send(asked).await.location().starts_with("/login?"), "{mode}");
    }
    for resource in [OPAQUE, SIGNED] {
        let (access, refresh) = server.tokens(&client, resource).await;
        let told = server.introspect(resource, &access).await;
        assert_eq!(told["client_id"], client.id.as_str());
        let again = server.refresh(&client, &refresh).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.body);
        let (_, refresh) = again.tokens();
        let revoked = server.as_client("/revoke", &client, &[("token", &refresh)]).await;
        assert_eq!(revoked.status, StatusCode::OK);
        assert_eq!(server.refresh(&client, &refresh).await.refusal().1, "invalid_grant");
    }
    assert_eq!(site.connections(), 1, "the document was fetched once");
}

#[tokio::test]
async fn as_41_sec_289_the_consent_page_says_who_describes_the_client() {
    let site = Site::named("localhost").await;
    let server = server(&site).await;
    let id = publish(&site, "/client.json", &[REDIRECT]);
    let mut browser = Browser::default();
    let page = browser.sign_in(&server, &query(&id, &[])).await;
    for shown in [
        "<dt>Described by</dt>\n<dd><strong>localhost</strong></dd>",
        "Described App",
        "localhost:3030",
        "a program on your own machine",
    ] {
        assert!(page.body.contains(shown), "{shown}\n{}", page.body);
    }
    assert!(browser.decide(&server, &page, "approve").await.location().contains("code="));
    // It is asked again the next time.
    let again = browser.get(&server, &format!("/authorize?{}", query(&id, &[]))).await;
    assert!(again.location().starts_with("/consent?"));
    // A client that registered itself is described by nobody.
    let registered = server.public_client().await;
    let page = Browser::default().sign_in(&server, &query(&registered.id, &[])).await;
    assert!(!page.body.contains("Described by"));
}

#[tokio::test]
async fn as_34_only_redirects_of_the_document() {
    let site = Site::named("localhost").await;
    let server = server(&site).await;
    let id = publish(&site, "/client.json", &["https://app.example/cb", "http://127.0.0.1/cb"]);
    let ask = async |redirect: &str| {
        server.get(&format!("/authorize?{}", query(&id, &[("redirect_uri", redirect)]))).await
    };
    assert!(ask("http://127.0.0.1:41234/cb").await.location().starts_with("/login?"));
    ask("http://127.0.0.1:41234/other").await.is_page(400);
    ask("http://localhost/cb").await.is_page(400);
    // In the document, but on another origin.
    ask("https://app.example/cb").await.is_page(400);
}

#[tokio::test]
async fn as_45_a_bad_document_is_a_page_and_invalid_client() {
    let site = Site::named("localhost").await;
    let server = server(&site).await;
    let body = json!({ "client_id": site.url("/secret"), "client_name": "A",
        "redirect_uris": [REDIRECT], "client_secret": "s" });
    site.document("/secret", "", &body.to_string());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    site.answer("/endless", head, Then::Endless);
    site.answer("/stalled", head, Then::Stall);
    site.answer("/moved", "HTTP/1.1 302 Found\r\nlocation: /secret\r\n\r\n", Then::Close);
    let mut pages = Vec::new();
    for path in ["/secret", "/endless", "/stalled", "/moved", "/nothing", "/nothing?x=1", "/"] {
        let client = Client { id: site.url(path), secret: None };
        let page = server.get(&format!("/authorize?{}", query(&client.id, &[]))).await;
        page.is_page(400);
        pages.push(page.body);
        let answer = server.redeem(&client, "code").await;
        assert_eq!(answer.refusal(), (401, "invalid_client".into()), "{path}");
        let answer = server.as_client("/revoke", &client, &[("token", "t")]).await;
        assert_eq!(answer.refusal(), (401, "invalid_client".into()), "{path}");
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "one page for all of them (SEC-287)");
    assert_eq!(site.requests(), 5);
    // Without the setting for development, this machine is not asked at all (SEC-280, SEC-288).
    let before = site.connections();
    let strict = Server::new().await;
    let id = publish(&site, "/client.json", &[REDIRECT]);
    strict.get(&format!("/authorize?{}", query(&id, &[]))).await.is_page(400);
    assert_eq!(site.connections(), before);
}

#[tokio::test]
async fn sec_286_a_document_that_changed_counts_from_then_on() {
    let site = Site::named("localhost").await;
    let server = server(&site).await;
    let id = publish(&site, "/client.json", &[REDIRECT]);
    let client = Client { id: id.clone(), secret: None };
    let (_, refresh) = server.tokens(&client, OPAQUE).await;
    let mut browser = Browser::default();
    let consent = browser.sign_in(&server, &query(&id, &[])).await;
    // While the user reads, the redirect URI goes.
    server.pass_secs(5 * 60);
    publish(&site, "/client.json", &["http://localhost:3030/other"]);
    let decided = browser.decide(&server, &consent, "approve").await;
    decided.is_page(400);
    server.get(&format!("/authorize?{}", query(&id, &[]))).await.is_page(400);
    // Then the whole document; what the client holds is worth nothing without it.
    server.pass_secs(5 * 60);
    site.answer("/client.json", "HTTP/1.1 404 Gone\r\ncontent-length: 0\r\n\r\n", Then::Close);
    let answer = server.refresh(&client, &refresh).await;
    assert_eq!(answer.refusal(), (401, "invalid_client".into()));
}

#[tokio::test]
async fn sec_287_fetches_for_one_peer_are_counted() {
    let site = Site::named("localhost").await;
    let mut settings = settings();
    settings.client_documents.loopback_for_development = true;
    settings.client_documents.extra_roots = vec![site.root.clone()];
    settings.limits.document_fetches_per_peer_per_minute = 1;
    let server = Server::with(settings).await;
    let ids = [publish(&site, "/a", &[REDIRECT]), publish(&site, "/b", &[REDIRECT])];
    let ask = async |id: &str| server.get(&format!("/authorize?{}", query(id, &[]))).await;
    assert!(ask(&ids[0]).await.location().starts_with("/login?"));
    ask(&ids[1]).await.is_page(429);
    let client = Client { id: ids[1].clone(), secret: None };
    assert_eq!(server.redeem(&client, "code").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(ask(&ids[0]).await.location().starts_with("/login?"));
}

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Publishes a document of a client with keys, where `keys` says, and gives its URL.
pub(crate) fn publish_with_keys(
    site: &Site,
    path: &str,
    keys: (&str, serde_json::Value),
) -> String {
    let url = site.url(path);
    let mut document = json!({
        "client_id": url,
        "client_name": "App with a key",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "private_key_jwt",
    });
    document[keys.0] = keys.1;
    site.document(path, "", &document.to_string());
    url
}

/// A form to `path` as the client `id`, which signs with `key`.
pub(crate) async fn signed(
    server: &Server,
    path: &str,
    (id, key, jti): (&str, &Key, &str),
    form: &[(&str, &str)],
) -> Answer {
    let now = server.now_secs();
    let claims = json!({ "iss": id, "sub": id, "aud": ISSUER, "exp": now + 60, "iat": now,
        "jti": jti });
    let assertion = key.assertion(&json!({ "alg": key.algorithm() }), &claims);
    let mut form = form.to_vec();
    form.extend([("client_assertion_type", TYPE), ("client_assertion", &assertion)]);
    server.post_form(path, &[], &form).await
}

#[tokio::test]
async fn as_36_a_client_of_a_document_authenticates_with_its_keys() {
    let site = Site::named("localhost").await;
    let server = server(&site).await;
    let (key, other) = (Key::es256(), Key::es256());
    let keys: serde_json::Value = serde_json::from_str(&key.jwks()).unwrap();
    site.document("/jwks", "", &key.jwks());
    let refused = (401, "invalid_client".to_owned());
    for (path, place) in
        [("/inline", ("jwks", keys)), ("/elsewhere", ("jwks_uri", json!(site.url("/jwks"))))]
    {
        let id = publish_with_keys(&site, path, place);
        let client = Client { id: id.clone(), secret: None };
        let code = server.code(&client, OPAQUE).await;
        // It proves who it is on every call; the document alone proves nothing.
        assert_eq!(server.redeem(&client, &code).await.refusal(), refused);
        let by_other = (id.as_str(), &other, "other");
        let answer = signed(&server, "/token", by_other, &redemption(&code)).await;
        assert_eq!(answer.refusal(), refused);
        let as_own = |jti: &'static str| (id.as_str(), &key, jti);
        let issued = signed(&server, "/token", as_own("1"), &redemption(&code)).await;
        assert_eq!(issued.status, StatusCode::OK, "{}", issued.body);
        let (access, refresh) = issued.tokens();
        assert_eq!(server.introspect(OPAQUE, &access).await["client_id"], id.as_str());
        assert_eq!(server.refresh(&client, &refresh).await.refusal(), refused);
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let (_, refresh) = signed(&server, "/token", as_own("2"), &form).await.tokens();
        assert_eq!(
            server.as_client("/revoke", &client, &[("token", &refresh)]).await.refusal(),
            refused
        );
        let revoked = signed(&server, "/revoke", as_own("3"), &[("token", &refresh)]).await;
        assert_eq!(revoked.status, StatusCode::OK);
        // A request that is pushed is its own, too.
        let pushed = query(&id, &[("client_assertion_type", TYPE), ("client_assertion", "a.b.c")]);
        let fields = [("content-type", "application/x-www-form-urlencoded")];
        let push = request(http::Method::POST, "/par", &fields, pushed.into());
        assert_eq!(server.send(push).await.refusal(), refused);
    }
}

#[tokio::test]
async fn as_36_keys_that_changed_count_soon() {
    let site = Site::named("localhost").await;
    let server = server(&site).await;
    let (old, new) = (Key::es256(), Key::es256());
    let cached = "cache-control: max-age=86400\r\n";
    site.document("/jwks", cached, &old.jwks());
    let id = publish_with_keys(&site, "/client.json", ("jwks_uri", json!(site.url("/jwks"))));
    let client = Client { id: id.clone(), secret: None };
    let code = server.code(&client, OPAQUE).await;
    site.document("/jwks", cached, &new.jwks());
    let refused = signed(&server, "/token", (&id, &new, "1"), &redemption(&code)).await;
    assert_eq!(refused.refusal(), (401, "invalid_client".into()));
    server.pass_secs(5 * 60);
    let code = server.code(&client, OPAQUE).await;
    let refused = signed(&server, "/token", (&id, &old, "2"), &redemption(&code)).await;
    assert_eq!(refused.refusal(), (401, "invalid_client".into()));
    let issued = signed(&server, "/token", (&id, &new, "3"), &redemption(&code)).await;
    assert_eq!(issued.status, StatusCode::OK, "{}", issued.body);
}

/// Keys are fetched under the rules for documents, and fetched only from where those are.
#[tokio::test]
async fn as_40_sec_257_keys_elsewhere_are_fetched_like_documents() {
    let site = Site::named("localhost").await;
    let server = server(&site).await;
    let key = Key::es256();
    site.document("/jwks", "", &key.jwks());
    site.document("/none", "", "{}");
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\n\r\n", site.url("/jwks"));
    site.answer("/moved", moved, Then::Close);
    let ask = async |id: &str| server.get(&format!("/authorize?{}", query(id, &[]))).await;
    for (number, uri) in [
        "http://localhost/jwks".to_owned(),
        format!("https://127.0.0.1:{}/jwks", site.port),
        "https://169.254.169.254/jwks".into(),
        "https://10.0.0.1/jwks".into(),
        "file:///etc/passwd".into(),
        format!("{}?x=1", site.url("/jwks")),
        site.url("/moved"),
        site.url("/none"),
        site.url("/nothing"),
        site.url("/"),
    ]
    .iter()
    .enumerate()
    {
        let id = publish_with_keys(&site, &format!("/bad{number}"), ("jwks_uri", json!(uri)));
        ask(&id).await.is_page(400);
    }
    let id = publish_with_keys(&site, "/good", ("jwks_uri", json!(site.url("/jwks"))));
    assert!(ask(&id).await.location().starts_with("/login?"));
}
