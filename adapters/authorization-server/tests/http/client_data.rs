//! Registrations and requests as the official SDKs send them.

use http::StatusCode;
use serde_json::json;

use crate::harness::*;

/// Registers, authorizes and redeems as the Python SDK does; gives the token answer.
async fn run(server: &Server, metadata: serde_json::Value, extra: &[(&str, &str)]) -> Answer {
    let answer = server.register(metadata).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let registered = answer.json();
    let text = |name: &str| registered[name].as_str().map(str::to_owned);
    let client = Client { id: text("client_id").unwrap(), secret: text("client_secret") };
    let location = server.authorize(&query(&client.id, extra)).await;
    assert_eq!(parameter(&location, "iss").as_deref(), Some(ISSUER));
    let code = parameter(&location, "code").unwrap();
    let mut form = redemption(&code).to_vec();
    form.push(("resource", OPAQUE));
    match (text("token_endpoint_auth_method").as_deref(), &client.secret) {
        (Some("client_secret_basic"), Some(secret)) => {
            let basic = basic(&client.id, secret);
            form.push(("client_id", &client.id)); // the SDK repeats it in the form
            server.post_form("/token", &[("authorization", &basic)], &form).await
        }
        _ => server.token(&client, &form).await,
    }
}

#[tokio::test]
async fn python_1_registers_without_application_type() {
    let server = Server::new().await;
    let answer = run(
        &server,
        json!({
            "client_name": "Simple Auth Client",
            "redirect_uris": ["http://localhost:3030/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_post",
            "scope": "user",
        }),
        &[],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(answer.json()["refresh_token"].is_string());
}

#[tokio::test]
async fn python_2_registers_as_native_and_leaves_the_method_open() {
    let server = Server::new().await;
    let answer = run(
        &server,
        json!({
            "redirect_uris": ["http://localhost:3030/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "application_type": "native",
            "scope": "user",
            "client_name": "Simple Auth Client",
        }),
        &[],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn rmcp_asks_for_every_scope_there_is() {
    let server = Server::new().await;
    let answer = run(
        &server,
        json!({
            "client_name": "rmcp",
            "redirect_uris": ["http://localhost:3030/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            "response_types": ["code"],
        }),
        &[("scope", "user admin offline_access")],
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.json()["scope"], "admin user");
}
