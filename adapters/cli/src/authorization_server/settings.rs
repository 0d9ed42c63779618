//! From the configuration to the settings of the server, with everything that is wrong on the way.

use std::fmt;

use portcullis_authorization_server::{Dpop, Resource as ServerResource, Settings, SettingsError};

use super::{
    Error,
    configuration::{Bound, Configuration, Format, Resource},
    secret_files,
};
use crate::serving;

/// Something that is wrong with the configuration, in words for people.
#[derive(Debug)]
pub(crate) struct Problem(String);

impl Problem {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The settings, all but the master key.
pub(super) fn settings(configuration: &Configuration) -> Result<Settings, Error> {
    let mut problems = Vec::new();
    let built = build(configuration, &mut problems);
    match (built, problems.is_empty()) {
        (Some(settings), true) => Ok(settings),
        (_, _) => Err(Error::Problems(problems)),
    }
}

/// Everything that is wrong. The database is not asked, and what is not there yet is not missed.
pub(super) fn problems(configuration: &Configuration) -> Vec<Problem> {
    let mut problems = Vec::new();
    let _ = build(configuration, &mut problems);
    let master_key = configuration.master_key();
    if master_key.exists()
        && let Err(error) = secret_files::existing_master_key(&master_key)
    {
        problems.push(Problem::new(error.to_string()));
    }
    let kept = secret_files::check_signing_keys(&configuration.signing_keys());
    problems.extend(kept.err().map(|error| Problem::new(error.to_string())));
    problems
}

/// Which tokens are bound to keys.
fn with_dpop(mut settings: Settings, configuration: &Configuration) -> Settings {
    settings.dpop = match configuration.dpop {
        Bound::Off => Dpop::Off,
        Bound::Offered => Dpop::Offered,
        Bound::Required => Dpop::Required,
    };
    settings.dpop_nonces = configuration.dpop_nonces;
    let clients = configuration.clients.iter().map(|it| (&it.id, it.dpop_bound_access_tokens));
    let services = configuration.services.iter().map(|it| (&it.id, it.dpop_bound_access_tokens));
    let bound = clients.chain(services).filter(|(_, is_bound)| *is_bound);
    bound.fold(settings, |settings, (id, _)| settings.with_bound_tokens_alone(id))
}

/// `None` only when there is a problem, too.
fn build(configuration: &Configuration, problems: &mut Vec<Problem>) -> Option<Settings> {
    let mut report = |what: &str, error: &dyn fmt::Display| {
        problems.push(Problem(format!("{what}: {error}")));
    };
    check_transport(configuration, &mut report);
    let mut settings = match Settings::new(configuration.issuer()) {
        Ok(settings) => settings,
        Err(error) => {
            report("issuer", &error);
            return None;
        }
    };
    if let Err(error) = settings.check() {
        report("issuer", &error);
    }
    settings.limits = configuration.limits();
    settings.lifetimes = configuration.lifetimes();
    settings = settings.with_key_folder(configuration.signing_keys());
    settings.registration = configuration.registration.unwrap_or(true);
    settings.require_pushed_requests = configuration.require_pushed_requests;
    settings = with_dpop(settings, configuration);
    for resource in &configuration.resources {
        let name = format!("resource {}", resource.identifier);
        match server_resource(configuration, resource) {
            Ok(made) => {
                if let Err(error) = check_alone(&made) {
                    report(&name, &error);
                }
                settings = settings.with_resource(made);
            }
            Err(error) => report(&name, &error),
        }
    }
    settings.client_documents = configuration.client_documents();
    settings.passwords = configuration.login.passwords;
    match configuration.openid_provider() {
        Ok(Some(provider)) => settings = settings.with_openid_provider(provider),
        Ok(None) => {}
        Err(error) => report("login.openid_connect", &error),
    }
    for provider in &configuration.identity_providers {
        match configuration.identity_provider(provider) {
            Ok(made) => settings = settings.with_identity_provider(made),
            Err(error) => report(&format!("identity_provider {}", provider.issuer), &error),
        }
    }
    for client in &configuration.clients {
        let made = match client.redirect_uris.is_empty() {
            true => settings.with_device_client(&client.id, &client.name),
            false => settings.with_public_client(&client.id, &client.name, &client.redirect_uris),
        };
        match made {
            Ok(made) => settings = made,
            Err(error) => {
                report(&format!("client {}", client.id), &error);
                return None;
            }
        }
    }
    for service in &configuration.services {
        let made = configuration.authentication(service).and_then(|authentication| {
            let (id, name) = (&service.id, &service.name);
            let made = settings.with_service(id, name, authentication, &service.scopes);
            made.map_err(|error| error.to_string())
        });
        match made {
            Ok(made) => settings = made,
            Err(error) => {
                report(&format!("service {}", service.id), &error);
                return None;
            }
        }
    }
    if let Some(default) = &configuration.default_resource {
        settings = settings.with_default_resource(default);
    }
    settings = settings.with_trusted_proxies(configuration.trusted_proxies.iter().copied());
    match configuration.database() {
        Ok(database) => settings = settings.with_database(database),
        Err(error) => problems.push(Problem(error)),
    }
    match settings.with_key_id(configuration.kid()) {
        Ok(made) => settings = made,
        Err(error) => {
            problems.push(Problem(format!("keys.kid: {error}")));
            return None;
        }
    }
    // What is wrong with a part alone has been said.
    if problems.is_empty()
        && let Err(error) = settings.check()
    {
        problems.push(Problem(error.to_string()));
    }
    Some(settings)
}

/// How requests come in: never in the clear by oversight (AS-13).
fn check_transport(
    configuration: &Configuration,
    report: &mut impl FnMut(&str, &dyn fmt::Display),
) {
    let listen = configuration.listen();
    match &configuration.tls {
        Some(files) => {
            if let Err(error) = serving::files::tls(files, |path| configuration.at(path)) {
                report("tls", &error);
            }
            if !configuration.issuer().starts_with("https://") {
                report("issuer", &"a server that speaks TLS has an https issuer");
            }
            if configuration.plain_http {
                report("plain_http", &"it contradicts tls");
            }
        }
        None if !listen.ip().is_loopback() && !configuration.plain_http => report(
            "listen",
            &format_args!(
                "{listen} can be reached from elsewhere, and plain HTTP is for this machine only: \
                 name tls, or set plain_http = true behind a proxy that speaks TLS"
            ),
        ),
        None => {}
    }
    if configuration.metrics.as_ref().is_some_and(|metrics| metrics.listen == listen) {
        report("metrics.listen", &"it is the address of listen");
    }
}

fn server_resource(
    configuration: &Configuration,
    resource: &Resource,
) -> Result<ServerResource, String> {
    let (identifier, name) = (&resource.identifier, &resource.name);
    let mut made = ServerResource::new(identifier, name, resource.token_format.into())
        .map_err(|error| error.to_string())?;
    for scope in &resource.scopes {
        made = match scope.default {
            true => made.with_scope(&scope.name, &scope.description),
            false => made.with_further_scope(&scope.name, &scope.description),
        };
    }
    for workload in &resource.workloads {
        let rule = configuration.workload(workload);
        made = made
            .with_workload(rule.map_err(|error| format!("workload {}: {error}", workload.name))?);
    }
    match &resource.introspection {
        Some(introspection) => {
            let secret = configuration.introspection_secret(introspection);
            let secret = secret.map_err(|error| format!("introspection.secret: {error}"))?;
            Ok(made.with_introspection_credentials(&introspection.client_id, secret))
        }
        None if resource.token_format == Format::Opaque => {
            Err("opaque tokens need introspection: a client_id and a secret".into())
        }
        None => Ok(made),
    }
}

/// Whether the resource is one by itself.
fn check_alone(resource: &ServerResource) -> Result<(), SettingsError> {
    Settings::new("https://localhost")?.with_resource(resource.clone()).check()
}
