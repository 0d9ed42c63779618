//! The authorization server that tokens are asked about, over TLS.

use edge_nal_embassy::{Tcp, TcpBuffers};
use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use microcontroller::{board, provisioning::Introspection};
use portcullis_embassy::{
    introspection::{
        Credentials, Endpoint, EndpointError, IntrospectionClient, IntrospectionMemory,
        IntrospectionSettings,
    },
    outgoing::tls::{Tls, TlsMemory, Trust, TrustError},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use static_cell::{ConstStaticCell, StaticCell};
use zeroize::Zeroizing;

use crate::identity::{self, Identity};

/// Bytes that the connection may receive, or send, before anybody has taken them.
const TCP_BUFFER_LEN: usize = 1536;

/// How the server asks: not at all on a device with keys.
pub(crate) type Asking = Option<&'static Client>;
/// Asks one authorization server, for all connections.
type Client = IntrospectionClient<'static, NoopRawMutex>;
type Connector = Tls<'static, Tcp<'static>, ChaCha20Rng>;

/// Why nobody can be asked.
#[derive(Debug)]
enum AskingError {
    Endpoint(EndpointError),
    Trust(TrustError),
    Entropy(&'static str),
}

impl core::fmt::Display for AskingError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Endpoint(error) => error.fmt(f),
            Self::Trust(error) => error.fmt(f),
            Self::Entropy(reason) => f.write_str(reason),
        }
    }
}

/// Starts asking, if that was provisioned; halts with the reason when nobody can be asked.
pub(crate) fn start(spawner: Spawner, stack: Stack<'static>, identity: &mut Identity) -> Asking {
    let provisioned = identity.introspection.take()?;
    match client(spawner, stack, identity.issuer, provisioned) {
        Ok(client) => Some(client),
        Err(error) => identity::unusable(&error),
    }
}

fn client(
    spawner: Spawner,
    stack: Stack<'static>,
    issuer: &'static str,
    provisioned: Introspection<'static>,
) -> Result<&'static Client, AskingError> {
    static MEMORY: ConstStaticCell<IntrospectionMemory> =
        ConstStaticCell::new(IntrospectionMemory::new());
    static TLS_MEMORY: ConstStaticCell<TlsMemory> = ConstStaticCell::new(TlsMemory::new());
    static TCP_MEMORY: StaticCell<TcpBuffers<1, TCP_BUFFER_LEN, TCP_BUFFER_LEN>> =
        StaticCell::new();
    static CLIENT: StaticCell<Client> = StaticCell::new();

    let Introspection { endpoint, address, client_id, client_secret, certificate } = provisioned;
    let endpoint = Credentials::new(client_id, &client_secret)
        .and_then(|credentials| Endpoint::new(issuer, endpoint, address, credentials))
        .map_err(AskingError::Endpoint)?;
    let trust = Trust::new(certificate).map_err(AskingError::Trust)?;
    let settings = IntrospectionSettings::default();
    let client = IntrospectionClient::new(endpoint, settings, &*secret()?, MEMORY.take());
    let client = CLIENT.init(client);

    let tcp = Tcp::new(stack, TCP_MEMORY.init_with(TcpBuffers::new));
    let random = ChaCha20Rng::from_seed(*secret()?);
    board::spawn(spawner, ask(client, Tls::new(tcp, trust, random, TLS_MEMORY.take())));
    Ok(client)
}

/// Bytes that nobody else has.
fn secret() -> Result<Zeroizing<[u8; 32]>, AskingError> {
    let mut bytes = Zeroizing::new([0; 32]);
    board::entropy(bytes.as_mut()).map_err(AskingError::Entropy)?;
    Ok(bytes)
}

/// Owns the connection to the authorization server.
#[embassy_executor::task]
async fn ask(client: &'static Client, mut connector: Connector) {
    client.run(&mut connector).await
}
