//! The pages that users see, and the redirects between them.
//!
//! No script, no inline style, nothing from elsewhere; readable at 320 pixels, in light and dark.

use askama::Template;
use axum::body::Body;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::answers::{self, Response};
use crate::redirect_uri;

/// The one style sheet.
const STYLE: &str = include_str!("../templates/style.css");

/// Where the user signs in.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'p> {
    /// The issuer's path, under which all pages are.
    pub(crate) path: &'p str,
    pub(crate) issuer: &'p str,
    pub(crate) client: &'p str,
    pub(crate) request: &'p str,
    pub(crate) form_token: &'p str,
    /// The last try failed.
    pub(crate) failed: bool,
    /// The name of another place to sign in at.
    pub(crate) provider: Option<&'p str>,
    /// Whether users sign in here with a password.
    pub(crate) passwords: bool,
}

/// Where the user learns that the other place did not sign anybody in.
#[derive(Template)]
#[template(path = "sign_in_failed.html")]
pub(crate) struct SignInFailedPage<'p> {
    pub(crate) path: &'p str,
    pub(crate) message: &'p str,
    pub(crate) request: &'p str,
}

/// Where the user decides what the client gets.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'p> {
    pub(crate) path: &'p str,
    pub(crate) issuer: &'p str,
    /// Who is signed in, as a name to show.
    pub(crate) user: &'p str,
    /// What the client calls itself.
    pub(crate) client_name: Option<&'p str>,
    pub(crate) client_id: &'p str,
    /// The host that the client's description comes from.
    pub(crate) client_host: Option<&'p str>,
    /// `None` for a device.
    pub(crate) redirect_host: Option<&'p str>,
    /// The code that the device shows.
    pub(crate) user_code: Option<&'p str>,
    /// The redirect goes to a program on the user's own machine.
    pub(crate) to_loopback: bool,
    pub(crate) resource_name: &'p str,
    pub(crate) resource: &'p str,
    /// Names of scopes with their meaning in words.
    pub(crate) scopes: Vec<(&'p str, &'p str)>,
    pub(crate) request: &'p str,
    pub(crate) form_token: &'p str,
}

/// Where the user types in the code that a device shows.
#[derive(Template)]
#[template(path = "device.html")]
pub(crate) struct DevicePage<'p> {
    pub(crate) path: &'p str,
    pub(crate) issuer: &'p str,
    pub(crate) form_token: &'p str,
    /// The last code was wrong.
    pub(crate) failed: bool,
}

/// Where the user learns that the device goes on by itself.
#[derive(Template)]
#[template(path = "device_done.html")]
pub(crate) struct DeviceDonePage<'p> {
    pub(crate) path: &'p str,
    pub(crate) approved: bool,
}

/// Where the user learns why there is nothing to decide.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage<'p> {
    pub(crate) path: &'p str,
    pub(crate) message: &'p str,
}

/// A page. Its forms may lead to this server and, for what follows a form, to `redirect_uri`.
pub(crate) fn page(
    status: StatusCode,
    template: &impl Template,
    redirect_uri: Option<&str>,
) -> Response {
    let Ok(html) = template.render() else {
        return answers::status_only(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, html);
    protect(headers, redirect_uri);
    response
}

/// A page that says what is wrong; the browser stays here (AS-51).
pub(crate) fn error(path: &str, status: StatusCode, message: &str) -> Response {
    page(status, &ErrorPage { path, message }, None)
}

/// Sends the browser on with a GET, whatever it came with (AS-67).
pub(crate) fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(location) else {
        return answers::status_only(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = answers::status_only(StatusCode::SEE_OTHER);
    response.headers_mut().insert(header::LOCATION, location);
    protect(response.headers_mut(), None);
    response
}

/// `GET /style.css`.
pub(crate) async fn style() -> Response {
    let mut response = Response::new(Body::from(STYLE));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

/// No framing (SEC-203), no script, nothing from elsewhere (SEC-204), nothing kept (SEC-156), no
/// referrer (SEC-209).
fn protect(headers: &mut HeaderMap, redirect_uri: Option<&str>) {
    let form_target = redirect_uri.map(redirect_uri::form_action_source).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {form_target}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    let policy = HeaderValue::try_from(policy)
        .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answers::no_store(headers);
}
