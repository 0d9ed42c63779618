//! The same layer before rmcp, axum and bare hyper, over real sockets.

mod common;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{Extension, Router, routing};
use bytes::Bytes;
use common::{token, *};
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use portcullis_tokio::resource_server::{Principal, ProtectLayer};
use rmcp::{
    ErrorData, ServerHandler,
    handler::server::tool,
    model::{CallToolResult, ContentBlock, ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Two tools; the first says who calls.
#[derive(Clone)]
struct Clock;

#[tool_router]
impl Clock {
    #[tool(description = "Who calls")]
    async fn get_time(
        &self,
        tool::Extension(parts): tool::Extension<http::request::Parts>,
    ) -> Result<CallToolResult, ErrorData> {
        let principal = parts.extensions.get::<Principal>().and_then(Principal::subject);
        let text = format!(
            "for {} token {}",
            principal.unwrap_or("nobody"),
            parts.headers.contains_key("authorization")
        );
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]))
    }

    #[tool(description = "Needs a further scope")]
    async fn set_time(&self) -> Result<CallToolResult, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text("set")]))
    }
}

#[tool_handler]
impl ServerHandler for Clock {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

fn layer() -> ProtectLayer {
    ProtectLayer::with_clock(settings(), TestClock::new()).unwrap()
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn rmcp_server() -> SocketAddr {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts();
    let service: StreamableHttpService<Clock, NeverSessionManager> =
        StreamableHttpService::new(|| Ok(Clock), Default::default(), config);
    serve(Router::new().fallback_service(layer().protect(service))).await
}

/// A request of HTTP/1.1 as text.
fn text_of(request: &Request<String>) -> String {
    let mut text = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    text + &format!("content-length: {}\r\n\r\n{}", request.body().len(), request.body())
}

fn body_of(tool: &str) -> String {
    let meta = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
                \"io.modelcontextprotocol/clientCapabilities\":{}";
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":\
         {{\"name\":\"{tool}\",\"arguments\":{{}},\"_meta\":{{{meta}}}}}}}"
    )
}

/// Sends the text on a connection of its own and gives all that comes back.
async fn exchange(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let all = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), all).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

async fn call_tool(address: SocketAddr, scope: &str, tool: &str) -> String {
    let request = post_call(tool)
        .header("authorization", format!("Bearer {}", token(scope)))
        .header("connection", "close")
        .body(body_of(tool));
    exchange(address, &text_of(&request.unwrap())).await
}

#[tokio::test]
async fn rmcp_tools_know_who_calls() {
    let address = rmcp_server().await;
    let answer = call_tool(address, "user", "get_time").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("for alice token false"), "{answer}");
    let answer = call_tool(address, "user", "set_time").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("scope=\"user time:write\""), "{answer}");
    let answer = call_tool(address, "user time:write", "set_time").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"set\""), "{answer}");
}

#[tokio::test]
async fn rmcp_speaks_the_handshake_too() {
    let address = rmcp_server().await;
    let body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":\
                {\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\
                \"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}";
    let head = || post().header("connection", "close");
    let with = head().header("authorization", format!("Bearer {}", token("user")));
    let answer = exchange(address, &text_of(&with.body(body.to_owned()).unwrap())).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("2025-11-25"), "{answer}");
    let answer = exchange(address, &text_of(&head().body(body.to_owned()).unwrap())).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn axum_handlers_get_the_principal() {
    async fn handler(Extension(principal): Extension<Principal>, body: Bytes) -> String {
        format!("{} sent {}", principal.subject().unwrap_or_default(), body.len())
    }
    let address = serve(Router::new().route("/mcp", routing::post(handler)).layer(layer())).await;
    let answer = call_tool(address, "user", "get_time").await;
    assert!(answer.contains(&format!("alice sent {}", body_of("get_time").len())), "{answer}");
    // What the router itself does not know is answered by the layer all the same.
    let metadata = "GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\nhost: x\r\n\
                    connection: close\r\n\r\n";
    let answer = exchange(address, metadata).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(RESOURCE), "{answer}");
}

#[tokio::test]
async fn bare_hyper_and_sec_133_sec_390() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = tower::service_fn(|request: Request<Full<Bytes>>| async move {
        let upgrade = request.extensions().get::<hyper::upgrade::OnUpgrade>().is_some();
        let text = format!("upgrade {upgrade}");
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
    });
    let protected = layer().protect(service);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(protected.clone());
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new()).http1_only();
                builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await
            });
        }
    });
    let request = |fields: &[(&str, &str)]| {
        let mut request = post_call("get_time");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        text_of(&request.body(body_of("get_time")).unwrap())
    };
    let bearer = format!("Bearer {}", token("user"));
    let with = ("authorization", bearer.as_str());
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    let close = ("connection", "close");

    // RS-45, SEC-133: on one connection, with a token and then without; INV-7: the next one succeeds.
    for (text, expected) in [
        (request(&[with]) + &request(&[close]), &["200", "401"][..]),
        (request(&[with]) + &request(&[with, close]), &["200", "200"]),
    ] {
        let answer = exchange(address, &text).await;
        let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
        assert_eq!(statuses, expected, "{answer}");
    }
    // SEC-390: an upgrade is not offered to the service, with a token or without.
    let text = request(&[with, upgrade[0], upgrade[1]]) + &request(&[with, close]);
    let answer = exchange(address, &text).await;
    assert!(!answer.contains("101 ") && answer.contains("upgrade false"), "{answer}");
    assert!(!answer.contains("upgrade true"), "{answer}");
    let get = "GET /mcp HTTP/1.1\r\nhost: mcp.example.com\r\nconnection: upgrade\r\n\
               upgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n";
    let answer = exchange(address, &(get.to_owned() + &request(&[close]))).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    // SEC-127: what HTTP itself forbids never gets here.
    for bad in ["authorization: Bearer a\r\n b", "authorization: Bearer \0a", "authorization: B\rx"]
    {
        let text = format!("POST /mcp HTTP/1.1\r\nhost: mcp.example.com\r\n{bad}\r\n\r\n");
        let answer = exchange(address, &text).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{bad:?}: {answer}");
    }
}
