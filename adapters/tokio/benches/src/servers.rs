//! The servers that are measured: each a thread with a runtime of its own.

use std::{
    fs,
    future::pending,
    net::SocketAddr,
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

use axum::Router;
use portcullis_core::{
    jwt::{HmacKey, KeyId, MintClaims, mint},
    scope::ScopeSet,
    time::UnixTime,
};
use portcullis_tokio::{
    resource_server::{
        IntrospectionSettings, Issuer, ProtectLayer, Secret, Settings, Verification,
    },
    serve::{ListenerLimits, serve},
};
use rmcp::{
    ServerHandler,
    model::{ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use tokio::net::TcpListener;

const RESOURCE: &str = "http://localhost/mcp";
const ISSUER: &str = "http://localhost:9000";
const KEY: [u8; 32] = [0x4b; 32];
const KEY_TEXT: &str = "S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s";

/// Who accepts the connections and reads the requests.
#[derive(Clone, Copy)]
pub enum Listener {
    /// `axum::serve`: hyper alone.
    Axum,
    /// `portcullis_tokio::serve`: hyper behind a strict reader, with limits and times.
    Portcullis,
}

/// A server on loopback, and where the kernel keeps count of its thread.
pub struct Server {
    pub name: &'static str,
    pub address: SocketAddr,
    schedstat: String,
}

impl Server {
    pub fn start(name: &'static str, by: Listener, router: fn(SocketAddr) -> Router) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let thread = fs::read_link("/proc/thread-self").unwrap();
                sender.send((address, format!("/proc/{}/schedstat", thread.display()))).unwrap();
                let router = router(address);
                match by {
                    Listener::Axum => axum::serve(listener, router).await.unwrap(),
                    Listener::Portcullis => {
                        serve(listener, router, ListenerLimits::default(), pending()).await;
                    }
                }
            });
        });
        let (address, schedstat) = receiver.recv().unwrap();
        Self { name, address, schedstat }
    }

    /// Time on a processor so far: the first number of the kernel's line, in nanoseconds.
    pub fn processor_time(&self) -> Duration {
        let line = fs::read_to_string(&self.schedstat).unwrap();
        Duration::from_nanos(line.split(' ').next().unwrap().parse().unwrap())
    }
}

#[derive(Clone, Copy)]
struct Clock;

#[tool_router]
impl Clock {
    #[tool(description = "Seconds since 1970")]
    async fn get_time(&self) -> String {
        now().to_string()
    }
}

#[tool_handler]
impl ServerHandler for Clock {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

fn service() -> StreamableHttpService<Clock, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts();
    StreamableHttpService::new(|| Ok(Clock), Default::default(), config)
}

/// The service as it is.
pub fn bare(_: SocketAddr) -> Router {
    Router::new().fallback_service(service())
}

/// Behind `Protect`, tokens verified here.
pub fn offline(address: SocketAddr) -> Router {
    protected(address, Verification::offline("k1", Secret::value(KEY_TEXT)))
}

/// Behind `Protect`, tokens asked about, and the answer remembered for the whole run.
pub fn introspection(address: SocketAddr) -> Router {
    let mut settings = IntrospectionSettings::new(authorization_server(), "rs", Secret::value("s"));
    settings.active_secs_max = 3600;
    protected(address, Verification::Introspection(settings))
}

fn protected(address: SocketAddr, verification: Verification) -> Router {
    let settings = Settings::new(RESOURCE, Issuer::new(ISSUER, verification))
        .base_scopes("user")
        .tool_scopes("set_time", "time:write")
        .host(address.to_string());
    Router::new().fallback_service(ProtectLayer::new(settings).unwrap().protect(service()))
}

/// Says yes to everything, on a thread of its own.
fn authorization_server() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body = format!(
        "{{\"active\":true,\"aud\":\"{RESOURCE}\",\"sub\":\"alice\",\"client_id\":\"c\",\
         \"scope\":\"user\",\"exp\":{}}}",
        now() + 3600
    );
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut buffer = [0; 8192];
            let _ = std::io::Read::read(&mut stream, &mut buffer);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = std::io::Write::write_all(&mut stream, answer.as_bytes());
        }
    });
    format!("http://{address}/introspect")
}

/// A token of 323 bytes, good for an hour.
pub fn token() -> String {
    let claims = MintClaims {
        issuer: ISSUER,
        audience: &[RESOURCE],
        subject: "alice",
        client_id: "client-1",
        scope: ScopeSet::parse("user").unwrap(),
        issued_at: UnixTime::from_secs(now()),
        expires_at: UnixTime::from_secs(now() + 3600),
        id: "0c2d7b4e5a6f",
    };
    let mut out = [0; 2048];
    let key = HmacKey::new(&KEY).unwrap();
    mint(&claims, &key, &KeyId::new("k1").unwrap(), &mut out).unwrap().to_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}
