//! The application: what this device can do, and who may. The file to copy.

use core::net::SocketAddr;

use edge_nal::TcpBind;
use edge_nal_embassy::Tcp;
use microcontroller::{board, provisioning::Provisioning};
use portcullis_core::{
    encoding::scratch::Scratch,
    jwt::KeyRing,
    mcp::server::{ServerInfo, Tool},
    resource_server::{
        Configuration, ConfigurationError, Policy, Principal, ResourceServer, Rule, TrustedIssuer,
        Verification,
    },
    scope::{ScopeError, ScopeSet},
    time::UnixTime,
};
use portcullis_embassy::{
    Clock, Memory, Server,
    tools::{Json, NoArguments, ToolError, ToolService, ToolTable, tool},
};
use serde::{Deserialize, Serialize};
use static_cell::StaticCell;

/// The port of HTTP.
const PORT: u16 = 80;

/// What one connection works in: a head, its fields, a body, and what is decoded from them. Larger
/// requests are refused.
pub(crate) type ConnectionMemory = Memory<1536, 24, 1024, 1024>;

/// The temperature, in thousandths of a degree.
#[derive(Serialize)]
struct Temperature {
    millicelsius: i32,
}

/// The tool `read_temperature`.
async fn read_temperature(
    _: &Principal<'_>,
    _: NoArguments,
) -> Result<Json<Temperature>, ToolError> {
    let millicelsius = board::millicelsius().map_err(ToolError)?;
    Ok(Json(Temperature { millicelsius }))
}

/// The light, as it is to be and as it is.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Led {
    on: bool,
}

/// The JSON Schema of [`Led`].
const LED: &str = r#"{"type":"object","properties":{"on":{"type":"boolean"}},"required":["on"],"additionalProperties":false}"#;

/// The tool `set_led`.
async fn set_led(_: &Principal<'_>, led: Led) -> Result<Json<Led>, ToolError> {
    board::set_led(led.on);
    Ok(Json(led))
}

/// Serves one connection after the other; a device runs as many of these as it has sockets.
#[embassy_executor::task(pool_size = crate::CONNECTIONS)]
pub(crate) async fn serve(
    resource_server: &'static ResourceServer<'static>,
    tcp: Tcp<'static>,
    memory: &'static mut ConnectionMemory,
) {
    let info = ServerInfo {
        name: "microcontroller",
        version: env!("CARGO_PKG_VERSION"),
        instructions: None,
    };
    let tools = ToolTable((
        tool(Tool::new("read_temperature", "Reads the temperature."), read_temperature),
        tool(Tool::new("set_led", "Turns the light on or off.").with_arguments(LED), set_led),
    ));
    let service = match ToolService::new(info, &tools, resource_server) {
        Ok(service) => service,
        Err(error) => board::halt(format_args!("{error}")),
    };
    let acceptor = match tcp.bind(SocketAddr::from(([0; 4], PORT))).await {
        Ok(acceptor) => acceptor,
        Err(_) => board::halt(format_args!("port {PORT} cannot be served")),
    };
    Server::new(resource_server, service, BoardClock).run(&acceptor, memory).await
}

/// Which scopes are needed: one for every call, one more to change something.
fn policy() -> Result<Policy<'static>, ScopeError> {
    static TOOLS: StaticCell<[Rule<'static>; 2]> = StaticCell::new();
    let (read, write) = (ScopeSet::parse("device:read")?, ScopeSet::parse("device:write")?);
    let tools = TOOLS.init([
        Rule { name: "read_temperature", scopes: read },
        Rule { name: "set_led", scopes: write },
    ]);
    Ok(Policy { base: read, methods: &[], tools, implications: &[] })
}

/// Makes the resource server of the identity that was provisioned; once.
pub(crate) fn resource_server(
    provisioning: Provisioning<'static>,
    memory: &mut Scratch<'static>,
) -> Result<&'static ResourceServer<'static>, ConfigurationError> {
    static KEYS: StaticCell<KeyRing> = StaticCell::new();
    static ISSUERS: StaticCell<[TrustedIssuer<'static>; 1]> = StaticCell::new();
    static SERVER: StaticCell<ResourceServer<'static>> = StaticCell::new();

    let Provisioning { resource, issuer, keys, .. } = provisioning;
    let verification = Verification::Offline(KEYS.init(keys.ring()?));
    let issuers = ISSUERS.init([TrustedIssuer { identifier: issuer, verification }]);
    let mut configuration = Configuration::new(resource, issuers);
    configuration.policy = match policy() {
        Ok(policy) => policy,
        Err(error) => board::halt(format_args!("{error}")),
    };
    Ok(SERVER.init(ResourceServer::new(configuration, memory)?))
}

/// The board's calendar.
struct BoardClock;

impl Clock for BoardClock {
    fn unix_time(&self) -> Option<UnixTime> {
        board::rtc()
    }
}
