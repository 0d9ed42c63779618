//! Clients that get bound tokens and no others (`dpop_bound_access_tokens`, RFC 9449 §5.2).

use axum::body::Body;
use http::{Method, StatusCode};
use portcullis_authorization_server::{Dpop, NewClient, ServiceAuthentication, Settings};
use serde_json::{Value, json};

use crate::client_documents::server_with;
use crate::databases::{TestDatabase, durable};
use crate::dpop::{ask, bound, proof, proof_with, refreshing, refused};
use crate::harness::*;
use crate::keys::Key;
use crate::site::Site;

const MEMBER: &str = "dpop_bound_access_tokens";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A good registration that says this of bound tokens; null says nothing.
fn metadata(wanted: Value) -> Value {
    let mut metadata = json!({
        "client_name": "App",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token", DEVICE],
        "token_endpoint_auth_method": "none",
        MEMBER: wanted,
    });
    metadata.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    metadata
}

async fn register(server: &Server, wanted: Value) -> (Client, Value) {
    let answer = server.register(metadata(wanted)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let answer = answer.json();
    (Client { id: answer["client_id"].as_str().unwrap().to_owned(), secret: None }, answer)
}

/// A request of a client that looks after its registration.
async fn manage(server: &Server, registered: &Value, method: Method, body: Value) -> Answer {
    let text = |name: &str| registered[name].as_str().unwrap();
    let path = text("registration_client_uri").replace(ISSUER, "");
    let bearer = format!("Bearer {}", text("registration_access_token"));
    let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    server.send(request(method, &path, &fields, body)).await
}

/// The grants of one client with a browser, without and with a proof.
async fn needs_proofs(server: &Server, client: &Client, key: &Key, id: &str) -> String {
    let code = server.code(client, OPAQUE).await;
    assert_eq!(server.redeem(client, &code).await.refusal(), refused(), "{id}");
    let good = proof(server, key, &format!("{id} 1"));
    let issued = ask(server, client, &[&good], &redemption(&code)).await;
    assert_eq!(issued.json()["token_type"], "DPoP", "{id}: {}", issued.body);
    let (_, refresh) = issued.tokens();
    assert_eq!(server.refresh(client, &refresh).await.refusal(), refused(), "{id}");
    let good = proof(server, key, &format!("{id} 2"));
    let renewed = ask(server, client, &[&good], &refreshing(&refresh)).await;
    assert_eq!(renewed.json()["token_type"], "DPoP", "{id}: {}", renewed.body);
    renewed.tokens().1
}

#[tokio::test]
async fn dp_07_a_registered_client_stays_what_it_registered_as() {
    let key = Key::es256();
    for database in TestDatabase::each() {
        let settings = |dpop| {
            let mut settings = durable(database.place());
            settings.dpop = dpop;
            settings
        };
        let (first, second) = (
            Server::with(settings(Dpop::Offered)).await,
            Server::with(settings(Dpop::Offered)).await,
        );
        let (client, registered) = register(&first, json!(true)).await;
        assert_eq!(registered[MEMBER], true);
        needs_proofs(&first, &client, &key, "first").await;
        let refresh = needs_proofs(&second, &client, &key, "second").await;
        first.server.close().await;

        // After a restart, and after an update of the registration.
        let restarted = Server::with(settings(Dpop::Offered)).await;
        let read = manage(&restarted, &registered, Method::GET, Value::Null).await;
        assert_eq!(read.json()[MEMBER], true, "{}", read.body);
        let update = |wanted: Value| {
            let mut update = metadata(wanted);
            update["client_id"] = json!(client.id);
            update
        };
        for other in [json!(false), Value::Null] {
            let answer = manage(&restarted, &registered, Method::PUT, update(other)).await;
            assert_eq!(answer.refusal(), (400, "invalid_client_metadata".into()));
        }
        let kept = manage(&restarted, &registered, Method::PUT, update(json!(true))).await;
        assert_eq!((kept.status, &kept.json()[MEMBER]), (StatusCode::OK, &json!(true)));
        needs_proofs(&restarted, &client, &key, "third").await;

        // A server that binds no tokens any more has none for this client.
        let off = Server::with(settings(Dpop::Off)).await;
        for (number, proofs) in [vec![], vec![proof(&off, &key, "off")]].iter().enumerate() {
            let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
            let answer = ask(&off, &client, &proofs, &refreshing(&refresh)).await;
            assert_eq!(answer.refusal(), refused(), "{number}");
        }

        let gone = manage(&restarted, &registered, Method::DELETE, Value::Null).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        let good = proof(&restarted, &key, "gone");
        let late = ask(&restarted, &client, &[&good], &refreshing(&refresh)).await;
        assert_eq!(late.refusal().1, "invalid_client");
    }
}

#[tokio::test]
async fn dp_07_who_does_not_ask_for_it_gets_bearer_tokens() {
    let server = Server::with(bound(Dpop::Offered)).await;
    for wanted in [json!(false), Value::Null] {
        let (client, registered) = register(&server, wanted.clone()).await;
        assert_eq!(registered.get(MEMBER).unwrap_or(&Value::Null), &wanted);
        server.tokens(&client, OPAQUE).await;
        let mut update = metadata(json!(true));
        update["client_id"] = json!(client.id);
        let answer = manage(&server, &registered, Method::PUT, update).await;
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".into()));
        server.tokens(&client, OPAQUE).await;
    }
    for malformed in [json!("true"), json!(1), json!([])] {
        let answer = server.register(metadata(malformed)).await;
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".into()));
    }
    // A server that binds no tokens says so.
    let server = Server::new().await;
    let (client, registered) = register(&server, json!(true)).await;
    assert_eq!(registered[MEMBER], false);
    server.tokens(&client, OPAQUE).await;
}

/// Where the request for tokens is not the first one, the first one needs no proof (RFC 9449 §5, §10).
#[tokio::test]
async fn dp_07_devices_and_pushed_requests() {
    let server = Server::with(bound(Dpop::Offered)).await;
    let key = Key::es256();
    let (client, _) = register(&server, json!(true)).await;
    let form = [("resource", OPAQUE), ("scope", "user")];
    let begun = server.as_client("/device_authorization", &client, &form).await;
    let code = begun.json()["device_code"].as_str().unwrap().to_owned();
    let poll = [("grant_type", DEVICE), ("device_code", code.as_str())];
    assert_eq!(server.token(&client, &poll).await.refusal(), refused());
    let answer = ask(&server, &client, &[&proof(&server, &key, "d")], &poll).await;
    assert_eq!(answer.refusal().1, "authorization_pending");

    let fields = [("content-type", "application/x-www-form-urlencoded")];
    let form = Body::from(query(&client.id, &[]));
    let pushed = server.send(request(Method::POST, "/par", &fields, form)).await;
    assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.body);
    let uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let pushed = encode(&[("client_id", &client.id), ("request_uri", &uri)]);
    let code = parameter(&server.authorize(&pushed).await, "code").unwrap();
    // A proof for the other endpoint is none.
    let at_par = proof_with(&server, &key, ("/par", "p"), &[], &[]);
    for proofs in [vec![], vec![at_par.as_str()]] {
        assert_eq!(ask(&server, &client, &proofs, &redemption(&code)).await.refusal(), refused());
    }
    let good = proof(&server, &key, "t");
    let issued = ask(&server, &client, &[&good], &redemption(&code)).await;
    assert_eq!(issued.json()["token_type"], "DPoP", "{}", issued.body);
}

#[tokio::test]
async fn dp_07_a_client_that_a_document_describes() {
    let site = Site::named("localhost").await;
    let key = Key::es256();
    let publish = |path: &str, wanted: Value| {
        let mut document = metadata(wanted);
        document["client_id"] = json!(site.url(path));
        site.document(path, "", &document.to_string());
        Client { id: site.url(path), secret: None }
    };
    let server = server_with(&site, bound(Dpop::Offered)).await;
    needs_proofs(&server, &publish("/bound.json", json!(true)), &key, "document").await;
    server.tokens(&publish("/plain.json", json!(false)), OPAQUE).await;
    // One document is for many servers: one that binds no tokens passes the member over.
    let off = server_with(&site, settings()).await;
    off.tokens(&publish("/bound.json", json!(true)), OPAQUE).await;
}

#[tokio::test]
async fn dp_07_clients_that_an_administrator_adds() {
    let server = Server::with(bound(Dpop::Offered)).await;
    let key = Key::es256();
    for (bound_tokens_alone, confidential) in
        [(true, false), (true, true), (false, false), (false, true)]
    {
        let new = NewClient {
            name: "App".into(),
            redirect_uris: vec![REDIRECT.into()],
            confidential,
            bound_tokens_alone,
        };
        let (id, secret) = server.server.clients().add(&new).await.unwrap();
        let client = Client { id: id.clone(), secret };
        if bound_tokens_alone {
            needs_proofs(&server, &client, &key, &id).await;
        } else {
            server.tokens(&client, OPAQUE).await;
        }
    }
}

#[tokio::test]
async fn dp_07_clients_and_services_of_the_settings() {
    const SERVICE: &str = "service-reports";
    let secret = "a-secret-that-a-machine-made-for-a-machine";
    let with = |settings: Settings| {
        let authentication = ServiceAuthentication::secret(secret).unwrap();
        settings
            .with_public_client("app", "App", [REDIRECT])
            .and_then(|it| it.with_service(SERVICE, "Reports", authentication, ["user"]))
            .unwrap()
    };
    let key = Key::es256();
    let app = Client { id: "app".into(), secret: None };
    let service = Client { id: SERVICE.into(), secret: Some(secret.into()) };
    let form = [("grant_type", "client_credentials"), ("resource", OPAQUE)];

    let settings = with(bound(Dpop::Offered));
    let settings = settings.with_bound_tokens_alone("app").with_bound_tokens_alone(SERVICE);
    let server = Server::with(settings).await;
    needs_proofs(&server, &app, &key, "app").await;
    assert_eq!(server.token(&service, &form).await.refusal(), refused());
    let issued = ask(&server, &service, &[&proof(&server, &key, "service")], &form).await;
    assert_eq!(issued.json()["token_type"], "DPoP", "{}", issued.body);

    let server = Server::with(with(bound(Dpop::Offered))).await;
    server.tokens(&app, OPAQUE).await;
    assert_eq!(server.token(&service, &form).await.json()["token_type"], "Bearer");
}
