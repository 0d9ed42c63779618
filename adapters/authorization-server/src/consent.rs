//! `GET` and `POST /consent`: the user decides.
//!
//! Asked every time: a client that registered itself cannot prove who it is, so an earlier "yes"
//! says nothing about who is asking now (AS-62, SEC-206, SEC-207).

use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;
use oauth_as::authorization::AuthorizationError;
use oauth_as::server::DeviceApprovalError;
use oauth_as::{ErrorCode, UserApproval};

use crate::answers::Response;
use crate::audit::{audit, printable};
use crate::authorize::validate_again;
use crate::browser::{Browser, GONE, Submission, UNAVAILABLE};
use crate::client_document::{DocumentUrl, LookUpError};
use crate::form::Form;
use crate::pages::{self, ConsentPage, DeviceDonePage};
use crate::server::Inner;
use crate::sessions::{Asked, DeviceAsked, Outcome, Pending, Unavailable};
use crate::{par, redirect_uri};

const FORM: &str = "consent";

/// The page that says who asks for what (AS-41, SEC-205).
pub(crate) async fn show(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let path = &server.endpoints.path;
    let now = server.settings.clock.now();
    let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes()).ok();
    let id = query.as_ref().and_then(|query| query.get("request")).unwrap_or_default();
    let Some(browser) = Browser::of(&server, request.headers()) else {
        return pages::error(path, StatusCode::BAD_REQUEST, GONE);
    };
    let subject = server.sessions.subject(browser.digest(), now).await;
    let pending = server.sessions.find(id, browser.digest(), now).await;
    let (subject, pending) = match (subject, pending) {
        (Ok(Some(subject)), Ok(Some(pending))) => (subject, pending),
        (Err(Unavailable), _) | (_, Err(Unavailable)) => {
            return pages::error(path, StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE);
        }
        _ => return pages::error(path, StatusCode::BAD_REQUEST, GONE),
    };
    let form_token = server.form_tokens.issue(FORM, id, &browser.secret);
    match server.accounts.called(&subject).await {
        Ok(user) => page(&server, &user, id, &pending, &form_token),
        Err(error) => {
            tracing::error!(%error, "a user could not be looked up");
            pages::error(path, StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
        }
    }
}

fn page(server: &Inner, user: &str, id: &str, pending: &Pending, form_token: &str) -> Response {
    let gone = || pages::error(&server.endpoints.path, StatusCode::BAD_REQUEST, GONE);
    let redirect_uri = pending.redirect_uri.as_str();
    let (resource, scope, redirect_host, user_code) = match &pending.outcome {
        Outcome::Ask(it) => (&it.resource, &it.scope, Some(redirect_uri::host(redirect_uri)), None),
        Outcome::Device(it) => (&it.resource, &it.scope, None, Some(it.user_code.as_str())),
        Outcome::Refuse(_) => return gone(),
    };
    let Some(resource) = server.settings.resource(resource) else { return gone() };
    let page = ConsentPage {
        path: &server.endpoints.path,
        issuer: &server.settings.issuer,
        user,
        client_name: pending.client_name.as_deref(),
        client_id: &pending.client_id,
        client_host: DocumentUrl::parse(&pending.client_id, true).map(DocumentUrl::host),
        redirect_host,
        user_code,
        to_loopback: redirect_uri::is_loopback(redirect_uri),
        resource_name: &resource.name,
        resource: &resource.identifier,
        scopes: resource
            .scopes
            .iter()
            .filter(|it| scope.contains(&it.name))
            .map(|scope| (scope.name.as_str(), scope.words.as_str()))
            .collect(),
        request: id,
        form_token,
    };
    pages::page(StatusCode::OK, &page, Some(redirect_uri))
}

/// Takes the decision. What is decided on is the record; the form only says yes or no (SEC-200).
pub(crate) async fn submit(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let path = &server.endpoints.path;
    let refuse = |status, message| pages::error(path, status, message);
    let submission = match Submission::read(&server, FORM, request).await {
        Ok(submission) => submission,
        Err(refusal) => return refusal,
    };
    let Submission { form, browser, peer } = &submission;
    let now = server.settings.clock.now();
    let subject = match server.sessions.subject(browser.digest(), now).await {
        Ok(Some(subject)) => subject,
        Ok(None) => return refuse(StatusCode::BAD_REQUEST, GONE),
        Err(Unavailable) => return refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
    };
    let approved = match form.get("decision") {
        Some("approve") => true,
        Some("deny") => false,
        _ => return refuse(StatusCode::BAD_REQUEST, "The form says neither yes nor no."),
    };
    let pending = match server.sessions.take(submission.record(), browser.digest(), now).await {
        Ok(Some(pending)) => pending,
        Ok(None) => return refuse(StatusCode::BAD_REQUEST, GONE),
        Err(Unavailable) => return refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
    };
    let (resource, scope) = match &pending.outcome {
        Outcome::Ask(asked) => (&asked.resource, &asked.scope),
        Outcome::Device(asked) => (&asked.resource, &asked.scope),
        Outcome::Refuse(_) => return refuse(StatusCode::BAD_REQUEST, GONE),
    };
    // What a document says may have changed while the user was reading (SEC-286).
    match server.meet(&pending.client_id, submission.peer).await {
        Ok(()) => {}
        Err(LookUpError::Unknown) => return refuse(StatusCode::BAD_REQUEST, GONE),
        Err(LookUpError::TooMany) => return refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
    }
    audit!(
        info, "user decided", client_id = %pending.client_id, subject = %printable(&subject),
        %resource, %scope, approved, %peer
    );
    match &pending.outcome {
        Outcome::Ask(asked) => decide(&server, asked, approved, &subject).await,
        Outcome::Device(asked) => decide_device(&server, asked, approved, &subject).await,
        Outcome::Refuse(_) => refuse(StatusCode::BAD_REQUEST, GONE),
    }
}

/// The device learns the decision when it asks the next time.
async fn decide_device(
    server: &Inner,
    asked: &DeviceAsked,
    approved: bool,
    subject: &str,
) -> Response {
    let path = &server.endpoints.path;
    let engine = &server.engine;
    let decided = match approved {
        true => engine.approve_device(&asked.user_code, subject).await,
        false => engine.deny_device(&asked.user_code).await,
    };
    match decided {
        Ok(()) => pages::page(StatusCode::OK, &DeviceDonePage { path, approved }, None),
        Err(DeviceApprovalError::Storage(_)) => {
            pages::error(path, StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
        }
        // It has expired, or somebody else has decided.
        Err(_) => pages::error(path, StatusCode::BAD_REQUEST, GONE),
    }
}

async fn decide(server: &Inner, asked: &Asked, approved: bool, subject: &str) -> Response {
    let refuse = |status, message| pages::error(&server.endpoints.path, status, message);
    match par::use_up(server, asked).await {
        Ok(true) => {}
        Ok(false) => return refuse(StatusCode::BAD_REQUEST, GONE),
        Err(_) => return refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
    }
    let validated = match validate_again(server, asked).await {
        Ok(validated) => validated,
        Err(AuthorizationError::Redirect(error)) => return pages::see_other(&error.location()),
        Err(AuthorizationError::Direct(error)) => {
            return match error.error {
                ErrorCode::ServerError => refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
                // The client has gone since it asked (SEC-214).
                _ => refuse(StatusCode::BAD_REQUEST, GONE),
            };
        }
    };
    if !approved {
        return pages::see_other(&validated.denied().location());
    }
    match server.engine.issue_authorization_code(UserApproval::granted(&validated, subject)).await {
        Ok(answer) => pages::see_other(&answer.location(&validated.redirect_uri)),
        Err(AuthorizationError::Redirect(error)) => pages::see_other(&error.location()),
        Err(AuthorizationError::Direct(_)) => refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
    }
}
