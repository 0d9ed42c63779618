//! `GET` and `POST /login`.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::{StatusCode, header};

use crate::answers::Response;
use crate::audit::{self, audit, printable};
use crate::browser::{self, Browser, GONE, Submission, UNAVAILABLE};
use crate::form::Form;
use crate::openid::Provider;
use crate::pages::{self, LoginPage};
use crate::server::Inner;
use crate::sessions::{Outcome, Pending, Unavailable};
use crate::throttle::Peer;

const FORM: &str = "login";

/// The sign-in page of the request that the query names.
pub(crate) async fn show(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let path = &server.endpoints.path;
    let now = server.settings.clock.now();
    let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes()).ok();
    let id = query.as_ref().and_then(|query| query.get("request")).unwrap_or_default();
    let Some(browser) = Browser::of(&server, request.headers()) else {
        return pages::error(path, StatusCode::BAD_REQUEST, GONE);
    };
    let pending = match server.sessions.find(id, browser.digest(), now).await {
        Ok(Some(pending)) => pending,
        Ok(None) => return pages::error(path, StatusCode::BAD_REQUEST, GONE),
        Err(Unavailable) => return unavailable(path),
    };
    let page = LoginPage {
        path,
        issuer: &server.settings.issuer,
        client: pending.client_name.as_deref().unwrap_or(&pending.client_id),
        request: id,
        form_token: &server.form_tokens.issue(FORM, id, &browser.secret),
        failed: query.as_ref().is_some_and(|query| query.get("failed").is_some()),
        provider: server.provider.as_ref().map(Provider::name),
        passwords: server.settings.takes_passwords(),
    };
    pages::page(StatusCode::OK, &page, Some(&pending.redirect_uri))
}

/// Checks name and password, and sends the browser on with a new session (SEC-202).
pub(crate) async fn submit(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let path = &server.endpoints.path;
    let refuse = |status, message| pages::error(path, status, message);
    let submission = match Submission::read(&server, FORM, request).await {
        Ok(submission) => submission,
        Err(refusal) => return refusal,
    };
    let Submission { form, browser, peer } = &submission;
    if !server.settings.takes_passwords() {
        return refuse(StatusCode::FORBIDDEN, "Passwords are not taken here.");
    }
    let id = submission.record();
    let now = server.settings.clock.now();
    let pending = match server.sessions.find(id, browser.digest(), now).await {
        Ok(Some(pending)) => pending,
        Ok(None) => return refuse(StatusCode::BAD_REQUEST, GONE),
        Err(Unavailable) => return unavailable(path),
    };
    let (name, password) =
        (form.get("username").unwrap_or_default(), form.get("password").unwrap_or_default());
    match check_password(&server, name, password, *peer).await {
        Check::Throttled => refuse(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many attempts to sign in. Wait some minutes and try again.",
        ),
        Check::Wrong => pages::see_other(&format!("{path}/login?request={id}&failed=1")),
        Check::Unavailable => unavailable(path),
        Check::Right => {
            audit!(info, "user signed in", subject = %printable(name), %peer);
            signed_in(&server, name, browser, id, &pending).await
        }
    }
}

enum Check {
    Right,
    Wrong,
    Throttled,
    Unavailable,
}

/// Wrong tries are counted by account and by peer (LIM-20, SEC-210).
///
/// Each try counts until it turns out to be right: tries sent at once would otherwise all be under
/// way before the first wrong one counted.
async fn check_password(server: &Inner, name: &str, password: &str, peer: Peer) -> Check {
    let now = server.settings.clock.now();
    let throttle = &server.wrong_passwords;
    let keys = [format!("account {}", printable(name)), format!("{peer:?}")];
    let admitted = keys.iter().take_while(|key| throttle.admit(key, now)).count();
    let check = if admitted < keys.len() {
        audit::limited("wrong passwords", peer);
        Check::Throttled
    } else {
        match server.users.authenticate(name, password).await {
            Ok(true) => Check::Right,
            Ok(false) => {
                // Without the name: it may be a password that was typed into the wrong field.
                audit!(info, "sign-in failed", %peer);
                return Check::Wrong;
            }
            Err(error) => {
                tracing::error!(%error, "a user could not be looked up");
                Check::Unavailable
            }
        }
    };
    for key in keys.iter().take(admitted) {
        throttle.give_back(key);
    }
    check
}

/// The browser gets a new session and goes on to decide.
pub(crate) async fn signed_in(
    server: &Inner,
    name: &str,
    before: &Browser,
    id: &str,
    pending: &Pending,
) -> Response {
    let path = &server.endpoints.path;
    let now = server.settings.clock.now();
    let Ok(secret) = server.sessions.sign_in(name, id, before.digest(), now).await else {
        return unavailable(path);
    };
    let mut response = match &pending.outcome {
        Outcome::Ask(_) | Outcome::Device(_) => {
            pages::see_other(&format!("{path}/consent?request={id}"))
        }
        Outcome::Refuse(error) => {
            let browser = Browser { secret: secret.clone() };
            // If it stays, it expires: it grants nothing.
            let _ = server.sessions.take(id, browser.digest(), now).await;
            pages::see_other(&error.location())
        }
    };
    if let Some(cookie) = browser::set_cookie(server, &secret) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn unavailable(path: &str) -> Response {
    pages::error(path, StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
}
