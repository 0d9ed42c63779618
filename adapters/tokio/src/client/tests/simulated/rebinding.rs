//! SEC-462: a name that leads to the internet when it is looked at, and inside when it is used.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use portcullis_core::client::DiscoveryError;
use turmoil::net::{TcpListener, TcpStream};

use super::{
    super::{
        world::{World, json_body, text},
        *,
    },
    net::{Net, browse, over, seeds, serve, world},
};
use crate::{Network, public_network};

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 216, 34));
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// What each lookup of `localhost` gives, in the simulated network; the last of them again and again. It is a
/// name like another there: what counts is the address. Addresses are their own.
#[derive(Default)]
struct Names {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    lookups: AtomicUsize,
}

impl Names {
    fn say(&self, answers: &[&[IpAddr]]) {
        *self.answers.lock().unwrap() = answers.iter().map(|answer| answer.to_vec()).collect();
        self.lookups.store(0, SeqCst);
    }

    async fn look_up(self: Arc<Self>, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        tokio::time::sleep(Duration::from_millis(30)).await;
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        self.lookups.fetch_add(1, SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Ok(answer.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }
}

struct Place {
    net: Net,
    names: Arc<Names>,
    /// Connections to the machine inside.
    inside: Arc<AtomicUsize>,
    client: Arc<McpClient>,
}

impl Place {
    fn new(seed: u64, world: &World) -> Self {
        let mut net = Net::new(seed, &[], &["client"]);
        let router = world.router();
        net.sim.host(PUBLIC, move || serve(8001, router.clone()));
        let inside = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&inside);
        net.sim.host(INSIDE, move || listen_inside(Arc::clone(&count)));
        let names = Arc::new(Names::default());
        let asked = Arc::clone(&names);
        let network = Network::from_fn(move |url| {
            let asked = Arc::clone(&asked);
            public_network::connect(url, |host, port| asked.look_up(host, port), TcpStream::connect)
        });
        let authorizer = over(&network, world.options(), world, browse);
        let client = Arc::new(McpClient::with_authorizer(Arc::new(authorizer)));
        Self { net, names, inside, client }
    }

    fn call(&mut self) -> Result<(), McpError> {
        let client = Arc::clone(&self.client);
        self.net.run("client", async move { client.list_tools().await.map(drop) })
    }

    /// The next request needs a connection of its own.
    fn reconnect(&mut self) {
        self.net.sim.crash(PUBLIC);
        self.net.sim.bounce(PUBLIC);
        for _ in 0..20 {
            self.net.step();
        }
    }
}

async fn listen_inside(count: Arc<AtomicUsize>) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8001)).await?;
    loop {
        let _ = listener.accept().await?;
        count.fetch_add(1, SeqCst);
    }
}

/// A server that asks for no token.
fn open() -> World {
    world(1, |_, seen| {
        let request: serde_json::Value = serde_json::from_str(&seen.body).ok()?;
        let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": {} });
        Some(json_body(200, answer.to_string()))
    })
}

#[track_caller]
fn is_refused(outcome: Result<(), McpError>) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, McpError::Fetch(FetchFailure::NotPublic)), "{error:?}");
}

#[test]
fn sec_462_a_name_is_used_as_it_was_looked_at() {
    for seed in seeds(4) {
        let mut place = Place::new(seed, &open());
        // Whoever looked it up a second time to connect would be inside.
        place.names.say(&[&[PUBLIC], &[INSIDE]]);
        place.call().unwrap();
        assert_eq!(place.names.lookups.load(SeqCst), 1);
        place.reconnect();
        is_refused(place.call());
        for mixed in [[PUBLIC, INSIDE], [INSIDE, PUBLIC]] {
            place.names.say(&[&mixed]);
            is_refused(place.call());
        }
        place.names.say(&[&[PUBLIC]]);
        place.call().unwrap();
        assert_eq!(place.inside.load(SeqCst), 0);
    }
}

#[test]
fn sec_462_metadata_lead_nowhere_inside() {
    for (issuer, is_inside) in [("http://127.0.0.1:9001", true), ("http://localhost:9001", false)] {
        let world = world(1, move |world, seen| match seen.path.as_str() {
            PRM => Some(json_body(200, world.resource_document().replace(&world.issuer, issuer))),
            AS => Some(text(404, "text/plain", "")),
            _ => None,
        });
        let mut place = Place::new(1, &world);
        place.names.say(&[&[PUBLIC]]);
        let error = match place.call().unwrap_err() {
            McpError::Authorize(AuthorizeError::Discovery(error)) => error,
            other => panic!("{other:?}"),
        };
        let not_public = DiscoveryError::Fetch(FetchFailure::NotPublic);
        assert_eq!(error == not_public, is_inside, "{error:?}");
    }
}
