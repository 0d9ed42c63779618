//! Enterprise-managed authorization: an identity provider decides which of its users may use which client here
//! (Identity Assertion JWT Authorization Grant, "ID-JAG").

use std::fmt;

use oauth_as::{ClientId, ScopeSet};
use portcullis_core::jwt::Algorithm;
use serde_json::Value;

use super::claims::Claims;
use super::error::AssertionError;
use super::issuers::{self, ALGORITHMS, IssuerKeys, TrustedIssuer};
use super::{Entitlement, SingleUse, narrowed};
use crate::clock::{Clock, unix_secs};
use crate::form::Form;
use crate::jws::Kind;
use crate::openid;
use crate::server::Inner;
use crate::settings::{Resource, Settings, SettingsError};

/// The media type of an ID-JAG (EM-05).
const ID_JAG: &str = "oauth-id-jag+jwt";
/// How the metadata calls this use of the grant (EM-20).
pub(crate) const PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// An identity provider that decides for its users: what it signs stands for their consent.
#[derive(Clone)]
#[non_exhaustive]
pub struct IdentityProvider {
    issuer: String,
    keys: IssuerKeys,
    /// The algorithms that it may sign with: ES256, EdDSA and RS256 unless set.
    pub algorithms: Vec<Algorithm>,
    /// The tenants whose users it may speak for, where it has several (`tenant`). Unless set it has none, and what
    /// names one is refused.
    pub tenants: Vec<String>,
    /// Whether an ID-JAG counts once. On: whoever learns one can do nothing with it then. Off: a client may present
    /// it again until it expires, as the specification permits, instead of asking the provider anew (EM-12).
    pub single_use: bool,
}

impl IdentityProvider {
    /// An identity provider by its issuer identifier.
    #[must_use]
    pub fn new(issuer: impl Into<String>, keys: IssuerKeys) -> Self {
        Self {
            issuer: issuer.into(),
            keys,
            algorithms: ALGORITHMS.to_vec(),
            tenants: Vec::new(),
            single_use: true,
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What the subjects of its users start with.
    pub(crate) fn subject_prefixes(&self) -> Vec<String> {
        match self.tenants.is_empty() {
            true => vec![openid::subject_prefix(&self.issuer)],
            false => self.tenants.iter().map(|it| subject_prefix(&self.issuer, it)).collect(),
        }
    }

    /// Checks all that can be checked without asking the provider.
    ///
    /// # Errors
    /// [`SettingsError::IdentityProvider`].
    pub fn check(&self) -> Result<(), SettingsError> {
        self.trusted(&Clock::system()).map(drop)
    }

    fn trusted(&self, clock: &Clock) -> Result<TrustedIssuer, SettingsError> {
        let is_tenant = |it: &String| {
            !it.is_empty()
                && it.len() <= 128
                && it.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
        };
        let trusted = TrustedIssuer::new(&self.issuer, &self.keys, &self.algorithms, clock);
        let trusted = trusted.filter(|_| self.tenants.iter().all(is_tenant));
        trusted.ok_or(SettingsError::IdentityProvider)
    }
}

/// The users of one tenant of an issuer. No issuer has a query, so that no other subject begins so.
fn subject_prefix(issuer: &str, tenant: &str) -> String {
    openid::subject_prefix(&format!("{issuer}?tenant={tenant}"))
}

impl fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityProvider")
            .field("issuer", &self.issuer)
            .field("tenants", &self.tenants)
            .finish_non_exhaustive()
    }
}

/// All identity providers of a server.
pub(crate) struct IdentityProviders(Vec<Known>);

struct Known {
    settings: IdentityProvider,
    issuer: TrustedIssuer,
}

impl IdentityProviders {
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let known = settings.identity_providers.iter().map(|provider| {
            Ok(Known { settings: provider.clone(), issuer: provider.trusted(&settings.clock)? })
        });
        known.collect::<Result<_, _>>().map(Self)
    }
}

/// What an ID-JAG entitles the authenticated client to (EM-05 to EM-13).
pub(super) async fn judge<'s>(
    server: &'s Inner,
    form: &Form,
    assertion: &str,
    client_id: &ClientId,
) -> Result<Entitlement<'s>, AssertionError> {
    let (jws, claimed) = issuers::parse(assertion)?;
    let mut known = server.identity_providers.0.iter();
    let known = known.find(|it| it.issuer.identifier() == claimed).ok_or(AssertionError::Issuer)?;
    let claims = known.issuer.verified(&jws, Kind::Typed(ID_JAG)).await?;
    // Without a clock nothing is valid: at zero every assertion is from the future.
    let now = unix_secs(server.settings.clock.now()).unwrap_or_default();
    claims.check(known.issuer.identifier(), |it| it == server.settings.issuer, now)?;
    if claims.text("client_id")? != Some(client_id.as_str()) {
        return Err(AssertionError::Client);
    }
    refuse_what_is_not_understood(&claims)?;
    let subject = subject(&known.settings, &claims)?;
    let resource = resource(server, form, &claims)?;
    let scope = narrowed(form, allowed(resource, &claims)?)?;
    let single_use = match known.settings.single_use {
        true => Some(
            SingleUse::of(known.issuer.identifier(), &claims.jti, claims.exp)
                .ok_or(AssertionError::Lifetime)?,
        ),
        false => None,
    };
    let bound_to = claims.bound_to()?;
    meet(server, &subject, &claims).await?;
    Ok(Entitlement { resource, scope, subject, bound_to, single_use, client: None })
}

/// What would narrow the grant in a way that nobody here knows: rich authorization (RFC 9396), and tenants of
/// this server, which has none.
fn refuse_what_is_not_understood(claims: &Claims) -> Result<(), AssertionError> {
    let is_there = |name: &&str| claims.get(name).is_some();
    match ["authorization_details", "aud_tenant"].iter().any(is_there) {
        true => Err(AssertionError::Claims),
        false => Ok(()),
    }
}

/// Issuer and `sub`, and the tenant where there are some (EM-17): the user that the same provider signs in.
fn subject(provider: &IdentityProvider, claims: &Claims) -> Result<String, AssertionError> {
    let sub = &claims.sub;
    match claims.text("tenant")? {
        None if provider.tenants.is_empty() => {
            Ok(format!("{}{sub}", openid::subject_prefix(&provider.issuer)))
        }
        Some(tenant) if provider.tenants.iter().any(|it| it == tenant) => {
            Ok(format!("{}{sub}", subject_prefix(&provider.issuer, tenant)))
        }
        _ => Err(AssertionError::Tenant),
    }
}

/// The one resource (EM-09): what the ID-JAG names, of which the client may choose one. Where it names none, the
/// only one there is.
fn resource<'s>(
    server: &'s Inner,
    form: &Form,
    claims: &Claims,
) -> Result<&'s Resource, AssertionError> {
    let resources = &server.settings.resources;
    let named: Vec<&str> = match (claims.get("resource"), resources.as_slice()) {
        (None, [only]) => vec![&only.identifier],
        (None, _) => return Err(AssertionError::Resource),
        (Some(Value::String(only)), _) => vec![only],
        (Some(Value::Array(all)), _) => {
            let texts: Option<_> = all.iter().map(Value::as_str).collect();
            texts.ok_or(AssertionError::Claims)?
        }
        (Some(_), _) => return Err(AssertionError::Claims),
    };
    let mut asked = form.all("resource");
    let chosen = match (asked.next(), asked.next(), named.as_slice()) {
        (None, _, [only]) => Some(*only),
        (Some(asked), None, named) => named.iter().copied().find(|it| *it == asked),
        _ => None,
    };
    chosen.and_then(|it| server.settings.resource(it)).ok_or(AssertionError::Resource)
}

/// What the provider allows of what the resource has (EM-10). Where it says nothing, what the resource grants to
/// whoever names no scope.
fn allowed(resource: &Resource, claims: &Claims) -> Result<ScopeSet, AssertionError> {
    let said = match claims.text("scope")? {
        Some(scope) => ScopeSet::parse(scope).map_err(|_| AssertionError::Scope)?,
        None => ScopeSet::parse(&resource.default_scope()).map_err(|_| AssertionError::Scope)?,
    };
    let offered = resource.scopes.iter().map(|scope| scope.name.as_str());
    let names = offered.filter(|name| said.contains(name));
    ScopeSet::from_tokens(names).map_err(|_| AssertionError::Scope)
}

/// The user is in the table from now on, where an administrator can disable whom the provider admits.
async fn meet(server: &Inner, subject: &str, claims: &Claims) -> Result<(), AssertionError> {
    match server.accounts.meet(subject, None, &claims.sub).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(AssertionError::User),
        Err(error) => {
            tracing::error!(%error, "a user could not be looked up");
            Err(AssertionError::Storage)
        }
    }
}
