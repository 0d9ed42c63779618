//! A resource server that asks, and time that is given.

use std::{future::Future, net::SocketAddr, pin::pin, time::Duration};

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use portcullis_core::{
    encoding::scratch::Scratch,
    limits,
    message::RequestHead,
    resource_server::{
        Configuration, Decision, Policy, ResourceServer, TrustedIssuer, Verdict, Verification,
    },
    scope::ScopeSet,
    time::UnixTime,
};
use portcullis_embassy::introspection::{
    Credentials, Endpoint, IntrospectionClient, IntrospectionMemory, IntrospectionSettings,
    Introspector,
};
use portcullis_embassy::outgoing::{LoopbackHttp, Transport};

pub(crate) const RESOURCE: &str = "https://device.example.com/mcp";
pub(crate) const ISSUER: &str = "https://as.example.com";
/// In January 2027.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A test that takes longer hangs.
const HANG: Duration = Duration::from_secs(30);

pub(crate) type Client = IntrospectionClient<'static, NoopRawMutex>;

pub(crate) fn resource_server(scope: &'static str) -> &'static ResourceServer<'static> {
    let verification = Verification::Introspection;
    let issuers = Box::leak(Box::new([TrustedIssuer { identifier: ISSUER, verification }]));
    let mut configuration = Configuration::new(RESOURCE, issuers);
    configuration.policy = Policy { base: ScopeSet::parse(scope).unwrap(), ..Policy::default() };
    let memory = vec![0; limits::METADATA_LEN_MAX].leak();
    let server = ResourceServer::new(configuration, &mut Scratch::new(memory)).unwrap();
    Box::leak(Box::new(server))
}

/// The usual ones: there is time enough also on a machine that does much else.
pub(crate) fn settings() -> IntrospectionSettings {
    IntrospectionSettings::default()
}

/// With a deadline that a test can wait for.
pub(crate) fn impatient() -> IntrospectionSettings {
    IntrospectionSettings { deadline_millis: 1_500, ..settings() }
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new("device", "s3cret").unwrap()
}

pub(crate) fn client_of(endpoint: Endpoint<'static>, settings: IntrospectionSettings) -> Client {
    let memory = Box::leak(Box::new(<IntrospectionMemory>::new()));
    IntrospectionClient::new(endpoint, settings, &[7; 32], memory)
}

/// A client of the peer at this address, over plain HTTP.
pub(crate) fn plain_client(address: SocketAddr, settings: IntrospectionSettings) -> Client {
    let url = format!("http://{address}/introspect").leak();
    client_of(Endpoint::loopback_http(ISSUER, url, address, credentials()).unwrap(), settings)
}

pub(crate) const PLAIN: LoopbackHttp<edge_nal_std::Stack> =
    LoopbackHttp(edge_nal_std::Stack::new());

/// The status of a request with this token; 200 when it may come in.
pub(crate) async fn ask_at(
    client: &Client,
    server: &'static ResourceServer<'static>,
    token: &str,
    now: Option<u64>,
) -> u16 {
    let authorization = format!("Bearer {token}");
    let fields =
        [("host", "device.example.com".as_bytes()), ("authorization", authorization.as_bytes())];
    let head = RequestHead::new("POST", "/mcp", fields);
    let mut memory = vec![0; limits::SCRATCH_LEN + 2 * limits::METADATA_LEN_MAX];
    let mut scratch = Scratch::new(&mut memory);
    // What needs the time is decided without it in a test of its own.
    let decided_at = Some(UnixTime::from_secs(now.unwrap_or(NOW)));
    let now = now.map(UnixTime::from_secs);
    match server.decide(&head, server.policy().base(), decided_at, &mut scratch) {
        Decision::NeedIntrospection(introspection) => {
            match client.ask(introspection, now, &mut scratch).await {
                Verdict::Allow(_) => 200,
                Verdict::Challenge(challenge) => challenge.status(),
            }
        }
        other => panic!("no question: {other:?}"),
    }
}

pub(crate) async fn ask(client: &Client, token: &str) -> u16 {
    ask_at(client, resource_server("device:read"), token, Some(NOW)).await
}

/// Runs `script` while the client's task runs.
pub(crate) fn run<T: Transport, O>(
    client: &Client,
    transport: &mut T,
    script: impl Future<Output = O>,
) -> O {
    let both = async {
        let mut client = pin!(client.run(transport));
        let mut script = pin!(script);
        std::future::poll_fn(|context| {
            if let std::task::Poll::Ready(never) = client.as_mut().poll(context) {
                never
            }
            script.as_mut().poll(context)
        })
        .await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let done = runtime.block_on(async { tokio::time::timeout(HANG, both).await });
    done.expect("the test hangs")
}

pub(crate) async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
