//! The protected server that all cases talk to, told to the bare core and to the adapters.

use std::collections::BTreeSet;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use portcullis_core::{
    encoding::scratch::Scratch,
    jwt::{HmacKey, KeyId, KeyRing},
    limits,
    mcp::{BodyLimits, Versions},
    resource_server::{Configuration, Policy, ResourceServer, Rule, TrustedIssuer, Verification},
    scope::{Implication, ScopeSet},
};
use portcullis_tokio::resource_server as adapter;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// The resource identifier.
pub const RESOURCE: &str = "https://mcp.example.com/mcp";
/// The authorization server, with two keys: `k1`, and `k2` to come.
pub const ISSUER: &str = "https://as.example.com";
/// Another trusted authorization server, with the key `b1`; only where tokens are verified offline.
pub const OTHER_ISSUER: &str = "https://other.example.com";
/// What the clock says.
pub const NOW: u64 = 1_800_000_000;
/// An origin that is allowed beside the server's own.
const ORIGIN: &str = "https://app.example.com";
/// A further host name of the server.
const HOST: &str = "mcp.internal:8443";
/// Under which name the server asks the authorization server.
pub const CLIENT_ID: &str = "rs-1";

/// How long the server waits for an answer: long for a busy machine, short for a test.
const ASK_MILLIS_MAX: u64 = 2_000;

const BASE_SCOPES: &str = "user";
/// Tool, and the scope it needs beside the base scopes.
const TOOL: (&str, &str) = ("set_time", "time:write");
/// Method, and the scope it needs beside the base scopes.
const METHOD: (&str, &str) = ("resources/read", "files");
/// A broader scope, and what it implies.
const IMPLICATION: (&str, &str) = ("admin", "user time:write");

/// How tokens are verified.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// JWTs only.
    #[default]
    Offline,
    /// By asking only.
    Introspection,
    /// JWTs here, everything else by asking.
    JwtOrIntrospection,
}

/// What differs from the usual settings.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// `GET` and `DELETE` go to the service behind.
    Sessions,
    /// Tokens may name other resources too.
    SeveralAudiences,
    /// The metadata is also at the root well-known path.
    RootMetadata,
    /// No handshake revisions.
    ModernOnly,
    /// Only handshake revisions.
    LegacyOnly,
}

/// One way to configure the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// How tokens are verified.
    pub mode: Mode,
    /// What differs from the usual settings.
    pub settings: BTreeSet<Setting>,
}

/// The secret bytes with a name: keys, the client's secret. Not predictable from their names alone by
/// anything that prints them in parts, and the same in every run.
pub fn secret_bytes(name: &str) -> [u8; 32] {
    Sha256::digest(format!("portcullis scenarios: {name}")).into()
}

/// The secret with which the server asks the authorization server.
pub fn client_secret() -> String {
    Base64UrlUnpadded::encode_string(&secret_bytes("client secret"))
}

impl Server {
    fn has(&self, setting: Setting) -> bool {
        self.settings.contains(&setting)
    }

    fn versions(&self) -> Versions<'static> {
        Versions {
            modern: if self.has(Setting::LegacyOnly) { &[] } else { Versions::ALL.modern },
            legacy: if self.has(Setting::ModernOnly) { &[] } else { Versions::ALL.legacy },
        }
    }

    /// For the bare core and the embassy adapter. Lives as long as the process, like that of an adapter.
    pub fn bare(&self) -> &'static ResourceServer<'static> {
        let trusted = |identifier, verification| TrustedIssuer { identifier, verification };
        let issuers = match self.mode {
            Mode::Offline => vec![
                trusted(ISSUER, Verification::Offline(key_ring(&["k1", "k2"]))),
                trusted(OTHER_ISSUER, Verification::Offline(key_ring(&["b1"]))),
            ],
            Mode::Introspection => vec![trusted(ISSUER, Verification::Introspection)],
            Mode::JwtOrIntrospection => {
                let keys = key_ring(&["k1", "k2"]);
                vec![trusted(ISSUER, Verification::OfflineOrIntrospection(keys))]
            }
        }
        .leak();
        let mut configuration = Configuration::new(RESOURCE, issuers);
        configuration.policy = Policy {
            base: scopes(BASE_SCOPES),
            methods: vec![Rule { name: METHOD.0, scopes: scopes(METHOD.1) }].leak(),
            tools: vec![Rule { name: TOOL.0, scopes: scopes(TOOL.1) }].leak(),
            implications: vec![Implication {
                scope: IMPLICATION.0,
                implies: scopes(IMPLICATION.1),
            }]
            .leak(),
        };
        configuration.hosts = &[HOST];
        configuration.origins = &[ORIGIN];
        configuration.sessions = self.has(Setting::Sessions);
        configuration.root_metadata = self.has(Setting::RootMetadata);
        configuration.several_audiences = self.has(Setting::SeveralAudiences);
        configuration.versions = self.versions();
        configuration.body = BodyLimits::DESKTOP;
        configuration.lifetime_secs_max = limits::LIFETIME_SECS_MAX_DESKTOP;
        let memory = vec![0; limits::METADATA_LEN_MAX].leak();
        let server = ResourceServer::new(configuration, &mut Scratch::new(memory)).unwrap();
        tracing::trace!(?server, "configured");
        Box::leak(Box::new(server))
    }

    /// For the tokio adapter, which asks at `endpoint`.
    pub fn settings(&self, endpoint: &str) -> adapter::Settings {
        let keys = |names: &[&str]| names.iter().map(|name| key_settings(name)).collect();
        let introspection = || {
            let secret = adapter::Secret::value(client_secret());
            let mut settings = adapter::IntrospectionSettings::new(endpoint, CLIENT_ID, secret);
            settings.deadline_millis = ASK_MILLIS_MAX;
            settings
        };
        let verification = match self.mode {
            Mode::Offline => adapter::Verification::Offline { keys: keys(&["k1", "k2"]) },
            Mode::Introspection => adapter::Verification::Introspection(introspection()),
            Mode::JwtOrIntrospection => adapter::Verification::JwtOrIntrospection {
                keys: keys(&["k1", "k2"]),
                introspection: introspection(),
            },
        };
        let Versions { modern, legacy } = self.versions();
        let mut settings =
            adapter::Settings::new(RESOURCE, adapter::Issuer::new(ISSUER, verification))
                .base_scopes(BASE_SCOPES)
                .tool_scopes(TOOL.0, TOOL.1)
                .method_scopes(METHOD.0, METHOD.1)
                .implies(IMPLICATION.0, IMPLICATION.1)
                .host(HOST)
                .origin(ORIGIN)
                .protocol_versions(modern.iter().copied(), legacy.iter().copied())
                .limits(adapter::Limits {
                    several_audiences: self.has(Setting::SeveralAudiences),
                    ..adapter::Limits::default()
                });
        if self.mode == Mode::Offline {
            let verification = adapter::Verification::Offline { keys: keys(&["b1"]) };
            settings = settings.issuer(adapter::Issuer::new(OTHER_ISSUER, verification));
        }
        if self.has(Setting::Sessions) {
            settings = settings.sessions();
        }
        if self.has(Setting::RootMetadata) {
            settings = settings.root_metadata();
        }
        tracing::trace!(?settings, "configured");
        settings
    }
}

fn scopes(text: &'static str) -> ScopeSet<'static> {
    ScopeSet::parse(text).unwrap()
}

fn key_settings(name: &str) -> adapter::KeySettings {
    let text = Base64UrlUnpadded::encode_string(&secret_bytes(name));
    adapter::KeySettings::new(name, adapter::Secret::value(text))
}

fn key_ring(names: &[&str]) -> &'static KeyRing {
    let key = |name: &str| (KeyId::new(name).unwrap(), HmacKey::new(&secret_bytes(name)).unwrap());
    let (id, current) = key(names[0]);
    tracing::trace!(?id, ?current, "key");
    let mut ring = KeyRing::new(id, current);
    for name in &names[1..] {
        let (id, next) = key(name);
        ring.add_next(id, next).unwrap();
    }
    tracing::trace!(?ring, "keys");
    Box::leak(Box::new(ring))
}
