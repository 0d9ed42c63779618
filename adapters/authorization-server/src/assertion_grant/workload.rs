//! Workload identity federation: a platform says which of its programs is asking, and that is all the program needs.
//! It is no client, is not registered, and acts for nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use oauth_as::{Client, ClientAuth, ClientId, ScopeSet, SecretHash};
use portcullis_core::jwt::Algorithm;

use super::claims::Claims;
use super::error::AssertionError;
use super::issuers::{self, ALGORITHMS, IssuerKeys, TrustedIssuer};
use super::{Entitlement, SingleUse, narrowed};
use crate::authorize::target;
use crate::clock::{Clock, unix_secs};
use crate::form::Form;
use crate::jws::Kind;
use crate::secrets::random_text;
use crate::server::Inner;
use crate::settings::{Resource, Settings, SettingsError};

/// What the subject of a workload starts with. No user may be named so.
pub(crate) const SUBJECT_PREFIX: &str = "workload:";
/// What tokens of workloads name as their client. No client may be named so.
pub(crate) const CLIENT_ID_PREFIX: &str = "workload-";

/// Workloads that may use a resource: whom a platform vouches for in these words. Belongs to one resource:
/// [`Resource::with_workload`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Workload {
    name: String,
    issuer: String,
    keys: IssuerKeys,
    claims: BTreeMap<String, String>,
    scopes: Vec<String>,
    /// The algorithms that the platform may sign with: ES256, EdDSA and RS256 unless set.
    pub algorithms: Vec<Algorithm>,
    /// Whether an assertion counts once. Off: platforms hand out one for an hour, and their workloads present it
    /// whenever a token has expired.
    pub single_use: bool,
}

impl Workload {
    /// A rule by a name of its own, the issuer that is trusted, where its keys are, and the scopes of the resource
    /// that such a workload may get.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        issuer: impl Into<String>,
        keys: IssuerKeys,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            name: name.into(),
            issuer: issuer.into(),
            keys,
            claims: BTreeMap::new(),
            scopes: scopes.into_iter().map(Into::into).collect(),
            algorithms: ALGORITHMS.to_vec(),
            single_use: false,
        }
    }

    /// Asks that this claim is exactly this text: `sub`, or any other that the platform makes. There must be one at
    /// least: a rule without would admit every workload of the platform.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Checks all that can be checked without asking the platform.
    ///
    /// # Errors
    /// [`SettingsError::Workload`].
    pub fn check(&self) -> Result<(), SettingsError> {
        self.trusted(&Clock::system()).map(drop)
    }

    fn trusted(&self, clock: &Clock) -> Result<TrustedIssuer, SettingsError> {
        let is_name = !self.name.is_empty()
            && self.name.len() <= 64
            && self.name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it));
        // These say nothing of the workload.
        let is_rule = |(name, value): (&String, &String)| {
            !["", "iss", "aud", "exp", "iat", "nbf", "jti"].contains(&name.as_str())
                && !value.is_empty()
        };
        let are_rules = !self.claims.is_empty() && self.claims.iter().all(is_rule);
        let trusted = TrustedIssuer::new(&self.issuer, &self.keys, &self.algorithms, clock);
        trusted
            .filter(|_| is_name && are_rules && !self.scopes.is_empty())
            .ok_or(SettingsError::Workload)
    }

    /// Whether the resource has what the workload may get.
    pub(crate) fn fits(&self, resource: &Resource) -> bool {
        self.scopes.iter().all(|it| resource.scopes.iter().any(|scope| scope.name == *it))
    }

    fn is_about(&self, claims: &Claims) -> bool {
        self.claims.iter().all(|(name, value)| match name.as_str() {
            "sub" => claims.sub == *value,
            name => claims.text(name) == Ok(Some(value)),
        })
    }
}

/// All rules of a server.
pub(crate) struct Workloads(Vec<Rule>);

struct Rule {
    settings: Workload,
    resource: String,
    issuer: Arc<TrustedIssuer>,
    client_id: ClientId,
    /// By which the engine knows that this server itself is asking. It ends with the process.
    secret: String,
}

impl Workloads {
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let mut rules: Vec<Rule> = Vec::new();
        for resource in &settings.resources {
            for workload in &resource.workloads {
                let same = |rule: &&Rule| {
                    let other = &rule.settings;
                    (&other.issuer, &other.keys, &other.algorithms)
                        == (&workload.issuer, &workload.keys, &workload.algorithms)
                };
                // The keys of an issuer are read once, however many rules there are for it.
                let issuer = match rules.iter().find(same) {
                    Some(rule) => Arc::clone(&rule.issuer),
                    None => Arc::new(workload.trusted(&settings.clock)?),
                };
                rules.push(Rule {
                    settings: workload.clone(),
                    resource: resource.identifier.clone(),
                    issuer,
                    client_id: ClientId::new(format!("{CLIENT_ID_PREFIX}{}", workload.name)),
                    secret: random_text().map_err(|_| SettingsError::Entropy)?,
                });
            }
        }
        Ok(Self(rules))
    }

    pub(crate) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// The engine's client for each rule. It has no grant of its own.
    pub(crate) fn clients(&self) -> impl Iterator<Item = Client> + use<> {
        let client = |rule: &Rule| Client {
            client_id: rule.client_id.clone(),
            auth: ClientAuth::ConfidentialSecretHash { hash: SecretHash::sha256(&rule.secret) },
            grant_types: Vec::new(),
            redirect_uris: Vec::new(),
            allowed_scopes: ScopeSet::from_tokens(rule.settings.scopes.iter()).unwrap_or_default(),
            default_scopes: ScopeSet::empty(),
            name: Some(rule.settings.name.clone()),
            registration: None,
        };
        self.0.iter().map(client).collect::<Vec<_>>().into_iter()
    }

    /// Whether tokens of this subject still count: some rule trusts its issuer.
    pub(crate) fn trusts(&self, subject: &str) -> bool {
        self.0.iter().any(|rule| subject.starts_with(&subject_prefix(rule.issuer.identifier())))
    }
}

/// What the subjects of an issuer's workloads start with. No issuer has a `#`.
fn subject_prefix(issuer: &str) -> String {
    format!("{SUBJECT_PREFIX}{issuer}#")
}

/// What a platform's word entitles a workload to (WF-02 to WF-04): the first rule of the resource that it fits.
pub(super) async fn judge<'s>(
    server: &'s Inner,
    form: &Form,
    assertion: &str,
) -> Result<Entitlement<'s>, AssertionError> {
    let (jws, claimed) = issuers::parse(assertion)?;
    let resource = target(server, form).map_err(|_| AssertionError::Resource)?;
    let now = unix_secs(server.settings.clock.now()).unwrap_or_default();
    // WF-03: the token endpoint is what older texts say.
    let is_own = |it: &str| it == server.settings.issuer || it == server.endpoints.token;
    let mut refusal = AssertionError::Issuer;
    let rules = server.workloads.0.iter();
    for rule in rules.filter(|it| it.resource == resource.identifier) {
        if rule.issuer.identifier() != claimed {
            continue;
        }
        let claims = match rule.issuer.verified(&jws, Kind::Plain).await {
            Ok(claims) => claims,
            Err(error) => {
                refusal = error;
                continue;
            }
        };
        claims.check(rule.issuer.identifier(), is_own, now)?;
        if rule.settings.is_about(&claims) {
            return entitlement(form, rule, resource, &claims);
        }
        refusal = AssertionError::Rule;
    }
    Err(refusal)
}

fn entitlement<'s>(
    form: &Form,
    rule: &'s Rule,
    resource: &'s Resource,
    claims: &Claims,
) -> Result<Entitlement<'s>, AssertionError> {
    let scopes = ScopeSet::from_tokens(rule.settings.scopes.iter());
    let scope = narrowed(form, scopes.map_err(|_| AssertionError::Scope)?)?;
    let issuer = rule.issuer.identifier();
    let single_use = match rule.settings.single_use {
        true => {
            Some(SingleUse::of(issuer, &claims.jti, claims.exp).ok_or(AssertionError::Lifetime)?)
        }
        false => None,
    };
    Ok(Entitlement {
        resource,
        scope,
        subject: format!("{}{}", subject_prefix(issuer), claims.sub),
        bound_to: claims.bound_to()?,
        single_use,
        client: Some((rule.client_id.clone(), &rule.secret)),
    })
}
