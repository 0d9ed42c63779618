//! Where somebody else speaks for the user, or for the program.

use std::{io, sync::Arc};

use serde_json::json;
use zeroize::Zeroizing;

use super::{
    due,
    world::{World, json_body, text},
};
use crate::client::{
    Access, AuthorizeError, ConfiguredClient, EnterpriseManaged, McpClient, Options, Subject,
    WorkloadIdentity, authorize,
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn nobody(_: String) -> std::future::Ready<io::Result<()>> {
    panic!("nobody is sent anywhere (EM-16)")
}

/// Both servers, and an identity provider at `/idp`, which gives this kind of token.
async fn world(issued: &'static str) -> World {
    World::with(move |world, seen| match seen.path.as_str() {
        "/idp" if world.seen("/idp").len() > 1 => Some(text(503, "text/plain", "not now")),
        "/idp" => Some(json_body(
            200,
            json!({
                "access_token": "j.a.g", "token_type": "N_A",
                "issued_token_type": format!("urn:ietf:params:oauth:token-type:{issued}"),
            })
            .to_string(),
        )),
        "/token" => {
            let good = seen.parameter("grant_type").as_deref() == Some(JWT_BEARER)
                && matches!(seen.parameter("assertion").as_deref(), Some("j.a.g" | "p.l.t"));
            if !good {
                return Some(json_body(400, json!({ "error": "invalid_grant" }).to_string()));
            }
            let mut known = world.known.lock().unwrap();
            known.tokens += 1;
            let token = format!("at-{}", known.tokens);
            let tokens =
                json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 });
            Some(json_body(200, tokens.to_string()))
        }
        "/.well-known/oauth-authorization-server" => {
            let methods = r#""token_endpoint_auth_methods_supported":["none"#;
            let document = world.issuer_document();
            assert!(document.contains(methods));
            let more = methods.replace("[\"none", "[\"client_secret_basic\",\"none");
            Some(json_body(200, document.replace(methods, &more)))
        }
        _ => None,
    })
    .await
}

fn enterprise(world: &World, issuer: &str) -> Options {
    let access = EnterpriseManaged {
        token_endpoint: format!("{}/idp", world.issuer),
        client: ConfiguredClient::new("https://idp.example", "app"),
        source: Arc::new(|| async { Ok(Subject::IdToken(Zeroizing::new("id.to.ken".into()))) }),
    };
    Options {
        clients: vec![ConfiguredClient::new(issuer, "me").with_secret("s")],
        access: Access::EnterpriseManaged(Arc::new(access)),
        ..world.options()
    }
}

fn workload(world: &World, issuer: &str, jwt: &'static str) -> Options {
    let source = Arc::new(move || async move { Ok(Zeroizing::new(jwt.to_owned())) });
    let access = WorkloadIdentity { issuer: issuer.to_owned(), source };
    Options { access: Access::WorkloadIdentity(Arc::new(access)), ..world.options() }
}

#[tokio::test]
async fn em_01_the_enterprise_decides_and_the_user_is_sent_nowhere() {
    let world = world("id-jag").await;
    let options = enterprise(&world, &world.issuer);
    let client = McpClient::new(world.resource.as_str(), options, nobody).unwrap();
    client.list_tools().await.unwrap();
    let exchange = world.seen("/idp").remove(0);
    assert_eq!(exchange.parameter("audience"), Some(world.issuer.clone()));
    assert_eq!(exchange.parameter("resource"), Some(world.resource.clone()));
    assert_eq!(exchange.parameter("subject_token").as_deref(), Some("id.to.ken"));
    let asked = world.seen("/token").remove(0);
    assert_eq!(asked.field("authorization"), Some("Basic bWU6cw=="));
    assert_eq!(asked.parameter("resource"), Some(world.resource.clone()));
}

#[tokio::test]
async fn sec_177_an_identity_provider_in_trouble_is_asked_again_later() {
    let world = world("id-jag").await;
    let options = enterprise(&world, &world.issuer);
    let client = McpClient::new(world.resource.as_str(), options, nobody).unwrap();
    client.list_tools().await.unwrap();
    client.set_login(due(&client.login().await.unwrap())).await;
    client.list_tools().await.unwrap();
    assert_eq!(world.seen("/idp").len(), 2);
    assert!(client.login().await.unwrap().is_refreshable());
}

#[tokio::test]
async fn em_15_sec_474_no_assertion_is_made_for_another_issuer() {
    let world = world("id-jag").await;
    let options = enterprise(&world, "https://as.example");
    let login = authorize(&world.resource, &options, &nobody).await;
    assert!(matches!(login, Err(AuthorizeError::Registration(..))), "{login:?}");
    assert_eq!(world.seen("/idp").len() + world.seen("/token").len(), 0);
}

#[tokio::test]
async fn em_03_another_kind_of_token_is_not_passed_on() {
    let world = world("access_token").await;
    let options = enterprise(&world, &world.issuer);
    let login = authorize(&world.resource, &options, &nobody).await;
    assert!(matches!(login, Err(AuthorizeError::IdJag(..))), "{login:?}");
    assert_eq!((world.seen("/idp").len(), world.seen("/token").len()), (1, 0));
}

#[tokio::test]
async fn wf_01_the_platform_vouches_for_the_program() {
    let world = world("id-jag").await;
    let options = workload(&world, &world.issuer, "p.l.t\n");
    let client = McpClient::new(world.resource.as_str(), options, nobody).unwrap();
    client.list_tools().await.unwrap();
    let asked = world.seen("/token").remove(0);
    assert_eq!(asked.parameter("assertion").as_deref(), Some("p.l.t"));
    assert_eq!((asked.parameter("client_id"), asked.field("authorization")), (None, None));
}

#[tokio::test]
async fn wf_05_a_refusal_is_the_end() {
    let world = world("id-jag").await;
    let options = workload(&world, &world.issuer, "o.l.d");
    let client = McpClient::new(world.resource.as_str(), options, nobody).unwrap();
    assert!(client.list_tools().await.is_err());
    assert_eq!(world.seen("/token").len(), 1);
    assert_eq!(world.seen("/register").len() + world.seen("/authorize").len(), 0);
}

#[tokio::test]
async fn sec_474_the_platforms_jwt_goes_to_no_other_issuer() {
    let world = world("id-jag").await;
    for (issuer, jwt) in [("https://as.example", "p.l.t"), (&*world.issuer, "not a JWT")] {
        let login = authorize(&world.resource, &workload(&world, issuer, jwt), &nobody).await;
        assert!(login.is_err(), "{login:?}");
    }
    assert!(world.seen("/token").is_empty());
}
