//! `GET /login/provider` sends the browser to the provider, `GET /login/callback` takes it back.
//!
//! The way there is a link and no form: browsers apply a form's policy to every redirect that follows it,
//! and where a provider leads its users nobody here knows. The link does nothing but begin.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;

use super::binding::Attempt;
use super::{Provider, SignInError};
use crate::answers::Response;
use crate::audit::{self, audit};
use crate::browser::{Browser, GONE, UNAVAILABLE};
use crate::clock::unix_secs;
use crate::form::Form;
use crate::login;
use crate::pages::{self, SignInFailedPage};
use crate::server::Inner;
use crate::sessions::{Pending, Unavailable};
use crate::throttle::Peer;

const NOT_NOW: &str = "The sign-in service cannot be used right now. Try again later.";
const REFUSED: &str = "The sign-in service did not sign you in.";
const NOT_ADMITTED: &str = "You are signed in there, but your account may not be used here.";
const TOO_MANY: &str = "Too many attempts to sign in. Wait some minutes and try again.";

/// Sends the browser to the provider.
pub(crate) async fn start(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let path = &server.endpoints.path;
    let gone = || pages::error(path, StatusCode::BAD_REQUEST, GONE);
    let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes()).ok();
    let id = query.as_ref().and_then(|query| query.get("request")).unwrap_or_default();
    let (Some(provider), Some(browser)) =
        (&server.provider, Browser::of(&server, request.headers()))
    else {
        return gone();
    };
    match find(&server, id, &browser).await {
        Ok(Some(_)) => {}
        Ok(None) => return gone(),
        Err(Unavailable) => return unavailable(path),
    }
    let Ok(attempt) = Attempt::new(id) else { return unavailable(path) };
    let secrets = attempt.secrets(&browser.secret, &server.form_tokens);
    match provider.authorization_url(&secrets).await {
        Ok(url) => pages::see_other(&url),
        Err(error) => failed(
            &server,
            id,
            Peer::of(request.extensions()),
            StatusCode::SERVICE_UNAVAILABLE,
            error,
        ),
    }
}

/// Takes the provider's answer, if it is one to a request of this browser.
pub(crate) async fn callback(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let path = &server.endpoints.path;
    let gone = || pages::error(path, StatusCode::BAD_REQUEST, GONE);
    let peer = Peer::of(request.extensions());
    let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes()).ok();
    let (Some(provider), Some(query), Some(browser)) =
        (&server.provider, query, Browser::of(&server, request.headers()))
    else {
        return gone();
    };
    let state = query.get("state").unwrap_or_default();
    // SEC-470: whoever sends somebody else's browser here with an answer of their own stops here.
    let Some(attempt) = Attempt::of(state, &browser.secret, &server.form_tokens) else {
        audit!(warn, "sign-in answer for another browser", %peer);
        return gone();
    };
    let pending = match find(&server, attempt.request, &browser).await {
        Ok(Some(pending)) => pending,
        Ok(None) => return gone(),
        Err(Unavailable) => return unavailable(path),
    };
    // Each answer makes the server ask the provider, and may be a guess (LIM-20).
    let now = server.settings.clock.now();
    let key = format!("{peer:?}");
    if !server.wrong_passwords.admit(&key, now) {
        audit::limited("wrong answers of the sign-in provider", peer);
        return pages::error(path, StatusCode::TOO_MANY_REQUESTS, TOO_MANY);
    }
    let signed_in = judge(&server, provider, &query, &attempt, &browser).await;
    match signed_in {
        Ok(user) => {
            server.wrong_passwords.give_back(&key);
            admit(&server, &user, &browser, attempt.request, &pending, peer).await
        }
        Err(error) => {
            let status = match error {
                SignInError::NotAdmitted | SignInError::Code => StatusCode::FORBIDDEN,
                SignInError::Http(_) | SignInError::Metadata | SignInError::Keys => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                SignInError::Issuer | SignInError::IdToken(_) | SignInError::UserInfo => {
                    StatusCode::BAD_GATEWAY
                }
            };
            failed(&server, attempt.request, peer, status, error)
        }
    }
}

/// Whom the provider's answer is about.
async fn judge(
    server: &Inner,
    provider: &Provider,
    query: &Form,
    attempt: &Attempt<'_>,
    browser: &Browser,
) -> Result<super::SignedIn, SignInError> {
    provider.check_issuer(query.get("iss")).await?;
    // An error, whichever it is: its words are the provider's and not shown (SEC-471).
    let code = query.get("code").filter(|_| query.get("error").is_none());
    let code = code.ok_or(SignInError::Code)?;
    let secrets = attempt.secrets(&browser.secret, &server.form_tokens);
    // Without a clock nothing is valid: at zero every token is from the future.
    let now_secs = unix_secs(server.settings.clock.now()).unwrap_or_default();
    provider.redeem(code, &secrets, now_secs).await
}

/// Signs the user in as any other, with a new session (SEC-202), unless an administrator disabled the user.
async fn admit(
    server: &Inner,
    user: &super::SignedIn,
    browser: &Browser,
    id: &str,
    pending: &Pending,
    peer: Peer,
) -> Response {
    let path = &server.endpoints.path;
    match server.accounts.meet(&user.subject, Some(&user.shown_name), &user.subject).await {
        Ok(true) => {}
        Ok(false) => {
            return failed(server, id, peer, StatusCode::FORBIDDEN, SignInError::NotAdmitted);
        }
        Err(error) => {
            tracing::error!(%error, "a user could not be looked up");
            return unavailable(path);
        }
    }
    let subject = &user.subject;
    audit!(info, "user signed in", subject = %subject.escape_default(), %peer);
    login::signed_in(server, subject, browser, id, pending).await
}

/// A page with the way back to the sign-in page. Why it failed is for the log.
fn failed(
    server: &Inner,
    id: &str,
    peer: Peer,
    status: StatusCode,
    error: SignInError,
) -> Response {
    audit!(info, "sign-in failed", reason = %error, %peer);
    let message = match error {
        SignInError::NotAdmitted => NOT_ADMITTED,
        SignInError::Code => REFUSED,
        SignInError::Http(_)
        | SignInError::Metadata
        | SignInError::Keys
        | SignInError::Issuer
        | SignInError::IdToken(_)
        | SignInError::UserInfo => NOT_NOW,
    };
    let page = SignInFailedPage { path: &server.endpoints.path, message, request: id };
    pages::page(status, &page, None)
}

async fn find(server: &Inner, id: &str, browser: &Browser) -> Result<Option<Pending>, Unavailable> {
    server.sessions.find(id, browser.digest(), server.settings.clock.now()).await
}

fn unavailable(path: &str) -> Response {
    pages::error(path, StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
}
