//! What outlives a server, and what must not be found in its database.

use http::StatusCode;

use crate::databases::{TestDatabase, durable};
use crate::harness::*;

/// Everything that one server acknowledged holds for the next one on the same database.
async fn check_restart(database: &TestDatabase) {
    let first = Server::with(durable(database.place())).await;
    let client = first.client_with("client_secret_post").await;
    let (spent, _, access, refresh) = {
        let (old_access, old) = first.tokens(&client, SIGNED).await;
        let (access, refresh) = first.refresh(&client, &old).await.tokens();
        (old, old_access, access, refresh)
    };
    let (opaque, _) = first.tokens(&client, OPAQUE).await;
    let (revoked, of_revoked) = first.tokens(&client, OPAQUE).await;
    assert_eq!(first.as_client("/revoke", &client, &[("token", &of_revoked)]).await.status, 200);
    let used = first.code(&client, OPAQUE).await;
    first.redeem(&client, &used).await.tokens();
    let unused = first.code(&client, OPAQUE).await;
    let mut browser = Browser::default();
    let waiting = browser.sign_in(&first, &query(&client.id, &[])).await;
    waiting.is_page(200);
    first.server.close().await;

    let second = Server::with(durable(database.place())).await;
    assert!(second.is_active(SIGNED, &access).await);
    assert!(second.is_active(OPAQUE, &opaque).await);
    assert!(!second.is_active(OPAQUE, &revoked).await);
    // Who is signed in stays so, and what waits can be decided.
    let location = browser.decide(&second, &waiting, "approve").await.location();
    let code = parameter(&location, "code").unwrap();
    assert_eq!(second.redeem(&client, &code).await.status, 200);
    assert_eq!(second.redeem(&client, &unused).await.status, 200);
    assert_eq!(second.redeem(&client, &used).await.refusal().1, "invalid_grant");
    let (renewed, _) = second.refresh(&client, &refresh).await.tokens();
    assert!(second.is_active(SIGNED, &renewed).await);
    // The spent token is still known to be spent: its family ends.
    assert_eq!(second.refresh(&client, &spent).await.refusal().1, "invalid_grant");
    assert!(!second.is_active(SIGNED, &renewed).await);
    second.server.close().await;
}

#[tokio::test]
async fn sec_563_what_was_answered_outlives_the_server() {
    for database in TestDatabase::each() {
        check_restart(&database).await;
    }
}

/// Runs flows with every kind of secret, and gives them.
async fn secrets_of_flows(server: &Server) -> Vec<String> {
    let client = server.client_with("client_secret_post").await;
    let mut secrets = vec![client.secret.clone().unwrap(), VERIFIER.into(), "demo_password".into()];
    for resource in [OPAQUE, SIGNED] {
        let mut browser = Browser::default();
        let page = browser.ask(server, &query(&client.id, &[("resource", resource)])).await;
        secrets.push(page.hidden("form_token"));
        secrets.push(browser.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned());
        browser.log_in(server, &page, "wrong-password-typed").await;
        let page = browser.sign_in(server, &query(&client.id, &[("resource", resource)])).await;
        secrets.push(browser.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned());
        let location = browser.decide(server, &page, "approve").await.location();
        let code = parameter(&location, "code").unwrap();
        let (access, refresh) = server.redeem(&client, &code).await.tokens();
        let (renewed, next) = server.refresh(&client, &refresh).await.tokens();
        secrets.extend([code, access, refresh, renewed, next]);
        secrets.push(server.code(&client, resource).await);
        let pushed = query(&client.id, &[("client_secret", client.secret.as_deref().unwrap())]);
        let fields = [("content-type", "application/x-www-form-urlencoded")];
        let pushed = request(http::Method::POST, "/par", &fields, pushed.into());
        let named = server.send(pushed).await.json();
        secrets.push(named["request_uri"].as_str().unwrap().rsplit(':').next().unwrap().to_owned());
        // A request that still waits.
        let page = Browser::default().ask(server, &query(&client.id, &[])).await;
        secrets.push(page.hidden("form_token"));
        let credentials = server.server.introspection_credentials(resource).unwrap();
        secrets.push(credentials.client_secret.clone());
    }
    server.server.accounts().add("alice", "password-of-alice").await.unwrap();
    secrets.extend(["wrong-password-typed".into(), "password-of-alice".into()]);
    secrets
}

#[tokio::test]
async fn sec_240_no_secret_in_the_database() {
    for database in TestDatabase::each() {
        let server = Server::with(durable(database.place())).await;
        let client = server.public_client().await;
        let secrets = secrets_of_flows(&server).await;
        let stored = database.bytes();
        let finds = |text: &str| stored.windows(text.len()).any(|it| it == text.as_bytes());
        // What is no secret is found, so a secret would be.
        for known in [client.id.as_str(), "$argon2id$v=19$", "demo_user", "sha256:"] {
            assert!(finds(known), "{known}");
        }
        for secret in secrets {
            assert!(secret.len() >= 8, "{secret}");
            assert!(!finds(&secret), "a secret is stored: {secret}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn sec_240_files_of_the_database_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.db");
    let server =
        Server::with(durable(portcullis_authorization_server::Database::Sqlite(path))).await;
    server.public_client().await;
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let metadata = file.unwrap().metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        files += 1;
    }
    assert_eq!(files, 3, "the file, its log, and the index of the log");
}

#[tokio::test]
async fn lim_16_unused_clients_are_counted_in_the_database() {
    for database in TestDatabase::each() {
        let limited = || {
            let mut settings = durable(database.place());
            settings.limits.unused_clients = 2;
            settings
        };
        let first = Server::with(limited()).await;
        let second = Server::with(limited()).await;
        let metadata = || serde_json::json!({ "redirect_uris": [REDIRECT] });
        let user = first.public_client().await;
        assert_eq!(second.register(metadata()).await.status, StatusCode::CREATED);
        assert_eq!(first.register(metadata()).await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(second.register(metadata()).await.status, StatusCode::SERVICE_UNAVAILABLE);
        // A client that obtains a token makes room, at either server.
        second.tokens(&user, OPAQUE).await;
        assert_eq!(first.register(metadata()).await.status, StatusCode::CREATED);
        // After a day the unused ones go, the used one stays.
        second.pass_secs(24 * 60 * 60);
        second.server.sweep().await;
        assert_eq!(second.register(metadata()).await.status, StatusCode::CREATED);
        second.tokens(&user, OPAQUE).await;
    }
}

#[tokio::test]
async fn sweeping_leaves_nothing_that_has_ended() {
    for database in TestDatabase::each() {
        let mut settings = durable(database.place());
        settings.lifetimes.refresh_token_idle = settings.lifetimes.refresh_token;
        let server = Server::with(settings).await;
        let client = server.public_client().await;
        let (_, refresh) = server.tokens(&client, OPAQUE).await;
        server.code(&client, OPAQUE).await;
        Browser::default().ask(&server, &query(&client.id, &[])).await;
        let (_, other) = server.tokens(&client, OPAQUE).await;
        server.as_client("/revoke", &client, &[("token", &other)]).await;
        for table in ["access_tokens", "refresh_tokens", "revocations", "sessions"] {
            assert_ne!(database.count(table).await, 0, "{table}");
        }
        server.pass_secs(29 * 24 * 60 * 60);
        server.server.sweep().await;
        let (_, refresh) = server.refresh(&client, &refresh).await.tokens();
        server.pass_secs(24 * 60 * 60 + 1);
        server.server.sweep().await;
        assert_eq!(server.refresh(&client, &refresh).await.refusal().1, "invalid_grant");
        for table in [
            "authorization_codes",
            "access_tokens",
            "refresh_tokens",
            "revocations",
            "sessions",
            "pending_authorizations",
        ] {
            assert_eq!(database.count(table).await, 0, "{table}");
        }
        assert_eq!(database.count("clients").await, 1);
    }
}
