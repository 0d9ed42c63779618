//! What a client says about itself, and what of it is accepted.

use oauth_as::client_assertion::PRIVATE_KEY_JWT;
use oauth_as::{Client, GrantType, RegistrationErrorCode, RegistrationErrorResponse, ScopeSet};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::redirect_uri::{self, RedirectUriError};
use crate::settings::{BOUND_ID_PREFIX, Dpop, Settings};

/// Characters of a client's name that are kept.
const CLIENT_NAME_CHARS_MAX: usize = 80;

const AUTHORIZATION_CODE: &str = "authorization_code";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

const PUBLIC: &str = "none";
/// RFC 7591 §2: what an omitted `token_endpoint_auth_method` means.
const METHOD_DEFAULT: &str = "client_secret_basic";
const METHODS: [&str; 3] = [PUBLIC, METHOD_DEFAULT, "client_secret_post"];
/// A document cannot hold a secret (AS-35).
const DOCUMENT_METHODS: [&str; 2] = [PUBLIC, PRIVATE_KEY_JWT];

/// The members that are understood; all others are ignored (AS-122). `null` counts as absent.
#[derive(Deserialize)]
struct Requested {
    redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    application_type: Option<String>,
    client_name: Option<String>,
    scope: Option<String>,
    software_statement: Option<IgnoredAny>,
    jwks: Option<IgnoredAny>,
    jwks_uri: Option<IgnoredAny>,
    dpop_bound_access_tokens: Option<bool>,
}

/// What is registered: the public-client profile at most, whatever was asked for (SEC-256).
#[derive(Debug, Serialize)]
pub(crate) struct Accepted {
    pub(crate) redirect_uris: Vec<String>,
    token_endpoint_auth_method: String,
    grant_types: Vec<&'static str>,
    response_types: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dpop_bound_access_tokens: Option<bool>,
}

impl Accepted {
    pub(super) fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == PUBLIC
    }

    /// Whether it authenticates with keys of its own, which only a document can give.
    pub(crate) fn has_keys(&self) -> bool {
        self.token_endpoint_auth_method == PRIVATE_KEY_JWT
    }

    /// Whether it wants bound tokens alone, and gets them (DP-07).
    pub(crate) fn is_bound(&self) -> bool {
        self.dpop_bound_access_tokens == Some(true)
    }

    pub(super) fn method(&self) -> &str {
        &self.token_endpoint_auth_method
    }

    /// What was registered, as far as it is kept: what the client said of its scope and its type had its
    /// effect then.
    pub(super) fn of(client: &Client, method: String) -> Self {
        let grant_types: Vec<&str> = client.grant_types.iter().map(|it| it.as_str()).collect();
        let redirects = grant_types.contains(&AUTHORIZATION_CODE);
        Self {
            redirect_uris: client.redirect_uris.clone(),
            token_endpoint_auth_method: method,
            grant_types,
            response_types: if redirects { vec!["code"] } else { Vec::new() },
            application_type: None,
            client_name: client.name.clone(),
            scope: None,
            dpop_bound_access_tokens: is_bound(client).then_some(true),
        }
    }

    /// The grants as the engine names them.
    pub(crate) fn engine_grant_types(&self) -> Vec<GrantType> {
        self.grant_types.iter().filter_map(|name| GrantType::parse(name)).collect()
    }
}

/// The metadata of a registration request.
pub(super) fn read(
    body: &[u8],
    settings: &Settings,
) -> Result<Accepted, RegistrationErrorResponse> {
    accept(parse(body)?, settings, &METHODS)
}

/// The metadata of a client document: of its redirect URIs only those that `admits` takes, and
/// without a secret, so that no method means that the client is public (AS-35).
pub(crate) fn read_document(
    body: &[u8],
    settings: &Settings,
    admits: impl Fn(&str) -> bool,
) -> Result<Accepted, RegistrationErrorResponse> {
    let mut requested = parse(body)?;
    requested.token_endpoint_auth_method.get_or_insert_with(|| PUBLIC.to_owned());
    if let Some(uris) = &mut requested.redirect_uris {
        let length_max = settings.limits.redirect_uri_bytes;
        uris.retain(|uri| admits(uri) && redirect_uri::check(uri, length_max).is_ok());
    }
    accept(requested, settings, &DOCUMENT_METHODS)
}

fn parse(body: &[u8]) -> Result<Requested, RegistrationErrorResponse> {
    serde_json::from_slice(body)
        .map_err(|_| invalid("the body is not a JSON object of client metadata"))
}

fn accept(
    requested: Requested,
    settings: &Settings,
    methods: &[&str],
) -> Result<Accepted, RegistrationErrorResponse> {
    if requested.software_statement.is_some() {
        return Err(RegistrationErrorResponse::new(
            RegistrationErrorCode::InvalidSoftwareStatement,
            "software statements are not evaluated",
        ));
    }
    if requested.jwks.is_some() && requested.jwks_uri.is_some() {
        return Err(invalid("jwks and jwks_uri exclude each other"));
    }
    let application_type = application_type(requested.application_type.as_deref())?;
    let grant_types = grant_types(requested.grant_types)?;
    let redirects = grant_types.contains(&AUTHORIZATION_CODE);
    let redirect_uris =
        redirect_uris(requested.redirect_uris, redirects, application_type, settings)?;
    let response_types = if redirects { vec!["code"] } else { Vec::new() };
    if requested.response_types.is_some_and(|types| types != response_types) {
        return Err(invalid("response_types must be code alone, and none without redirects"));
    }
    let method = requested.token_endpoint_auth_method.unwrap_or_else(|| METHOD_DEFAULT.to_owned());
    if !methods.contains(&method.as_str()) {
        return Err(invalid("this token_endpoint_auth_method is not supported"));
    }
    Ok(Accepted {
        redirect_uris,
        token_endpoint_auth_method: method,
        grant_types,
        response_types,
        application_type,
        client_name: requested.client_name.as_deref().and_then(shown_name),
        scope: requested.scope.as_deref().map(|scope| known_scope(scope, settings)).transpose()?,
        // Where no token is bound the client is told so, which RFC 7591 §3.2.1 allows, and may go elsewhere.
        dpop_bound_access_tokens: requested
            .dpop_bound_access_tokens
            .map(|wanted| wanted && settings.dpop != Dpop::Off),
    })
}

/// Whether a client of the database gets bound tokens alone: its id says so.
pub(crate) fn is_bound(client: &Client) -> bool {
    client.client_id.as_str().starts_with(BOUND_ID_PREFIX)
}

/// Absent stays absent, and then both kinds of redirect are fine: clients older than the parameter
/// use loopback redirects without it.
fn application_type(
    requested: Option<&str>,
) -> Result<Option<&'static str>, RegistrationErrorResponse> {
    match requested {
        None => Ok(None),
        Some("native") => Ok(Some("native")),
        Some("web") => Ok(Some("web")),
        Some(_) => Err(invalid("application_type must be native or web")),
    }
}

fn redirect_uris(
    requested: Option<Vec<String>>,
    is_needed: bool,
    application_type: Option<&str>,
    settings: &Settings,
) -> Result<Vec<String>, RegistrationErrorResponse> {
    let mut uris = requested.unwrap_or_default();
    if uris.len() > settings.limits.redirect_uris {
        return Err(invalid("too many redirect URIs"));
    }
    // Desktop clients register one beside others; RFC 7591 §3.2.1 allows to leave it out (§9.3).
    let names_some = !uris.is_empty();
    uris.retain(|uri| !redirect_uri::is_private_use(uri));
    let refuse = |description| {
        RegistrationErrorResponse::new(RegistrationErrorCode::InvalidRedirectUri, description)
    };
    if (is_needed || names_some) && uris.is_empty() {
        return Err(refuse("at least one redirect URI is needed"));
    }
    for uri in &uris {
        match redirect_uri::check(uri, settings.limits.redirect_uri_bytes) {
            Ok(()) => {}
            Err(RedirectUriError::Length) => {
                return Err(invalid(RedirectUriError::Length.description()));
            }
            Err(error) => return Err(refuse(error.description())),
        }
        if application_type == Some("web") && redirect_uri::is_loopback(uri) {
            return Err(refuse(RedirectUriError::LoopbackForWeb.description()));
        }
    }
    Ok(uris)
}

/// Implicit and password are refused (AS-125); other grants that are not offered are left out of
/// what is registered, which RFC 7591 §3.2.1 allows.
fn grant_types(
    requested: Option<Vec<String>>,
) -> Result<Vec<&'static str>, RegistrationErrorResponse> {
    let Some(requested) = requested else { return Ok(vec![AUTHORIZATION_CODE]) };
    if requested.iter().any(|name| name == "implicit" || name == "password") {
        return Err(invalid("OAuth 2.1 has no implicit and no password grant"));
    }
    let offered = [AUTHORIZATION_CODE, DEVICE_CODE, "refresh_token"];
    let accepted: Vec<&str> =
        offered.into_iter().filter(|offer| requested.iter().any(|name| name == offer)).collect();
    if !accepted.contains(&AUTHORIZATION_CODE) && !accepted.contains(&DEVICE_CODE) {
        return Err(invalid("grant_types must contain authorization_code or device_code"));
    }
    Ok(accepted)
}

fn known_scope(scope: &str, settings: &Settings) -> Result<String, RegistrationErrorResponse> {
    let scope = ScopeSet::parse(scope).map_err(|_| invalid("scope is malformed"))?;
    let offered = |name: &str| {
        settings.resources.iter().flat_map(|it| &it.scopes).any(|offer| offer.name == name)
    };
    let known: Vec<&str> = scope.iter().map(|it| it.as_str()).filter(|it| offered(it)).collect();
    Ok(known.join(" "))
}

/// The name as it is kept and shown: on one line, of bounded length, without characters that turn
/// the writing direction or take no room (SEC-204).
pub(crate) fn shown_name(name: &str) -> Option<String> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
            || ('\u{200b}'..='\u{200f}').contains(&c)
            || ('\u{2028}'..='\u{202e}').contains(&c)
            || ('\u{2060}'..='\u{206f}').contains(&c)
            || ('\u{fff9}'..='\u{fffb}').contains(&c)
            || ('\u{e0000}'..='\u{e0fff}').contains(&c)
    };
    let shown: String = name.chars().filter(|c| !hidden(*c)).take(CLIENT_NAME_CHARS_MAX).collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

fn invalid(description: &'static str) -> RegistrationErrorResponse {
    RegistrationErrorResponse::new(RegistrationErrorCode::InvalidClientMetadata, description)
}

#[cfg(test)]
mod tests;
