//! `GET` and `POST /consent`: the user decides.
//!
//! Asked every time: a client that registered itself cannot prove who it is, so an earlier "yes"
//! says nothing about who is asking now (AS-62, SEC-206, SEC-207).

use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;
use oauth_as::authorization::AuthorizationError;
use oauth_as::{ClientId, Storage, UserApproval, ValidatedAuthorizationRequest};

use crate::answers::Response;
use crate::audit::printable;
use crate::browser::{Browser, GONE, Submission};
use crate::form::Form;
use crate::pages::{self, ConsentPage};
use crate::redirect_uri;
use crate::server::Inner;
use crate::sessions::{Outcome, Pending};

const FORM: &str = "consent";

/// The page that says who asks for what (AS-41, SEC-205).
pub(crate) async fn show(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let path = &server.endpoints.path;
    let now = server.settings.clock.now();
    let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes()).ok();
    let id = query.as_ref().and_then(|query| query.get("request")).unwrap_or_default();
    let found = Browser::of(&server, request.headers()).and_then(|browser| {
        let subject = server.sessions.subject(browser.digest(), now)?;
        let pending = server.sessions.find(id, browser.digest(), now)?;
        Some((browser, subject, pending))
    });
    let Some((browser, subject, pending)) = found else {
        return pages::error(path, StatusCode::BAD_REQUEST, GONE);
    };
    let Outcome::Ask(asked) = &pending.outcome else {
        return pages::error(path, StatusCode::BAD_REQUEST, GONE);
    };
    let form_token = server.form_tokens.issue(FORM, id, &browser.secret);
    page(&server, &subject, &pending, asked, &form_token)
}

fn page(
    server: &Inner,
    subject: &str,
    pending: &Pending,
    asked: &ValidatedAuthorizationRequest,
    form_token: &str,
) -> Response {
    let resource = asked.resource.first().and_then(|it| server.settings.resource(it));
    let Some(resource) = resource else {
        return pages::error(&server.endpoints.path, StatusCode::BAD_REQUEST, GONE);
    };
    let page = ConsentPage {
        path: &server.endpoints.path,
        issuer: &server.settings.issuer,
        subject,
        client_name: pending.client_name.as_deref(),
        client_id: &pending.client_id,
        redirect_host: redirect_uri::host(&asked.redirect_uri),
        to_loopback: redirect_uri::is_loopback(&asked.redirect_uri),
        resource_name: &resource.name,
        resource: &resource.identifier,
        scopes: resource
            .scopes
            .iter()
            .filter(|scope| asked.scope.contains(&scope.name))
            .map(|scope| (scope.name.as_str(), scope.words.as_str()))
            .collect(),
        request: &pending.id,
        form_token,
    };
    pages::page(StatusCode::OK, &page, Some(&asked.redirect_uri))
}

/// Takes the decision. What is decided on is the record; the form only says yes or no (SEC-200).
pub(crate) async fn submit(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let path = &server.endpoints.path;
    let refuse = |status, message| pages::error(path, status, message);
    let submission = match Submission::read(&server, FORM, request).await {
        Ok(submission) => submission,
        Err(refusal) => return refusal,
    };
    let Submission { form, browser, .. } = &submission;
    let now = server.settings.clock.now();
    let Some(subject) = server.sessions.subject(browser.digest(), now) else {
        return refuse(StatusCode::BAD_REQUEST, GONE);
    };
    let approved = match form.get("decision") {
        Some("approve") => true,
        Some("deny") => false,
        _ => return refuse(StatusCode::BAD_REQUEST, "The form says neither yes nor no."),
    };
    let Some(pending) = server.sessions.take(submission.record(), browser.digest(), now) else {
        return refuse(StatusCode::BAD_REQUEST, GONE);
    };
    let Outcome::Ask(asked) = pending.outcome else {
        return refuse(StatusCode::BAD_REQUEST, GONE);
    };
    tracing::info!(
        client_id = %pending.client_id, subject = %printable(&subject), scope = %asked.scope,
        approved, "user decided"
    );
    if approved { approve(&server, &asked, &subject).await } else { deny(&asked) }
}

async fn approve(server: &Inner, asked: &ValidatedAuthorizationRequest, subject: &str) -> Response {
    let refuse = |status, message| pages::error(&server.endpoints.path, status, message);
    // The client may have gone since it asked (SEC-214).
    let client_id = ClientId::new(asked.client_id.as_str());
    if !matches!(server.engine.store().get_client(&client_id).await, Ok(Some(_))) {
        return refuse(StatusCode::BAD_REQUEST, GONE);
    }
    match server.engine.issue_authorization_code(UserApproval::granted(asked, subject)).await {
        Ok(answer) => pages::see_other(&answer.location(&asked.redirect_uri)),
        Err(AuthorizationError::Redirect(error)) => pages::see_other(&error.location()),
        Err(AuthorizationError::Direct(_)) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, "This does not work right now.")
        }
    }
}

fn deny(asked: &ValidatedAuthorizationRequest) -> Response {
    pages::see_other(&asked.denied().location())
}
