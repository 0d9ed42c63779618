//! Two authorization servers: what is one's is never shown to the other.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Mutex, mpsc};

use super::*;

/// A server whose metadata name another authorization server once the switch is on, and that then takes no
/// token any more; and that other one.
async fn turncoat() -> (World, World, Arc<AtomicBool>) {
    let evil = World::with(|world, seen| {
        let client = json!({ "client_id": "c-evil" }).to_string();
        let mut known = world.known.lock().unwrap();
        known.tokens = known.tokens.max(10);
        (seen.path == "/register").then(|| json_body(201, client))
    })
    .await;
    let (has_turned, other) = (Arc::new(AtomicBool::new(false)), evil.issuer.clone());
    let turned = Arc::clone(&has_turned);
    let world = World::with(move |world, seen| {
        let turned = turned.load(Ordering::SeqCst);
        match seen.path.as_str() {
            "/mcp" if turned => Some(text(401, "text/plain", "")),
            PRM if turned => {
                let document = world.resource_document().replace(&world.issuer, &other);
                Some(json_body(200, document))
            }
            _ => None,
        }
    })
    .await;
    (world, evil, has_turned)
}

#[tokio::test]
async fn cl_09_sec_474_another_issuer_gets_nothing_of_the_first_ones() {
    let (world, evil, has_turned) = turncoat().await;
    let client = world.client();
    client.list_tools().await.unwrap();
    has_turned.store(true, Ordering::SeqCst);
    let outcome = client.list_tools().await;
    assert!(matches!(outcome, Err(McpError::Unauthorized)), "{outcome:?}");
    // It is a stranger: the client registers there, and the user is asked.
    for path in ["/register", "/authorize", "/token"] {
        assert_eq!(evil.seen(path).len(), 1, "{path}");
    }
    let known = evil.known.lock().unwrap();
    for seen in &known.seen {
        let fields: Vec<_> = seen.fields.values().map(|value| format!("{value:?}")).collect();
        for own in ["client_id=c-1", "at-1\"", "rt-1", "refresh_token="] {
            let shown = format!("{} {} {fields:?}", seen.query, seen.body);
            assert!(!shown.contains(own), "{own} in {shown}");
        }
    }
    drop(known);
    assert_eq!(world.seen("/token").len(), 1);
}

#[tokio::test]
async fn cl_07_an_issuer_that_is_not_on_the_list_is_not_asked() {
    let (world, evil, has_turned) = turncoat().await;
    let allowed_issuers = Some(vec![world.issuer.clone()]);
    let options = Options { allowed_issuers, ..world.options() };
    let client = McpClient::new(world.resource.as_str(), options, browse).unwrap();
    client.list_tools().await.unwrap();
    has_turned.store(true, Ordering::SeqCst);
    let outcome = client.list_tools().await;
    let is_discovery = matches!(outcome, Err(McpError::Authorize(AuthorizeError::Discovery(_))));
    assert!(is_discovery, "{outcome:?}");
    assert_eq!(evil.paths(), Vec::<String>::new());
}

/// The browser of one of two users, who gets the other one's answer first.
struct Crossed {
    own: mpsc::Sender<String>,
    other: Mutex<mpsc::Receiver<String>>,
}

impl OpenBrowser for Crossed {
    fn open(&self, url: String) -> Opened<'_> {
        Box::pin(async move {
            let (_, location) = visit(&url).await?;
            let location = location.unwrap();
            self.own.send(location.clone()).await.unwrap();
            let other = self.other.lock().await.recv().await.unwrap();
            let (callback, _) = location.split_once('?').unwrap();
            let (_, answer) = other.split_once('?').unwrap();
            // The answer of the other login, at the redirect URI of this one.
            assert_eq!(visit(&format!("{callback}?{answer}")).await?.0, 400);
            assert_eq!(visit(&location).await?.0, 200);
            Ok(())
        })
    }
}

#[tokio::test]
async fn sec_468_crossed_answers_of_two_logins_at_once() {
    let (one, two) = (World::honest().await, World::honest().await);
    let ((to_two, from_one), (to_one, from_two)) = (mpsc::channel(1), mpsc::channel(1));
    let first = Crossed { own: to_two, other: Mutex::new(from_two) };
    let second = Crossed { own: to_one, other: Mutex::new(from_one) };
    let client = |world: &World, browser: Crossed| {
        McpClient::new(world.resource.as_str(), world.options(), browser).unwrap()
    };
    let (first, second) = (client(&one, first), client(&two, second));
    let (a, b) = tokio::join!(first.list_tools(), second.list_tools());
    assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
    for world in [&one, &two] {
        // One code each, with the verifier of its own login: else the token endpoint refuses.
        assert_eq!(world.seen("/token").len(), 1);
    }
}
