//! The tokio adapter before another process: the service behind is reached by the proxy, over HTTP, and knows
//! its callers by what the proxy signs.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use portcullis_tokio::{
    Network,
    proxy::{Identity, Proxy, UpstreamSettings},
    resource_server::{Protect, ProtectLayer, Secret},
};
use serde::Deserialize;
use sha2::Sha256;
use tokio::runtime::Runtime;

use crate::{
    authorization_server::AuthorizationServer,
    connection,
    device::service::CONTENT_TYPE,
    driver::{Answer, Driver, Exchange},
    over_tokio::{Hands, answered},
    server::{RESOURCE, Server, secret_bytes},
    service::{self, Echo},
};

/// Where the upstream is; nobody looks the name up.
const UPSTREAM: &str = "http://localhost:3000/behind";
/// What the key for identities is derived from.
const KEY: &str = "identity";

/// The tokio adapter with the proxy behind it.
pub struct OverProxy {
    runtime: Runtime,
    authorization_server: AuthorizationServer,
    servers: BTreeMap<Server, Protect<Proxy>>,
    service: Echo,
    clock: Hands,
}

impl OverProxy {
    /// Starts its runtime and the authorization server.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let authorization_server = runtime.block_on(AuthorizationServer::start());
        Self {
            runtime,
            authorization_server,
            servers: BTreeMap::new(),
            service: Echo::default(),
            clock: Hands::default(),
        }
    }

    fn protect(&mut self, server: Server) -> Protect<Proxy> {
        let make = || {
            let settings = server.settings(&self.authorization_server.endpoint());
            let layer = ProtectLayer::with_clock(settings, self.clock.clone()).unwrap();
            let mut upstream = UpstreamSettings::new(UPSTREAM);
            let key = Secret::value(Base64UrlUnpadded::encode_string(&secret_bytes(KEY)));
            upstream.identity = Identity::Signed { key, audience: None, lifetime_secs: 60 };
            let service = self.service.clone();
            let network = Network::from_fn(move |_| {
                let (peer, own) = connection::pipe();
                let service = service.clone();
                tokio::spawn(serve(own, service));
                std::future::ready(Ok(peer))
            });
            let clock = Arc::new(self.clock.clone());
            let proxy = Proxy::with_clock_and_network(upstream, RESOURCE, clock, &network);
            layer.protect(proxy.unwrap())
        };
        self.servers.entry(server).or_insert_with(make).clone()
    }
}

impl Default for OverProxy {
    fn default() -> Self {
        Self::new()
    }
}

impl Driver for OverProxy {
    fn name(&self) -> &'static str {
        "proxy"
    }

    fn answer(&mut self, exchange: &Exchange) -> Answer {
        let protect = self.protect(exchange.server);
        self.clock.set(exchange.now);
        self.authorization_server.follow(exchange.script.clone());
        let asked = self.authorization_server.questions();
        let answer = self.runtime.block_on(answered(protect, &self.service, exchange));
        let asked = self.authorization_server.questions() > asked;
        Answer { asked, ..answer }
    }
}

/// One connection of the upstream.
async fn serve(own: tokio::io::DuplexStream, echo: Echo) {
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let echo = echo.clone();
        async move { Ok::<_, Infallible>(echoed(&echo, request).await) }
    });
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(own), TowerToHyperService::new(service));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "connection of the upstream");
    }
}

/// What [`Echo`] answers, with the caller as the proxy vouches for it.
async fn echoed(echo: &Echo, request: Request<Incoming>) -> Response<Full<Bytes>> {
    echo.ran();
    let (head, body) = request.into_parts();
    let principal = if head.headers.contains_key(header::AUTHORIZATION) {
        "a token came along".to_owned()
    } else {
        let statement = head.headers.get("portcullis-identity");
        statement
            .and_then(|it| caller(it.to_str().ok()?))
            .unwrap_or_else(|| "no principal".to_owned())
    };
    let body = body.collect().await.unwrap().to_bytes();
    let mut response = Response::new(Full::from(service::answer(&principal, &body)));
    let value = header::HeaderValue::from_static(CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    sub: Option<String>,
    client_id: Option<String>,
    scope: String,
    token_issuer: String,
    token_id: Option<String>,
    token_exp: u64,
}

/// The line about a principal, from a statement that the proxy signed for this upstream.
fn caller(statement: &str) -> Option<String> {
    let (signed, tag) = statement.rsplit_once('.')?;
    let mac = Hmac::<Sha256>::new_from_slice(&secret_bytes(KEY)).ok()?;
    let tag = Base64UrlUnpadded::decode_vec(tag).ok()?;
    mac.chain_update(signed).verify_slice(&tag).ok()?;
    let claims = Base64UrlUnpadded::decode_vec(signed.split_once('.')?.1).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    (claims.aud == UPSTREAM).then(|| {
        format!(
            "{} {} {} [{}] {} {}",
            or_none(claims.sub),
            or_none(claims.client_id),
            claims.token_issuer,
            claims.scope,
            or_none(claims.token_id),
            claims.token_exp
        )
    })
}
