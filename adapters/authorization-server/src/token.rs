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
use crate::audit::{audit, printable};
use crate::client_authentication::{ClientCredentials, ClientRequest};
use crate::form::Form;
use crate::server::Inner;
use crate::storage::{CodeProof, Kept, Redemption, presented};

/// Times that a request is put to the engine. The second time it sees what made the first one
/// worthless: somebody else used the code or token, or ended its family.
const ATTEMPTS_MAX: usize = 3;

/// The two grants of this server (AS-80 to AS-97).
pub(crate) async fn token(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let request = match ClientRequest::read(&server, request, identity).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    match grant(&server, &request.form, &request.credentials).await {
        Ok(issued) => answers::json(StatusCode::OK, &issued),
        Err(error) => request.answer_error(&server, &error),
    }
}

/// Lets the engine decide, and keeps what it grants in one step; nothing is answered before.
async fn grant(
    server: &Inner,
    form: &Form,
    credentials: &ClientCredentials,
) -> Result<TokenResponse, ErrorResponse> {
    let store = server.engine.store();
    for _ in 0..ATTEMPTS_MAX {
        let (grant_type, request, redemption) = token_request(form, credentials)?;
        let (issued, record) = match issue(server, form, credentials, request, &redemption).await {
            Ok(issued) => issued,
            Err(error) => {
                store.give_up(&redemption).await;
                return Err(error);
            }
        };
        match store.keep(&redemption).await {
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

fn token_request(
    form: &Form,
    credentials: &ClientCredentials,
) -> Result<(GrantType, TokenRequest, Arc<Redemption>), ErrorResponse> {
    let invalid = |description: &'static str| {
        ErrorResponse::new(ErrorCode::InvalidRequest).with_description(description)
    };
    let client_id = credentials.client_id.clone();
    let name = form.get("grant_type").ok_or_else(|| invalid("no grant_type"))?;
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
            Ok((grant_type, request, Redemption::of_code(proof)))
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
            Ok((grant_type, request, Redemption::of_refresh_token()))
        }
        // The engine knows more grants; none of them is offered here (SEC-234, SEC-235).
        _ => Err(ErrorResponse::new(ErrorCode::UnsupportedGrantType)),
    }
}

/// What the engine grants, as the client is to get it, with the record of the access token.
async fn issue(
    server: &Inner,
    form: &Form,
    credentials: &ClientCredentials,
    request: TokenRequest,
    redemption: &Arc<Redemption>,
) -> Result<(TokenResponse, IssuedToken), ErrorResponse> {
    let mut context =
        TokenRequestContext::new(ClientCredential::secret(credentials.secret.as_deref()));
    let resources: Vec<String> = form.all("resource").map(str::to_owned).collect();
    context = context.with_resources(&resources);
    let granted = redemption.scope(server.engine.token_with_context(request, context)).await;
    let mut issued = granted?;
    let failed = || ErrorResponse::new(ErrorCode::ServerError);
    let record = redemption.access_token().ok_or_else(failed)?;
    // The user may have been disabled since agreeing.
    let subject = record.subject.as_deref().ok_or_else(failed)?;
    if !server.users.may_continue(subject).await.map_err(|_| failed())? {
        return Err(ErrorResponse::new(ErrorCode::InvalidGrant));
    }
    // The opaque token, or the JWT around it where the resource wants that.
    if record.resource.iter().any(|resource| server.mint.mints_for(resource)) {
        let minted = server.mint.mint(&issued.access_token, &record);
        issued.access_token = minted.map_err(|_| failed())?;
    }
    Ok((issued, record))
}
