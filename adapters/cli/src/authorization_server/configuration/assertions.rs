//! Issuers whose assertions stand for grants: identity providers, and platforms that run workloads.

use std::{collections::BTreeMap, path::PathBuf};

use portcullis_authorization_server::{Algorithm, IdentityProvider, IssuerKeys, Workload};
use serde::Deserialize;

use super::{Configuration, KEY_SET_LEN_MAX};
use crate::files;

/// An identity provider that decides for its users (enterprise-managed authorization).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TrustedProvider {
    pub(in super::super) issuer: String,
    jwks_uri: Option<String>,
    public_keys: Option<PathBuf>,
    algorithms: Option<Vec<SignedWith>>,
    tenants: Option<Vec<String>>,
    single_use: Option<bool>,
}

/// Workloads that may use a resource (workload identity federation).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TrustedWorkload {
    pub(in super::super) name: String,
    issuer: String,
    jwks_uri: Option<String>,
    public_keys: Option<PathBuf>,
    algorithms: Option<Vec<SignedWith>>,
    claims: BTreeMap<String, String>,
    scopes: Vec<String>,
    single_use: Option<bool>,
}

/// An algorithm, as JOSE calls it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum SignedWith {
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
    Rs256,
}

impl From<SignedWith> for Algorithm {
    fn from(algorithm: SignedWith) -> Self {
        match algorithm {
            SignedWith::Es256 => Self::Es256,
            SignedWith::EdDsa => Self::EdDsa,
            SignedWith::Rs256 => Self::Rs256,
        }
    }
}

fn algorithms(named: &[SignedWith]) -> Vec<Algorithm> {
    named.iter().copied().map(Algorithm::from).collect()
}

impl Configuration {
    /// The identity provider, or why it cannot be used.
    pub(in super::super) fn identity_provider(
        &self,
        of: &TrustedProvider,
    ) -> Result<IdentityProvider, String> {
        let keys = self.issuer_keys(of.jwks_uri.as_ref(), of.public_keys.as_ref())?;
        let mut provider = IdentityProvider::new(&of.issuer, keys);
        if let Some(named) = &of.algorithms {
            provider.algorithms = algorithms(named);
        }
        if let Some(tenants) = &of.tenants {
            provider.tenants.clone_from(tenants);
        }
        provider.single_use = of.single_use.unwrap_or(provider.single_use);
        provider.check().map_err(|error| error.to_string())?;
        Ok(provider)
    }

    /// The rule about workloads, or why there cannot be one.
    pub(in super::super) fn workload(&self, of: &TrustedWorkload) -> Result<Workload, String> {
        let keys = self.issuer_keys(of.jwks_uri.as_ref(), of.public_keys.as_ref())?;
        let workload = Workload::new(&of.name, &of.issuer, keys, &of.scopes);
        let mut workload = of
            .claims
            .iter()
            .fold(workload, |workload, (name, value)| workload.with_claim(name, value));
        if let Some(named) = &of.algorithms {
            workload.algorithms = algorithms(named);
        }
        workload.single_use = of.single_use.unwrap_or(workload.single_use);
        workload.check().map_err(|error| error.to_string())?;
        Ok(workload)
    }

    fn issuer_keys(
        &self,
        url: Option<&String>,
        file: Option<&PathBuf>,
    ) -> Result<IssuerKeys, String> {
        match (url, file) {
            (None, None) => Ok(IssuerKeys::of_metadata()),
            (Some(url), None) => Ok(IssuerKeys::at(url)),
            (None, Some(path)) => {
                let bytes = files::read(&self.at(path), KEY_SET_LEN_MAX);
                let bytes = bytes.map_err(|error| error.to_string())?;
                let text = std::str::from_utf8(&bytes).map_err(|_| "the key set is not a text")?;
                Ok(IssuerKeys::set(text))
            }
            (Some(_), Some(_)) => Err("jwks_uri and public_keys exclude each other".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(rest: &str) -> Result<IdentityProvider, String> {
        let text = format!("[[identity_provider]]\nissuer = 'https://id.example'\n{rest}");
        let configuration: Configuration = toml::from_str(&text).map_err(|e| e.to_string())?;
        let [own] = configuration.identity_providers.as_slice() else { panic!("{text}") };
        configuration.identity_provider(own)
    }

    #[test]
    fn em_05_identity_providers_and_where_their_keys_are() {
        assert!(provider("").unwrap().single_use);
        assert!(!provider("single_use = false").unwrap().single_use);
        let whole = "jwks_uri = 'https://id.example/k'\nalgorithms = ['EdDSA']\ntenants = ['t']";
        let read = provider(whole).unwrap();
        assert_eq!((read.algorithms, read.tenants), (vec![Algorithm::EdDsa], vec!["t".to_owned()]));
        for bad in [
            "jwks_uri = 'http://id.example/k'",
            "jwks_uri = 'https://id.example/k'\npublic_keys = 'k'",
            "public_keys = '/dev/null'",
            "algorithms = ['none']",
            "algorithms = ['HS256']",
            "algorithms = []",
            "tenants = ['a#b']",
        ] {
            assert!(provider(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn wf_02_workloads_and_what_is_compared() {
        let resource = "[[resource]]\nidentifier = 'https://a.example'\nname = 'b'\n\
            token_format = 'es256'\n[[resource.scope]]\nname = 'user'\ndescription = 'd'\n";
        let workload = |rest: &str| -> Result<Workload, String> {
            let text = format!(
                "{resource}[[resource.workload]]\nname = 'job'\nissuer = 'https://c.example'\n\
                 scopes = ['user']\n{rest}"
            );
            let configuration: Configuration = toml::from_str(&text).map_err(|e| e.to_string())?;
            configuration.workload(&configuration.resources[0].workloads[0])
        };
        assert!(!workload("claims = { sub = 'job' }").unwrap().single_use);
        assert!(workload("claims = { sub = 'job' }\nsingle_use = true").unwrap().single_use);
        for bad in ["", "claims = {}", "claims = { sub = 1 }", "claims = { aud = 'x' }"] {
            assert!(workload(bad).is_err(), "{bad}");
        }
    }
}
