//! A small MCP server to stand behind a protection that is tested.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use portcullis_core::encoding::scratch::Scratch;
use portcullis_core::limits::SCRATCH_LEN;
use portcullis_core::mcp::server::{CallOutcome, ServerInfo, Task, Tool, ToolServer};
use portcullis_core::mcp::{BodyLimits, Envelope, EnvelopeError, Versions};
use portcullis_core::message::RequestHead;
use portcullis_tokio::resource_server::Principal;
use tower::Service;

/// The tools; both answer with their name and for whom they ran.
const TOOLS: [Tool<'static>; 2] = [
    Tool::new("get_time", "The time of day"),
    Tool::new("set_time", "Sets the clock").with_arguments(r#"{"type":"object"}"#),
];
const INFO: ServerInfo<'static> =
    ServerInfo { name: "portcullis-sample", version: "1", instructions: None };

/// An MCP server with the tools `get_time` and `set_time`, in every revision. Each tool answers with
/// its name and the user it ran for: `get_time for demo_user`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SampleService;

impl Service<Request<Full<Bytes>>> for SampleService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let caller = head.extensions.get::<Principal>().and_then(Principal::subject);
            let fields = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let target = head.uri.path();
            let head = RequestHead::new(head.method.as_str(), target, fields);
            Ok(answer(&head, &body, caller.unwrap_or("nobody")))
        })
    }
}

fn answer(head: &RequestHead<'_>, body: &[u8], caller: &str) -> Response<Full<Bytes>> {
    let server = ToolServer::new(INFO, &TOOLS, Versions::ALL);
    let mut room = [0; SCRATCH_LEN];
    let mut scratch = Scratch::new(&mut room);
    let limits = BodyLimits::DESKTOP;
    let envelope = match Envelope::read(head, body, Versions::ALL, limits, &mut scratch) {
        Ok(envelope) => envelope,
        Err(error) => return refusal(&error),
    };
    match server.task(&envelope, head) {
        Task::Accept => response(StatusCode::ACCEPTED, String::new()),
        Task::Reply(reply) => response(StatusCode::OK, reply.to_string()),
        Task::Reject(error) => refusal(&error),
        Task::Call(call) => {
            let name = TOOLS.get(call.tool).map_or("", |tool| tool.name);
            let text = format!("{name} for {caller}");
            response(StatusCode::OK, call.finish(CallOutcome::Text(&text)).to_string())
        }
    }
}

fn refusal(error: &EnvelopeError<'_>) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    response(status, error.to_string())
}

fn response(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
