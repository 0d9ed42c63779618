//! The metadata of the protected resource, at every place where clients look for it (RS-01 to RS-17).

use http::{Method, header};
use portcullis_core::{
    encoding::uri::Uri,
    metadata::{
        protected_resource::{BearerMethods, ProtectedResource},
        well_known::prm_candidates,
    },
};

use super::{
    document::{Document, Kind, Place},
    examination::Examination,
    net::Ask,
    rules,
    server::Challenge,
};

const KIND: Kind = Kind {
    redirects: &rules::PRM_REDIRECTS,
    needs_token: Some(&rules::PRM_NEEDS_TOKEN),
    trouble: &rules::PRM_TROUBLE,
    media_type: &rules::PRM_MEDIA_TYPE,
    too_long: &rules::PRM_TOO_LONG,
    slow: &rules::PRM_SLOW,
    empty_list: &rules::PRM_EMPTY_LIST,
};

/// Reads and judges the documents; the issuers that they name.
pub(super) async fn check(examination: &mut Examination, challenge: &Challenge) -> Vec<String> {
    let pointed = pointed(examination, challenge).await;
    let pointer = challenge.resource_metadata.as_deref();
    let guessed = guessed(examination, pointer, pointed.as_ref()).await;
    let (main, other) = match (pointed, guessed) {
        (Some(pointed), guessed) => (pointed, guessed),
        (None, Some(guessed)) => (guessed, None),
        (None, None) => {
            // A server for everybody needs none; that it is open is told already.
            if !examination.report.has(&rules::OPEN_SERVER) {
                let url = examination.url.clone();
                examination.report.find(&rules::NO_PRM, &url, "");
            }
            return Vec::new();
        }
    };
    let mut issuers = judge(examination, &main, challenge);
    if let Some(other) = other.filter(|other| other.body != main.body) {
        for issuer in judge(examination, &other, challenge) {
            if !issuers.contains(&issuer) {
                issuers.push(issuer);
            }
        }
    }
    public(examination, &main).await;
    issuers
}

/// The document that the challenge points to.
async fn pointed(examination: &mut Examination, challenge: &Challenge) -> Option<Document> {
    let pointer = challenge.resource_metadata.as_deref()?;
    let url = examination.url.clone();
    let Ok(uri) = examination.net.reach().admit(pointer) else {
        examination.report.find(&rules::POINTER_URL, &url, pointer);
        return None;
    };
    let server = Uri::parse(&url).ok().and_then(Uri::origin);
    if uri.origin() != server {
        examination.report.find(&rules::POINTER_ORIGIN, &url, pointer);
    }
    match examination.place(pointer, &KIND).await {
        Place::Document(document) => Some(document),
        Place::NotHere(reason) => {
            examination.report.find(&rules::POINTER_BROKEN, pointer, reason);
            None
        }
        Place::Trouble => None,
    }
}

/// The document at the well-known places, in a client's order (CL-03).
async fn guessed(
    examination: &mut Examination,
    pointer: Option<&str>,
    pointed: Option<&Document>,
) -> Option<Document> {
    let url = examination.url.clone();
    let candidates: Vec<String> =
        prm_candidates(&url).ok()?.map(|candidate| candidate.to_string()).collect();
    for candidate in &candidates {
        if pointer == Some(candidate) {
            // It was asked, and what is wrong with it is told.
            if pointed.is_some() {
                return None;
            }
            continue;
        }
        match examination.place(candidate, &KIND).await {
            Place::Document(document) => return Some(document),
            Place::NotHere(_) => {}
            Place::Trouble => return None,
        }
    }
    if let (Some(_), Some(first)) = (pointed, candidates.first()) {
        examination.report.find(&rules::NO_PATH_FORM, first, "");
    }
    None
}

/// What the document says.
fn judge(examination: &mut Examination, document: &Document, challenge: &Challenge) -> Vec<String> {
    let Some(issuers) = judge_required(examination, document) else { return Vec::new() };
    let report = &mut examination.report;
    let url = &document.url;
    let lists = |member, text| document.lists(member, text);
    if lists("scopes_supported", "offline_access") {
        report.find(&rules::PRM_OFFLINE, url, "");
    }
    let members = document.members().unwrap_or_default();
    if !members.contains_key("scopes_supported") && !challenge.has_scope {
        report.find(&rules::NO_SCOPE, url, "");
    }
    if ["query", "body"].into_iter().any(|method| lists("bearer_methods_supported", method))
        && !report.has(&rules::PRM_NO_HEADER)
    {
        report.find(&rules::PRM_OTHER_METHODS, url, "");
    }
    report.fact("resource metadata", url);
    issuers
}

/// What no client can do without.
fn judge_required(examination: &mut Examination, document: &Document) -> Option<Vec<String>> {
    let url = &document.url;
    let server_url = examination.url.clone();
    let reach = examination.net.reach();
    let report = &mut examination.report;
    document.read(|body, scratch| {
        let resource = match ProtectedResource::parse(body, scratch) {
            Ok(resource) => resource,
            Err(error) => {
                let members = document.members().unwrap_or_default();
                let is_missing = |name: &str| match members.get(name) {
                    None => true,
                    Some(value) => value.as_array().is_some_and(Vec::is_empty) || value == "",
                };
                let rule = match () {
                    () if members.is_empty() => &rules::PRM_UNREADABLE,
                    () if is_missing("resource") => &rules::PRM_NO_RESOURCE,
                    () if is_missing("authorization_servers") => &rules::PRM_NO_ISSUER,
                    () => &rules::PRM_UNREADABLE,
                };
                report.find(rule, url, error.to_string());
                return None;
            }
        };
        let said = resource.resource;
        let is_plain = reach.admit(said).is_ok_and(|uri| uri.query().is_none());
        if !is_plain {
            report.find(&rules::PRM_RESOURCE_SYNTAX, url, said);
        } else if !resource.matches(&server_url) {
            report.find(&rules::PRM_OTHER_RESOURCE, url, said);
        } else if !resource.matches_exactly(&server_url) {
            report.find(&rules::PRM_INEXACT_RESOURCE, url, said);
        }
        if resource.bearer_methods_supported == BearerMethods::WithoutHeader {
            report.find(&rules::PRM_NO_HEADER, url, "");
        }
        Some(resource.authorization_servers.iter().map(|it| (*it).to_owned()).collect())
    })
}

/// How public data is served.
async fn public(examination: &mut Examination, document: &Document) {
    let report = &mut examination.report;
    if !document.fields.contains_key(header::CACHE_CONTROL) {
        report.find(&rules::PRM_NO_CACHE, &document.url, "");
    }
    let fields = [(header::ORIGIN, super::server::ORIGIN), (header::ACCEPT, "application/json")];
    let ask = |method| Ask { method, url: &document.url, fields: &fields, body: "" };
    if let Ok(answer) = examination.net.ask(ask(Method::GET)).await
        && !answer.fields.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        examination.report.find(&rules::PRM_NO_CORS, &document.url, "");
    }
    if let Ok(answer) = examination.net.ask(ask(Method::HEAD)).await
        && answer.status != 200
    {
        let seen = format!("status {}", answer.status);
        examination.report.find(&rules::PRM_HEAD, &document.url, seen);
    }
}
