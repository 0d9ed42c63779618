//! CL-63, CL-72: tokens are renewed in time, once for all, and not lost because somebody is in trouble.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::{Barrier, Notify};

use super::{world::Seen, *};

fn is_refresh(seen: &Seen) -> bool {
    seen.parameter("grant_type").as_deref() == Some("refresh_token")
}

#[tokio::test]
async fn a_token_is_refreshed_before_it_is_refused() {
    let world = World::honest().await;
    let client = world.client();
    client.list_tools().await.unwrap();
    client.set_login(due(&client.login().await.unwrap())).await;
    let before = world.paths().len();
    let (first, second) = tokio::join!(client.list_tools(), client.list_tools());
    assert!(first.is_ok() && second.is_ok());
    // Once for both, and nobody met a 401.
    assert_eq!(world.paths()[before..], [PRM, AS, "/token", "/mcp", "/mcp"]);
    assert!(is_refresh(&world.seen("/token")[1]));
}

/// RFC 6749 §6.
#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_stays() {
    let world = World::with(|world, seen| {
        if !is_refresh(seen) || !world.token(seen).status().is_success() {
            return None;
        }
        let tokens = json!({ "access_token": "at-2", "token_type": "Bearer" });
        Some(json_body(200, tokens.to_string()))
    })
    .await;
    let client = world.client();
    client.list_tools().await.unwrap();
    client.set_login(due(&client.login().await.unwrap())).await;
    client.list_tools().await.unwrap();
    let login = client.login().await.unwrap();
    assert_eq!((login.access_token(), login.is_refreshable()), ("at-2", true));
    assert_eq!(world.seen("/token").len(), 2);
}

#[tokio::test]
async fn a_refresh_ahead_that_fails_stops_nobody() {
    let world = World::with(|_, seen| is_refresh(seen).then(|| text(503, "text/plain", ""))).await;
    let client = world.client();
    client.list_tools().await.unwrap();
    client.set_login(due(&client.login().await.unwrap())).await;
    client.list_tools().await.unwrap();
    client.list_tools().await.unwrap();
    // It is not tried again at once, and the refresh token is still there.
    assert_eq!(world.seen("/token").len(), 2);
    assert_eq!(world.seen("/authorize").len(), 1);
    assert!(client.login().await.unwrap().is_refreshable());
}

#[tokio::test]
async fn sec_177_a_server_in_trouble_costs_the_user_no_login() {
    let (in_trouble, is_old) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let twist = (Arc::clone(&in_trouble), Arc::clone(&is_old));
    let world = World::with(move |_, seen| {
        if is_refresh(seen) && twist.0.load(Ordering::Relaxed) {
            return Some(text(503, "text/plain", ""));
        }
        let old = seen.field("authorization") == Some("Bearer at-1");
        (old && twist.1.load(Ordering::Relaxed)).then(|| text(401, "text/plain", ""))
    })
    .await;
    let client = world.client();
    client.list_tools().await.unwrap();
    is_old.store(true, Ordering::Relaxed);
    let outcome = client.list_tools().await;
    let trouble = AuthorizeError::Token(TokenRequestError::Trouble, None);
    assert_eq!(outcome.unwrap_err().to_string(), McpError::Authorize(trouble).to_string());
    in_trouble.store(false, Ordering::Relaxed);
    client.list_tools().await.unwrap();
    assert_eq!(client.login().await.unwrap().access_token(), "at-2");
    assert_eq!(world.seen("/authorize").len(), 1);
}

#[tokio::test]
async fn sec_479_a_shared_failure_is_over_when_there_is_a_new_login() {
    let in_trouble = Arc::new(AtomicBool::new(true));
    let twist = Arc::clone(&in_trouble);
    let world = World::with(move |_, seen| {
        (is_refresh(seen) && twist.load(Ordering::Relaxed)).then(|| text(503, "text/plain", ""))
    })
    .await;
    let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
    authorizer.log_in().await.unwrap();
    let (refused, none) = (StatusCode::UNAUTHORIZED, HeaderMap::new());
    let [mut fails, mut shares, mut lasts] = [(); 3].map(|()| authorizer.operation());
    for operation in [&mut fails, &mut shares, &mut lasts] {
        operation.fields(&Method::POST, &world.resource).await.unwrap();
    }
    assert!(fails.judge(refused, &none).await.is_err());
    in_trouble.store(false, Ordering::Relaxed);
    assert!(shares.judge(refused, &none).await.is_err());
    assert_eq!(world.seen("/token").len(), 2);

    let mut later = authorizer.operation();
    later.fields(&Method::POST, &world.resource).await.unwrap();
    assert_eq!(later.judge(refused, &none).await.unwrap(), Judgement::Again);
    // First it takes the new token; when that is refused too, the user logs in.
    for logins in [1, 2] {
        assert_eq!(lasts.judge(refused, &none).await.unwrap(), Judgement::Again);
        assert_eq!(world.seen("/authorize").len(), logins);
        lasts.fields(&Method::POST, &world.resource).await.unwrap();
    }
}

#[tokio::test]
async fn cl_39_a_client_that_was_forgotten_is_registered_again() {
    let world = World::with(|_, seen| {
        if is_refresh(seen) {
            let error = json!({ "error": "invalid_client" });
            return Some(json_body(401, error.to_string()));
        }
        let old = seen.field("authorization") == Some("Bearer at-1");
        (old && seen.field("mcp-name") == Some("again")).then(|| text(401, "text/plain", ""))
    })
    .await;
    let client = world.client();
    client.list_tools().await.unwrap();
    client.call_tool("again", json!({})).await.unwrap();
    assert_eq!((world.seen("/register").len(), world.seen("/authorize").len()), (2, 2));
    assert_eq!(client.login().await.unwrap().access_token(), "at-2");
}

#[tokio::test]
async fn sec_561_a_refresh_that_nobody_waits_for_any_more_is_not_lost() {
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Barrier::new(2)));
    let twist = (Arc::clone(&asked), Arc::clone(&go_on));
    let world = World::with(move |world, seen| {
        let old = seen.field("authorization") == Some("Bearer at-1");
        if old && seen.field("mcp-name") == Some("again") {
            return Some(text(401, "text/plain", ""));
        }
        let answer = is_refresh(seen).then(|| world.token(seen))?;
        twist.0.notify_one();
        let go_on = Arc::clone(&twist.1);
        Some(answer.map(|body| Body::new(Held::until(go_on, body))))
    })
    .await;
    let client = world.client();
    client.list_tools().await.unwrap();
    // The call is dropped when its new tokens are given out already.
    tokio::select! {
        outcome = client.call_tool("again", json!({})) => panic!("{outcome:?}"),
        () = asked.notified() => {}
    }
    go_on.wait().await;
    client.call_tool("again", json!({})).await.unwrap();
    assert_eq!((world.seen("/token").len(), world.seen("/authorize").len()), (2, 1));
    assert_eq!(client.login().await.unwrap().access_token(), "at-2");
}

#[tokio::test]
async fn sec_479_calls_at_once_are_not_serialised() {
    const CALLS: usize = 5;
    let under_way = Arc::new(Barrier::new(CALLS));
    // Answers only when all of them are under way: a client that sends one after the other waits for ever.
    let world = World::with(move |world, seen| {
        seen.field("authorization")?;
        let under_way = Arc::clone(&under_way);
        let is_slow = seen.field("mcp-name") == Some("slow");
        let answer = world.mcp(seen);
        is_slow.then(|| answer.map(|body| Body::new(Held::until(under_way, body))))
    })
    .await;
    let client = world.client();
    client.list_tools().await.unwrap();
    let call = || client.call_tool("slow", json!({}));
    let calls = async { tokio::join!(call(), call(), call(), call(), call()) };
    let (a, b, c, d, e) = tokio::time::timeout(Duration::from_secs(30), calls).await.unwrap();
    assert!([a, b, c, d, e].iter().all(Result::is_ok));
}

/// A body that is there once a future is.
pub(super) struct Held(Option<Pin<Box<dyn Future<Output = Bytes> + Send>>>);

impl Held {
    /// This body, once all whom the barrier waits for have come.
    pub(super) fn until(under_way: Arc<Barrier>, body: Body) -> Self {
        Self(Some(Box::pin(async move {
            under_way.wait().await;
            body.collect().await.unwrap().to_bytes()
        })))
    }

    /// This body, a while after the head.
    pub(super) fn after(pause: Duration, body: Body) -> Self {
        Self(Some(Box::pin(async move {
            tokio::time::sleep(pause).await;
            body.collect().await.unwrap().to_bytes()
        })))
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(future) = &mut self.0 else { return Poll::Ready(None) };
        let bytes = ready!(future.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}
