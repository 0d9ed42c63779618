//! What can be seen of an authorization server's endpoints without a client of one's own.

use std::collections::BTreeSet;

use http::{Method, header};
use portcullis_tokio::public_keys::PublicKeys;
use serde_json::Value;

use super::{
    examination::Examination,
    issuer::{Found, no_endpoint},
    net::Ask,
    rules,
    server::ORIGIN,
};

/// A redirect URI that no client can have: the name cannot exist (RFC 2606 §2).
const REDIRECT_URI: &str = "https://portcullis-doctor.invalid/callback";
/// A request of a client that nobody registered. It carries a challenge (RFC 7636, appendix B), so that nothing
/// else is wrong with it.
const UNKNOWN_CLIENT: &str = "response_type=code&client_id=portcullis-doctor-unknown-client\
    &redirect_uri=https%3A%2F%2Fportcullis-doctor.invalid%2Fcallback&state=portcullis-doctor\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
/// Members of a key that belong to its owner alone (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 2] = ["d", "k"];

pub(super) async fn check(examination: &mut Examination, found: &Found) {
    authorization(examination, &found.authorization_endpoint).await;
    if let Some(url) = &found.jwks_uri {
        keys(examination, url).await;
    }
}

/// What a browser gets that an unknown client sends (AS-14, AS-51).
async fn authorization(examination: &mut Examination, endpoint: &str) {
    let mark = if endpoint.contains('?') { '&' } else { '?' };
    let url = format!("{endpoint}{mark}{UNKNOWN_CLIENT}");
    let fields = [(header::ACCEPT, "text/html"), (header::ORIGIN, ORIGIN)];
    let ask = Ask { method: Method::GET, url: &url, fields: &fields, body: "" };
    let answer = match examination.net.ask(ask).await {
        Ok(answer) => answer,
        Err(failure) => {
            return no_endpoint(examination, endpoint, &failure, &rules::AUTHORIZE_FAILS);
        }
    };
    let report = &mut examination.report;
    if let Some(origin) = answer.field(&header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        report.find(&rules::AUTHORIZE_CORS, endpoint, origin);
    }
    match answer.redirect() {
        Some(target) if target.starts_with(REDIRECT_URI) => {
            report.find(&rules::AUTHORIZE_REDIRECTS, endpoint, target);
        }
        _ if answer.status >= 500 => {
            report.find(&rules::AUTHORIZE_FAILS, endpoint, format!("status {}", answer.status));
        }
        _ => {}
    }
}

async fn keys(examination: &mut Examination, url: &str) {
    let answer = match examination.net.get(url).await {
        Ok(answer) => answer,
        Err(failure) => return no_endpoint(examination, url, &failure, &rules::KEYS_UNREACHABLE),
    };
    let report = &mut examination.report;
    let set: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(keys) = set.get("keys").and_then(Value::as_array).filter(|_| answer.status == 200)
    else {
        return report.find(&rules::KEYS_UNREACHABLE, url, format!("status {}", answer.status));
    };
    let is_private = |key: &Value| PRIVATE_MEMBERS.iter().any(|name| key.get(name).is_some());
    let ids: BTreeSet<&str> = keys.iter().filter_map(|key| key.get("kid")?.as_str()).collect();
    if keys.iter().any(is_private) {
        report.find(&rules::KEYS_PRIVATE, url, "");
    } else if keys.len() > 1 && ids.len() < keys.len() {
        report.find(&rules::KEYS_IDS, url, format!("keys {}, ids {}", keys.len(), ids.len()));
    } else if let Err(error) = PublicKeys::read(&answer.body) {
        report.find(&rules::KEYS_UNUSABLE, url, error.to_string());
    }
}
