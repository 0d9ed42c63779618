//! What a document says, and which client that makes.

use oauth_as::{Client, ClientAuth, ClientId, RegistrationErrorCode, ScopeSet};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::keys;
use super::url::DocumentUrl;
use crate::redirect_uri;
use crate::registration::metadata;
use crate::server::every_scope;
use crate::settings::Settings;

/// Why a document makes no client. For the log: whoever asked hears one word for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DocumentError {
    /// Not a JSON object of client metadata, or a member occurs twice.
    Json,
    /// `client_id` is not the URL (AS-32).
    ClientId,
    /// It has a secret, which everybody could read (AS-35).
    Secret,
    /// Its keys cannot be used, or it has none and should, or has some and should not (AS-36).
    Keys,
    /// No `client_name` (AS-33).
    Name,
    /// No redirect URI on its own origin, or on loopback.
    RedirectUri,
    /// Metadata that a registration could not have either.
    Metadata,
}

/// The members that a registration does not have.
#[derive(Deserialize)]
struct Document<'d> {
    client_id: Option<String>,
    client_secret: Option<IgnoredAny>,
    client_secret_expires_at: Option<IgnoredAny>,
    #[serde(borrow)]
    jwks: Option<&'d RawValue>,
    jwks_uri: Option<String>,
    token_endpoint_auth_signing_alg: Option<String>,
}

/// A client that a document describes, as far as the document alone tells.
#[derive(Debug)]
pub(super) enum Described {
    /// All of it.
    Whole(Client),
    /// All but its keys, which are a document of their own (AS-36).
    KeysElsewhere {
        client: Client,
        jwks_uri: String,
        /// The algorithm that it signs with, if it says so.
        algorithm: Option<String>,
    },
}

/// What one document says.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) described: Described,
    /// The client gets bound tokens alone (DP-07).
    pub(super) is_bound: bool,
}

/// The client that `body`, fetched from `url`, describes.
///
/// Its metadata are judged as at registration, with three differences. A client that has no secret is
/// public, whatever RFC 7591 takes an absent method for. It may have keys, and then authenticates with
/// them wherever clients do. And redirect URIs that cannot be taken are
/// left out, because one document is for many authorization servers: those on another origin
/// than the document, whose owner would get the codes of this client, and those of another scheme.
pub(super) fn client(
    url: DocumentUrl<'_>,
    body: &[u8],
    settings: &Settings,
) -> Result<Reading, DocumentError> {
    let document: Document<'_> = serde_json::from_slice(body).map_err(|_| DocumentError::Json)?;
    if document.client_id.as_deref() != Some(url.as_str()) {
        return Err(DocumentError::ClientId);
    }
    if document.client_secret.is_some() || document.client_secret_expires_at.is_some() {
        return Err(DocumentError::Secret);
    }
    let redirects_here = |uri: &str| url.is_same_origin(uri) || redirect_uri::is_loopback(uri);
    let accepted =
        metadata::read_document(body, settings, redirects_here).map_err(|refusal| match refusal
            .error
        {
            RegistrationErrorCode::InvalidRedirectUri => DocumentError::RedirectUri,
            _ => DocumentError::Metadata,
        })?;
    if accepted.client_name.is_none() {
        return Err(DocumentError::Name);
    }
    let is_bound = accepted.is_bound();
    let algorithm = document.token_endpoint_auth_signing_alg;
    // A client with keys that does not say what for is not taken for one that anybody can be.
    let (auth, elsewhere) = match (accepted.has_keys(), document.jwks, document.jwks_uri) {
        (false, None, None) => (ClientAuth::Public, None),
        (true, Some(jwks), None) => {
            (keys::read(jwks.get().as_bytes(), algorithm.as_deref())?, None)
        }
        (true, None, Some(uri)) => (ClientAuth::Public, Some(uri)),
        _ => return Err(DocumentError::Keys),
    };
    let client = Client {
        client_id: ClientId::new(url.as_str()),
        auth,
        grant_types: accepted.engine_grant_types(),
        redirect_uris: accepted.redirect_uris,
        allowed_scopes: every_scope(settings),
        default_scopes: ScopeSet::empty(),
        name: accepted.client_name,
        registration: None,
    };
    let described = match elsewhere {
        Some(jwks_uri) => Described::KeysElsewhere { client, jwks_uri, algorithm },
        None => Described::Whole(client),
    };
    Ok(Reading { described, is_bound })
}

#[cfg(test)]
mod tests;
