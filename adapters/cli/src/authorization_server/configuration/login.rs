//! How users sign in: with passwords of this server, or at an OpenID Connect provider.

use std::path::PathBuf;

use portcullis_authorization_server::{AdmittedUsers, OpenIdProvider};
use portcullis_tokio::resource_server::Secret;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;

use super::Configuration;
use crate::files;

/// Longest file with certificates in bytes.
const PEM_LEN_MAX: usize = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in super::super) struct Login {
    pub(in super::super) passwords: Option<bool>,
    openid_connect: Option<OpenIdConnect>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenIdConnect {
    issuer: String,
    name: Option<String>,
    client_id: String,
    client_secret: Secret,
    scopes: Option<Vec<String>>,
    name_claim: Option<String>,
    users: Option<Everybody>,
    domains: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    groups_claim: Option<String>,
    ca: Option<PathBuf>,
}

/// Written out, so that nobody lets everybody in by leaving something out.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Everybody {
    All,
}

impl OpenIdConnect {
    fn admitted(&self) -> Result<AdmittedUsers, String> {
        let claim = self.groups_claim.as_deref();
        match (self.users, &self.domains, &self.groups) {
            (Some(Everybody::All), None, None) if claim.is_none() => Ok(AdmittedUsers::all()),
            (None, Some(domains), None) if claim.is_none() => {
                Ok(AdmittedUsers::of_domains(domains))
            }
            (None, None, Some(groups)) => {
                Ok(AdmittedUsers::of_groups(claim.unwrap_or("groups"), groups))
            }
            _ => Err("it needs one of users = \"all\", domains and groups".into()),
        }
    }
}

impl Configuration {
    /// The provider that signs users in, if there is one, or why it cannot be used.
    pub(in super::super) fn openid_provider(&self) -> Result<Option<OpenIdProvider>, String> {
        let Some(own) = &self.login.openid_connect else { return Ok(None) };
        let secret = self.secret(&own.client_secret);
        let secret = secret.map_err(|error| format!("client_secret: {error}"))?;
        let mut provider =
            OpenIdProvider::new(&own.issuer, &own.client_id, secret, own.admitted()?);
        if let Some(name) = &own.name {
            provider.name.clone_from(name);
        }
        if let Some(scopes) = &own.scopes {
            provider.scopes.clone_from(scopes);
        }
        if let Some(claim) = &own.name_claim {
            provider.name_claim.clone_from(claim);
        }
        if let Some(path) = &own.ca {
            let pem =
                files::read(&self.at(path), PEM_LEN_MAX).map_err(|error| error.to_string())?;
            let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            provider.extra_roots =
                roots.ok().filter(|it| !it.is_empty()).ok_or("ca: no certificates")?;
        }
        provider.check().map_err(|error| error.to_string())?;
        Ok(Some(provider))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(rule: &str) -> Result<bool, String> {
        let text = format!(
            "[login.openid_connect]\nissuer = 'https://id.example'\nclient_id = 'us'\n\
             client_secret = {{ env = 'PATH' }}\n{rule}"
        );
        let configuration: Configuration = toml::from_str(&text).map_err(|e| e.to_string())?;
        configuration.openid_provider().map(|provider| provider.is_some())
    }

    #[test]
    fn who_may_come_in_is_said_once() {
        for good in ["users = 'all'", "domains = ['example.com']", "groups = ['staff']"] {
            assert_eq!(provider(good), Ok(true), "{good}");
        }
        assert_eq!(provider("groups = ['staff']\ngroups_claim = 'roles'"), Ok(true));
        for bad in [
            "",
            "users = 'some'",
            "users = 'all'\ndomains = ['example.com']",
            "domains = []",
            "groups_claim = 'roles'\nusers = 'all'",
            "users = 'all'\nca = '/dev/null'",
            "users = 'all'\nscopes = ['two words']",
        ] {
            assert!(provider(bad).is_err(), "{bad}");
        }
    }
}
