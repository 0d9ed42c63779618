//! States that a user has to get out of, and questions that a user is not asked twice.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use portcullis_core::client::DeviceError;

use super::{world::browse, *};

/// Servers that register each client under another id. The tokens can be refreshed or not; the token endpoint may
/// not know any client for a while.
async fn forgetful(refreshable: bool, knows_nobody: Arc<AtomicBool>) -> World {
    let registered = AtomicU32::new(0);
    World::with(move |world, seen| match seen.path.as_str() {
        "/register" => {
            let id = format!("c-{}", registered.fetch_add(1, Ordering::Relaxed) + 1);
            Some(json_body(201, json!({ "client_id": id }).to_string()))
        }
        "/token" if knows_nobody.load(Ordering::Relaxed) => {
            Some(json_body(401, json!({ "error": "invalid_client" }).to_string()))
        }
        "/token" if !refreshable && world.token(seen).status().is_success() => {
            let token = format!("at-{}", world.known.lock().unwrap().tokens);
            let tokens = json!({ "access_token": token, "token_type": "Bearer" });
            Some(json_body(200, tokens.to_string()))
        }
        _ => None,
    })
    .await
}

fn process(world: &World, folder: &Path, browser: impl OpenBrowser + 'static) -> Authorizer {
    let limit = Duration::from_secs(60);
    process_with(world, folder, browser, limit)
}

fn process_with(
    world: &World,
    folder: &Path,
    browser: impl OpenBrowser + 'static,
    login_time_limit: Duration,
) -> Authorizer {
    let options = Options { login_time_limit, ..world.options() };
    let authorizer = Authorizer::new(world.resource.as_str(), options, browser).unwrap();
    authorizer.with_store(FileStore::new(folder))
}

/// The user is shown that the client is not known, or does nothing: it looks the same from here.
async fn nothing_comes_back(_: String) -> std::io::Result<()> {
    Ok(())
}

#[tokio::test]
async fn cl_39_a_client_that_may_be_forgotten_is_not_used_for_ever() {
    for (refreshable, registered) in [(false, 2), (true, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("logins");
        let world = forgetful(refreshable, Arc::default()).await;
        process(&world, &folder, browse).log_in().await.unwrap();
        let limit = Duration::from_millis(1);
        let outcome = process_with(&world, &folder, nothing_comes_back, limit).log_in().await;
        assert!(matches!(outcome, Err(AuthorizeError::TimedOut)), "{outcome:?}");
        process(&world, &folder, browse).log_in().await.unwrap();
        // What can be refreshed is not given up because the user did nothing: a refresh tells.
        assert_eq!(world.seen("/register").len(), registered);
    }
}

#[tokio::test]
async fn cl_39_a_client_that_the_token_endpoint_does_not_know_is_registered_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("logins");
    let knows_nobody = Arc::new(AtomicBool::new(false));
    let world = forgetful(false, Arc::clone(&knows_nobody)).await;
    process(&world, &folder, browse).log_in().await.unwrap();
    knows_nobody.store(true, Ordering::Relaxed);
    let outcome = process(&world, &folder, browse).log_in().await;
    assert!(matches!(outcome, Err(AuthorizeError::Token(..))), "{outcome:?}");
    assert_eq!(world.seen("/register").len(), 1);
    knows_nobody.store(false, Ordering::Relaxed);
    let login = process(&world, &folder, browse).log_in().await.unwrap();
    assert_eq!((world.seen("/register").len(), login.client_id()), (2, "c-2"));
}

#[tokio::test]
async fn cl_30_a_client_given_by_hand_is_used_though_another_one_logged_in_before() {
    let world = World::honest().await;
    let earlier = authorize(&world.resource, &world.options(), &browse).await.unwrap();
    assert_eq!(earlier.client_id(), "c-1");
    let clients = vec![ConfiguredClient::new(&world.issuer, "mine")];
    let options = Options { clients, ..world.options() };
    let authorizer = Authorizer::new(world.resource.as_str(), options, browse).unwrap();
    authorizer.set_login(earlier).await;
    assert_eq!(authorizer.log_in().await.unwrap().client_id(), "mine");
    let asked = world.seen("/authorize").remove(1);
    assert_eq!(asked.parameter("client_id").as_deref(), Some("mine"));
}

#[tokio::test]
async fn sec_479_who_says_no_is_asked_once_by_calls_at_once() {
    let denies = Arc::new(AtomicBool::new(true));
    let denied = Arc::clone(&denies);
    let world = World::with(move |world, seen| {
        if seen.path != "/authorize" || !denied.load(Ordering::Relaxed) {
            return None;
        }
        Some(world.refusal(seen, "access_denied"))
    })
    .await;
    let client = world.client();
    let (a, b, c) = tokio::join!(client.list_tools(), client.list_tools(), client.list_tools());
    assert_eq!(world.seen("/authorize").len(), 1);
    for outcome in [a, b, c] {
        let error = outcome.expect_err("the user said no");
        assert!(matches!(error, McpError::Authorize(AuthorizeError::Denied(_))), "{error}");
    }
    // A call that begins later asks anew.
    denies.store(false, Ordering::Relaxed);
    client.list_tools().await.unwrap();
    assert_eq!(world.seen("/authorize").len(), 2);
}

#[tokio::test]
async fn cl_85_who_says_no_on_another_machine_is_not_asked_again() {
    let world = World::with(|world, seen| match seen.path.as_str() {
        AS => {
            let endpoint =
                format!("{{\"device_authorization_endpoint\":\"{}/device\",", world.issuer);
            Some(json_body(200, world.issuer_document().replacen('{', &endpoint, 1)))
        }
        "/device" => {
            let codes = json!({
                "device_code": "dc", "user_code": "WDJB", "expires_in": 600, "interval": 1,
                "verification_uri": "https://as.example/go",
            });
            Some(json_body(200, codes.to_string()))
        }
        "/token" if world.seen("/device").len() > 1 => {
            Some(json_body(400, json!({ "error": "access_denied" }).to_string()))
        }
        "/token" => {
            world.known.lock().unwrap().tokens += 1;
            let tokens = json!({ "access_token": "at-1", "token_type": "Bearer" });
            Some(json_body(200, tokens.to_string()))
        }
        "/mcp" if seen.field("mcp-name") == Some("wipe") => {
            let mut response = text(403, "text/plain", "");
            let challenge = "Bearer error=\"insufficient_scope\", scope=\"admin\"";
            response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
            Some(response)
        }
        _ => None,
    })
    .await;
    let display = |_: DeviceCode| std::future::ready(Ok(()));
    let options = Options { access: Access::Device(Arc::new(display)), ..world.options() };
    let client = McpClient::new(world.resource.as_str(), options, nothing_comes_back).unwrap();
    client.list_tools().await.unwrap();
    let outcome = client.call_tool("wipe", json!({})).await;
    let is_denied =
        matches!(outcome, Err(McpError::Authorize(AuthorizeError::Device(DeviceError::Denied, _))));
    assert!(is_denied, "{outcome:?}");
    let outcome = client.call_tool("wipe", json!({})).await;
    assert!(matches!(outcome, Err(McpError::Refused { status: 403, .. })), "{outcome:?}");
    assert_eq!(world.seen("/device").len(), 2);
}
