//! What authorizes an rmcp client: against the scripted servers, call by call.

use std::{collections::HashMap, pin::Pin, task::Poll};

use futures_core::stream::BoxStream;
use http::{HeaderName, HeaderValue};
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
        StreamableHttpResponseLimits,
    },
};
use sse_stream::Sse;

use super::*;

type Answer = Result<StreamableHttpPostResponse, StreamableHttpError<AuthorizedHttpError>>;

/// A request of an rmcp client.
struct Post<'w> {
    world: &'w World,
    options: Options,
    url: String,
    message: serde_json::Value,
    session: Option<&'static str>,
    auth_header: Option<String>,
    custom: HashMap<HeaderName, HeaderValue>,
    limits: StreamableHttpResponseLimits,
}

impl<'w> Post<'w> {
    fn to(world: &'w World) -> Self {
        Self {
            world,
            options: world.options(),
            url: world.resource.clone(),
            message: json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" }),
            session: None,
            auth_header: None,
            custom: HashMap::new(),
            limits: StreamableHttpResponseLimits::default(),
        }
    }

    async fn send(self) -> Answer {
        let resource = self.world.resource.as_str();
        let client =
            AuthorizedHttpClient::new(Authorizer::new(resource, self.options, browse).unwrap());
        let message: ClientJsonRpcMessage = serde_json::from_value(self.message).unwrap();
        let session = self.session.map(Into::into);
        let url = self.url.into();
        is_send(client.post_message_with_response_limits(
            url,
            message,
            session,
            self.auth_header,
            self.custom,
            self.limits,
        ))
        .await
    }
}

/// A world where the requests with a token are answered so.
async fn answering(answer: fn() -> http::Response<axum::body::Body>) -> World {
    World::with(move |_, seen| {
        seen.field("authorization")?;
        (seen.path == "/mcp").then(answer)
    })
    .await
}

fn json_of(answer: Answer) -> serde_json::Value {
    match answer {
        Ok(StreamableHttpPostResponse::Json(message, _)) => json!(message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn from_a_bare_401_to_the_answer() {
    let world = World::honest().await;
    let mut post = Post::to(&world);
    post.custom.insert(HeaderName::from_static("mcp-method"), "tools/list".parse().unwrap());
    let answer = json_of(post.send().await);
    assert_eq!((&answer["id"], &answer["result"]["method"]), (&json!(7), &json!("tools/list")));
    assert_eq!(world.paths(), [&["/mcp"], &LOGIN[..]].concat());
    let calls = world.seen("/mcp");
    assert_eq!(calls[0].body, calls[1].body);
    assert_eq!(calls[0].field("authorization"), None);
    assert_eq!(calls[1].field("authorization"), Some("Bearer at-1"));
    for call in &calls {
        assert_eq!(call.field("accept"), Some("application/json, text/event-stream"));
        assert_eq!(call.field("content-type"), Some("application/json"));
        assert_eq!(call.field("mcp-method"), Some("tools/list"));
    }
}

#[tokio::test]
async fn sec_475_nothing_is_sent_to_another_server() {
    let (world, other) = (World::honest().await, World::honest().await);
    let elsewhere = world.resource.replace("/mcp", "/other");
    for url in [other.resource.clone(), elsewhere, world.resource.replace("127.0.0.1", "localhost")]
    {
        let answer = Post { url, ..Post::to(&world) }.send().await;
        let Err(StreamableHttpError::Client(AuthorizedHttpError::Authorize(_))) = answer else {
            panic!("{answer:?}")
        };
    }
    assert_eq!((world.paths().len(), other.paths().len()), (0, 0));
}

#[tokio::test]
async fn sec_464_a_redirect_is_an_error_and_not_followed() {
    let evil = World::honest().await;
    let target = evil.resource.clone();
    let world = World::with(move |_, seen| {
        seen.field("authorization")?;
        Some(redirect(307, &target))
    })
    .await;
    let answer = Post::to(&world).send().await;
    assert!(matches!(answer, Err(StreamableHttpError::UnexpectedServerResponse(_))), "{answer:?}");
    assert_eq!(evil.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn cl_70_no_second_authorization_beside_ours() {
    let world = World::honest().await;
    let given = Post { auth_header: Some("other".to_owned()), ..Post::to(&world) };
    let mut custom = Post::to(&world);
    custom.custom.insert(http::header::AUTHORIZATION, "Bearer other".parse().unwrap());
    for post in [given, custom] {
        let answer = post.send().await;
        assert!(
            matches!(answer, Err(StreamableHttpError::ReservedHeaderConflict(_))),
            "{answer:?}"
        );
    }
    assert_eq!(world.paths().len(), 0);
}

#[tokio::test]
async fn sec_476_what_stays_refused_keeps_its_challenge() {
    let world = answering(|| {
        let mut answer = text(401, "text/plain", "");
        let challenge = "Bearer error=\"invalid_token\"".parse().unwrap();
        answer.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
        answer
    })
    .await;
    match Post::to(&world).send().await {
        Err(StreamableHttpError::AuthRequired(error)) => {
            assert!(error.www_authenticate_header.contains("invalid_token"));
        }
        other => panic!("{other:?}"),
    }
    let world = answering(|| {
        let mut answer = text(403, "text/plain", "");
        let challenge =
            "Bearer error=\"insufficient_scope\", scope=\"time:write\"".parse().unwrap();
        answer.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
        answer
    })
    .await;
    match Post::to(&world).send().await {
        Err(StreamableHttpError::InsufficientScope(error)) => {
            assert_eq!(error.required_scope.as_deref(), Some("time:write"));
        }
        other => panic!("{other:?}"),
    }
    // CL-83: asked for once more, and no third time.
    assert_eq!(world.seen("/authorize").len(), 2);
}

#[tokio::test]
async fn sec_483_an_answer_is_to_this_request() {
    let own = json!({ "jsonrpc": "2.0", "id": 7, "result": {} }).to_string();
    let world = World::with(move |_, seen| {
        seen.field("authorization")?;
        (seen.path == "/mcp").then(|| json_body(200, own.clone()))
    })
    .await;
    assert_eq!(json_of(Post::to(&world).send().await)["id"], 7);
    let foreign = answering(|| {
        json_body(200, json!({ "jsonrpc": "2.0", "id": 8, "result": {} }).to_string())
    })
    .await;
    assert!(Post::to(&foreign).send().await.is_err());
    let request = answering(|| {
        json_body(200, json!({ "jsonrpc": "2.0", "id": 7, "method": "ping" }).to_string())
    })
    .await;
    assert!(Post::to(&request).send().await.is_err());
    // TS-27: whose id cannot be read is not named.
    let nameless = answering(|| {
        let error = json!({ "code": -32020, "message": "headers" });
        json_body(400, json!({ "jsonrpc": "2.0", "error": error }).to_string())
    })
    .await;
    let answer = json_of(Post::to(&nameless).send().await);
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(7), &json!(-32020)));
}

#[tokio::test]
async fn a_json_answer_is_bounded_in_length_and_time() {
    let world = World::honest().await;
    let len = json_of(Post::to(&world).send().await).to_string().len();
    for (len_max, fits) in [(len, true), (len - 1, false)] {
        let mut post = Post::to(&world);
        post.limits.max_json_response_size = len_max;
        match post.send().await {
            Ok(_) => assert!(fits),
            Err(StreamableHttpError::ResponseBodyTooLarge { .. }) => assert!(!fits),
            Err(other) => panic!("{other:?}"),
        }
    }
    let stalled =
        answering(|| text(200, "application/json", axum::body::Body::from_stream(Never))).await;
    let mut post = Post::to(&stalled);
    post.options.call_time_limit = Duration::from_millis(300);
    match post.send().await {
        Err(StreamableHttpError::Client(AuthorizedHttpError::Fetch(failure))) => {
            assert_eq!(failure, FetchFailure::TimedOut);
        }
        other => panic!("{other:?}"),
    }
}

/// A body that never comes.
struct Never;

impl futures_core::Stream for Never {
    type Item = Result<bytes::Bytes, std::io::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn sec_483_events_are_passed_on_and_a_hostile_one_ends_the_stream() {
    let world = answering(|| {
        let long = "x".repeat(500);
        text(
            200,
            "text/event-stream",
            format!("id: 1\nretry: 5\ndata: a\n\ndata: {long}\n\ndata: b\n\n"),
        )
    })
    .await;
    for (len_max, expected) in [(1000, 3), (100, 1)] {
        let mut post = Post::to(&world);
        post.limits.max_sse_event_size = len_max;
        let Ok(StreamableHttpPostResponse::Sse(mut events, _)) = post.send().await else {
            panic!("no stream")
        };
        let first = next(&mut events).await.unwrap().unwrap();
        assert_eq!((first.id.as_deref(), first.data.as_deref()), (Some("1"), Some("a")));
        assert_eq!(first.retry, Some(5));
        let mut good = 1;
        while let Some(Ok(_)) = next(&mut events).await {
            good += 1;
        }
        assert_eq!(good, expected, "{len_max}");
    }
}

async fn next(
    events: &mut BoxStream<'static, Result<Sse, SseError>>,
) -> Option<Result<Sse, SseError>> {
    std::future::poll_fn(|context| events.as_mut().poll_next(context)).await
}

#[tokio::test]
async fn the_status_tells_what_rmcp_does_next() {
    let gone = answering(|| text(404, "text/plain", "")).await;
    let expired = Post { session: Some("s-1"), ..Post::to(&gone) }.send().await;
    assert!(matches!(expired, Err(StreamableHttpError::SessionExpired)), "{expired:?}");
    let plain = Post::to(&gone).send().await;
    assert!(matches!(plain, Err(StreamableHttpError::UnexpectedServerResponse(_))), "{plain:?}");

    // TC-12: who does not know the question is greeted as an older server.
    let discover = json!({ "jsonrpc": "2.0", "id": 7, "method": "server/discover", "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    } });
    let legacy = json_of(Post { message: discover, ..Post::to(&gone) }.send().await);
    assert_eq!((&legacy["id"], &legacy["error"]["code"]), (&json!(7), &json!(-32600)));

    let busy = answering(|| {
        let mut answer = text(503, "text/plain", "");
        answer.headers_mut().insert(http::header::RETRY_AFTER, "9".parse().unwrap());
        answer
    })
    .await;
    match Post::to(&busy).send().await {
        Err(StreamableHttpError::HttpStatus(error)) => {
            assert_eq!((error.status, error.retry_after.as_deref()), (503, Some("9")));
        }
        other => panic!("{other:?}"),
    }

    let accepted = answering(|| text(202, "text/plain", "")).await;
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let told = Post { message: told, ..Post::to(&accepted) }.send().await;
    assert!(matches!(told, Ok(StreamableHttpPostResponse::Accepted)), "{told:?}");
    // A request needs its answer.
    let asked = Post::to(&accepted).send().await;
    assert!(matches!(asked, Err(StreamableHttpError::UnexpectedContentType(_))), "{asked:?}");
}

#[tokio::test]
async fn cl_70_streams_and_the_end_of_a_session_are_authorized_too() {
    let world = World::with(|_, seen| {
        seen.field("authorization")?;
        let resumed = seen.field("last-event-id") == Some("e-1");
        let events = || text(200, "text/event-stream", "data: a\n\n");
        (seen.path == "/mcp").then(|| if resumed { events() } else { text(405, "text/plain", "") })
    })
    .await;
    let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
    let client = AuthorizedHttpClient::new(authorizer);
    let url: std::sync::Arc<str> = world.resource.as_str().into();
    let session: Option<std::sync::Arc<str>> = Some("s-1".into());
    let again = Some("e-1".to_owned());
    let opened = client.get_stream(url.clone(), session.clone(), again, None, HashMap::new()).await;
    assert_eq!(next(&mut opened.unwrap()).await.unwrap().unwrap().data.as_deref(), Some("a"));
    let refused = client.get_stream(url.clone(), session, None, None, HashMap::new()).await;
    assert!(matches!(refused, Err(StreamableHttpError::ServerDoesNotSupportSse)));
    client.delete_session(url, "s-1".into(), None, HashMap::new()).await.unwrap();
    let calls = world.seen("/mcp");
    assert_eq!(calls.len(), 4);
    for call in &calls[1..] {
        assert_eq!(call.field("authorization"), Some("Bearer at-1"));
        assert_eq!(call.field("mcp-session-id"), Some("s-1"));
    }
}

#[tokio::test]
async fn sec_320_no_token_is_in_debug() {
    let world = World::honest().await;
    let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
    let client = AuthorizedHttpClient::new(authorizer);
    let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "ping" });
    let message: ClientJsonRpcMessage = serde_json::from_value(message).unwrap();
    let url = world.resource.as_str().into();
    let answer = client.post_message(url, message, None, None, HashMap::new()).await;
    let Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::Response(_), _)) = answer else {
        panic!("{answer:?}")
    };
    let lines = world.known.lock().unwrap().lines.join("\n");
    assert!(lines.contains("ping with a token"), "{lines}");
    assert!(!format!("{client:?}{lines}").contains("at-1"));
}
