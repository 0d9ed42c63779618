//! The hosts: servers of scripted worlds, and the machines that clients run on.

use std::{
    collections::HashMap,
    future::Future,
    io::{self, Read, Write},
    net::Ipv4Addr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Uri, header};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::sync::mpsc;
use turmoil::{
    Builder, Sim,
    net::{TcpListener, TcpStream},
};

use super::super::world::{Seen, World};
use crate::{
    Network,
    client::{Authorizer, OpenBrowser, Options, fetcher::Fetcher},
};

const TICK: Duration = Duration::from_millis(5);
/// Steps after which something must have happened: ten minutes.
const STEPS_MAX: usize = 120_000;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What will come of something that a machine does.
pub(super) struct Pending<T>(Arc<Mutex<Option<T>>>);

pub(super) struct Net {
    pub(super) sim: Sim<'static>,
    jobs: HashMap<&'static str, mpsc::UnboundedSender<Job>>,
}

impl Net {
    /// The servers of these worlds as hosts `rs1`, `as1`, `rs2`…, and machines of these names.
    pub(super) fn new(seed: u64, worlds: &[&World], machines: &[&'static str]) -> Self {
        println!("PORTCULLIS_SEED={seed}");
        let mut sim = Builder::new()
            .rng_seed(seed)
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(40))
            .simulation_duration(Duration::from_secs(24 * 3_600))
            // For the redirect URI, which is on the machine itself.
            .enable_tokio_io()
            .build();
        for world in worlds {
            for url in [&world.resource, &world.issuer] {
                let (host, port) = place(&url.parse().unwrap()).unwrap();
                let router = world.router();
                sim.host(host, move || serve(port, router.clone()));
            }
        }
        let mut jobs = HashMap::new();
        for machine in machines {
            let (sender, waiting) = mpsc::unbounded_channel::<Job>();
            let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
            sim.host(*machine, move || work(Arc::clone(&waiting)));
            jobs.insert(*machine, sender);
        }
        Self { sim, jobs }
    }

    pub(super) fn start<T: Send + 'static>(
        &self,
        machine: &str,
        job: impl Future<Output = T> + Send + 'static,
    ) -> Pending<T> {
        let outcome = Arc::new(Mutex::new(None));
        let theirs = Arc::clone(&outcome);
        let job = async move {
            let done = job.await;
            *theirs.lock().unwrap() = Some(done);
        };
        self.jobs[machine].send(Box::pin(job)).ok().unwrap();
        Pending(outcome)
    }

    pub(super) fn finish<T>(&mut self, pending: &Pending<T>) -> T {
        for _ in 0..STEPS_MAX {
            if let Some(done) = pending.0.lock().unwrap().take() {
                return done;
            }
            self.step();
        }
        panic!("it hangs");
    }

    pub(super) fn run<T: Send + 'static>(
        &mut self,
        machine: &str,
        job: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let pending = self.start(machine, job);
        self.finish(&pending)
    }

    pub(super) fn step(&mut self) {
        self.sim.step().unwrap();
    }
}

/// The servers of number `number`: the hosts `rs…` and `as…`.
pub(super) fn world(
    number: u16,
    twist: impl Fn(&World, &Seen) -> Option<http::Response<Body>> + Send + Sync + 'static,
) -> World {
    let origin = |base: u16| format!("http://localhost:{}", base + number);
    World::at(&origin(8000), &origin(9000), twist)
}

/// A client of the world's server whose requests go over the simulated network.
pub(super) fn authorizer(world: &World, browser: impl OpenBrowser + 'static) -> Authorizer {
    with(world.options(), world, browser)
}

/// A client with these options.
pub(super) fn with(
    options: Options,
    world: &World,
    browser: impl OpenBrowser + 'static,
) -> Authorizer {
    let network = Network::from_fn(|url| async move { TcpStream::connect(place(&url)?).await });
    over(&network, options, world, browser)
}

/// A client whose requests go over this network.
pub(super) fn over(
    network: &Network,
    options: Options,
    world: &World,
    browser: impl OpenBrowser + 'static,
) -> Authorizer {
    let fetcher = Fetcher::over(network, &options.authorities).unwrap();
    Authorizer::with_fetcher(world.resource.as_str(), options, browser, fetcher)
}

/// Which host has the server of a URL: its port says so.
fn place(url: &Uri) -> io::Result<(String, u16)> {
    let port = url.port_u16().ok_or(io::ErrorKind::InvalidInput)?;
    let kind = if port < 9000 { "rs" } else { "as" };
    Ok((format!("{kind}{}", port % 1000), port))
}

async fn work(waiting: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Job>>>) -> turmoil::Result {
    let mut waiting = waiting.lock().await;
    while let Some(job) = waiting.recv().await {
        tokio::spawn(job);
    }
    Ok(())
}

pub(super) async fn serve(port: u16, router: axum::Router) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(router.clone());
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A connection that breaks has no one left to tell.
            let _ = connection.await;
        });
    }
}

/// GETs a page of one of the hosts; gives where it leads.
pub(super) async fn visit(url: &str) -> io::Result<String> {
    let url: Uri = url.parse().map_err(io::Error::other)?;
    let stream = TcpStream::connect(place(&url)?).await?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(header::HOST, "localhost").body(Body::empty());
    let request = request.map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    location.map(str::to_owned).ok_or_else(|| io::Error::other("leads nowhere"))
}

/// Goes back to the redirect URI, on the loopback of the system: simulated time stands still meanwhile, so
/// that it counts for nothing how long that takes. Gives the status.
pub(super) async fn go_back(location: String) -> io::Result<u16> {
    let done = tokio::task::spawn_blocking(move || {
        let url: Uri = location.parse().map_err(io::Error::other)?;
        let port = url.port_u16().ok_or(io::ErrorKind::InvalidInput)?;
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::ErrorKind::InvalidData.into())
    });
    done.await.map_err(io::Error::other)?
}

/// A user who logs in at once.
pub(super) async fn browse(url: String) -> io::Result<()> {
    match go_back(visit(&url).await?).await? {
        200 => Ok(()),
        status => Err(io::Error::other(format!("redirect URI answers {status}"))),
    }
}

/// The seeds of a test: the one that is asked for, or so many.
pub(super) fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("PORTCULLIS_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=count).collect(),
    }
}
