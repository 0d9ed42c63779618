//! Two authorization servers, late and out of order: what is one's stays one's.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use http::HeaderMap;
use tokio::sync::{Barrier, mpsc};

use super::{
    super::{
        world::{Seen, World, json_body},
        *,
    },
    net::{self, Net, authorizer, browse, go_back, seeds, visit},
};

/// Which authorization server took the place of which.
#[derive(Default)]
struct Changes(Mutex<Vec<[String; 2]>>);

impl Observer for Changes {
    fn exchange(&self, _: &Exchange<'_>) {}

    fn issuer_changed(&self, before: &str, now: &str) {
        self.0.lock().unwrap().push([before, now].map(str::to_owned));
    }
}

/// Whose client ids and tokens are unlike those of the first.
fn other() -> World {
    net::world(2, |world, seen| {
        let mut known = world.known.lock().unwrap();
        known.tokens = known.tokens.max(10);
        let client = json!({ "client_id": "c-other" }).to_string();
        (seen.path == "/register").then(|| json_body(201, client))
    })
}

/// A server whose metadata name the other authorization server once the switch is on; then it takes that one's
/// tokens, and no others.
fn moving(other: &World, has_moved: &Arc<AtomicBool>) -> World {
    let (issuer, known) = (other.issuer.clone(), Arc::clone(&other.known));
    let moved = Arc::clone(has_moved);
    net::world(1, move |world, seen| {
        if !moved.load(SeqCst) {
            return None;
        }
        let newest = known.lock().unwrap().tokens;
        let taken = format!("Bearer at-{newest}");
        match seen.path.as_str() {
            PRM => Some(json_body(200, world.resource_document().replace(&world.issuer, &issuer))),
            "/mcp" if seen.field("authorization") == Some(&taken) && newest > 10 => {
                world.known.lock().unwrap().tokens = newest;
                None
            }
            "/mcp" => Some(world.mcp(&Seen { fields: HeaderMap::new(), ..seen.clone() })),
            _ => None,
        }
    })
}

#[track_caller]
fn has_nothing_of(world: &World, secrets: &[&str]) {
    for seen in &world.known.lock().unwrap().seen {
        let fields: Vec<_> = seen.fields.values().map(|value| format!("{value:?}")).collect();
        let shown = format!("{} {} {fields:?} ", seen.query, seen.body);
        for secret in secrets {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

/// The metadata change so many steps after a call whose token has just ended begins.
fn move_in_a_refresh(seed: u64, steps: Option<usize>) -> usize {
    let has_moved = Arc::new(AtomicBool::new(false));
    let other = other();
    let world = moving(&other, &has_moved);
    let mut net = Net::new(seed, &[&world, &other], &["client"]);
    let changes = Arc::new(Changes::default());
    let observer = Arc::clone(&changes);
    let authorizer = net::with(Options { observer, ..world.options() }, &world, browse);
    let client = Arc::new(McpClient::with_authorizer(Arc::new(authorizer)));
    let start = |net: &Net| {
        let client = Arc::clone(&client);
        net.start("client", async move { client.list_tools().await.map(drop) })
    };
    let first = start(&net);
    for _ in 0..steps.unwrap_or(0) {
        net.step();
    }
    has_moved.store(steps.is_some(), SeqCst);
    // In the middle of a login the two servers of the tokens may not be one; then the next call begins anew.
    let first = net.finish(&first);
    let second = start(&net);
    let second = net.finish(&second);
    let third = start(&net);
    net.finish(&third).unwrap_or_else(|error| panic!("{error} after {first:?} and {second:?}"));

    has_nothing_of(&other, &["client_id=c-1", "Bearer at-1\"", "refresh_token="]);
    has_nothing_of_token_endpoint(&world, &["client_id=c-other", "at-11", "rt-11"]);
    let changes = changes.0.lock().unwrap();
    assert!(changes.iter().all(|change| *change == [world.issuer.clone(), other.issuer.clone()]));
    changes.len()
}

/// Its authorization server; the server itself is shown the other one's tokens when it names that one.
#[track_caller]
fn has_nothing_of_token_endpoint(world: &World, secrets: &[&str]) {
    for path in ["/register", "/authorize", "/token"] {
        for seen in world.seen(path) {
            let shown = format!("{} {}", seen.query, seen.body);
            assert!(!secrets.iter().any(|secret| shown.contains(secret)), "{shown}");
        }
    }
}

#[test]
fn sec_172_another_authorization_server_in_the_middle_of_a_login() {
    let told: Vec<_> = (0..60).step_by(4).map(|steps| move_in_a_refresh(1, Some(steps))).collect();
    // Nothing is told of when the first login is with the other one already.
    assert!(told.contains(&0) && told.contains(&1), "{told:?}");
    for seed in seeds(2) {
        assert_eq!(move_in_a_refresh(seed, None), 0, "nothing has moved");
    }
}

/// What two users' browsers do with the answers of two logins at once.
fn crossing(
    own: mpsc::Sender<String>,
    other: mpsc::Receiver<String>,
    both: Arc<Barrier>,
) -> impl OpenBrowser {
    let other = Arc::new(tokio::sync::Mutex::new(other));
    move |url: String| {
        let (own, other, both) = (own.clone(), Arc::clone(&other), Arc::clone(&both));
        async move {
            let location = visit(&url).await?;
            own.send(location.clone()).await.map_err(io::Error::other)?;
            let crossed = other.lock().await.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
            let (callback, _) = location.split_once('?').ok_or(io::ErrorKind::InvalidData)?;
            let (_, answer) = crossed.split_once('?').ok_or(io::ErrorKind::InvalidData)?;
            // The other login's answer first, and then with the state of this one.
            let status = go_back(format!("{callback}?{answer}")).await?;
            assert_eq!(status, 400, "another login's answer");
            both.wait().await;
            assert_eq!(go_back(location).await?, 200);
            Ok(())
        }
    }
}

#[test]
fn sec_468_crossed_answers_of_two_logins_at_two_servers() {
    for seed in seeds(8) {
        let worlds = [1, 2].map(|number| net::world(number, |_, _| None));
        let mut net = Net::new(seed, &[&worlds[0], &worlds[1]], &["client"]);
        let ((to_two, from_one), (to_one, from_two)) = (mpsc::channel(1), mpsc::channel(1));
        let both = Arc::new(Barrier::new(2));
        let browsers =
            [crossing(to_two, from_two, Arc::clone(&both)), crossing(to_one, from_one, both)];
        let mut calls = Vec::new();
        for (world, browser) in worlds.iter().zip(browsers) {
            let client = McpClient::with_authorizer(Arc::new(authorizer(world, browser)));
            calls.push(net.start("client", async move {
                client.list_tools().await.map(drop)?;
                Ok::<_, McpError>(client.login().await.unwrap().issuer().to_owned())
            }));
        }
        for (world, call) in worlds.iter().zip(&calls) {
            assert_eq!(net.finish(call).unwrap(), world.issuer);
            assert_eq!(world.seen("/token").len(), 1, "one code, by its own login");
        }
    }
}

/// RFC 9700 §4.4: the second server sends the user to the first one's login page, to be shown that one's code.
#[test]
fn sec_468_a_code_is_not_shown_to_the_server_that_only_led_to_it() {
    for seed in seeds(4) {
        for is_honest in [true, false] {
            let one = net::world(1, |_, _| None);
            let first = one.issuer.clone();
            let two = net::world(2, move |world, seen| {
                let own = format!("{}/authorize", world.issuer);
                let led = world.issuer_document().replace(&own, &format!("{first}/authorize"));
                (seen.path == AS && !is_honest).then(|| json_body(200, led))
            });
            let mut net = Net::new(seed, &[&one, &two], &["client"]);
            // The browser is told that the answer is not used.
            let browser = |url: String| async move {
                go_back(visit(&url).await?).await?;
                Ok(())
            };
            let clients = [authorizer(&one, browse), authorizer(&two, browser)];
            let [first, outcome] = clients.map(|authorizer| {
                let client = McpClient::with_authorizer(Arc::new(authorizer));
                net.run("client", async move { client.list_tools().await.map(drop) })
            });
            first.unwrap();
            if is_honest {
                outcome.unwrap();
                assert_eq!(two.seen("/token").len(), 1);
            } else {
                let error = outcome.unwrap_err();
                let callback = McpError::Authorize(AuthorizeError::Callback(CallbackError::Issuer));
                assert_eq!(error.to_string(), callback.to_string());
                assert_eq!(two.seen("/token").len(), 0, "nobody is shown the code");
            }
            assert_eq!(one.seen("/token").len(), 1);
        }
    }
}
