//! A device with two tools, its clock and its tokens, and a peer that speaks in raw bytes.

use std::{cell::Cell, time::Duration};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use portcullis_core::{
    encoding::scratch::Scratch,
    jwt::{HmacKey, KeyId, KeyRing, MintClaims, mint},
    limits,
    mcp::server::{ServerInfo, Tool},
    resource_server::{
        Configuration, Policy, Principal, ResourceServer, Rule, TrustedIssuer, Verification,
    },
    scope::ScopeSet,
    time::UnixTime,
};
use portcullis_embassy::{
    Clock, Deadlines, Memory, Server,
    tools::{Json, NoArguments, ToolError, ToolService, ToolTable, Toolbox, tool},
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

pub(crate) const RESOURCE: &str = "https://device.example.com/mcp";
pub(crate) const ISSUER: &str = "https://as.example.com";
pub(crate) const NOW: u64 = 1_800_000_000;
const KEY: [u8; 32] = [0x4b; 32];

/// An exchange that takes longer hangs.
pub(crate) const HANG: Duration = Duration::from_secs(10);

/// A stream in memory as the server sees it.
pub(crate) struct Pipe(pub(crate) DuplexStream);

impl ErrorType for Pipe {
    type Error = ErrorKind;
}

impl Read for Pipe {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buffer).await.map_err(|_| ErrorKind::Other)
    }
}

impl Write for Pipe {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.0.write(bytes).await.map_err(|_| ErrorKind::Other)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.flush().await.map_err(|_| ErrorKind::Other)
    }
}

/// A clock that is set by hand.
#[derive(Clone, Copy)]
pub(crate) struct Hands(pub(crate) Option<u64>);

impl Clock for Hands {
    fn unix_time(&self) -> Option<UnixTime> {
        self.0.map(UnixTime::from_secs)
    }
}

fn scopes(text: &'static str) -> ScopeSet<'static> {
    ScopeSet::parse(text).unwrap()
}

/// The usual settings.
pub(crate) fn configuration() -> Configuration<'static> {
    let key = HmacKey::new(&KEY).unwrap();
    let keys = Box::leak(Box::new(KeyRing::new(KeyId::new("k1").unwrap(), key)));
    let verification = Verification::Offline(keys);
    let issuers = Box::leak(Box::new([TrustedIssuer { identifier: ISSUER, verification }]));
    let mut configuration = Configuration::new(RESOURCE, issuers);
    let rules = Box::leak(Box::new([Rule { name: "set_led", scopes: scopes("device:write") }]));
    configuration.policy =
        Policy { base: scopes("device:read"), tools: rules, ..Policy::default() };
    configuration
}

pub(crate) fn resource_server(
    configuration: Configuration<'static>,
) -> &'static ResourceServer<'static> {
    let memory = vec![0; limits::METADATA_LEN_MAX].leak();
    let server = ResourceServer::new(configuration, &mut Scratch::new(memory)).unwrap();
    Box::leak(Box::new(server))
}

#[derive(Serialize)]
struct Temperature {
    celsius: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetLed {
    on: bool,
}

pub(crate) const INFO: ServerInfo<'static> =
    ServerInfo { name: "device", version: "1", instructions: None };
pub(crate) const READ_TEMPERATURE: Tool<'static> =
    Tool::new("read_temperature", "The temperature.");
pub(crate) const SET_LED: Tool<'static> = Tool::new("set_led", "The light.").with_arguments(
    r#"{"type":"object","properties":{"on":{"type":"boolean"}},"required":["on"]}"#,
);

/// The device's tools; `led` is what `set_led` sets.
pub(crate) fn tools(led: &Cell<bool>) -> ToolTable<impl Toolbox> {
    let read_temperature = async |_: &Principal<'_>, _: NoArguments| {
        Ok::<_, ToolError>(Json(Temperature { celsius: 21 }))
    };
    let set_led = async |principal: &Principal<'_>, wanted: SetLed| {
        if wanted.on == led.get() {
            return Err(ToolError("it is so already"));
        }
        led.set(wanted.on);
        let mut text = heapless::String::<64>::new();
        let by = principal.subject().unwrap_or("nobody");
        core::fmt::write(&mut text, format_args!("set by {by}"))
            .map_err(|_| ToolError("too long"))?;
        Ok(text)
    };
    ToolTable((tool(READ_TEMPERATURE, read_temperature), tool(SET_LED, set_led)))
}

/// The device.
pub(crate) struct Device {
    pub(crate) clock: &'static dyn Clock,
    pub(crate) deadlines: Deadlines,
    pub(crate) led: Cell<bool>,
    /// Bytes of a segment as the network delivers it.
    pub(crate) segment_len: usize,
    pub(crate) resource_server: &'static ResourceServer<'static>,
}

impl Device {
    pub(crate) fn new() -> Self {
        Self {
            clock: &Hands(Some(NOW)),
            deadlines: Deadlines::SMALL,
            led: Cell::new(false),
            segment_len: usize::MAX,
            resource_server: resource_server(configuration()),
        }
    }

    /// Sends all bytes over one connection; gives everything that comes back until it is closed, and
    /// whether the server closed it before the peer did.
    pub(crate) fn talk(&self, bytes: &[u8]) -> (String, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut peer, own) = tokio::io::duplex(64 * 1024);
        let tools = tools(&self.led);
        let service = ToolService::new(INFO, &tools, self.resource_server).unwrap();
        let server =
            Server::new(self.resource_server, service, self.clock).with_deadlines(self.deadlines);
        let mut memory = Box::new(<Memory>::new());
        let ended = Cell::new(false);
        let serve = async {
            let mut pipe = Pipe(own);
            server.serve(&mut pipe, &mut memory).await;
            ended.set(true);
        };
        let ask = async {
            for piece in bytes.chunks(self.segment_len.min(bytes.len().max(1))) {
                if peer.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            // Long enough for all that the server does without waiting for the peer.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let closed_first = ended.get();
            let _ = peer.shutdown().await;
            let mut answers = Vec::new();
            peer.read_to_end(&mut answers).await.unwrap();
            (String::from_utf8(answers).unwrap(), closed_first)
        };
        runtime.block_on(async {
            let both = async { tokio::join!(serve, ask).1 };
            tokio::time::timeout(HANG, both).await.expect("the exchange hangs")
        })
    }

    /// The status of each answer.
    pub(crate) fn statuses(&self, bytes: &[u8]) -> (Vec<u16>, bool) {
        let (answers, closed) = self.talk(bytes);
        (statuses(&answers), closed)
    }

    /// The one answer to a call of a method of the current revision: status and JSON.
    pub(crate) fn call(&self, scope: &str, method: &str, params: &str) -> (u16, serde_json::Value) {
        json(&self.talk(modern(&token(scope), method, params).as_bytes()).0)
    }
}

pub(crate) fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers.split("HTTP/1.1 ").skip(1);
    lines.map(|line| line[..3].parse().unwrap()).collect()
}

pub(crate) fn json(answer: &str) -> (u16, serde_json::Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length = format!("content-length: {}\r\n", body.len());
    assert!(format!("{head}\r\n").contains(&length), "one answer with its length: {answer}");
    (statuses(head)[0], serde_json::from_str(body).unwrap_or_default())
}

/// A token with these scopes.
pub(crate) fn token(scope: &str) -> String {
    token_until(scope, NOW + 600)
}

pub(crate) fn token_until(scope: &str, expires_at: u64) -> String {
    let claims = MintClaims {
        issuer: ISSUER,
        subject: "alice",
        client_id: "client-1",
        audience: &[RESOURCE],
        scope: ScopeSet::parse(scope).unwrap(),
        id: "jti-1",
        issued_at: UnixTime::from_secs(expires_at - 600),
        expires_at: UnixTime::from_secs(expires_at),
    };
    let mut token = [0; 1024];
    let key = HmacKey::new(&KEY).unwrap();
    mint(&claims, &key, &KeyId::new("k1").unwrap(), &mut token).unwrap().to_owned()
}

/// A request of the current revision.
pub(crate) fn modern(token: &str, method: &str, params: &str) -> String {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    let comma = if params.is_empty() { "" } else { "," };
    let params = format!("{{{params}{comma}{meta}}}");
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
    let name = match parsed["params"]["name"].as_str() {
        Some(name) => format!("Mcp-Name: {name}\r\n"),
        None => String::new(),
    };
    let fields = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}");
    post(token, &fields, &body)
}

/// A request of an older revision.
pub(crate) fn legacy(token: &str, body: &str) -> String {
    post(token, "MCP-Protocol-Version: 2025-06-18\r\n", body)
}

pub(crate) fn post(token: &str, fields: &str, body: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: device.example.com\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
