//! The JWT bearer grant (RFC 7523 §2.1): an assertion of an issuer that is trusted by name stands for a grant.
//!
//! | | |
//! | --- | --- |
//! | `enterprise` | an identity provider says that one of its users may use one of its clients here: an ID-JAG |
//! | `workload` | a platform says which of its workloads is asking; there is no client and no user |
//! | `issuers` | the issuers and their keys |
//! | `claims` | what both kinds of assertion must say |
//!
//! The protocol engine has no such grant, and stays the one that authenticates clients, checks proofs and issues
//! tokens. An assertion that was found good becomes an [`Entitlement`]: the engine is asked for a token for the
//! client itself (client credentials), with the entitlement's scope and resource, and the subject is put into the
//! record as it is written. Within such a request, and in no other, the engine finds that the client may do that.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oauth_as::{
    ClientCredential, ClientId, ErrorCode, ErrorResponse, IssuedToken, ScopeSet, Storage,
    TokenRequest,
};

use crate::audit::{audit, printable};
use crate::client_authentication::ClientCredentials;
use crate::form::Form;
use crate::jws::LEEWAY_SECS;
use crate::server::Inner;
use crate::settings::Resource;
use crate::storage::Redemption;
use crate::token::{self, Grant, Shown};

mod claims;
#[cfg(feature = "enterprise-managed")]
pub(crate) mod enterprise;
mod error;
mod issuers;
#[cfg(feature = "workload-identity")]
pub(crate) mod workload;

use error::AssertionError;
pub use issuers::IssuerKeys;

/// The value of `grant_type` (RFC 7523 §2.1).
pub(crate) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Longest assertion in bytes.
const ASSERTION_LEN_MAX: usize = 8 * 1024;

/// What a good assertion stands for.
pub(crate) struct Entitlement<'s> {
    resource: &'s Resource,
    scope: ScopeSet,
    /// Whom the token is about.
    subject: String,
    /// The key that the client must prove to have (RFC 7638).
    bound_to: Option<String>,
    single_use: Option<SingleUse>,
    /// The engine's client for a workload, which has none of its own.
    client: Option<(ClientId, &'s str)>,
}

/// What counts once.
struct SingleUse {
    /// One for each assertion of each issuer.
    id: String,
    ends: SystemTime,
}

impl SingleUse {
    fn of(issuer: &str, jti: &str, exp: u64) -> Option<Self> {
        let ends = Duration::from_secs(exp.checked_add(LEEWAY_SECS)?);
        // No issuer has a blank.
        Some(Self { id: format!("assertion {issuer} {jti}"), ends: UNIX_EPOCH.checked_add(ends)? })
    }
}

/// What the assertion in the form entitles to; `None` when another grant is asked for.
///
/// The client is authenticated first: for whoever is none nothing of the assertion is looked at.
pub(crate) async fn entitlement<'s>(
    server: &'s Inner,
    form: &Form,
    shown: Shown<'_>,
) -> Result<Option<Entitlement<'s>>, ErrorResponse> {
    if form.get("grant_type") != Some(GRANT_TYPE) {
        return Ok(None);
    }
    if server.settings.assertion_grant().is_none() {
        return Err(ErrorResponse::new(ErrorCode::UnsupportedGrantType));
    }
    let credentials = shown.credentials;
    if !(credentials.is_nobody() && takes_workloads(server)) {
        authenticate(server, shown).await?;
    }
    let assertion = form.get("assertion").ok_or_else(|| {
        ErrorResponse::new(ErrorCode::InvalidRequest).with_description("no assertion")
    })?;
    let judged = judge(server, form, assertion, credentials).await;
    judged.map(Some).map_err(|reason| {
        let client_id = printable(credentials.client_id.as_str());
        audit!(info, "assertion refused", %client_id, %reason);
        reason.response()
    })
}

async fn judge<'s>(
    server: &'s Inner,
    form: &Form,
    assertion: &str,
    credentials: &ClientCredentials,
) -> Result<Entitlement<'s>, AssertionError> {
    #[cfg(feature = "workload-identity")]
    if credentials.is_nobody() {
        return workload::judge(server, form, assertion).await;
    }
    #[cfg(feature = "enterprise-managed")]
    return enterprise::judge(server, form, assertion, &credentials.client_id).await;
    #[cfg(not(feature = "enterprise-managed"))]
    Err(AssertionError::Issuer)
}

fn takes_workloads(_server: &Inner) -> bool {
    #[cfg(feature = "workload-identity")]
    return _server.workloads.is_any();
    #[cfg(not(feature = "workload-identity"))]
    false
}

/// Lets the engine say whether the client is who it says, and is no public one (EM-04, EM-14): it grants to the
/// client itself, and that is given up.
async fn authenticate(server: &Inner, shown: Shown<'_>) -> Result<(), ErrorResponse> {
    let redemption = Redemption::of_assertion(None);
    let client_id = shown.credentials.client_id.clone();
    let request = TokenRequest::ClientCredentials { client_id, client_secret: None, scope: None };
    let context = token::context(shown.credentials.to_engine(), shown.proof, &[]);
    let answered =
        redemption.scope(server.engine.token_with_context(request, context)).await.map(drop);
    server.engine.store().give_up(&redemption).await;
    answered
}

impl Entitlement<'_> {
    /// What the engine is asked for; `client_id` is the client that was authenticated.
    pub(crate) fn grant(&self, client_id: &ClientId) -> Grant {
        let client_id = self.client.as_ref().map_or(client_id, |(id, _)| id).clone();
        let scope = Some(self.scope.clone());
        Grant {
            name: GRANT_TYPE,
            is_new: true,
            request: TokenRequest::ClientCredentials { client_id, client_secret: None, scope },
            resources: vec![self.resource.identifier.clone()],
            redemption: Redemption::of_assertion(Some(self.subject.clone())),
        }
    }

    /// What the engine knows a workload by.
    pub(crate) fn credential(&self) -> Option<ClientCredential<'_>> {
        self.client.as_ref().map(|(_, secret)| ClientCredential::secret(Some(secret)))
    }

    /// Uses the assertion up, once the engine has granted what it stands for, and before anything is kept.
    pub(crate) async fn settle(
        &self,
        server: &Inner,
        record: &IssuedToken,
    ) -> Result<(), ErrorResponse> {
        let refused = |reason: AssertionError| {
            audit!(info, "assertion refused", client_id = %record.client_id, %reason);
            reason.response()
        };
        // EM-13: a proof of another key, or none.
        if self.bound_to.is_some() && self.bound_to.as_deref() != record.jkt.as_deref() {
            return Err(refused(AssertionError::Proof));
        }
        let Some(SingleUse { id, ends }) = &self.single_use else { return Ok(()) };
        let is_first = server.engine.store().claim_replay_id(id, *ends).await;
        match is_first {
            Ok(true) => Ok(()),
            Ok(false) => Err(refused(AssertionError::Replayed)),
            Err(error) => {
                tracing::error!(%error, "the use of an assertion could not be noted");
                Err(refused(AssertionError::Storage))
            }
        }
    }
}

/// What is granted of `allowed`: all of it, or what the form asks for, which must be within it (SEC-227).
fn narrowed(form: &Form, allowed: ScopeSet) -> Result<ScopeSet, AssertionError> {
    let Some(asked) = form.get("scope") else {
        return if allowed.is_empty() { Err(AssertionError::Scope) } else { Ok(allowed) };
    };
    let asked = ScopeSet::parse(asked).map_err(|_| AssertionError::Scope)?;
    if asked.is_empty() || !asked.is_subset(&allowed) {
        return Err(AssertionError::Scope);
    }
    Ok(asked)
}
