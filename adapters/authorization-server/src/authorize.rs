//! `GET /authorize`: what a client asks for, checked before any user is bothered.
//!
//! A GET changes nothing that a second GET would notice: it leaves a record that waits for the
//! user, and the same query from the same browser finds the same record.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::request::Parts;
use http::{StatusCode, header};
use oauth_as::authorization::{AuthorizationError, AuthorizationErrorRedirect};
use oauth_as::{
    AuthorizationRequest, Client, ClientId, ErrorCode, ErrorResponse, ScopeSet, Storage,
    ValidatedAuthorizationRequest,
};

use crate::answers::Response;
use crate::audit::{audit, printable};
use crate::browser::{self, Browser};
use crate::client_document::LookUpError;
use crate::form::Form;
use crate::secrets::random_text;
use crate::server::Inner;
use crate::sessions::{Asked, NewPending, Outcome, Pending, PendingError, Unavailable};
use crate::settings::Resource;
use crate::throttle::Peer;
use crate::{pages, redirect_uri};

/// The parameters that the engine judges as they came; it sees no other.
const PLAIN_PARAMETERS: [&str; 4] =
    ["response_type", "state", "code_challenge", "code_challenge_method"];

/// Why the browser stays here: nothing in the request can be trusted to redirect to (AS-51).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Form,
    Client,
    Document,
    RedirectUri,
    TooMany,
    Unavailable,
}

impl Refusal {
    const fn message(self) -> (StatusCode, &'static str) {
        let bad = StatusCode::BAD_REQUEST;
        match self {
            Self::Form => (bad, "The app sent a request that cannot be read."),
            Self::Client => (bad, "The app is not known here. It may have to register again."),
            Self::Document => {
                (bad, "The app's description could not be fetched, or it is not acceptable here.")
            }
            Self::RedirectUri => {
                (bad, "The app asked to be answered at an address that it did not register.")
            }
            Self::TooMany => {
                (StatusCode::TOO_MANY_REQUESTS, "Too many requests at once. Try again later.")
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "This does not work right now. Try again later.")
            }
        }
    }
}

/// Checks the request and sends the browser to sign in, or to decide (AS-50 to AS-66).
pub(crate) async fn authorize(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    match begin(&server, &head).await {
        Ok(response) => response,
        Err(refusal) => {
            let (status, message) = refusal.message();
            let peer = Peer::of(&head.extensions);
            audit!(info, "authorization request refused", ?refusal, %peer);
            pages::error(&server.endpoints.path, status, message)
        }
    }
}

async fn begin(server: &Inner, head: &Parts) -> Result<Response, Refusal> {
    let query = head.uri.query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).map_err(|_| Refusal::Form)?;
    let peer = Peer::of(&head.extensions);
    let client = client(server, &form, peer).await?;
    let (registered, redirect_uri) = redirect_uri_of(&client, &form)?;
    let outcome = evaluate(server, &form, &client, registered, redirect_uri).await?;

    let now = server.settings.clock.now();
    let (browser, is_new) = match Browser::of(server, &head.headers) {
        Some(browser) => (browser, false),
        None => (Browser { secret: random_text().map_err(|_| Refusal::Unavailable)? }, true),
    };
    let subject = server.sessions.subject(browser.digest(), now).await;
    let subject = subject.map_err(|Unavailable| Refusal::Unavailable)?;
    // AS-61: an error goes to the client only after the user has signed in.
    if let (Some(_), Outcome::Refuse(error)) = (&subject, &outcome) {
        return Ok(pages::see_other(&error.location()));
    }
    let pending = Pending {
        client_id: client.client_id.as_str().to_owned(),
        client_name: client.name.clone(),
        redirect_uri: redirect_uri.to_owned(),
        outcome,
    };
    let new = NewPending { browser: browser.digest(), peer, query, pending };
    let id = server.sessions.wait(new, now).await.map_err(|error| match error {
        PendingError::TooMany => Refusal::TooMany,
        PendingError::Unavailable => Refusal::Unavailable,
    })?;
    let next = if subject.is_some() { "consent" } else { "login" };
    let mut response = pages::see_other(&format!("{}/{next}?request={id}", server.endpoints.path));
    if is_new && let Some(cookie) = browser::set_cookie(server, &browser.secret) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn client(server: &Inner, form: &Form, peer: Peer) -> Result<Arc<Client>, Refusal> {
    let client_id = ClientId::new(form.get("client_id").ok_or(Refusal::Client)?);
    server.meet(client_id.as_str(), peer).await.map_err(|error| match error {
        LookUpError::Unknown => Refusal::Document,
        LookUpError::TooMany => Refusal::TooMany,
    })?;
    let found = server.engine.store().get_client(&client_id).await;
    found.map_err(|_| Refusal::Unavailable)?.ok_or(Refusal::Client)
}

/// The registration that covers the request's redirect URI, and the URI itself.
///
/// Matched here: the engine lets a port differ only for public clients, only between URIs that both
/// have one, and never for `localhost`; the clients of today need all of these (AS-55).
fn redirect_uri_of<'a>(client: &'a Client, form: &'a Form) -> Result<(&'a str, &'a str), Refusal> {
    let requested = form.get("redirect_uri").ok_or(Refusal::RedirectUri)?;
    client
        .redirect_uris
        .iter()
        .find(|registered| redirect_uri::matches(registered, requested))
        .map(|registered| (registered.as_str(), requested))
        .ok_or(Refusal::RedirectUri)
}

/// Lets the engine judge the request, with the registered redirect URI and with the scope and the
/// resource as they come out of our own rules.
async fn evaluate(
    server: &Inner,
    form: &Form,
    client: &Client,
    registered: &str,
    requested: &str,
) -> Result<Outcome, Refusal> {
    let target = target(server, form);
    let scope = match &target {
        Ok(resource) => granted_scope(resource, form.get("scope")),
        Err(error) => Err(error.clone()),
    };
    let mut pairs: Vec<(&str, &str)> = PLAIN_PARAMETERS
        .into_iter()
        .filter_map(|name| form.get(name).map(|value| (name, value)))
        .collect();
    pairs.push(("client_id", client.client_id.as_str()));
    pairs.push(("redirect_uri", registered));
    if let Ok(resource) = &target {
        pairs.push(("resource", &resource.identifier));
    }
    if let Ok(scope) = &scope {
        pairs.push(("scope", scope));
    }
    match validate(server, &pairs, requested).await {
        Ok(validated) => {
            let error = match (target, &scope) {
                (Ok(resource), Ok(_)) => {
                    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                    return Ok(Outcome::Ask(Asked {
                        parameters: pairs.into_iter().map(owned).collect(),
                        redirect_uri: requested.to_owned(),
                        scope: validated.scope,
                        resource: resource.identifier.clone(),
                    }));
                }
                (Err(error), _) => error,
                (_, Err(error)) => error.clone(),
            };
            let denied = validated.denied();
            Ok(Outcome::Refuse(AuthorizationErrorRedirect { error, ..denied }))
        }
        Err(AuthorizationError::Redirect(refused)) => Ok(Outcome::Refuse(refused)),
        Err(AuthorizationError::Direct(_)) => Err(Refusal::Unavailable),
    }
}

/// Puts a request to the engine, with the answer to go to `redirect_uri`.
async fn validate(
    server: &Inner,
    pairs: &[(&str, &str)],
    redirect_uri: &str,
) -> Result<ValidatedAuthorizationRequest, AuthorizationError> {
    let request = AuthorizationRequest::from_pairs(pairs.iter().copied());
    match server.engine.validate_authorization_request(&request).await {
        Ok(mut validated) => {
            redirect_uri.clone_into(&mut validated.redirect_uri);
            // AS-87: the token request need not repeat the redirect URI, but must not differ.
            validated.redirect_uri_was_explicit = false;
            Ok(validated)
        }
        Err(AuthorizationError::Redirect(mut refused)) => {
            redirect_uri.clone_into(&mut refused.redirect_uri);
            Err(AuthorizationError::Redirect(refused))
        }
        Err(direct) => Err(direct),
    }
}

/// What waited, as the engine takes it now.
pub(crate) async fn validate_again(
    server: &Inner,
    asked: &Asked,
) -> Result<ValidatedAuthorizationRequest, AuthorizationError> {
    let parameters = asked.parameters.iter();
    let pairs: Vec<(&str, &str)> =
        parameters.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    validate(server, &pairs, &asked.redirect_uri).await
}

/// Exactly one resource that this server serves; absent only where a default is set (AS-60).
pub(crate) fn target<'s>(server: &'s Inner, form: &Form) -> Result<&'s Resource, ErrorResponse> {
    let mut named = form.all("resource");
    let resource = match (named.next(), named.next()) {
        (Some(identifier), None) => server.settings.resource(identifier),
        (None, _) => assumed(server, form),
        (Some(_), Some(_)) => None,
    };
    let unknown = || {
        ErrorResponse::new(ErrorCode::InvalidTarget)
            .with_description("exactly one resource of this server must be named")
    };
    resource.ok_or_else(unknown)
}

/// What a client means that names no resource. Who still does not is worth knowing.
fn assumed<'s>(server: &'s Inner, form: &Form) -> Option<&'s Resource> {
    let resource = server.settings.default_resource()?;
    let client_id = form.get("client_id").map(printable);
    audit!(info, "resource assumed", client_id, resource = resource.identifier);
    Some(resource)
}

/// What of the requested scope the resource has; its default scope when none is named.
///
/// Less than asked is allowed (AS-71) and needed: some clients ask for all of `scopes_supported`,
/// which here covers several resources. The token answer says what was granted.
pub(crate) fn granted_scope(
    resource: &Resource,
    requested: Option<&str>,
) -> Result<String, ErrorResponse> {
    let invalid = || ErrorResponse::new(ErrorCode::InvalidScope);
    let Some(requested) = requested else { return Ok(resource.default_scope()) };
    let requested = ScopeSet::parse(requested).map_err(|_| invalid())?;
    let granted: Vec<&str> = requested
        .iter()
        .map(|scope| scope.as_str())
        .filter(|name| resource.scopes.iter().any(|scope| scope.name == *name))
        .collect();
    if granted.is_empty() {
        return Err(invalid().with_description("the resource has none of these scopes"));
    }
    Ok(granted.join(" "))
}
