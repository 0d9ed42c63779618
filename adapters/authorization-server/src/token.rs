//! `POST /token`: codes and refresh tokens for access tokens.

use std::convert::identity;
use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;
use oauth_as::{
    ClientCredential, ErrorCode, ErrorResponse, GrantType, ScopeSet, Storage, TokenRequest,
    TokenRequestContext, TokenResponse,
};

use crate::answers::{self, Response};
use crate::client_authentication::{ClientCredentials, ClientRequest};
use crate::form::Form;
use crate::server::Inner;
use crate::storage::presented;

/// The two grants of this server (AS-80 to AS-97).
pub(crate) async fn token(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let request = match ClientRequest::read(&server, request, identity).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    match grant(&server, &request.form, &request.credentials).await {
        Ok(issued) => {
            server.registrations.mark_used(&request.credentials.client_id);
            answers::json(StatusCode::OK, &issued)
        }
        Err(error) => request.answer_error(&server, &error),
    }
}

async fn grant(
    server: &Inner,
    form: &Form,
    credentials: &ClientCredentials,
) -> Result<TokenResponse, ErrorResponse> {
    let request = token_request(server, form, credentials)?;
    let mut context =
        TokenRequestContext::new(ClientCredential::secret(credentials.secret.as_deref()));
    let resources: Vec<String> = form.all("resource").map(str::to_owned).collect();
    context = context.with_resources(&resources);
    let mut issued = server.engine.token_with_context(request, context).await?;
    issued.access_token = access_token(server, &issued).await?;
    Ok(issued)
}

fn token_request(
    server: &Inner,
    form: &Form,
    credentials: &ClientCredentials,
) -> Result<TokenRequest, ErrorResponse> {
    let invalid = |description: &'static str| {
        ErrorResponse::new(ErrorCode::InvalidRequest).with_description(description)
    };
    let client_id = credentials.client_id.clone();
    let name = form.get("grant_type").ok_or_else(|| invalid("no grant_type"))?;
    match GrantType::parse(name) {
        Some(GrantType::AuthorizationCode) => {
            let code = presented(form.get("code").ok_or_else(|| invalid("no code"))?);
            let verifier = form.get("code_verifier");
            let redirect_uri = form.get("redirect_uri");
            // SEC-221: whoever could not redeem the code must not be able to burn it either.
            let fits = server.engine.store().code_fits(code, verifier, redirect_uri);
            Ok(TokenRequest::AuthorizationCode {
                client_id,
                client_secret: None,
                code: if fits { code.to_owned() } else { String::new() },
                redirect_uri: redirect_uri.map(str::to_owned),
                code_verifier: verifier.map(str::to_owned),
            })
        }
        Some(GrantType::RefreshToken) => {
            let token = form.get("refresh_token").ok_or_else(|| invalid("no refresh_token"))?;
            let scope = form.get("scope").map(ScopeSet::parse).transpose();
            Ok(TokenRequest::RefreshToken {
                client_id,
                client_secret: None,
                refresh_token: presented(token).to_owned(),
                scope: scope.map_err(|_| ErrorResponse::new(ErrorCode::InvalidScope))?,
            })
        }
        // The engine knows more grants; none of them is offered here (SEC-234, SEC-235).
        _ => Err(ErrorResponse::new(ErrorCode::UnsupportedGrantType)),
    }
}

/// The token for the client: the opaque one, or the JWT around it where the resource wants that.
async fn access_token(server: &Inner, issued: &TokenResponse) -> Result<String, ErrorResponse> {
    let opaque = issued.access_token.as_str();
    let store = server.engine.store();
    let failed = || ErrorResponse::new(ErrorCode::ServerError);
    let record = store.get_token(opaque).await.map_err(|_| failed())?.ok_or_else(failed)?;
    let wants_jwt = record.resource.iter().any(|resource| server.mint.mints_for(resource));
    if !wants_jwt {
        return Ok(opaque.to_owned());
    }
    match server.mint.mint(opaque, &record) {
        Ok(jwt) => Ok(jwt),
        Err(_) => {
            // The client gets nothing, so nothing of it may live on.
            let _ = store.delete_token(opaque).await;
            if let Some(refresh) = &issued.refresh_token {
                let _ = store.take_refresh_token(refresh).await;
            }
            Err(failed())
        }
    }
}
