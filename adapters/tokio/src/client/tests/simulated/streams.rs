//! SEC-483: the event streams that an rmcp client reads, late, cut off, and without end.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Mutex},
};

use rmcp::transport::streamable_http_client::{
    StreamableHttpClient, StreamableHttpPostResponse, StreamableHttpResponseLimits,
};

use super::{
    super::{world::World, *},
    hostile::{EVENTS, Pieces, Then, hostile, millis},
    net::{Net, Pending, authorizer, browse},
};

const EVENT_LEN_MAX: usize = 100_000;

/// What came of a stream so far.
type Data = Arc<Mutex<Vec<String>>>;

/// Reads the stream that answers a request; whether it ended well.
fn read(net: &Net, world: &World) -> (Pending<bool>, Data) {
    let client = AuthorizedHttpClient::new(authorizer(world, browse));
    let (url, data) = (Arc::from(world.resource.as_str()), Data::default());
    let read = Arc::clone(&data);
    let pending = net.start("client", async move {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
        let message = serde_json::from_value(message).unwrap();
        let mut limits = StreamableHttpResponseLimits::default();
        limits.max_sse_event_size = EVENT_LEN_MAX;
        let none = HashMap::new();
        let posted =
            client.post_message_with_response_limits(url, message, None, None, none, limits).await;
        let Ok(StreamableHttpPostResponse::Sse(mut events, _)) = posted else { return false };
        while let Some(event) = poll_fn(|context| events.as_mut().poll_next(context)).await {
            match event {
                Ok(event) => read.lock().unwrap().push(event.data.unwrap_or_default()),
                Err(_) => return false,
            }
        }
        true
    });
    (pending, data)
}

const WHOLE: [&str; 4] = ["one", "two\nlines", "three", "four"];

/// The server dies so many steps after the request; how many events had come, and whether the stream ended well.
fn cut_off(steps: usize) -> (usize, bool) {
    let pieces = [
        "data: one\n\ndata: two\n",
        ": wait\ndata: lines\n\nda",
        "ta: three\n\n",
        "data: four\n\n",
    ];
    let (world, _) = hostile("/mcp", EVENTS, move || Pieces::body(&pieces, millis(60), Then::End));
    let mut net = Net::new(5, &[&world], &["client"]);
    let (pending, data) = read(&net, &world);
    for _ in 0..steps {
        net.step();
    }
    net.sim.crash("rs1");
    let is_whole = net.finish(&pending);
    let data = data.lock().unwrap();
    assert_eq!(*data, WHOLE[..data.len()], "at {steps}");
    (data.len(), is_whole)
}

#[test]
fn sec_483_of_a_stream_that_is_cut_off_whole_events_are_read() {
    let seen: Vec<_> = (0..160).step_by(8).map(cut_off).collect();
    for (count, is_whole) in &seen {
        assert!(!is_whole || *count == WHOLE.len(), "cut off, and nobody was told: {seen:?}");
    }
    assert!(seen.contains(&(0, false)) && seen.iter().any(|(count, _)| *count == 2), "{seen:?}");
    assert_eq!(cut_off(2_000), (WHOLE.len(), true));
}

#[test]
fn sec_483_an_event_without_end_ends_its_stream() {
    for (line, fits) in [("data: y\n", false), ("data: y\n\n", true)] {
        let pieces = ["data: x\n\n".to_owned(), line.repeat(2_000)];
        let end = if fits { Then::End } else { Then::Again };
        let (world, _) = hostile("/mcp", EVENTS, move || Pieces::body(&pieces, millis(20), end));
        let mut net = Net::new(5, &[&world], &["client"]);
        let (pending, data) = read(&net, &world);
        assert_eq!(net.finish(&pending), fits);
        assert_eq!(data.lock().unwrap().len(), if fits { 2_001 } else { 1 });
    }
}
