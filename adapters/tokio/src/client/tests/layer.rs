//! The tower layer: the tokens of a login for requests of other clients.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::sync::Barrier;
use tower::ServiceExt as _;
use tower_layer::Layer;

use super::{world::browse, *};

type Inner = Client<HttpConnector, Full<Bytes>>;

fn authorized(world: &World) -> Authorized<Inner> {
    let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
    let inner = Client::builder(TokioExecutor::new()).build_http();
    AuthorizationLayer::new(authorizer).layer(inner)
}

fn call(url: &str) -> Request<Full<Bytes>> {
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" }).to_string();
    Request::post(url).body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn from_a_bare_401_to_the_answer_with_the_body_kept() {
    let world = World::honest().await;
    let client = authorized(&world);
    let answer = is_send(client.clone().oneshot(call(&world.resource))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("tools/list"));
    assert_eq!(world.paths(), [&["/mcp"], &LOGIN[..]].concat());
    let calls = world.seen("/mcp");
    assert_eq!(calls[0].body, calls[1].body);
    assert_eq!(calls[1].field("authorization"), Some("Bearer at-1"));
}

#[tokio::test]
async fn cl_70_what_the_caller_wrote_is_replaced() {
    let world = World::honest().await;
    let client = authorized(&world);
    client.clone().oneshot(call(&world.resource)).await.unwrap();
    let mut request = call(&world.resource);
    request.headers_mut().insert(header::AUTHORIZATION, "Bearer other".parse().unwrap());
    assert_eq!(client.oneshot(request).await.unwrap().status(), StatusCode::OK);
    let fields = &world.seen("/mcp")[2].fields;
    assert_eq!(fields.get_all(header::AUTHORIZATION).iter().count(), 1);
}

#[tokio::test]
async fn sec_476_an_answer_after_which_nothing_is_left_is_given() {
    let world =
        World::with(|_, seen| (seen.path == "/mcp").then(|| text(401, "text/plain", "no"))).await;
    let answer = authorized(&world).oneshot(call(&world.resource)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!((world.seen("/mcp").len(), world.seen("/authorize").len()), (2, 1));
}

#[tokio::test]
async fn sec_475_no_token_and_no_login_for_another_url() {
    let other = World::honest().await;
    let world = World::honest().await;
    let client = authorized(&world);
    client.clone().oneshot(call(&world.resource)).await.unwrap();
    let before = world.paths().len();
    let foreign = [
        other.resource.clone(),
        world.resource.replace("127.0.0.1", "localhost"),
        format!("{}2", world.resource),
        world.resource.replace("/mcp", "/"),
    ];
    for url in &foreign {
        let answer = client.clone().oneshot(call(url)).await.unwrap();
        assert!(answer.status().is_client_error(), "{url}");
    }
    let below = format!("{}/sub?x=1", world.resource);
    client.oneshot(call(&below)).await.unwrap();
    let known = world.known.lock().unwrap();
    let with: Vec<_> =
        known.seen[before..].iter().map(|seen| seen.field("authorization").is_some()).collect();
    assert_eq!(with, [false, false, false, true], "{:?}", &known.seen[before..]);
    assert!(other.seen("/mcp")[0].field("authorization").is_none());
    assert_eq!(other.paths(), ["/mcp"]);
}

#[tokio::test]
async fn sec_464_a_redirect_is_given_and_not_followed() {
    let evil = World::honest().await;
    let target = evil.resource.clone();
    let world = World::with(move |_, seen| {
        seen.field("authorization")?;
        Some(redirect(307, &target))
    })
    .await;
    let answer = authorized(&world).oneshot(call(&world.resource)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(evil.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn an_error_of_the_login_is_the_error_of_the_request() {
    let world = World::with(|_, seen| (seen.path == AS).then(|| text(503, "text/plain", ""))).await;
    let outcome = authorized(&world).oneshot(call(&world.resource)).await;
    assert!(matches!(outcome, Err(AuthorizedError::Authorize(_))), "{outcome:?}");
    let nobody = Request::post("http://127.0.0.1:1/mcp").body(Full::default()).unwrap();
    let outcome = authorized(&world).oneshot(nobody).await;
    assert!(matches!(outcome, Err(AuthorizedError::Service(_))), "{outcome:?}");
}

#[tokio::test]
async fn sec_479_five_requests_are_under_way_at_once() {
    const CALLS: usize = 5;
    let under_way = Arc::new(Barrier::new(CALLS));
    // An answer only when all of them are under way: one after the other they would wait for ever.
    let world = World::with(move |world, seen| {
        seen.field("authorization")?;
        let (under_way, answer) = (Arc::clone(&under_way), world.mcp(seen));
        (seen.query == "slow").then(|| gathered(under_way, answer))
    })
    .await;
    let client = authorized(&world);
    client.clone().oneshot(call(&world.resource)).await.unwrap();
    let slow = format!("{}?slow", world.resource);
    let one = || async {
        let answer = client.clone().oneshot(call(&slow)).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    let all = async { tokio::join!(one(), one(), one(), one(), one()) };
    tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    assert_eq!(world.seen("/authorize").len(), 1);
}

fn gathered(under_way: Arc<Barrier>, answer: Response) -> Response {
    answer.map(|body| Body::new(refreshing::Held::until(under_way, body)))
}
