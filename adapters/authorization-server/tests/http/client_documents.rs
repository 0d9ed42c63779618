//! Clients that are known by a document at a URL, over whole flows.

use http::StatusCode;
use serde_json::json;

use crate::harness::*;
use crate::site::{Site, Then};

async fn server(site: &Site) -> Server {
    let mut settings = settings();
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
