//! The cookie that a browser is known by, and the forms that it sends.

use axum::extract::Request;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::answers::{self, Response};
use crate::form::Form;
use crate::pages;
use crate::secrets::Digest;
use crate::server::Inner;
use crate::throttle::Peer;

pub(crate) const GONE: &str = "This request is unknown or has expired, or it was started in another browser. \
     Go back to the app and start again.";
/// Said when the records cannot be used.
pub(crate) const UNAVAILABLE: &str = "This does not work right now. Try again later.";
const FOREIGN: &str = "This form was not sent from a page of this server.";

/// A browser's secret, as its cookie carries it. Only the digest is kept on the server.
pub(crate) struct Browser {
    pub(crate) secret: String,
}

impl Browser {
    /// The browser of a request. Two cookies of the name count as none: one of them was planted.
    pub(crate) fn of(server: &Inner, headers: &HeaderMap) -> Option<Self> {
        let name = cookie_name(server);
        let mut secrets = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(known, _)| *known == name)
            .map(|(_, secret)| secret.to_owned());
        match (secrets.next(), secrets.next()) {
            (Some(secret), None) => Some(Self { secret }),
            _ => None,
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.secret)
    }
}

/// A form that a page of this server gave to this browser, for this purpose and this record.
pub(crate) struct Submission {
    pub(crate) form: Form,
    pub(crate) browser: Browser,
    pub(crate) peer: Peer,
}

impl Submission {
    /// Reads a posted form, or gives the page that refuses it (SEC-201).
    pub(crate) async fn read(
        server: &Inner,
        purpose: &str,
        request: Request,
    ) -> Result<Self, Response> {
        let refuse = |status, message| pages::error(&server.endpoints.path, status, message);
        let (head, body) = request.into_parts();
        let form = answers::read_form(&head.headers, body)
            .await
            .map_err(|refused| refuse(refused.status(), "The form cannot be read."))?;
        if !is_own_form(server, &head.headers) {
            return Err(refuse(StatusCode::FORBIDDEN, FOREIGN));
        }
        let browser = Browser::of(server, &head.headers)
            .ok_or_else(|| refuse(StatusCode::BAD_REQUEST, GONE))?;
        let submission = Self { form, browser, peer: Peer::of(&head.extensions) };
        let token = submission.form.get("form_token").unwrap_or_default();
        let secret = &submission.browser.secret;
        if !server.form_tokens.accepts(purpose, submission.record(), secret, token) {
            return Err(refuse(StatusCode::FORBIDDEN, FOREIGN));
        }
        Ok(submission)
    }

    /// The id of the record that the form is about.
    pub(crate) fn record(&self) -> &str {
        self.form.get("request").unwrap_or_default()
    }
}

/// The field that gives `secret` to the browser: unreadable for scripts, not sent along with
/// requests that other sites start, bar following a link.
pub(crate) fn set_cookie(server: &Inner, secret: &str) -> Option<HeaderValue> {
    let secure = if is_https(server) { "; Secure" } else { "" };
    let name = cookie_name(server);
    let field = format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax{secure}");
    let mut value = HeaderValue::try_from(field).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether a form was sent from a page of this server (SEC-201).
///
/// Browsers state it in `Sec-Fetch-Site`, which no page can forge. Without that field, `Origin`
/// must be ours, if there is one. (`Origin: null` comes even from our own pages, because of their
/// referrer policy, but then together with `Sec-Fetch-Site`.) A program that is no browser sends
/// neither, and has no user whose cookies it could abuse. The form token is checked in any case.
fn is_own_form(server: &Inner, headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let own = server.endpoints.origin.as_bytes();
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        Some(site) => site == b"same-origin" && origin.is_none_or(|it| it == own || it == b"null"),
        None => origin.is_none_or(|it| it == own),
    }
}

fn is_https(server: &Inner) -> bool {
    server.settings.issuer.starts_with("https://")
}

/// The `__Host-` prefix keeps subdomains from planting the cookie, but only works over `https`.
fn cookie_name(server: &Inner) -> &'static str {
    if is_https(server) { "__Host-portcullis" } else { "portcullis" }
}
