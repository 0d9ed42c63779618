//! CL-80 to CL-85: an operation that needs more than was granted.

use std::sync::Mutex;

use axum::{body::Body, response::Response};

use super::{
    world::{Seen, browse},
    *,
};

/// A server whose tool `wipe` needs `admin` and whose tool `send` needs `mail`; the newest tokens have what
/// was asked for last and not denied.
async fn demanding(twist: fn(&World, &Seen) -> Option<Response<Body>>) -> World {
    let granted = Mutex::new(String::new());
    World::with(move |world, seen| {
        let twisted = twist(world, seen);
        if seen.path == "/authorize" && twisted.is_none() {
            *granted.lock().unwrap() = seen.parameter("scope").unwrap_or_default();
        }
        twisted.or_else(|| {
            let needed = match (seen.field("authorization")?, seen.field("mcp-name")?) {
                (_, "wipe") => "admin",
                (_, "send") => "mail",
                _ => return None,
            };
            let is_granted = granted.lock().unwrap().split(' ').any(|scope| scope == needed);
            (!is_granted).then(|| insufficient(&format!("{needed} user")))
        })
    })
    .await
}

fn insufficient(scope: &str) -> Response<Body> {
    let mut response = text(403, "text/plain", "");
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
    response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
    response
}

/// What the user was asked for, each time.
fn scopes_asked(world: &World) -> Vec<String> {
    let asked = world.seen("/authorize");
    asked.iter().map(|seen| seen.parameter("scope").unwrap_or_default()).collect()
}

#[track_caller]
fn refused_for(outcome: Result<serde_json::Value, McpError>, needed: &str) {
    match outcome {
        Err(McpError::Refused { status: 403, error, scope }) => {
            assert_eq!(error.as_deref(), Some("insufficient_scope"));
            assert_eq!(scope.as_deref(), Some(needed));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn cl_81_what_was_asked_for_and_what_is_needed() {
    let world = demanding(|_, _| None).await;
    let client = world.client();
    client.list_tools().await.unwrap();
    client.call_tool("wipe", json!({})).await.unwrap();
    client.call_tool("send", json!({})).await.unwrap();
    client.call_tool("wipe", json!({})).await.unwrap();
    assert_eq!(scopes_asked(&world), ["user", "user admin", "user admin mail"]);
    // The same client asks: it is not registered a second time.
    assert_eq!(world.seen("/register").len(), 1);

    // CL-84: a client that begins with the stored login knows what was asked for.
    let later = demanding(|_, _| None).await;
    let client = later.client();
    client.list_tools().await.unwrap();
    let login = client.login().await.unwrap();
    assert_eq!((login.asked_scope(), login.scope()), ("user", "user"));
    let restarted = later.client();
    restarted.set_login(login).await;
    restarted.call_tool("wipe", json!({})).await.unwrap();
    assert_eq!(scopes_asked(&later), ["user", "user admin"]);
}

#[tokio::test]
async fn sec_351_cl_83_403_for_ever_ends() {
    let world = World::with(|_, seen| {
        seen.field("authorization")?;
        Some(insufficient("admin user"))
    })
    .await;
    let client = world.client();
    refused_for(client.call_tool("wipe", json!({})).await, "admin user");
    assert_eq!(scopes_asked(&world), ["user", "user admin"]);
    // The tokens have all that the challenge names: the user is not asked for it again.
    refused_for(client.call_tool("wipe", json!({})).await, "admin user");
    assert_eq!(scopes_asked(&world).len(), 2);
}

#[tokio::test]
async fn cl_85_what_the_user_denied_is_not_asked_for_again() {
    let world = demanding(|world, seen| {
        let asked = seen.parameter("scope").unwrap_or_default();
        if seen.path != "/authorize" || !asked.contains("admin") {
            return None;
        }
        Some(world.refusal(seen, "access_denied"))
    })
    .await;
    let client = world.client();
    client.list_tools().await.unwrap();
    let outcome = client.call_tool("wipe", json!({})).await;
    assert!(matches!(outcome, Err(McpError::Authorize(AuthorizeError::Denied(_)))), "{outcome:?}");
    refused_for(client.call_tool("wipe", json!({})).await, "admin user");
    assert_eq!(scopes_asked(&world), ["user", "user admin"]);
    // The tokens that there were are still good, and nothing denied comes along with something else.
    client.list_tools().await.unwrap();
    assert_eq!(client.login().await.unwrap().access_token(), "at-1");
    client.set_login(client.login().await.unwrap()).await;
    let outcome = client.call_tool("wipe", json!({})).await;
    assert!(matches!(outcome, Err(McpError::Authorize(AuthorizeError::Denied(_)))), "{outcome:?}");
}

#[tokio::test]
async fn cl_85_trouble_of_the_server_is_no_denial() {
    let world = demanding(|world, seen| {
        if seen.path != "/authorize" || world.seen("/authorize").len() != 2 {
            return None;
        }
        Some(world.refusal(seen, "server_error"))
    })
    .await;
    let client = world.client();
    client.list_tools().await.unwrap();
    let outcome = client.call_tool("wipe", json!({})).await;
    assert!(matches!(outcome, Err(McpError::Authorize(AuthorizeError::NotNow(_)))), "{outcome:?}");
    client.call_tool("wipe", json!({})).await.unwrap();
    assert_eq!(scopes_asked(&world), ["user", "user admin", "user admin"]);
}

#[tokio::test]
async fn cl_83_a_question_that_fails_is_asked_once_by_calls_at_once() {
    let world = demanding(|_, seen| {
        let asked = seen.parameter("scope").unwrap_or_default();
        let fails = seen.path == "/authorize" && asked.contains("admin");
        fails.then(|| text(400, "text/plain", "no"))
    })
    .await;
    let client = world.client();
    client.list_tools().await.unwrap();
    let call = || client.call_tool("wipe", json!({}));
    let (one, other) = tokio::join!(call(), call());
    assert_eq!(scopes_asked(&world), ["user", "user admin"]);
    let is_refused = |outcome: &Result<_, McpError>| {
        matches!(outcome, Err(McpError::Refused { status: 403, .. }))
    };
    assert!(is_refused(&one) != is_refused(&other), "{one:?} {other:?}");
}

#[tokio::test]
async fn cl_62_a_server_may_grant_less() {
    let world = World::with(|world, seen| match seen.path.as_str() {
        "/mcp" if seen.field("authorization").is_some() => Some(insufficient("admin user")),
        "/token" => {
            world.known.lock().unwrap().tokens += 1;
            let tokens = json!({ "access_token": "less", "token_type": "Bearer", "scope": "user" });
            Some(json_body(200, tokens.to_string()))
        }
        _ => None,
    })
    .await;
    let client = world.client();
    refused_for(client.call_tool("wipe", json!({})).await, "admin user");
    refused_for(client.call_tool("wipe", json!({})).await, "admin user");
    assert_eq!(scopes_asked(&world), ["user", "user admin"]);
    let login = client.login().await.unwrap();
    assert_eq!((login.asked_scope(), login.scope()), ("user admin", "user"));
}

#[tokio::test]
async fn cl_80_only_where_it_is_wanted() {
    let world = demanding(|_, _| None).await;
    let options = Options { step_up: false, ..world.options() };
    let client = McpClient::new(world.resource.as_str(), options, browse).unwrap();
    refused_for(client.call_tool("wipe", json!({})).await, "admin user");
    assert_eq!(scopes_asked(&world), ["user"]);
}

#[tokio::test]
async fn sec_479_operations_at_once_lose_nothing_of_each_other() {
    let world = demanding(|_, _| None).await;
    let client = world.client();
    client.list_tools().await.unwrap();
    let (wiped, sent, again) = tokio::join!(
        client.call_tool("wipe", json!({})),
        client.call_tool("send", json!({})),
        client.call_tool("wipe", json!({})),
    );
    assert!(wiped.is_ok() && sent.is_ok() && again.is_ok(), "{wiped:?} {sent:?} {again:?}");
    let asked = scopes_asked(&world);
    assert_eq!(asked.len(), 3, "{asked:?}");
    let login = client.login().await.unwrap();
    for scope in ["user", "admin", "mail"] {
        assert!(login.asked_scope().split(' ').any(|own| own == scope), "{login:?}");
    }
}
