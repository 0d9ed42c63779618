//! `GET` and `POST /device`: the user types in the code that a device shows (RFC 8628 §3.3).
//!
//! What follows is what follows any other request: the user signs in and sees the consent page. Codes are
//! never part of a link here, so that nobody is led to approve a stranger's device by following one
//! (RFC 8628 §5.4).

use std::sync::Arc;

use axum::extract::{Request, State};
use http::{StatusCode, header};
use oauth_as::device::{DeviceGrantState, normalize_user_code};
use oauth_as::{Storage, StorageError};

use crate::answers::Response;
use crate::audit::audit;
use crate::browser::{self, Browser, Submission, UNAVAILABLE};
use crate::pages::{self, DevicePage};
use crate::secrets::random_text;
use crate::server::Inner;
use crate::sessions::{DeviceAsked, NewPending, Outcome, Pending, PendingError};

const FORM: &str = "device";
const TOO_MANY: &str = "Too many attempts. Wait a minute and try again.";

/// The page with the field for the code.
pub(crate) async fn show(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let path = &server.endpoints.path;
    let (browser, is_new) = match Browser::of(&server, request.headers()) {
        Some(browser) => (browser, false),
        None => match random_text() {
            Ok(secret) => (Browser { secret }, true),
            Err(_) => return pages::error(path, StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
        },
    };
    let page = DevicePage {
        path,
        issuer: &server.settings.issuer,
        form_token: &server.form_tokens.issue(FORM, "", &browser.secret),
        failed: request.uri().query() == Some("failed=1"),
    };
    let mut response = pages::page(StatusCode::OK, &page, None);
    if is_new && let Some(cookie) = browser::set_cookie(&server, &browser.secret) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Looks the code up and lets the request wait for its user. Each try counts unless it was right
/// (LIM-20, RFC 8628 §5.1).
pub(crate) async fn submit(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let path = &server.endpoints.path;
    let refuse = |status, message| pages::error(path, status, message);
    let submission = match Submission::read(&server, FORM, request).await {
        Ok(submission) => submission,
        Err(refusal) => return refusal,
    };
    let Submission { form, browser, peer } = &submission;
    let now = server.settings.clock.now();
    let key = format!("{peer:?}");
    if !server.wrong_user_codes.admit(&key, now) {
        return refuse(StatusCode::TOO_MANY_REQUESTS, TOO_MANY);
    }
    let user_code = normalize_user_code(form.get("user_code").unwrap_or_default());
    let pending = match find(&server, &user_code).await {
        Ok(Some(pending)) => pending,
        Ok(None) => {
            audit!(info, "unknown user code");
            return pages::see_other(&format!("{path}/device?failed=1"));
        }
        Err(error) => {
            tracing::error!(%error, "a device could not be looked up");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE);
        }
    };
    server.wrong_user_codes.give_back(&key);
    let query = format!("device {user_code}");
    let new = NewPending { browser: browser.digest(), peer: *peer, query: &query, pending };
    let id = match server.sessions.wait(new, now).await {
        Ok(id) => id,
        Err(PendingError::TooMany) => return refuse(StatusCode::TOO_MANY_REQUESTS, TOO_MANY),
        Err(PendingError::Unavailable) => {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE);
        }
    };
    match server.sessions.subject(browser.digest(), now).await {
        Ok(Some(_)) => pages::see_other(&format!("{path}/consent?request={id}")),
        Ok(None) => pages::see_other(&format!("{path}/login?request={id}")),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
    }
}

/// The request of the device that shows this code and waits.
async fn find(server: &Inner, user_code: &str) -> Result<Option<Pending>, StorageError> {
    let store = server.engine.store();
    let now = server.settings.clock.now();
    let found = store.find_device_grant_by_user_code(user_code).await?;
    let waits =
        found.filter(|grant| grant.state == DeviceGrantState::Pending && now < grant.expires_at);
    let Some(grant) = waits else { return Ok(None) };
    let Some(resource) = store.device_resource(&grant.device_code).await? else { return Ok(None) };
    let Some(client) = store.get_client(&grant.client_id).await? else { return Ok(None) };
    Ok(Some(Pending {
        client_id: grant.client_id.as_str().to_owned(),
        client_name: client.name.clone(),
        redirect_uri: String::new(),
        outcome: Outcome::Device(DeviceAsked {
            user_code: grant.user_code,
            scope: grant.scope,
            resource,
        }),
    }))
}
