//! Users of the table, as they sign in.

use portcullis_authorization_server::{AccountError, Accounts};

use crate::databases::{TestDatabase, durable};
use crate::harness::*;

/// Whether a browser gets in with this name and password.
async fn signs_in(server: &Server, client: &Client, name: &str, password: &str) -> Option<Browser> {
    let mut browser = Browser::default();
    let page = browser.ask(server, &query(&client.id, &[])).await;
    let (id, token) = (page.hidden("request"), page.hidden("form_token"));
    let form = [
        ("request", id.as_str()),
        ("form_token", &token),
        ("username", name),
        ("password", password),
    ];
    let answer = browser.post(server, "/login", &[("sec-fetch-site", "same-origin")], &form).await;
    answer.location().contains("/consent?").then_some(browser)
}

async fn check(database: &TestDatabase) {
    let server = Server::with(durable(database.place())).await;
    let client = server.public_client().await;
    // As a command does it, beside the server.
    let accounts = Accounts::open(&database.place()).await.unwrap();
    assert!(signs_in(&server, &client, "alice", "first").await.is_none());
    accounts.add("alice", "first").await.unwrap();
    assert_eq!(accounts.add("alice", "other").await, Err(AccountError::Taken));
    assert!(signs_in(&server, &client, "alice", "other").await.is_none());
    let mut browser = signs_in(&server, &client, "alice", "first").await.unwrap();

    let location = browser.get(&server, &format!("/authorize?{}", query(&client.id, &[]))).await;
    let consent = browser.get(&server, &location.location()).await;
    let location = browser.decide(&server, &consent, "approve").await.location();
    let code = parameter(&location, "code").unwrap();
    let (access, refresh) = server.redeem(&client, &code).await.tokens();
    assert_eq!(server.introspect(OPAQUE, &access).await["sub"], "alice");

    // A new password ends the sign-ins; what clients were allowed stays.
    accounts.set_password("alice", "second").await.unwrap();
    let query = query(&client.id, &[("state", "again")]);
    let location = browser.get(&server, &format!("/authorize?{query}")).await.location();
    assert!(location.starts_with("/login?"), "{location}");
    assert!(signs_in(&server, &client, "alice", "first").await.is_none());
    assert!(signs_in(&server, &client, "alice", "second").await.is_some());
    let (access, refresh) = server.refresh(&client, &refresh).await.tokens();
    assert!(server.is_active(OPAQUE, &access).await);

    accounts.disable("alice").await.unwrap();
    assert!(accounts.list().await.unwrap().iter().all(|account| account.is_disabled()));
    assert!(signs_in(&server, &client, "alice", "second").await.is_none());
    assert_eq!(server.refresh(&client, &refresh).await.refusal().1, "invalid_grant");
    assert!(!server.is_active(OPAQUE, &access).await);
    accounts.enable("alice").await.unwrap();
    assert!(server.is_active(OPAQUE, &access).await);
    assert!(signs_in(&server, &client, "alice", "second").await.is_some());
    let (_, refresh) = server.refresh(&client, &refresh).await.tokens();

    accounts.remove("alice").await.unwrap();
    assert!(!server.is_active(OPAQUE, &access).await);
    assert_eq!(server.refresh(&client, &refresh).await.refusal().1, "invalid_grant");
    assert!(accounts.list().await.unwrap().is_empty());
    for result in [
        accounts.remove("alice").await,
        accounts.disable("alice").await,
        accounts.set_password("alice", "x").await,
    ] {
        assert_eq!(result, Err(AccountError::Unknown));
    }
    assert_eq!(accounts.set_password("alice", "").await, Err(AccountError::Password));
    // SEC-236: no user is named like a client.
    for name in ["", "client-1", "a b", "https://app.example", &"x".repeat(300)] {
        assert_eq!(accounts.add(name, "password").await, Err(AccountError::Name), "{name}");
    }
}

#[tokio::test]
async fn sec_210_sec_304_users_of_the_table_sign_in_until_they_are_disabled() {
    for database in TestDatabase::each() {
        check(&database).await;
    }
}
