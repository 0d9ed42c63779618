//! The metadata of one authorization server, at the places where clients look for it (AS-02 to AS-13).

use portcullis_core::{
    client::Pkce,
    metadata::{
        MetadataError, authorization_server::AuthorizationServer,
        well_known::authorization_server_urls,
    },
};

use super::{
    document::{Document, Kind, Place},
    examination::Examination,
    net::Failure,
    rules::{self, Rule},
};

const KIND: Kind = Kind {
    redirects: &rules::METADATA_REDIRECTS,
    needs_token: None,
    trouble: &rules::METADATA_TROUBLE,
    media_type: &rules::METADATA_MEDIA_TYPE,
    too_long: &rules::METADATA_TOO_LONG,
    slow: &rules::METADATA_SLOW,
    empty_list: &rules::METADATA_EMPTY_LIST,
};

/// What is asked further.
pub(super) struct Found {
    pub(super) authorization_endpoint: String,
    pub(super) jwks_uri: Option<String>,
}

/// Reads and judges the metadata of `issuer`; `None` when nothing of it may be used.
pub(super) async fn check(examination: &mut Examination, issuer: &str) -> Option<Found> {
    if let Err(refusal) = examination.net.reach().admit(issuer) {
        examination.report.find(&rules::ISSUER_URL, issuer, refusal.to_string());
        return None;
    }
    let candidates: Vec<String> = match authorization_server_urls(issuer) {
        Ok(candidates) => candidates.map(|candidate| candidate.to_string()).collect(),
        Err(error) => {
            examination.report.find(&rules::ISSUER_URL, issuer, error.to_string());
            return None;
        }
    };
    let (document, later) = first(examination, issuer, &candidates).await?;
    let found = judge(examination, issuer, &document)?;
    compare(examination, issuer, &document, later).await;
    Some(found)
}

/// The first document, and the places behind it.
async fn first<'c>(
    examination: &mut Examination,
    issuer: &str,
    candidates: &'c [String],
) -> Option<(Document, &'c [String])> {
    let mut reasons = Vec::new();
    let mut later = candidates;
    while let Some((candidate, rest)) = later.split_first() {
        later = rest;
        match examination.place(candidate, &KIND).await {
            Place::Document(document) => return Some((document, later)),
            Place::NotHere(reason) => reasons.push(format!("{candidate}: {reason}")),
            Place::Trouble => return None,
        }
    }
    examination.report.find(&rules::NO_METADATA, issuer, reasons.join("; "));
    None
}

fn judge(examination: &mut Examination, issuer: &str, document: &Document) -> Option<Found> {
    let reach = examination.net.reach();
    let report = &mut examination.report;
    let url = document.url.as_str();
    document.read(|body, scratch| {
        let server = match AuthorizationServer::parse(body, scratch) {
            Ok(server) => server,
            Err(error) => {
                let rule = match error {
                    MetadataError::Missing => &rules::METADATA_MEMBERS,
                    _ => &rules::METADATA_UNREADABLE,
                };
                report.find(rule, url, error.to_string());
                return None;
            }
        };
        if server.validate_issuer(issuer).is_err() {
            let bare = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
            let by_slash = bare(server.issuer) == bare(issuer);
            let rule = if by_slash { &rules::ISSUER_SLASH } else { &rules::OTHER_ISSUER };
            let seen = format!("{} instead of {issuer}", server.issuer);
            report.find(rule, url, seen);
            return None;
        }
        let mut find = |rule: &'static Rule, detail: &str| report.find(rule, url, detail);
        capabilities(&server, document, &mut find);
        let endpoints = [
            ("authorization_endpoint", Some(server.authorization_endpoint)),
            ("token_endpoint", Some(server.token_endpoint)),
            ("registration_endpoint", server.registration_endpoint),
            ("revocation_endpoint", server.revocation_endpoint),
            ("introspection_endpoint", server.introspection_endpoint),
            ("jwks_uri", server.jwks_uri),
        ];
        for (name, endpoint) in endpoints {
            if let Some(refusal) = endpoint.and_then(|endpoint| reach.admit(endpoint).err()) {
                find(&rules::ENDPOINT_URL, &format!("{name}: {refusal}"));
            }
        }
        report.fact("authorization server", issuer);
        report.fact("registration", registration(&server));
        Some(Found {
            authorization_endpoint: server.authorization_endpoint.to_owned(),
            jwks_uri: server.jwks_uri.map(str::to_owned),
        })
    })
}

/// What a client can do with it.
fn capabilities(
    server: &AuthorizationServer<'_>,
    document: &Document,
    find: &mut impl FnMut(&'static Rule, &str),
) {
    let response_types = &server.response_types_supported;
    if response_types.is_empty() {
        find(&rules::NO_RESPONSE_TYPES, "");
    } else if !response_types.contains("code") {
        find(&rules::NO_CODE, "");
    }
    let pkce = &server.code_challenge_methods_supported;
    if !pkce.contains(Pkce::METHOD) {
        find(&rules::NO_PKCE, "");
    } else if pkce.contains("plain") {
        find(&rules::PLAIN_PKCE, "");
    }
    let grants = &server.grant_types_supported;
    if grants.is_empty() {
        find(&rules::NO_GRANT_TYPES, "");
    } else if !grants.contains("authorization_code") {
        find(&rules::NO_CODE_GRANT, "");
    }
    let methods = &server.token_endpoint_auth_methods_supported;
    if methods.is_empty() {
        find(&rules::NO_AUTH_METHODS, "");
    } else if !methods.contains("none") {
        find(&rules::NO_PUBLIC_CLIENTS, "");
    }
    const ALGORITHMS: &str = "token_endpoint_auth_signing_alg_values_supported";
    let states_algorithms =
        document.members().is_some_and(|members| members.contains_key(ALGORITHMS));
    if methods.contains("private_key_jwt") && !states_algorithms {
        find(&rules::NO_ASSERTION_ALGORITHMS, "");
    }
    if document.lists(ALGORITHMS, "none") {
        find(&rules::ALGORITHM_NONE, "");
    }
    if !server.authorization_response_iss_parameter_supported {
        find(&rules::NO_ISS, "");
    }
    if server.registration_endpoint.is_none() && !server.client_id_metadata_document_supported {
        find(&rules::NO_REGISTRATION, "");
    }
}

fn registration(server: &AuthorizationServer<'_>) -> &'static str {
    match (server.client_id_metadata_document_supported, server.registration_endpoint) {
        (true, Some(_)) => "by client document, or dynamic",
        (true, None) => "by client document",
        (false, Some(_)) => "dynamic",
        (false, None) => "by an administrator",
    }
}

/// Whether later places tell the same: clients differ in where they begin.
async fn compare(
    examination: &mut Examination,
    issuer: &str,
    document: &Document,
    later: &[String],
) {
    const COMPARED: [&str; 5] = [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
        "code_challenge_methods_supported",
    ];
    let members = document.members().unwrap_or_default();
    for url in later {
        let Ok(answer) = examination.net.get(url).await else { continue };
        let Ok(other) =
            serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&answer.body)
        else {
            continue;
        };
        // Another document at such a place is somebody else's.
        if answer.status != 200 || other.get("issuer").is_none_or(|other| other != issuer) {
            continue;
        }
        let differing: Vec<&str> =
            COMPARED.into_iter().filter(|name| members.get(*name) != other.get(*name)).collect();
        if !differing.is_empty() {
            examination.report.find(&rules::METADATA_DISAGREE, url, differing.join(", "));
        }
    }
}

/// What an endpoint that cannot be asked is called.
pub(super) fn no_endpoint(
    examination: &mut Examination,
    url: &str,
    failure: &Failure,
    otherwise: &'static Rule,
) {
    match failure {
        // It is told as a fault of the metadata.
        Failure::Url(_) => {}
        Failure::Forbidden(_) => {
            examination.report.find(&rules::ISSUER_FORBIDDEN, url, failure.to_string());
        }
        Failure::Tls(error) => examination.report.find(&rules::TLS_INVALID, url, error),
        other => examination.report.find(otherwise, url, other.to_string()),
    }
}
