//! The ways to tokens without a browser on this machine.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use serde_json::json;

use super::world::{Seen, World, json_body};
use crate::client::{
    Access, AuthorizeError, ConfiguredClient, DeviceCode, McpClient, Options, PrintUrl, SigningKey,
    authorize,
};
use portcullis_core::client::{DeviceError, RegistrationError, SigningAlgorithm};

const AS: &str = "/.well-known/oauth-authorization-server";

/// A server with these further members in the authorization server's metadata.
async fn world_with(
    members: serde_json::Value,
    token: impl Fn(&World, &Seen) -> Option<(u16, serde_json::Value)> + Send + Sync + 'static,
) -> World {
    World::with(move |world, seen| match seen.path.as_str() {
        AS => {
            let mut document: serde_json::Value =
                serde_json::from_str(&world.issuer_document()).unwrap();
            for (name, value) in members.as_object().unwrap() {
                let value = value.as_str().map(|text| text.replace("ISSUER", &world.issuer));
                document[name] = value.map_or_else(|| members[name].clone(), Into::into);
            }
            Some(json_body(200, document.to_string()))
        }
        "/token" | "/device" => {
            token(world, seen).map(|(status, body)| json_body(status, body.to_string()))
        }
        _ => None,
    })
    .await
}

fn tokens(world: &World, expires_in: u32) -> serde_json::Value {
    let mut known = world.known.lock().unwrap();
    known.tokens += 1;
    json!({
        "access_token": format!("at-{}", known.tokens), "token_type": "Bearer",
        "expires_in": expires_in, "refresh_token": "unused",
    })
}

fn own_access(world: &World, client: ConfiguredClient) -> Options {
    Options { clients: vec![client], access: Access::ClientCredentials, ..world.options() }
}

fn no_browser(_: String) -> std::future::Ready<std::io::Result<()>> {
    panic!("nobody is there")
}

#[tokio::test]
async fn cc_07_an_application_gets_tokens_for_itself_again_and_again() {
    let methods = json!({ "token_endpoint_auth_methods_supported": ["client_secret_basic"] });
    // The first token ends at once, as far as the client is concerned.
    let world = world_with(methods, |world, _| Some((200, tokens(world, 1)))).await;
    let client = ConfiguredClient::new(&world.issuer, "me").with_secret("s");
    let client = McpClient::new(world.resource.as_str(), own_access(&world, client), no_browser);
    let client = client.unwrap();
    client.list_tools().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    client.list_tools().await.unwrap();
    let asked = world.seen("/token");
    assert!(asked.len() >= 2, "{asked:?}");
    for seen in asked {
        assert_eq!(seen.parameter("grant_type").as_deref(), Some("client_credentials"));
        assert_eq!(seen.parameter("resource"), Some(world.resource.clone()));
        assert_eq!(seen.parameter("scope").as_deref(), Some("user"));
        assert_eq!(seen.field("authorization"), Some("Basic bWU6cw=="));
    }
    assert_eq!(world.seen("/authorize").len() + world.seen("/register").len(), 0);
}

#[tokio::test]
async fn cc_03_an_application_signs_where_the_server_takes_it() {
    let methods = json!({
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["EdDSA"],
    });
    let world = world_with(methods, |world, _| Some((200, tokens(world, 3600)))).await;
    let key = |algorithm| SigningKey::generate(algorithm).unwrap();
    let client = ConfiguredClient::new(&world.issuer, "me");
    let fits = client.clone().with_key(key(SigningAlgorithm::EdDsa));
    authorize(&world.resource, &own_access(&world, fits), &no_browser).await.unwrap();
    let seen = world.seen("/token").remove(0);
    assert!(seen.parameter("client_assertion").is_some() && seen.field("authorization").is_none());
    // A key that the server does not take: nothing is sent.
    let other = client.with_key(key(SigningAlgorithm::Es256));
    let login = authorize(&world.resource, &own_access(&world, other), &no_browser).await;
    let refused = AuthorizeError::Registration(RegistrationError::ClientAuthentication, None);
    assert_eq!(login.unwrap_err().to_string(), refused.to_string());
    assert_eq!(world.seen("/token").len(), 1);
}

#[tokio::test]
async fn cc_02_sec_474_an_application_does_not_register_and_goes_to_no_other_issuer() {
    let world = World::honest().await;
    let elsewhere = ConfiguredClient::new("https://as.example", "me").with_secret("hush");
    let public = ConfiguredClient::new(&world.issuer, "me");
    let none = Options { access: Access::ClientCredentials, ..world.options() };
    for options in [none, own_access(&world, elsewhere), own_access(&world, public)] {
        let login = authorize(&world.resource, &options, &PrintUrl).await;
        assert!(login.is_err(), "{login:?}");
    }
    assert_eq!(world.seen("/token").len() + world.seen("/register").len(), 0);
}

/// Logs in on a device whose server answers the polls in turn, and gives the code that was shown.
async fn device_login(
    answers: &'static [(u16, &'static str)],
    codes: serde_json::Value,
) -> (World, Result<(), AuthorizeError>, Option<DeviceCode>) {
    let members = json!({ "device_authorization_endpoint": "ISSUER/device" });
    let polls = AtomicU32::new(0);
    let world = world_with(members, move |world, seen| {
        if seen.path == "/device" {
            return Some((200, codes.clone()));
        }
        let poll = polls.fetch_add(1, Ordering::Relaxed);
        match answers.get(poll as usize) {
            Some((status, error)) => Some((*status, json!({ "error": error }))),
            None => Some((200, tokens(world, 3600))),
        }
    })
    .await;
    let shown = Arc::new(std::sync::Mutex::new(None));
    let display = {
        let shown = Arc::clone(&shown);
        move |code: DeviceCode| {
            *shown.lock().unwrap() = Some(code);
            std::future::ready(Ok(()))
        }
    };
    let access = Access::Device(Arc::new(display));
    let options = Options { access, ..world.options() };
    let login = authorize(&world.resource, &options, &no_browser).await.map(|login| {
        assert!(login.is_refreshable());
    });
    let shown = shown.lock().unwrap().take();
    (world, login, shown)
}

fn codes() -> serde_json::Value {
    json!({
        "device_code": "dc", "user_code": "WDJB-MJHT", "expires_in": 60, "interval": 1,
        "verification_uri": "https://as.example/go",
    })
}

#[tokio::test]
async fn rfc_8628_a_user_logs_in_elsewhere() {
    let answers = &[(400, "authorization_pending"), (503, "busy")];
    let (world, login, shown) = device_login(answers, codes()).await;
    login.unwrap();
    let shown = shown.unwrap();
    assert_eq!((shown.user_code.as_str(), shown.verification_uri_complete), ("WDJB-MJHT", None));
    let registered: serde_json::Value =
        serde_json::from_str(&world.seen("/register")[0].body).unwrap();
    assert_eq!(registered["redirect_uris"], json!([]));
    let asked = world.seen("/token");
    assert_eq!(asked.len(), 3);
    for seen in asked {
        assert_eq!(seen.parameter("device_code").as_deref(), Some("dc"));
        assert_eq!(seen.parameter("resource"), Some(world.resource.clone()));
        assert_eq!(seen.parameter("client_id").as_deref(), Some("c-1"));
    }
    assert_eq!(world.seen("/authorize").len(), 0);
}

#[tokio::test]
async fn rfc_8628_a_user_who_does_not() {
    for (error, expected) in
        [("access_denied", DeviceError::Denied), ("expired_token", DeviceError::Expired)]
    {
        let answers: &'static [(u16, &'static str)] = vec![(400, error)].leak();
        let (world, login, _) = device_login(answers, codes()).await;
        let login = login.unwrap_err();
        assert!(matches!(&login, AuthorizeError::Device(error, _) if *error == expected));
        assert_eq!(world.seen("/token").len(), 1);
    }
}

#[tokio::test]
async fn sec_461_a_page_of_another_kind_is_not_shown_and_nothing_is_asked() {
    for page in ["javascript:alert(1)", "http://as.example/go", "file:///etc/passwd"] {
        let mut codes = codes();
        codes["verification_uri"] = page.into();
        let (world, login, shown) = device_login(&[], codes).await;
        let refused = |error: AuthorizeError| {
            matches!(error, AuthorizeError::Device(DeviceError::VerificationUri(_), None))
        };
        assert!(login.is_err_and(refused), "{page}");
        assert!(shown.is_none() && world.seen("/token").is_empty());
    }
}

#[tokio::test]
async fn a_server_without_the_device_grant() {
    let world = World::honest().await;
    let access = Access::Device(Arc::new(crate::client::PrintCode));
    let options = Options { access, ..world.options() };
    let login = authorize(&world.resource, &options, &no_browser).await;
    assert!(matches!(login, Err(AuthorizeError::Discovery(_))), "{login:?}");
    assert_eq!(world.seen("/register").len(), 0);
}
