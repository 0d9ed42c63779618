//! How the protected server that all cases talk to is configured.

use heapless::Vec;
use portcullis_core::{
    jwt::{HmacKey, KeyId, KeyRing},
    limits,
    mcp::{BodyLimits, Versions},
    resource_server::{Configuration, Policy, Rule, TrustedIssuer, Verification},
    scope::{Implication, ScopeSet},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The resource identifier.
pub const RESOURCE: &str = "https://mcp.example.com/mcp";
/// The authorization server, with two keys: `k1`, and `k2` to come.
pub const ISSUER: &str = "https://as.example.com";
/// Another trusted authorization server, with the key `b1`; only where tokens are verified offline.
pub const OTHER_ISSUER: &str = "https://other.example.com";
/// An origin that is allowed beside the server's own.
pub const ORIGIN: &str = "https://app.example.com";
/// A further host name of the server.
pub const HOST: &str = "mcp.internal:8443";

/// The scopes that every call needs.
pub const BASE_SCOPES: &str = "user";
/// Tool, and the scope it needs beside the base scopes.
pub const TOOL: (&str, &str) = ("set_time", "time:write");
/// Method, and the scope it needs beside the base scopes.
pub const METHOD: (&str, &str) = ("resources/read", "files");
/// A broader scope, and what it implies.
pub const IMPLICATION: (&str, &str) = ("admin", "user time:write");

/// How tokens are verified.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
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

/// Some of the settings: a bit for each.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Settings(u8);

impl Settings {
    /// Whether this one is among them.
    pub const fn has(self, setting: Setting) -> bool {
        self.0 & (1 << setting as u8) != 0
    }
}

impl FromIterator<Setting> for Settings {
    fn from_iter<I: IntoIterator<Item = Setting>>(settings: I) -> Self {
        Self(settings.into_iter().fold(0, |bits, setting| bits | (1 << setting as u8)))
    }
}

/// One way to configure the server.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Server {
    /// How tokens are verified.
    pub mode: Mode,
    /// What differs from the usual settings.
    pub settings: Settings,
}

impl Server {
    /// Whose tokens are accepted, and how they are verified.
    pub fn issuers(self, keys: &Keys) -> Vec<TrustedIssuer<'_>, 2> {
        let trusted = |identifier, verification| TrustedIssuer { identifier, verification };
        match self.mode {
            Mode::Offline => Vec::from([
                trusted(ISSUER, Verification::Offline(&keys.own)),
                trusted(OTHER_ISSUER, Verification::Offline(&keys.other)),
            ]),
            Mode::Introspection => Vec::from([trusted(ISSUER, Verification::Introspection)]),
            Mode::JwtOrIntrospection => {
                Vec::from([trusted(ISSUER, Verification::OfflineOrIntrospection(&keys.own))])
            }
        }
    }

    /// The whole, with the limits of a desktop.
    pub fn configuration<'c>(
        self,
        issuers: &'c [TrustedIssuer<'c>],
        rules: &'c Rules,
    ) -> Configuration<'c> {
        let mut configuration = Configuration::new(RESOURCE, issuers);
        configuration.policy = rules.policy();
        configuration.hosts = &[HOST];
        configuration.origins = &[ORIGIN];
        configuration.sessions = self.settings.has(Setting::Sessions);
        configuration.root_metadata = self.settings.has(Setting::RootMetadata);
        configuration.several_audiences = self.settings.has(Setting::SeveralAudiences);
        configuration.versions = self.versions();
        configuration.body = BodyLimits::DESKTOP;
        configuration.lifetime_secs_max = limits::LIFETIME_SECS_MAX_DESKTOP;
        configuration
    }

    /// The protocol revisions.
    pub const fn versions(self) -> Versions<'static> {
        let Versions { modern, legacy } = Versions::ALL;
        Versions {
            modern: if self.settings.has(Setting::LegacyOnly) { &[] } else { modern },
            legacy: if self.settings.has(Setting::ModernOnly) { &[] } else { legacy },
        }
    }
}

/// The keys of both authorization servers.
#[derive(Debug)]
pub struct Keys {
    /// Of [`ISSUER`].
    pub own: KeyRing,
    /// Of [`OTHER_ISSUER`].
    pub other: KeyRing,
}

impl Default for Keys {
    fn default() -> Self {
        let key = |name| {
            let secret = HmacKey::new(&secret_bytes(name)).expect("a key of 32 bytes");
            (KeyId::new(name).expect("a short name"), secret)
        };
        let ((k1, own), (k2, next), (b1, other)) = (key("k1"), key("k2"), key("b1"));
        let own = KeyRing::new(k1, own).with_next(k2, next).expect("two names");
        Self { own, other: KeyRing::new(b1, other) }
    }
}

/// The secret bytes with a name: keys, the client's secret. Not predictable from their names alone by
/// anything that prints them in parts, and the same in every run.
pub fn secret_bytes(name: &str) -> [u8; 32] {
    Sha256::new().chain_update("portcullis scenarios: ").chain_update(name).finalize().into()
}

/// What needs more than the base scopes.
#[derive(Debug)]
pub struct Rules {
    methods: [Rule<'static>; 1],
    tools: [Rule<'static>; 1],
    implications: [Implication<'static>; 1],
}

impl Rules {
    fn policy(&self) -> Policy<'_> {
        let Self { methods, tools, implications } = self;
        Policy { base: scopes(BASE_SCOPES), methods, tools, implications }
    }
}

impl Default for Rules {
    fn default() -> Self {
        let rule = |(name, needed)| Rule { name, scopes: scopes(needed) };
        let (scope, implied) = IMPLICATION;
        Self {
            methods: [rule(METHOD)],
            tools: [rule(TOOL)],
            implications: [Implication { scope, implies: scopes(implied) }],
        }
    }
}

fn scopes(text: &'static str) -> ScopeSet<'static> {
    ScopeSet::parse(text).expect("scopes")
}
