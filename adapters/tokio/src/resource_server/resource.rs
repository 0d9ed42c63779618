//! The settings, checked and at work: the core's resource server and whoever is asked about tokens.

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    encoding::{base64url, scratch::Scratch},
    jwt::{HmacKey, KeyId, KeyRing},
    limits,
    mcp::{BodyLimits, Versions},
    resource_server::{self as core, Configuration, Policy, ResourceServer, Rule, TrustedIssuer},
    scope::{Implication, ScopeSet},
    time::Leeway,
};
use zeroize::Zeroizing;

use super::{
    Clock, Issuer, KeySettings, PublicKeySettings, Settings, SettingsError, TokenVerifier,
    Verification, introspection::Introspector, journal::Journal, remote_keys::RemoteKeys,
    scratch::Buffers, sessions::Sessions,
};
use crate::{Network, public_keys::PublicKeys};

/// Room for the metadata document and its URL.
const METADATA_LEN_MAX: usize = limits::METADATA_LEN_MAX_DESKTOP;

/// A protected resource. The core's views of the settings live as long as the process does: what they
/// borrow is leaked once, when the layer is made.
pub(super) struct Resource {
    pub(super) server: ResourceServer<'static>,
    pub(super) metadata_path: &'static str,
    pub(super) asks: Asks,
    /// The issuers whose keys are read when they are needed.
    pub(super) remote_keys: Vec<&'static RemoteKeys>,
    pub(super) body_secs_max: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) journal: Journal,
    pub(super) buffers: Buffers,
    pub(super) sessions: Sessions,
}

/// Who is asked about a token that cannot be judged here.
pub(super) enum Asks {
    /// Nobody: the core never wants to.
    Nobody,
    /// The authorization server (RFC 7662).
    AuthorizationServer(Introspector),
    /// The user's own verifier.
    Verifier(Arc<dyn TokenVerifier>),
}

impl Resource {
    /// Refuses what could not be served safely, with the reason (SEC-135).
    pub(super) fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        network: &Network,
    ) -> Result<Self, SettingsError> {
        let limits = &settings.limits;
        if limits.body_len_max == 0 {
            return Err(SettingsError::Limit("body_len_max"));
        }
        if limits.body_secs_max == 0 {
            return Err(SettingsError::Limit("body_secs_max"));
        }
        let body_secs_max = Duration::from_secs(limits.body_secs_max);
        let asks = asks(&settings, &clock, network)?;
        #[cfg(feature = "dpop")]
        let dpop = super::dpop::acceptance(&settings)?;
        let mut remote_keys = Vec::new();
        let configuration = configuration(settings, &clock, network, &mut remote_keys)?;
        #[cfg(feature = "dpop")]
        let configuration = Configuration { dpop, ..configuration };
        let memory = Box::leak(vec![0; METADATA_LEN_MAX].into_boxed_slice());
        let server = ResourceServer::new(configuration, &mut Scratch::new(memory))?;
        if configuration.plain_http {
            tracing::warn!(resource = configuration.resource, "tokens may travel in clear");
        }
        if configuration.several_audiences {
            tracing::warn!(
                resource = configuration.resource,
                "tokens may be for other servers, too"
            );
        }
        let metadata_path = text(server.metadata_path().to_string());
        Ok(Self {
            server,
            metadata_path,
            asks,
            remote_keys,
            body_secs_max,
            clock,
            journal: Journal::default(),
            buffers: Buffers::default(),
            sessions: Sessions::new()?,
        })
    }
}

/// The core refuses a second issuer to be asked, so that the first one found is the only one.
fn asks(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    network: &Network,
) -> Result<Asks, SettingsError> {
    for issuer in &settings.issuers {
        if let Verification::Custom(verifier) = &issuer.verification {
            return Ok(Asks::Verifier(Arc::clone(verifier)));
        }
        if let Some(introspection) = issuer.verification.introspection() {
            let (issuer, resource) = (&issuer.identifier, &settings.resource);
            let clock = Arc::clone(clock);
            return Introspector::new(introspection, issuer, resource, clock, network)
                .map(Asks::AuthorizationServer);
        }
    }
    Ok(Asks::Nobody)
}

fn configuration(
    settings: Settings,
    clock: &Arc<dyn Clock>,
    network: &Network,
    remote_keys: &mut Vec<&'static RemoteKeys>,
) -> Result<Configuration<'static>, SettingsError> {
    let Settings { resource, issuers, scopes, description, limits, .. } = settings;
    let issuers = issuers
        .into_iter()
        .map(|issuer| {
            let verification = verification(&issuer, clock, network, remote_keys)?;
            Ok(TrustedIssuer { identifier: text(issuer.identifier), verification })
        })
        .collect::<Result<Vec<_>, SettingsError>>()?;
    let rules = |table: &str, entries: std::collections::BTreeMap<String, String>| {
        entries
            .into_iter()
            .map(|(name, scopes)| {
                let scopes = scope_set(&format!("scopes.{table}.{name}"), scopes)?;
                Ok(Rule { name: text(name), scopes })
            })
            .collect::<Result<Vec<_>, SettingsError>>()
            .map(list)
    };
    let implications = scopes
        .implications
        .into_iter()
        .map(|(scope, implied)| {
            let implies = scope_set(&format!("scopes.implications.{scope}"), implied)?;
            Ok(Implication { scope: text(scope), implies })
        })
        .collect::<Result<Vec<_>, SettingsError>>()?;
    let mut configuration = Configuration::new(text(resource), list(issuers));
    configuration.policy = Policy {
        base: scope_set("scopes.base", scopes.base)?,
        methods: rules("methods", scopes.methods)?,
        tools: rules("tools", scopes.tools)?,
        implications: list(implications),
    };
    let supported = scopes.supported.map(|set| scope_set("scopes.supported", set));
    configuration.scopes_supported = supported.transpose()?;
    configuration.description = core::Description {
        name: description.name.map(text),
        documentation: description.documentation.map(text),
        policy: description.policy.map(text),
        terms_of_service: description.terms_of_service.map(text),
    };
    configuration.endpoint_path = settings.endpoint_path.map(text);
    configuration.root_metadata = settings.root_metadata;
    configuration.hosts = texts(settings.hosts);
    configuration.origins = texts(settings.origins);
    configuration.sessions = settings.sessions;
    let Versions { modern, legacy } = Versions::ALL;
    configuration.versions = Versions {
        modern: settings.modern_versions.map_or(modern, texts),
        legacy: settings.legacy_versions.map_or(legacy, texts),
    };
    configuration.body = BodyLimits { len_max: limits.body_len_max, ..BodyLimits::DESKTOP };
    configuration.leeway =
        Leeway::from_secs(limits.leeway_secs).ok_or(SettingsError::Limit("leeway_secs"))?;
    configuration.lifetime_secs_max = limits.lifetime_secs_max;
    configuration.several_audiences = limits.several_audiences;
    configuration.plain_http = settings.plain_http;
    Ok(configuration)
}

fn verification(
    issuer: &Issuer,
    clock: &Arc<dyn Clock>,
    network: &Network,
    remote_keys: &mut Vec<&'static RemoteKeys>,
) -> Result<core::Verification<'static>, SettingsError> {
    let mut remote = |jwks| {
        let keys = RemoteKeys::new(jwks, &issuer.identifier, Arc::clone(clock), network)?;
        let keys: &'static RemoteKeys = Box::leak(Box::new(keys));
        remote_keys.push(keys);
        Ok::<_, SettingsError>(keys)
    };
    Ok(match &issuer.verification {
        Verification::Offline { keys } => core::Verification::Offline(key_ring(keys)?),
        Verification::JwtOrIntrospection { keys, .. } => {
            core::Verification::OfflineOrIntrospection(key_ring(keys)?)
        }
        Verification::PublicKeys(keys) => {
            core::Verification::Offline(public_keys(keys, &issuer.identifier)?)
        }
        Verification::Jwks(jwks) => core::Verification::Offline(remote(jwks)?),
        Verification::JwksOrIntrospection { jwks, .. } => {
            core::Verification::OfflineOrIntrospection(remote(jwks)?)
        }
        Verification::Introspection(_) | Verification::Custom(_) => {
            core::Verification::Introspection
        }
    })
}

fn public_keys(
    setting: &PublicKeySettings,
    issuer: &str,
) -> Result<&'static PublicKeys, SettingsError> {
    let document = match (&setting.file, &setting.document) {
        (Some(path), None) => {
            std::fs::read(path).map_err(|error| SettingsError::File(path.clone(), error.kind()))?
        }
        (None, Some(document)) => document.clone().into_bytes(),
        _ => return Err(SettingsError::PublicKeySource),
    };
    let keys = PublicKeys::read(&document)
        .map_err(|error| SettingsError::PublicKeys(issuer.to_owned(), error))?;
    Ok(Box::leak(Box::new(keys)))
}

fn key_ring(keys: &[KeySettings]) -> Result<&'static KeyRing, SettingsError> {
    let ring = match keys {
        [current] => {
            let (id, key) = key(current)?;
            KeyRing::new(id, key)
        }
        [current, next] => {
            let ((id, key), (next_id, next_key)) = (key(current)?, key(next)?);
            KeyRing::new(id, key)
                .with_next(next_id, next_key)
                .map_err(|error| SettingsError::Key(next.id.clone(), error))?
        }
        _ => return Err(SettingsError::KeyCount),
    };
    Ok(Box::leak(Box::new(ring)))
}

fn key(setting: &KeySettings) -> Result<(KeyId, HmacKey), SettingsError> {
    let refused = |error| SettingsError::Key(setting.id.clone(), error);
    let id = KeyId::new(&setting.id).map_err(refused)?;
    let text = setting
        .secret
        .read()
        .map_err(|error| SettingsError::Secret(format!("key {:?}", setting.id), error))?;
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let bytes = base64url::decode_into(&text, &mut bytes)
        .map_err(|_| SettingsError::KeyText(setting.id.clone()))?;
    Ok((id, HmacKey::new(bytes).map_err(refused)?))
}

fn scope_set(setting: &str, scopes: String) -> Result<ScopeSet<'static>, SettingsError> {
    ScopeSet::parse(text(scopes)).map_err(|error| SettingsError::Scope(setting.to_owned(), error))
}

fn text(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn texts(texts: Vec<String>) -> &'static [&'static str] {
    list(texts.into_iter().map(text).collect())
}

fn list<T>(items: Vec<T>) -> &'static [T] {
    Box::leak(items.into_boxed_slice())
}
