//! The protected server that all cases talk to, told to the bare core and to the adapters.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use portcullis_core::{
    encoding::scratch::Scratch, limits, mcp::Versions, resource_server::ResourceServer,
};
use portcullis_tokio::resource_server as adapter;

use crate::device::configuration::{
    BASE_SCOPES, HOST, IMPLICATION, Keys, METHOD, ORIGIN, Rules, TOOL,
};
pub use crate::device::configuration::{
    ISSUER, Mode, OTHER_ISSUER, RESOURCE, Server, Setting, secret_bytes,
};

/// What the clock says.
pub const NOW: u64 = 1_800_000_000;
/// Under which name the server asks the authorization server.
pub const CLIENT_ID: &str = "rs-1";

/// How long the server waits for an answer: long for a busy machine, short for a test.
const ASK_MILLIS_MAX: u64 = 2_000;

/// The secret with which the server asks the authorization server.
pub fn client_secret() -> String {
    Base64UrlUnpadded::encode_string(&secret_bytes("client secret"))
}

impl Server {
    /// For the bare core and the embassy adapter. Lives as long as the process, like that of an adapter.
    pub fn bare(self) -> &'static ResourceServer<'static> {
        let keys = Box::leak(Box::new(Keys::default()));
        for ring in [&keys.own, &keys.other] {
            tracing::trace!(id = ?ring.current_id(), current = ?ring.current(), ?ring, "keys");
        }
        let issuers = Box::leak(Box::new(self.issuers(keys)));
        let rules = Box::leak(Box::new(Rules::default()));
        let memory = vec![0; limits::METADATA_LEN_MAX].leak();
        let configuration = self.configuration(issuers, rules);
        let server = ResourceServer::new(configuration, &mut Scratch::new(memory)).unwrap();
        tracing::trace!(?server, "configured");
        Box::leak(Box::new(server))
    }

    /// For the tokio adapter, which asks at `endpoint`.
    pub fn settings(self, endpoint: &str) -> adapter::Settings {
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
                    several_audiences: self.settings.has(Setting::SeveralAudiences),
                    ..adapter::Limits::default()
                });
        if self.mode == Mode::Offline {
            let verification = adapter::Verification::Offline { keys: keys(&["b1"]) };
            settings = settings.issuer(adapter::Issuer::new(OTHER_ISSUER, verification));
        }
        if self.settings.has(Setting::Sessions) {
            settings = settings.sessions();
        }
        if self.settings.has(Setting::RootMetadata) {
            settings = settings.root_metadata();
        }
        tracing::trace!(?settings, "configured");
        settings
    }
}

fn key_settings(name: &str) -> adapter::KeySettings {
    let text = Base64UrlUnpadded::encode_string(&secret_bytes(name));
    adapter::KeySettings::new(name, adapter::Secret::value(text))
}
