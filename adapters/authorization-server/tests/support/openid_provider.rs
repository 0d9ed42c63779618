//! An OpenID Connect provider on loopback. Nobody signs in there: a test says what it answers.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::openid_key::Key;

const ACCESS_TOKEN: &str = "access-token-of-the-provider";
pub(crate) const CODE: &str = "code-of-the-provider";

pub(crate) struct Provider {
    pub(crate) issuer: String,
    pub(crate) state: Arc<Mutex<Script>>,
    serving: JoinHandle<()>,
}

/// What is published and answered, and what was seen.
pub(crate) struct Script {
    pub(crate) metadata: Value,
    pub(crate) keys: Vec<Value>,
    /// The answer for the one good code, while nobody redeemed it.
    pub(crate) id_token: Option<String>,
    /// What the userinfo endpoint says.
    pub(crate) userinfo: Value,
    /// What the code is bound to.
    pub(crate) challenge: String,
    /// Credentials that came with codes.
    pub(crate) credentials: Vec<String>,
}

type Shared = State<Arc<Mutex<Script>>>;

impl Provider {
    pub(crate) async fn new(keys: &[&Key]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let state = Arc::new(Mutex::new(Script {
            metadata: json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/keys"),
                "userinfo_endpoint": format!("{issuer}/userinfo"),
                "response_types_supported": ["code"],
                "authorization_response_iss_parameter_supported": true,
            }),
            keys: keys.iter().map(|key| key.jwk()).collect(),
            id_token: None,
            userinfo: Value::Null,
            challenge: String::new(),
            credentials: Vec::new(),
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(key_set))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(Arc::clone(&state));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, state, serving }
    }

    /// What the browser brings back once its user signed in: `id_token` waits for the code.
    pub(crate) fn answer(&self, id_token: String, challenge: &str, state: &str) -> String {
        let mut script = self.state.lock().unwrap();
        script.id_token = Some(id_token);
        script.challenge = challenge.to_owned();
        crate::harness::encode(&[("code", CODE), ("state", state), ("iss", &self.issuer)])
    }

    /// Nobody answers at this address any more.
    pub(crate) async fn stop(&mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }
}

async fn metadata(State(script): Shared) -> Json<Value> {
    Json(script.lock().unwrap().metadata.clone())
}

async fn key_set(State(script): Shared) -> Json<Value> {
    Json(json!({ "keys": script.lock().unwrap().keys }))
}

async fn userinfo(State(script): Shared, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    let expected = format!("Bearer {ACCESS_TOKEN}");
    match headers.get(header::AUTHORIZATION) {
        Some(field) if *field == *expected => {
            (StatusCode::OK, Json(script.lock().unwrap().userinfo.clone()))
        }
        _ => (StatusCode::UNAUTHORIZED, Json(Value::Null)),
    }
}

/// As a provider should: a code counts once, and for whoever made its challenge.
async fn token(
    State(script): Shared,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> (StatusCode, Json<Value>) {
    let mut script = script.lock().unwrap();
    let value = |name: &str| {
        form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    };
    let credentials = headers.get(header::AUTHORIZATION).map(|it| it.to_str().unwrap().to_owned());
    script.credentials.push(credentials.unwrap_or_else(|| value("client_secret").to_owned()));
    let challenge = Base64UrlUnpadded::encode_string(&Sha256::digest(value("code_verifier")));
    let is_good = value("grant_type") == "authorization_code"
        && value("code") == CODE
        && value("redirect_uri") == "http://localhost:9000/login/callback"
        && challenge == script.challenge;
    match script.id_token.take().filter(|_| is_good) {
        Some(id_token) => {
            let tokens = json!({ "access_token": ACCESS_TOKEN,
                                 "token_type": "Bearer", "id_token": id_token });
            (StatusCode::OK, Json(tokens))
        }
        None => (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))),
    }
}
