//! Servers that lie, stall, redirect and overflow.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use http::HeaderMap;
use portcullis_core::client::DiscoveryError;

use super::*;
use crate::client::{Exchange, Observer, tests::world::Seen};

async fn outcome(world: &World) -> McpError {
    world.client().list_tools().await.unwrap_err()
}

#[track_caller]
fn is_discovery(error: McpError, expected: DiscoveryError) {
    match error {
        McpError::Authorize(AuthorizeError::Discovery(error)) => assert_eq!(error, expected),
        other => panic!("{other:?}"),
    }
}

fn at(seen: &Seen, path: &str) -> Option<()> {
    (seen.path == path).then_some(())
}

#[tokio::test]
async fn sec_168_and_464_redirects_are_not_followed() {
    let evil = World::honest().await;
    for (status, path) in
        [(302, PRM), (301, AS), (307, "/register"), (308, "/token"), (307, "/mcp")]
    {
        let target = evil.resource.clone();
        let world = World::with(move |_, seen| {
            at(seen, path)?;
            // The MCP server itself redirects once there is a token to steal.
            (path != "/mcp" || seen.field("authorization").is_some())
                .then(|| redirect(status, &target))
        })
        .await;
        let error = outcome(&world).await;
        assert!(
            matches!(error, McpError::Authorize(_) | McpError::Refused { .. }),
            "{path}: {error:?}"
        );
        assert!(!world.seen(path).is_empty());
    }
    assert_eq!(evil.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn sec_165_metadata_of_another_issuer() {
    let world = World::with(|world, seen| {
        at(seen, AS)?;
        let issuer = format!("\"{}\"", world.issuer);
        let slash = format!("\"{}/\"", world.issuer);
        Some(json_body(200, world.issuer_document().replace(&issuer, &slash)))
    })
    .await;
    is_discovery(outcome(&world).await, DiscoveryError::OtherIssuer);
    assert_eq!(world.paths(), ["/mcp", PRM, AS]);
}

#[tokio::test]
async fn sec_166_metadata_of_another_resource() {
    let world = World::with(|world, seen| {
        at(seen, PRM)?;
        Some(json_body(200, world.resource_document().replace("/mcp", "/mc")))
    })
    .await;
    is_discovery(outcome(&world).await, DiscoveryError::OtherResource);
    assert_eq!(world.paths(), ["/mcp", PRM]);
}

#[tokio::test]
async fn sec_467_an_answer_of_another_issuer() {
    for iss in ["&iss=http://evil.example", ""] {
        let world = World::with(move |_, seen| {
            at(seen, "/authorize")?;
            let [state, back] = ["state", "redirect_uri"].map(|name| seen.parameter(name).unwrap());
            Some(redirect(302, &format!("{back}?code=c&state={state}{iss}")))
        })
        .await;
        let error = outcome(&world).await;
        let refused = McpError::Authorize(AuthorizeError::Callback(CallbackError::Issuer));
        assert_eq!(error.to_string(), refused.to_string());
        assert!(world.seen("/token").is_empty(), "the code was sent");
    }
}

#[tokio::test]
async fn sec_177_trouble_ends_it() {
    for (path, status) in [(PRM, 500), (PRM, 503), (AS, 502), (AS, 429)] {
        let world =
            World::with(move |_, seen| at(seen, path).map(|()| text(status, "text/plain", "")))
                .await;
        is_discovery(outcome(&world).await, DiscoveryError::Trouble);
        assert_eq!(world.paths().last().map(String::as_str), Some(path));
    }
    let world =
        World::with(|_, seen| at(seen, "/token").map(|()| text(500, "text/plain", ""))).await;
    let error = outcome(&world).await;
    let expected = AuthorizeError::Token(TokenRequestError::Trouble, None);
    assert_eq!(error.to_string(), expected.to_string());
    assert_eq!(world.seen("/token").len(), 1, "a code is sent once");
}

#[tokio::test]
async fn sec_173_oversize_and_endless_bodies() {
    let long = || axum::body::Body::from(" ".repeat(64 * 1024 + 1));
    let endless = || axum::body::Body::new(Endless);
    for body in [&long as &(dyn Fn() -> axum::body::Body + Sync), &endless] {
        // Made here, as the twist must own it.
        let bodies = std::sync::Mutex::new((0..4).map(|_| body()).collect::<Vec<_>>());
        let world = World::with(move |_, seen| {
            at(seen, PRM)?;
            Some(text(200, "application/json", bodies.lock().unwrap().pop()?))
        })
        .await;
        is_discovery(outcome(&world).await, DiscoveryError::NoResourceMetadata);
    }
}

/// Blanks without end.
struct Endless;

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        let piece = bytes::Bytes::from_static(&[b' '; 8192]);
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
    }
}

#[tokio::test]
async fn sec_173_a_body_that_stalls() {
    let world = World::with(|_, seen| {
        at(seen, PRM)?;
        Some(text(200, "application/json", futures_pending("{")))
    })
    .await;
    let options = Options { fetch_time_limit: Duration::from_millis(100), ..world.options() };
    let client = McpClient::new(world.resource.as_str(), options, browse).unwrap();
    let error = client.list_tools().await.unwrap_err();
    is_discovery(error, DiscoveryError::Fetch(FetchFailure::TimedOut));
}

#[tokio::test]
async fn sec_170_and_461_an_authorization_endpoint_elsewhere_is_never_opened() {
    for endpoint in [
        "http://as.example/a",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://as.example/$(id)`id`",
    ] {
        let world = World::with(move |world, seen| {
            at(seen, AS)?;
            let honest = format!("{}/authorize", world.issuer);
            Some(json_body(200, world.issuer_document().replace(&honest, endpoint)))
        })
        .await;
        let error = outcome(&world).await;
        let is_refused = matches!(
            error,
            McpError::Authorize(AuthorizeError::Discovery(DiscoveryError::Endpoint(_)))
        );
        assert!(is_refused, "{endpoint}: {error:?}");
        assert_eq!(world.paths(), ["/mcp", PRM, AS]);
    }
}

#[tokio::test]
async fn sec_466_hostile_callbacks_before_the_answer() {
    let world = World::honest().await;
    let browser = async |url: String| {
        let (_, location) = visit(&url).await?;
        let location = location.unwrap();
        let callback = location.split('?').next().unwrap().to_owned();
        for query in
            ["error=access_denied", "error=x&state=wrong", "code=evil&state=", "code=a&code=b"]
        {
            assert_eq!(visit(&format!("{callback}?{query}")).await?.0, 400, "{query}");
        }
        assert_eq!(visit(&location).await?.0, 200);
        Ok(())
    };
    let client = McpClient::new(world.resource.as_str(), world.options(), move |url| {
        Box::pin(browser(url))
            as std::pin::Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>
    });
    client.unwrap().list_tools().await.unwrap();
    assert_eq!(world.seen("/token")[0].parameter("code").as_deref(), Some("the-code"));
}

#[tokio::test]
async fn a_user_who_refuses() {
    let world = World::with(|world, seen| {
        at(seen, "/authorize")?;
        Some(world.refusal(seen, "access_denied"))
    })
    .await;
    assert_eq!(outcome(&world).await.to_string(), "access denied: access_denied");
    assert!(world.seen("/token").is_empty());
}

#[tokio::test]
async fn sec_473_the_time_limit_ends_the_wait() {
    let world = World::honest().await;
    let options = Options { login_time_limit: Duration::from_millis(50), ..world.options() };
    let nobody = |_| async { Ok(()) };
    let login = authorize(&world.resource, &options, &nobody).await;
    assert!(matches!(login, Err(AuthorizeError::TimedOut)), "{login:?}");
}

#[tokio::test]
async fn a_browser_that_fails_ends_the_login() {
    let world = World::honest().await;
    let broken = |_| async { Err(std::io::Error::other("no display")) };
    let login = authorize(&world.resource, &world.options(), &broken).await;
    assert!(matches!(login, Err(AuthorizeError::Browser(_))), "{login:?}");
}

#[tokio::test]
async fn sec_474_a_configured_client_of_another_issuer_is_not_shown() {
    let world = World::honest().await;
    let issuer = format!("{}/", world.issuer);
    let client = ConfiguredClient::new(issuer, "mine").with_secret("hush");
    let options = Options { clients: vec![client], ..world.options() };
    let login = authorize(&world.resource, &options, &browse).await;
    assert!(matches!(login, Err(AuthorizeError::Registration(..))), "{login:?}");
    assert_eq!(world.paths(), [PRM, AS]);
}

#[tokio::test]
async fn sec_483_answers_to_other_requests_are_not_taken() {
    for answer in [
        r#"{"jsonrpc":"2.0","id":2,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"1","result":{}}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"1.0","id":1,"result":{}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#,
        "<html>",
        "",
    ] {
        let world = World::with(move |_, seen| {
            seen.field("authorization")?;
            Some(json_body(200, answer.to_owned()))
        })
        .await;
        let error = outcome(&world).await;
        assert!(matches!(error, McpError::Answer), "{answer}: {error:?}");
    }
}

#[tokio::test]
async fn sec_483_answers_without_end_are_cut_off() {
    for media_type in ["application/json", "text/event-stream"] {
        let world = World::with(move |_, seen| {
            seen.field("authorization")?;
            Some(text(200, media_type, axum::body::Body::new(Endless)))
        })
        .await;
        let error = outcome(&world).await;
        assert!(matches!(error, McpError::Fetch(FetchFailure::TooLarge)), "{error:?}");

        let world = World::with(move |_, seen| {
            seen.field("authorization")?;
            Some(text(200, media_type, futures_pending("data: {}\n\n")))
        })
        .await;
        let options = Options { call_time_limit: Duration::from_millis(500), ..world.options() };
        let client = McpClient::new(world.resource.as_str(), options, browse).unwrap();
        let error = client.list_tools().await.unwrap_err();
        assert!(matches!(error, McpError::Fetch(FetchFailure::TimedOut)), "{error:?}");
    }
}

#[tokio::test]
async fn sec_483_of_two_answers_the_first_counts() {
    let answer =
        |n: u32| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"n\":{n}}}}}\n\n");
    let both = answer(1) + &answer(2);
    let world = World::with(move |_, seen| {
        seen.field("authorization")?;
        Some(text(200, "text/event-stream", both.clone()))
    })
    .await;
    assert_eq!(world.client().list_tools().await.unwrap(), json!({ "n": 1 }));
}

#[tokio::test]
async fn sec_461_nothing_is_fetched_or_authorized_at_a_url_that_must_not_be_used() {
    for (server_url, is_used, policy) in [
        ("https://rs.example/mcp", true, UrlPolicy::HttpsOnly),
        ("http://rs.example/mcp", false, UrlPolicy::HttpsOnly),
        ("http://127.0.0.1:8001/mcp", true, UrlPolicy::HttpsOrLoopback),
    ] {
        assert_eq!(Options::new("Test client").url_policy(server_url), policy, "{server_url}");
        let authorizer = Authorizer::new(server_url, Options::new("Test client"), browse).unwrap();
        assert_eq!(authorizer.is_for(server_url), is_used, "{server_url}");
    }
    let world = World::honest().await;
    let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
    let get = async |url: String| {
        let (fields, body) = (http::HeaderMap::new(), bytes::Bytes::new());
        authorizer.fetcher().open(http::Method::GET, &url, fields, body).await.is_ok()
    };
    assert!(get(world.resource.clone()).await);
    assert!(!get(world.resource.replace("127.0.0.1", "u@127.0.0.1")).await);
    assert_eq!(world.seen("/mcp").len(), 1);
}

#[tokio::test]
async fn sec_461_a_server_url_that_must_not_be_used() {
    let world = World::honest().await;
    let far = world.resource.replace("127.0.0.1", "rs.example");
    for server_url in [far.as_str(), "ftp://127.0.0.1/mcp", "127.0.0.1/mcp", ""] {
        let client = McpClient::new(server_url, world.options(), browse).unwrap();
        let error = client.list_tools().await.unwrap_err();
        assert!(matches!(error, McpError::ServerUrl(_)), "{server_url}: {error:?}");
    }
    let options = Options { url_policy: Some(UrlPolicy::HttpsOnly), ..world.options() };
    let strict = McpClient::new(world.resource.as_str(), options, browse).unwrap();
    assert!(matches!(strict.list_tools().await, Err(McpError::ServerUrl(UrlRefusal::Scheme))));
    assert!(world.paths().is_empty());
}

/// Notes which authorization server took the place of which.
#[derive(Default)]
struct Changes(Mutex<Vec<[String; 2]>>);

impl Observer for Changes {
    fn exchange(&self, _: &Exchange<'_>) {}

    fn issuer_changed(&self, before: &str, now: &str) {
        self.0.lock().unwrap().push([before, now].map(str::to_owned));
    }
}

#[tokio::test]
async fn sec_172_another_authorization_server_is_told_of_and_shown_nothing_of_the_first() {
    let other = World::honest().await;
    let (issuer, known) = (other.issuer.clone(), Arc::clone(&other.known));
    let has_moved = Arc::new(AtomicBool::new(false));
    let moved = Arc::clone(&has_moved);
    let world = World::with(move |world, seen| {
        let takes = format!("Bearer at-{}", known.lock().unwrap().tokens);
        match seen.path.as_str() {
            _ if !moved.load(Ordering::SeqCst) => None,
            "/.well-known/oauth-protected-resource/mcp" => {
                Some(json_body(200, world.resource_document().replace(&world.issuer, &issuer)))
            }
            // Tokens of the other one alone.
            "/mcp" if seen.field("authorization") == Some(&takes) => None,
            "/mcp" => Some(world.mcp(&Seen { fields: HeaderMap::new(), ..seen.clone() })),
            _ => None,
        }
    })
    .await;
    let changes = Arc::new(Changes::default());
    let observer = Arc::clone(&changes);
    let options = Options { observer, ..world.options() };
    let client = McpClient::new(world.resource.as_str(), options, browse).unwrap();
    client.list_tools().await.unwrap();
    assert_eq!(*changes.0.lock().unwrap(), Vec::<[String; 2]>::new());

    has_moved.store(true, Ordering::SeqCst);
    let before = world.paths().len();
    client.list_tools().await.unwrap();
    let login = client.login().await.unwrap();
    assert_eq!(login.issuer(), other.issuer);
    assert_eq!(*changes.0.lock().unwrap(), [[world.issuer.clone(), other.issuer.clone()]]);
    // A client id of its own there, and no refresh token of here; and here nothing is asked any more.
    assert!(other.paths().contains(&"/register".to_owned()));
    let shown = other.seen("/token");
    assert!(!shown.is_empty() && shown.iter().all(|seen| !seen.body.contains("refresh_token")));
    assert!(world.paths()[before..].iter().all(|path| path == "/mcp" || path == PRM));
}
