//! A login as bytes to be stored, and back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_core::{
    client::ClientAuthentication, metadata::protected_resource::covers, scope::ScopeSet,
    time::UnixTime,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Login;
#[cfg(feature = "dpop")]
use super::Prover;

/// Changes when an older program could misread a newer record.
const VERSION: u32 = 1;

/// All there is to know, the scopes of [`Login`] and those that were denied among it (CL-84, CL-85).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    server_url: String,
    issuer: String,
    resource: String,
    client_id: String,
    client_is_known: bool,
    client_secret: Option<Zeroizing<String>>,
    /// Seconds since 1970, as all times here.
    client_secret_expires_at: Option<u64>,
    client_authentication: String,
    redirect_uri: String,
    asked_scope: String,
    scope: String,
    denied_scope: String,
    access_token: Zeroizing<String>,
    refresh_token: Option<Zeroizing<String>>,
    is_renewable: bool,
    expires_at: u64,
    refresh_at: u64,
    /// PKCS#8 in base64url: the key that the tokens are bound to.
    #[cfg(feature = "dpop")]
    #[serde(default)]
    proof_key: Option<Zeroizing<String>>,
}

impl Login {
    /// The login, and what the user did not agree to, as JSON; empty when it cannot be written.
    pub(in crate::client) fn to_record(&self, denied: &str) -> Zeroizing<Vec<u8>> {
        let record = Record {
            version: VERSION,
            server_url: self.server_url.clone(),
            issuer: self.issuer.clone(),
            resource: self.resource.clone(),
            client_id: self.client_id.clone(),
            client_is_known: self.client_is_known,
            client_secret: self.client_secret.clone(),
            client_secret_expires_at: self.client_secret_expires_at.map(UnixTime::as_secs),
            client_authentication: self.authentication.as_str().to_owned(),
            redirect_uri: self.redirect_uri.clone(),
            asked_scope: self.asked_scope.clone(),
            scope: self.scope.clone(),
            denied_scope: denied.to_owned(),
            access_token: self.access_token.clone(),
            refresh_token: self.refresh_token.clone(),
            is_renewable: self.is_renewable,
            expires_at: secs(self.expires_at),
            refresh_at: secs(self.refresh_at),
            #[cfg(feature = "dpop")]
            proof_key: self.prover().and_then(|prover| prover.to_text()),
        };
        #[cfg(feature = "dpop")]
        if self.prover().is_some() && record.proof_key.is_none() {
            return Zeroizing::default();
        }
        // Room for all of it, so that no half of a secret is left where it grew.
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * crate::client::RECORD_LEN_MAX));
        // Texts and numbers can be written as JSON; a half is not stored.
        if serde_json::to_writer(&mut *bytes, &record).is_err() {
            bytes.clear();
        }
        bytes
    }

    /// The login that a record holds, and what the user did not agree to. `None` for anything that this
    /// program did not write for this server.
    pub(in crate::client) fn from_record(
        record: &[u8],
        server_url: &str,
    ) -> Option<(Self, String)> {
        let record: Record = serde_json::from_slice(record).ok()?;
        let (resource_of, _query) = server_url.split_once('?').unwrap_or((server_url, ""));
        let scopes = [&record.asked_scope, &record.scope, &record.denied_scope];
        let is_sound = record.version == VERSION
            && record.server_url == server_url
            // SEC-475: tokens for the resource are for this server. One that is its own resource (LG-01) may have
            // a query.
            && (record.resource == server_url || covers(&record.resource, resource_of))
            && scopes.into_iter().all(|scope| ScopeSet::parse(scope).is_ok());
        if !is_sound {
            return None;
        }
        let login = Self {
            server_url: record.server_url,
            issuer: record.issuer,
            resource: record.resource,
            client_id: record.client_id,
            client_is_known: record.client_is_known,
            client_secret: record.client_secret,
            client_secret_expires_at: record.client_secret_expires_at.map(UnixTime::from_secs),
            authentication: ClientAuthentication::from_name(&record.client_authentication)?,
            redirect_uri: record.redirect_uri,
            asked_scope: record.asked_scope,
            scope: record.scope,
            access_token: record.access_token,
            refresh_token: record.refresh_token,
            is_renewable: record.is_renewable,
            expires_at: instant(record.expires_at)?,
            refresh_at: instant(record.refresh_at)?,
            #[cfg(feature = "dpop")]
            prover: match &record.proof_key {
                Some(text) => Some(Prover::from_text(text)?),
                None => None,
            },
            #[cfg(not(feature = "dpop"))]
            prover: None,
        };
        Some((login, record.denied_scope))
    }
}

/// Whole seconds: what is cut off makes a token end earlier.
fn secs(instant: SystemTime) -> u64 {
    instant.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn instant(secs: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(secs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::client::EXPIRES_IN_SECS_MAX;

    const SERVER: &str = "https://mcp.example/mcp";

    fn login() -> Login {
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        Login {
            server_url: SERVER.to_owned(),
            issuer: "https://as.example".to_owned(),
            resource: "https://mcp.example".to_owned(),
            client_id: "c".to_owned(),
            client_is_known: true,
            client_secret: Some(secret("cs")),
            client_secret_expires_at: Some(UnixTime::from_secs(7)),
            authentication: ClientAuthentication::Post,
            redirect_uri: "http://127.0.0.1:3030/callback".to_owned(),
            asked_scope: "user mail".to_owned(),
            scope: "user".to_owned(),
            access_token: secret("at"),
            refresh_token: Some(secret("rt")),
            is_renewable: true,
            expires_at: instant(100).unwrap(),
            refresh_at: instant(90).unwrap(),
            prover: None,
        }
    }

    fn record() -> String {
        String::from_utf8(login().to_record("admin").to_vec()).unwrap()
    }

    fn is_read(record: &str) -> bool {
        Login::from_record(record.as_bytes(), SERVER).is_some()
    }

    #[test]
    fn cl_84_all_that_a_login_has_comes_back() {
        let (read, denied) = Login::from_record(record().as_bytes(), SERVER).unwrap();
        assert_eq!(denied, "admin");
        assert_eq!(*read.to_record(&denied), *login().to_record("admin"));
        assert_eq!((read.expires_at, read.refresh_at), (login().expires_at, login().refresh_at));
        let known = read.known_client().unwrap();
        assert_eq!(known.secret.unwrap().expose(), "cs");
        assert_eq!(known.secret_expires_at, Some(UnixTime::from_secs(7)));
        assert_eq!(known.authentication, Some(ClientAuthentication::Post));
    }

    #[test]
    fn what_is_not_a_record_is_not_read() {
        let whole = record();
        assert!(is_read(&whole));
        assert!((0..whole.len()).all(|len| !is_read(&whole[..len])));
        for (from, to) in [
            (r#""version":1"#, r#""version":2"#),
            (r#""version":1"#, r#""version":1,"more":1"#),
            (r#""version":1"#, r#""version":1,"version":1"#),
            (r#""scope":"user""#, r#""scope":"us\u0007er""#),
            ("client_secret_post", "tls_client_auth"),
            (r#""expires_at":100"#, r#""expires_at":-1"#),
            (r#""access_token":"at","#, ""),
        ] {
            let changed = whole.replace(from, to);
            assert!(changed != whole && !is_read(&changed), "{changed}");
        }
    }

    #[test]
    fn lg_01_a_server_that_is_its_own_resource_may_have_a_query() {
        let server = "https://mcp.example/mcp?tenant=a";
        let own = Login { server_url: server.to_owned(), resource: server.to_owned(), ..login() };
        let record = own.to_record("");
        assert!(Login::from_record(&record, server).is_some());
        assert!(Login::from_record(&record, "https://mcp.example/mcp?tenant=b").is_none());
    }

    #[test]
    fn a_clock_that_goes_back_does_not_keep_a_token_for_ever() {
        let longest = Duration::from_secs(EXPIRES_IN_SECS_MAX.into());
        let login = login();
        for (now, is_due) in [
            (login.refresh_at - Duration::from_secs(1), false),
            (login.refresh_at, true),
            (login.refresh_at + longest, true),
        ] {
            assert_eq!(login.is_due(now), is_due);
        }
        let now = instant(1_000_000).unwrap();
        for (refresh_at, is_due) in
            [(now + longest, false), (now + longest + Duration::from_secs(1), true)]
        {
            assert_eq!(Login { refresh_at, ..login.clone() }.is_due(now), is_due);
        }
    }

    #[test]
    fn sec_475_a_record_is_for_one_server() {
        let whole = record();
        for other in
            ["https://mcp.example/mcp2", "https://other.example/mcp", "http://mcp.example/mcp"]
        {
            assert!(Login::from_record(whole.as_bytes(), other).is_none(), "{other}");
        }
        let elsewhere = whole.replace(
            r#""resource":"https://mcp.example""#,
            r#""resource":"https://other.example""#,
        );
        assert!(elsewhere != whole && !is_read(&elsewhere));
    }
}
