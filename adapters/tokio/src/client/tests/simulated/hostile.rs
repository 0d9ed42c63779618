//! SEC-483: answers without end, in pieces, out of order, and cut off.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use portcullis_core::client::DiscoveryError;
use tokio::time::{Sleep, sleep};

use super::{
    super::{
        world::{World, text},
        *,
    },
    net::{Net, browse, seeds, with, world},
};

pub(super) const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";

/// What comes when all pieces have come.
#[derive(Clone, Copy)]
pub(super) enum Then {
    End,
    /// The last piece, over and over.
    Again,
}

/// A body whose pieces come one after the other.
pub(super) struct Pieces {
    left: VecDeque<Bytes>,
    pause: Duration,
    then: Then,
    waits: Pin<Box<Sleep>>,
}

impl Pieces {
    pub(super) fn body(pieces: &[impl AsRef<[u8]>], pause: Duration, then: Then) -> Body {
        let left = pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_ref())).collect();
        Body::new(Self { left, pause, then, waits: Box::pin(sleep(pause)) })
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.waits.as_mut().poll(context));
        let pause = self.pause;
        self.waits = Box::pin(sleep(pause));
        let is_last = self.left.len() == 1;
        let piece = match self.then {
            Then::Again if is_last => self.left.front().cloned(),
            Then::End | Then::Again => self.left.pop_front(),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// A world that answers so at this path, as long as the switch is on; to calls only those with a token.
pub(super) fn hostile(
    path: &'static str,
    content_type: &'static str,
    body: impl Fn() -> Body + Send + Sync + 'static,
) -> (World, Arc<AtomicBool>) {
    let is_on = Arc::new(AtomicBool::new(true));
    let on = Arc::clone(&is_on);
    let world = world(1, move |_, seen| {
        let is_meant = path != "/mcp" || seen.field("authorization").is_some();
        (seen.path == path && is_meant && on.load(SeqCst)).then(|| text(200, content_type, body()))
    });
    (world, is_on)
}

/// A machine with a client that waits five seconds for an answer.
struct Caller {
    net: Net,
    client: Arc<McpClient>,
}

impl Caller {
    fn new(seed: u64, world: &World) -> Self {
        let options = Options { call_time_limit: Duration::from_secs(5), ..world.options() };
        let authorizer = with(options, world, browse);
        let client = Arc::new(McpClient::with_authorizer(Arc::new(authorizer)));
        Self { net: Net::new(seed, &[world], &["client"]), client }
    }

    fn call(&mut self) -> Result<serde_json::Value, McpError> {
        let client = Arc::clone(&self.client);
        self.net.run("client", async move { client.list_tools().await })
    }
}

pub(super) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn sec_483_answers_without_end_over_a_slow_network() {
    for (path, content_type) in
        [("/mcp", JSON), ("/mcp", EVENTS), (PRM, JSON), (AS, JSON), ("/token", JSON)]
    {
        let piece = ["data: ".repeat(10_000)];
        let (world, is_on) =
            hostile(path, content_type, move || Pieces::body(&piece, millis(7), Then::Again));
        let mut caller = Caller::new(1, &world);
        let error = caller.call().unwrap_err();
        let is_too_large = match &error {
            McpError::Fetch(failure)
            | McpError::Authorize(AuthorizeError::Discovery(DiscoveryError::Fetch(failure)))
            | McpError::Authorize(AuthorizeError::Token(TokenRequestError::Fetch(failure), _)) => {
                *failure == FetchFailure::TooLarge
            }
            // Metadata have several places: what is no use is at none of them.
            McpError::Authorize(AuthorizeError::Discovery(error)) => {
                [(PRM, DiscoveryError::NoResourceMetadata), (AS, DiscoveryError::NoServerMetadata)]
                    .contains(&(path, *error))
            }
            _ => false,
        };
        assert!(is_too_large, "{path}: {error:?}");
        // INV-7: the next honest answer is taken.
        is_on.store(false, SeqCst);
        caller.call().unwrap();
    }
}

#[test]
fn sec_483_a_trickle_ends_with_the_time_limit_and_an_answer_in_it_counts() {
    for seed in seeds(2) {
        let forever = [": wait\n\n", "data: {}\n\n"];
        let (world, is_on) =
            hostile("/mcp", EVENTS, move || Pieces::body(&forever, millis(300), Then::Again));
        let mut caller = Caller::new(seed, &world);
        let error = caller.call().unwrap_err();
        assert!(matches!(error, McpError::Fetch(FetchFailure::TimedOut)), "{error:?}");
        is_on.store(false, SeqCst);
        caller.call().unwrap();

        let mut pieces = vec![": wait\n\n"; 10];
        pieces.extend([
            "data: {\"jsonrpc\":\"2.0\",\"id\":1,",
            "\"result\":{\"n\":1}}\n\n",
            ": wait\n\n",
        ]);
        let (world, _) =
            hostile("/mcp", EVENTS, move || Pieces::body(&pieces, millis(300), Then::Again));
        assert_eq!(Caller::new(seed, &world).call().unwrap(), json!({ "n": 1 }));
    }
}

/// Before the answer: no event, none of this request, and none at all; after it another one.
const MIXED: [&str; 8] = [
    ": wait\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n",
    "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"n\":7}}\n\ndata: {\"jsonrpc\"\n\n",
    "data: {\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"n\":8}}\n\n\u{0}\u{fffd}\n",
    "data: {\"jsonrpc\":\"2.0\",\"id\":1,",
    "\"result\":{\"n\":",
    "1}}\n",
    "\n",
    "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"n\":2}}\n\n",
];

/// The server dies so many steps after the call; whether the answer had come.
fn cut_off(steps: usize) -> bool {
    let (world, is_on) = hostile("/mcp", EVENTS, || Pieces::body(&MIXED, millis(40), Then::End));
    let mut caller = Caller::new(3, &world);
    let client = Arc::clone(&caller.client);
    let call = caller.net.start("client", async move { client.list_tools().await });
    for _ in 0..steps {
        caller.net.step();
    }
    caller.net.sim.crash("rs1");
    let outcome = caller.net.finish(&call);
    match &outcome {
        Ok(result) => assert_eq!(*result, json!({ "n": 1 }), "at {steps}"),
        Err(McpError::Fetch(_) | McpError::Authorize(AuthorizeError::Discovery(_))) => {}
        Err(error) => panic!("at {steps}: {error:?}"),
    }
    caller.net.sim.bounce("rs1");
    is_on.store(false, SeqCst);
    caller.call().unwrap();
    outcome.is_ok()
}

#[test]
fn sec_483_a_stream_that_is_cut_off_is_no_answer_and_no_other_one() {
    let answered: Vec<_> = (0..160).step_by(8).map(cut_off).collect();
    assert!(answered.contains(&false) && answered.contains(&true), "{answered:?}");
    // Whole, the first answer to this request counts.
    assert!(cut_off(2_000));
}
