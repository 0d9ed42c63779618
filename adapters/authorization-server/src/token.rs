//! `POST /token`: codes and refresh tokens for access tokens.

use std::convert::identity;
use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;
use oauth_as::{
    ClientCredential, ErrorCode, ErrorResponse, GrantType, IssuedToken, ScopeSet, TokenRequest,
    TokenRequestContext, TokenResponse,
};

use crate::answers::{self, Response};
use crate::assertion_grant::{Entitlement, entitlement};
use crate::audit::{audit, printable};
use crate::authorize::{granted_scope, target};
use crate::client_authentication::{ClientCredentials, ClientRequest};
use crate::dpop;
use crate::form::Form;
use crate::server::Inner;
use crate::settings::{Resource, ServiceClient};
use crate::storage::{CodeProof, Kept, Redemption, claim_once, presented};

/// Times that a request is put to the engine. The second time it sees what made the first one
/// worthless: somebody else used the code or token, or ended its family.
const ATTEMPTS_MAX: usize = 3;

/// The scope by which a client asks for a refresh token (OpenID Connect Core §11), where a resource has
/// it.
const OFFLINE_ACCESS: &str = "offline_access";

/// The grants of this server (AS-80 to AS-98).
pub(crate) async fn token(State(server): State<Arc<Inner>>, request: Request) -> Response {
    dpop::with_nonce(&server, answer(&server, request).await)
}

async fn answer(server: &Inner, request: Request) -> Response {
    let request = match ClientRequest::read(server, request, identity).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    if let Err(refusal) = request.meet_client(server).await {
        return refusal;
    }
    let client_id = request.credentials.client_id.as_str();
    let proof = dpop::proof_for_tokens(server, &request.headers, request.peer, client_id);
    let proof = match proof {
        Ok(proof) => proof,
        Err(refusal) => return *refusal,
    };
    let shown = Shown { credentials: &request.credentials, proof: proof.as_deref() };
    match claim_once(grant(server, &request.form, shown)).await {
        Ok(issued) => answers::json(StatusCode::OK, &issued),
        Err(error) => request.answer_error(server, &error),
    }
}

/// What the client shows of itself.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'r> {
    pub(crate) credentials: &'r ClientCredentials,
    /// The proof of a key (RFC 9449).
    pub(crate) proof: Option<&'r str>,
}

/// Lets the engine decide, and keeps what it grants in one step; nothing is answered before.
async fn grant(
    server: &Inner,
    form: &Form,
    shown: Shown<'_>,
) -> Result<TokenResponse, ErrorResponse> {
    let store = server.engine.store();
    let entitled = entitlement(server, form, shown).await?;
    for _ in 0..ATTEMPTS_MAX {
        let asked = match &entitled {
            Some(entitled) => entitled.grant(&shown.credentials.client_id),
            None => token_request(server, form, shown.credentials).await?,
        };
        let Grant { name: grant_type, redemption, .. } = &asked;
        let (issued, record) = match issue(server, shown, &asked, entitled.as_ref()).await {
            Ok(issued) => issued,
            Err(error) => {
                store.give_up(redemption).await;
                return Err(error);
            }
        };
        match store.keep(redemption).await {
            Ok(Kept::All) => {
                let refresh_issued = issued.refresh_token.is_some();
                let subject = record.subject.as_deref().map(printable);
                audit!(
                    info, "token issued", client_id = %record.client_id, %grant_type, subject,
                    resource = ?record.resource, scope = %record.scope, refresh_issued
                );
                return Ok(issued);
            }
            Ok(Kept::Nothing) => {}
            // Nobody knows whether it is kept; the client gets nothing in either case (SEC-238).
            Err(error) => {
                tracing::error!(%error, "tokens could not be kept");
                return Err(ErrorResponse::new(ErrorCode::ServerError));
            }
        }
    }
    Err(ErrorResponse::new(ErrorCode::TemporarilyUnavailable))
}

/// What the engine is asked for.
pub(crate) struct Grant {
    /// The client's word for it.
    pub(crate) name: &'static str,
    /// It begins here, and does not go on from a refresh token.
    pub(crate) is_new: bool,
    pub(crate) request: TokenRequest,
    pub(crate) resources: Vec<String>,
    pub(crate) redemption: Arc<Redemption>,
}

impl Grant {
    fn of(
        grant_type: GrantType,
        request: TokenRequest,
        resources: Vec<String>,
        redemption: Arc<Redemption>,
    ) -> Self {
        let is_new = grant_type != GrantType::RefreshToken;
        Self { name: grant_type.as_str(), is_new, request, resources, redemption }
    }
}

async fn token_request(
    server: &Inner,
    form: &Form,
    credentials: &ClientCredentials,
) -> Result<Grant, ErrorResponse> {
    let invalid = |description: &'static str| {
        ErrorResponse::new(ErrorCode::InvalidRequest).with_description(description)
    };
    let client_id = credentials.client_id.clone();
    let name = form.get("grant_type").ok_or_else(|| invalid("no grant_type"))?;
    let resources = || form.all("resource").map(str::to_owned).collect();
    match GrantType::parse(name) {
        Some(grant_type @ GrantType::AuthorizationCode) => {
            let code = presented(form.get("code").ok_or_else(|| invalid("no code"))?);
            let verifier = form.get("code_verifier");
            let redirect_uri = form.get("redirect_uri");
            let request = TokenRequest::AuthorizationCode {
                client_id,
                client_secret: None,
                code: code.to_owned(),
                redirect_uri: redirect_uri.map(str::to_owned),
                code_verifier: verifier.map(str::to_owned),
            };
            let proof = CodeProof::new(verifier, redirect_uri);
            let redemption = Redemption::of_code(proof);
            Ok(Grant::of(grant_type, request, resources(), redemption))
        }
        Some(grant_type @ GrantType::RefreshToken) => {
            let token = form.get("refresh_token").ok_or_else(|| invalid("no refresh_token"))?;
            let scope = form.get("scope").map(ScopeSet::parse).transpose();
            let request = TokenRequest::RefreshToken {
                client_id,
                client_secret: None,
                refresh_token: presented(token).to_owned(),
                scope: scope.map_err(|_| ErrorResponse::new(ErrorCode::InvalidScope))?,
            };
            let redemption = Redemption::of_refresh_token();
            Ok(Grant::of(grant_type, request, resources(), redemption))
        }
        Some(grant_type @ GrantType::ClientCredentials) => {
            let resource = target(server, form)?;
            let service = server.settings.service(client_id.as_str());
            let scope = match (form.get("scope"), service) {
                (None, Some(service)) => Some(service_scope(service, resource)),
                (requested, _) => Some(granted_scope(resource, requested)?),
            };
            let scope = scope.as_deref().map(ScopeSet::parse).transpose();
            let request = TokenRequest::ClientCredentials {
                client_id,
                client_secret: None,
                scope: scope.map_err(|_| ErrorResponse::new(ErrorCode::InvalidScope))?,
            };
            let resources = vec![resource.identifier.clone()];
            Ok(Grant::of(grant_type, request, resources, Redemption::of_client()))
        }
        Some(grant_type @ GrantType::DeviceCode) => {
            let code = form.get("device_code").ok_or_else(|| invalid("no device_code"))?;
            let device_code = presented(code).to_owned();
            let resource = server.engine.store().device_resource(&device_code).await;
            let resource = resource.map_err(|_| ErrorResponse::new(ErrorCode::ServerError))?;
            // It was named before; it may be named again, and that is all (AS-88).
            if form.all("resource").any(|named| resource.as_deref() != Some(named)) {
                return Err(ErrorResponse::new(ErrorCode::InvalidTarget));
            }
            let request = TokenRequest::DeviceCode { client_id, client_secret: None, device_code };
            let redemption = Redemption::of_device(resource);
            Ok(Grant::of(grant_type, request, Vec::new(), redemption))
        }
        // The engine knows more grants; none of them is offered here (SEC-234, SEC-235).
        _ => Err(ErrorResponse::new(ErrorCode::UnsupportedGrantType)),
    }
}

/// What a service gets that names no scope: all that it may have of this resource.
fn service_scope(service: &ServiceClient, resource: &Resource) -> String {
    let may = |name: &str| service.scopes.iter().any(|scope| scope == name);
    let names = resource.scopes.iter().map(|scope| scope.name.as_str());
    names.filter(|name| may(name)).collect::<Vec<_>>().join(" ")
}

/// What the engine grants, as the client is to get it, with the record of the access token.
async fn issue(
    server: &Inner,
    shown: Shown<'_>,
    Grant { is_new, request, resources, redemption, .. }: &Grant,
    entitled: Option<&Entitlement<'_>>,
) -> Result<(TokenResponse, IssuedToken), ErrorResponse> {
    let own = entitled.and_then(Entitlement::credential);
    let credential = own.unwrap_or_else(|| shown.credentials.to_engine());
    let context = context(credential, shown.proof, resources);
    let engine = &server.engine;
    let granted = redemption.scope(engine.token_with_context(request.clone(), context)).await;
    let mut issued = granted?;
    let failed = || ErrorResponse::new(ErrorCode::ServerError);
    let record = redemption.access_token().ok_or_else(failed)?;
    // Every token has its one audience (AS-89).
    if record.resource.len() != 1 {
        return Err(failed());
    }
    // The user may have been disabled since agreeing. A service has none.
    if let Some(subject) = record.subject.as_deref()
        && !server.may_continue(subject).await.map_err(|_| failed())?
    {
        return Err(ErrorResponse::new(ErrorCode::InvalidGrant));
    }
    // AS-95: where there is such a scope, a refresh token is for those who were granted it.
    if *is_new
        && server.settings.has_scope(OFFLINE_ACCESS)
        && !record.scope.contains(OFFLINE_ACCESS)
    {
        redemption.leave_out_refresh_token();
        issued.refresh_token = None;
    }
    if let Some(entitled) = entitled {
        entitled.settle(server, &record).await?;
    }
    // The opaque token, or the JWT around it where the resource wants that.
    if record.resource.iter().any(|resource| server.mint.mints_for(resource)) {
        let minted = server.mint.mint(&issued.access_token, &record);
        issued.access_token = minted.map_err(|_| failed())?;
    }
    Ok((issued, record))
}

/// What goes to the engine beside the request.
pub(crate) fn context<'r>(
    credential: ClientCredential<'r>,
    proof: Option<&'r str>,
    resources: &'r [String],
) -> TokenRequestContext<'r> {
    let context = TokenRequestContext::new(credential).with_resources(resources);
    match proof {
        Some(proof) => context.with_dpop_proof(proof),
        None => context,
    }
}
