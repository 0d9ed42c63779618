//! The application: what this device can do, and who may. The file to copy.

use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use microcontroller::board;
use portcullis_core::{
    jwt::KeyId,
    mcp::server::{ServerInfo, Tool},
    resource_server::{
        Configuration, ConfigurationError, Policy, Principal, ResourceServer, Rule, TrustedIssuer,
        Verification,
    },
    scope::{ScopeError, ScopeSet},
};
use portcullis_embassy::{
    Connections, Memory, Server,
    listener::Listener,
    tools::{Json, NoArguments, Text, ToolError, ToolService, ToolTable, tool},
};
use serde::{Deserialize, Serialize};
use static_cell::StaticCell;

use crate::{identity::Identity, introspector::Asking, keeper::DeviceKeys, time::DeviceClock};

/// The port of HTTP.
const PORT: u16 = 80;

/// What one connection works in: a head, its fields, a body, and what is decoded from them. Larger
/// requests are refused.
pub(crate) type ConnectionMemory = Memory<1536, 24, 1024, 1024>;

/// What a socket may receive, and send, before anybody has taken it, in bytes.
pub(crate) type SocketMemory = ([u8; 1024], [u8; 512]);

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

/// The tool `set_led`. All or nothing: it begins when the whole request is there, and nowhere in it can it be
/// left half done, also when the client goes away. It sets a state, so that asking again does no harm.
async fn set_led(_: &Principal<'_>, led: Led) -> Result<Json<Led>, ToolError> {
    board::set_led(led.on);
    Ok(Json(led))
}

/// The tool `rotate_key`: the key to come takes over and the old one is gone, also after a restart. For whoever changes
/// keys, when the authorization server signs with the key to come and the last token under the old one has ended.
async fn rotate_key(keys: Option<&DeviceKeys>) -> Result<Text<KeyId>, ToolError> {
    let keys = keys.ok_or(ToolError("this device has no keys: it asks about tokens"))?;
    match keys.rotate().await {
        Ok(Some(current)) => Ok(Text(current)),
        Ok(None) | Err(_) => Err(ToolError("no key is changed: is there a key to come?")),
    }
}

/// Which scopes are needed: one for every call, further ones to change something.
fn policy() -> Result<Policy<'static>, ScopeError> {
    static TOOLS: StaticCell<[Rule<'static>; 2]> = StaticCell::new();
    let tools = TOOLS.init([
        Rule { name: "set_led", scopes: ScopeSet::parse("device:write")? },
        Rule { name: "rotate_key", scopes: ScopeSet::parse("device:keys")? },
    ]);
    let base = ScopeSet::parse("device:read")?;
    Ok(Policy { base, methods: &[], tools, implications: &[] })
}

/// What all connections share.
#[derive(Clone, Copy)]
pub(crate) struct Device {
    pub(crate) server: &'static ResourceServer<'static>,
    pub(crate) keys: Option<&'static DeviceKeys>,
    pub(crate) introspector: Asking,
    pub(crate) clock: DeviceClock,
}

/// Serves one connection after the other; a device runs as many of these as it has sockets.
#[embassy_executor::task(pool_size = crate::CONNECTIONS)]
pub(crate) async fn serve(
    device: Device,
    stack: Stack<'static>,
    socket: &'static mut SocketMemory,
    memory: &'static mut ConnectionMemory,
) {
    let info = ServerInfo {
        name: "microcontroller",
        version: env!("CARGO_PKG_VERSION"),
        instructions: None,
    };
    let rotate_key = async |_: &Principal<'_>, _: NoArguments| rotate_key(device.keys).await;
    let tools = ToolTable((
        tool(Tool::new("read_temperature", "Reads the temperature."), read_temperature),
        tool(Tool::new("set_led", "Turns the light on or off.").with_arguments(LED), set_led),
        tool(Tool::new("rotate_key", "Lets the key to come take over."), rotate_key),
    ));
    let service = match ToolService::new(info, &tools, device.server) {
        Ok(service) => service,
        Err(error) => board::halt(format_args!("{error}")),
    };
    let (received, sent) = socket;
    let listener = Listener::new(stack, PORT, received, sent);
    // `https` is ended in front of the device, so that all clients have one address: no limit for each.
    static OPEN: Connections<{ crate::CONNECTIONS }, CriticalSectionRawMutex> =
        Connections::new().with_per_peer_max(crate::CONNECTIONS);
    let server = Server::new(device.server, service, device.clock).with_connections(&OPEN);
    server.with_introspector(device.introspector).run(&listener, memory).await
}

/// Makes the resource server that this device was provisioned to be; once.
pub(crate) fn resource_server(
    identity: &mut Identity,
) -> Result<&'static ResourceServer<'static>, ConfigurationError> {
    static ISSUERS: StaticCell<[TrustedIssuer<'static>; 1]> = StaticCell::new();
    static SERVER: StaticCell<ResourceServer<'static>> = StaticCell::new();

    let verification = match identity.keys {
        Some(keys) => Verification::Offline(&keys.ring),
        None => Verification::Introspection,
    };
    let issuers = ISSUERS.init([TrustedIssuer { identifier: identity.issuer, verification }]);
    let mut configuration = Configuration::new(identity.resource, issuers);
    configuration.policy = match policy() {
        Ok(policy) => policy,
        Err(error) => board::halt(format_args!("{error}")),
    };
    Ok(SERVER.init(ResourceServer::new(configuration, &mut identity.memory)?))
}
