//! A scripted MCP server and authorization server on loopback, and a browser without a window.

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{body::Body, extract::State};
use base64ct::{Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::client::{Exchange, McpClient, Options};

/// A request that one of the servers saw.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) query: String,
    pub(super) fields: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    /// A parameter of the query or of a form body, decoded as far as these tests need it.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let both = [self.query.as_str(), self.body.as_str()];
        let pair = both.iter().flat_map(|text| text.split('&')).find_map(|pair| {
            pair.split_once('=').filter(|(this, _)| *this == name).map(|(_, value)| value)
        })?;
        Some(pair.replace('+', " ").replace("%3A", ":").replace("%2F", "/"))
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What a test changes: an answer instead of the honest one.
type Twist = Arc<dyn Fn(&World, &Seen) -> Option<Response<Body>> + Send + Sync>;

/// Both servers, and what they know.
#[derive(Clone)]
pub(super) struct World {
    /// Where the MCP server is.
    pub(super) resource: String,
    /// The authorization server.
    pub(super) issuer: String,
    pub(super) known: Arc<Mutex<Known>>,
    twist: Twist,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) seen: Vec<Seen>,
    pub(super) lines: Vec<String>,
    challenge: String,
    /// How often tokens were given; only the newest are good.
    pub(super) tokens: u32,
}

impl World {
    pub(super) async fn honest() -> Self {
        Self::with(|_, _| None).await
    }

    pub(super) async fn with(
        twist: impl Fn(&World, &Seen) -> Option<Response<Body>> + Send + Sync + 'static,
    ) -> Self {
        let bind = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (resource, issuer) = (bind().await, bind().await);
        let origin = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let world = Self::at(&origin(&resource), &origin(&issuer), twist);
        for listener in [resource, issuer] {
            let router = world.router();
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        world
    }

    /// Servers of these origins, which nobody listens for yet.
    pub(super) fn at(
        server: &str,
        issuer: &str,
        twist: impl Fn(&World, &Seen) -> Option<Response<Body>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            resource: format!("{server}/mcp"),
            issuer: issuer.to_owned(),
            known: Arc::default(),
            twist: Arc::new(twist),
        }
    }

    /// What both servers answer.
    pub(super) fn router(&self) -> axum::Router {
        axum::Router::new().fallback(answer).with_state(self.clone())
    }

    /// Options that report to [`Known::lines`].
    pub(super) fn options(&self) -> Options {
        let known = Arc::clone(&self.known);
        let observer = move |exchange: &Exchange<'_>| {
            known.lock().unwrap().lines.push(exchange.to_string());
        };
        Options { observer: Arc::new(observer), ..Options::new("Test client") }
    }

    pub(super) fn client(&self) -> McpClient {
        McpClient::new(self.resource.as_str(), self.options(), browse).unwrap()
    }

    /// The paths that were asked, in order.
    pub(super) fn paths(&self) -> Vec<String> {
        self.known.lock().unwrap().seen.iter().map(|seen| seen.path.clone()).collect()
    }

    pub(super) fn seen(&self, path: &str) -> Vec<Seen> {
        let known = self.known.lock().unwrap();
        known.seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    pub(super) fn resource_document(&self) -> String {
        let Self { resource, issuer, .. } = self;
        json!({ "resource": resource, "authorization_servers": [issuer] }).to_string()
    }

    pub(super) fn issuer_document(&self) -> String {
        let issuer = &self.issuer;
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "registration_endpoint": format!("{issuer}/register"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": true,
        })
        .to_string()
    }

    pub(super) fn honest_answer(&self, seen: &Seen) -> Response<Body> {
        match seen.path.as_str() {
            "/mcp" => self.mcp(seen),
            "/.well-known/oauth-protected-resource/mcp" => json_body(200, self.resource_document()),
            "/.well-known/oauth-authorization-server" => json_body(200, self.issuer_document()),
            "/register" => json_body(201, json!({ "client_id": "c-1" }).to_string()),
            "/authorize" => {
                self.known.lock().unwrap().challenge = seen.parameter("code_challenge").unwrap();
                let [state, back] =
                    ["state", "redirect_uri"].map(|name| seen.parameter(name).unwrap());
                redirect(302, &format!("{back}?code=the-code&state={state}&iss={}", self.issuer))
            }
            "/token" => self.token(seen),
            _ => text(404, "text/plain", "not here"),
        }
    }

    pub(super) fn mcp(&self, seen: &Seen) -> Response<Body> {
        let newest = format!("Bearer at-{}", self.known.lock().unwrap().tokens);
        if seen.field("authorization") == Some(&newest) {
            let request: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
            let result = json!({ "resultType": "complete", "method": request["method"] });
            let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
            return json_body(200, answer.to_string());
        }
        let mut response = text(401, "text/plain", "");
        let metadata = self.resource.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
        let challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"user\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
        response
    }

    /// What sends the user back from `/authorize` with this error.
    pub(super) fn refusal(&self, seen: &Seen, error: &str) -> Response<Body> {
        let [state, back] = ["state", "redirect_uri"].map(|name| seen.parameter(name).unwrap());
        redirect(302, &format!("{back}?error={error}&state={state}&iss={}", self.issuer))
    }

    pub(super) fn token(&self, seen: &Seen) -> Response<Body> {
        let mut known = self.known.lock().unwrap();
        let right = match seen.parameter("grant_type").as_deref() {
            Some("authorization_code") => {
                let verifier = seen.parameter("code_verifier").unwrap();
                let challenge = Base64UrlUnpadded::encode_string(&Sha256::digest(verifier));
                seen.parameter("code").as_deref() == Some("the-code")
                    && challenge == known.challenge
            }
            Some("refresh_token") => {
                seen.parameter("refresh_token") == Some(format!("rt-{}", known.tokens))
            }
            _ => false,
        };
        if !right {
            return json_body(400, json!({ "error": "invalid_grant" }).to_string());
        }
        known.tokens += 1;
        let tokens = json!({
            "access_token": format!("at-{}", known.tokens),
            "refresh_token": format!("rt-{}", known.tokens),
            "token_type": "Bearer",
            "expires_in": 3600,
        });
        json_body(200, tokens.to_string())
    }
}

async fn answer(State(world): State<World>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let seen = Seen {
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        fields: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    world.known.lock().unwrap().seen.push(seen.clone());
    (world.twist)(&world, &seen).unwrap_or_else(|| world.honest_answer(&seen))
}

pub(super) fn text(status: u16, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, content_type);
    response.body(body.into()).unwrap()
}

pub(super) fn json_body(status: u16, body: String) -> Response<Body> {
    text(status, "application/json", body)
}

pub(super) fn redirect(status: u16, location: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(header::LOCATION, location)
        .body(Body::empty())
        .unwrap()
}

/// GETs one URL; gives the status and where it leads.
pub(super) async fn visit(url: &str) -> io::Result<(u16, Option<String>)> {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let response = client.get(url.parse().unwrap()).await.map_err(io::Error::other)?;
    let location = response.headers().get(header::LOCATION);
    let location = location.map(|value| value.to_str().unwrap().to_owned());
    Ok((response.status().as_u16(), location))
}

/// A user who logs in at once: follows the redirect to the client.
pub(super) async fn browse(url: String) -> io::Result<()> {
    let (_, location) = visit(&url).await?;
    visit(&location.ok_or_else(|| io::Error::other("no redirect"))?).await?;
    Ok(())
}
