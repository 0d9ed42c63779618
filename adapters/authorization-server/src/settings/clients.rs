//! Clients that are known beforehand.

use std::fmt;

use oauth_as::client_assertion::AssertionKeys;
use oauth_as::{ClientAuth, GrantType, Jwk, JwsAlg, SecretHash};
use serde::Deserialize;

use super::{CLIENT_ID_PREFIX, SERVICE_ID_PREFIX, Settings, SettingsError, is_workload};

/// Shortest secret of a service in bytes: it is made by a machine, for a machine.
const SECRET_LEN_MIN: usize = 32;
/// Public keys of one service: the one in use, and those before and after it.
const KEYS_MAX: usize = 8;

/// A public client that did not register itself.
#[derive(Debug, Clone)]
pub(crate) struct PublicClient {
    pub(crate) client_id: String,
    pub(crate) name: String,
    pub(crate) redirect_uris: Vec<String>,
}

impl PublicClient {
    /// A client that nothing can be redirected to is a device.
    pub(crate) fn grant_types(&self) -> Vec<GrantType> {
        let first = match self.redirect_uris.is_empty() {
            true => GrantType::DeviceCode,
            false => GrantType::AuthorizationCode,
        };
        vec![first, GrantType::RefreshToken]
    }
}

/// A program that acts for itself: the client credentials grant (AS-98).
#[derive(Debug, Clone)]
pub(crate) struct ServiceClient {
    pub(crate) client_id: String,
    pub(crate) name: String,
    pub(crate) authentication: ServiceAuthentication,
    /// All that it may ever get.
    pub(crate) scopes: Vec<String>,
}

/// How a service proves who it is.
#[derive(Clone)]
pub struct ServiceAuthentication(Proof);

#[derive(Clone)]
enum Proof {
    /// Only the hash is kept.
    Secret(SecretHash),
    Keys(AssertionKeys),
}

impl ServiceAuthentication {
    /// By a secret, sent as `client_secret_basic` or `client_secret_post`.
    ///
    /// # Errors
    /// [`SettingsError::Service`] when it is shorter than 32 bytes.
    pub fn secret(secret: impl Into<String>) -> Result<Self, SettingsError> {
        let secret = secret.into();
        if secret.len() < SECRET_LEN_MIN {
            return Err(SettingsError::Service);
        }
        Ok(Self(Proof::Secret(SecretHash::sha256(&secret))))
    }

    /// By `private_key_jwt` (RFC 7523): `jwks` is a JWK set (RFC 7517 §5) of at most 8 public keys of one
    /// kind, which is also the one algorithm that is accepted: P-256 for ES256, Ed25519 for EdDSA, RSA for
    /// RS256. Several keys are for changing from one to the next.
    ///
    /// # Errors
    /// [`SettingsError::Service`] for anything else, private keys above all.
    pub fn public_keys(jwks: &str) -> Result<Self, SettingsError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Jwk>,
        }
        let Set { keys } = serde_json::from_str(jwks).map_err(|_| SettingsError::Service)?;
        let algorithm = |key: &Jwk| match key {
            Jwk::Ec { .. } => JwsAlg::Es256,
            Jwk::Okp { .. } => JwsAlg::EdDsa,
            Jwk::Rsa { .. } => JwsAlg::Rs256,
        };
        let alg = keys.first().map(algorithm).ok_or(SettingsError::Service)?;
        if keys.len() > KEYS_MAX || keys.iter().any(|key| algorithm(key) != alg) {
            return Err(SettingsError::Service);
        }
        Ok(Self(Proof::Keys(AssertionKeys::PublicKeys { alg, keys })))
    }
}

impl ServiceAuthentication {
    pub(crate) fn client_auth(&self) -> ClientAuth {
        match &self.0 {
            Proof::Secret(hash) => ClientAuth::ConfidentialSecretHash { hash: hash.clone() },
            Proof::Keys(keys) => ClientAuth::ConfidentialAssertion { keys: keys.clone() },
        }
    }
}

impl fmt::Debug for ServiceAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Proof::Secret(_) => "ServiceAuthentication(secret)",
            Proof::Keys(_) => "ServiceAuthentication(public keys)",
        })
    }
}

impl Settings {
    /// Adds a public client that is known beforehand, with redirect URIs as at registration: `https`
    /// anywhere, `http` on loopback (AS-22, AS-53).
    ///
    /// # Errors
    /// [`SettingsError::Client`] when the id is taken, is a user's name, or could be mistaken for
    /// that of a registered client or of a client document, or a redirect URI cannot be one.
    pub fn with_public_client(
        mut self,
        client_id: impl Into<String>,
        name: impl Into<String>,
        redirect_uris: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, SettingsError> {
        let redirect_uris: Vec<String> = redirect_uris.into_iter().map(Into::into).collect();
        let length_max = self.limits.redirect_uri_bytes;
        let good = |uri: &String| crate::redirect_uri::check(uri, length_max).is_ok();
        if redirect_uris.is_empty() || !redirect_uris.iter().all(good) {
            return Err(SettingsError::Client);
        }
        self.push_public(client_id.into(), name.into(), redirect_uris)?;
        Ok(self)
    }

    /// Adds a public client without a browser that is known beforehand: its users type in a code
    /// elsewhere (RFC 8628).
    ///
    /// # Errors
    /// [`SettingsError::Client`] as for [`Settings::with_public_client`].
    pub fn with_device_client(
        mut self,
        client_id: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<Self, SettingsError> {
        self.push_public(client_id.into(), name.into(), Vec::new())?;
        Ok(self)
    }

    fn push_public(
        &mut self,
        client_id: String,
        name: String,
        redirect_uris: Vec<String>,
    ) -> Result<(), SettingsError> {
        let taken = self.clients.iter().any(|other| other.client_id == client_id)
            || self.users.iter().any(|(name, _)| *name == client_id);
        if taken
            || client_id.is_empty()
            || !client_id.chars().all(|c| c.is_ascii_graphic())
            || client_id.starts_with("https://")
            || client_id.starts_with(CLIENT_ID_PREFIX)
            || client_id.starts_with(SERVICE_ID_PREFIX)
            || is_workload(&client_id)
        {
            return Err(SettingsError::Client);
        }
        self.clients.push(PublicClient { client_id, name, redirect_uris });
        Ok(())
    }

    /// Adds a program that acts for itself and not for a user (the client credentials grant), and the
    /// scopes that it may get; it gets no others. `client_id` begins with `service-`.
    ///
    /// # Errors
    /// [`SettingsError::Service`] when the id does not begin so or is taken, or there is no scope.
    pub fn with_service(
        mut self,
        client_id: impl Into<String>,
        name: impl Into<String>,
        authentication: ServiceAuthentication,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, SettingsError> {
        let service = ServiceClient {
            client_id: client_id.into(),
            name: name.into(),
            authentication,
            scopes: scopes.into_iter().map(Into::into).collect(),
        };
        let id = service.client_id.as_str();
        let taken = self.services.iter().any(|other| other.client_id == id);
        if taken
            || !id.starts_with(SERVICE_ID_PREFIX)
            || !id.chars().all(|c| c.is_ascii_graphic())
            || service.scopes.is_empty()
        {
            return Err(SettingsError::Service);
        }
        self.services.push(service);
        Ok(self)
    }

    /// What a service may get is what the resources have.
    pub(super) fn check_services(&self) -> Result<(), SettingsError> {
        let offered = self.resources.iter().flat_map(|resource| &resource.scopes);
        let is_offered = |name: &String| offered.clone().any(|scope| scope.name == *name);
        let resource_server = |service: &ServiceClient| {
            self.resources.iter().any(|it| it.credentials.client_id == service.client_id)
        };
        let mut scopes = self.services.iter().flat_map(|service| &service.scopes);
        if self.services.iter().any(resource_server) || !scopes.all(is_offered) {
            return Err(SettingsError::Service);
        }
        Ok(())
    }

    pub(crate) fn service(&self, client_id: &str) -> Option<&ServiceClient> {
        self.services.iter().find(|service| service.client_id == client_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Resource, TokenFormat};

    const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const ED: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn set(keys: &[&str]) -> String {
        format!("{{\"keys\":[{}]}}", keys.join(","))
    }

    #[test]
    fn as_84_public_keys_of_one_kind() {
        for good in [set(&[EC]), set(&[EC, EC]), set(&[ED])] {
            assert!(ServiceAuthentication::public_keys(&good).is_ok(), "{good}");
        }
        let private =
            EC.replace("\"kty\"", "\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\",\"kty\"");
        let symmetric = r#"{"kty":"oct","k":"c2VjcmV0"}"#;
        for bad in [
            set(&[]),
            set(&[EC, ED]),
            set(&[EC; KEYS_MAX + 1]),
            set(&[&private]),
            set(&[symmetric]),
            EC.to_owned(),
            String::new(),
        ] {
            let refused = ServiceAuthentication::public_keys(&bad).err();
            assert_eq!(refused, Some(SettingsError::Service), "{bad}");
        }
    }

    #[test]
    fn as_113_ids_of_services_are_nobody_elses() {
        let settings = || {
            let resource = Resource::new("https://rs.example/mcp", "N", TokenFormat::Opaque);
            Settings::new("https://as.example")
                .unwrap()
                .with_resource(resource.unwrap().with_scope("user", "words"))
        };
        let secret = || ServiceAuthentication::secret("s".repeat(SECRET_LEN_MIN)).unwrap();
        let with = |id: &str, scopes: &[&str]| {
            let settings = settings().with_service(id, "Name", secret(), scopes.iter().copied());
            settings.and_then(|settings| settings.check())
        };
        assert_eq!(with("service-1", &["user"]), Ok(()));
        assert_eq!(with("service-1", &["other"]), Err(SettingsError::Service));
        assert_eq!(with("service-1", &[]), Err(SettingsError::Service));
        assert_eq!(with("alice", &["user"]), Err(SettingsError::Service));
        assert_eq!(with("service- 1", &["user"]), Err(SettingsError::Service));
        assert!(settings().with_user("service-1", "password").is_err());
        assert!(settings().with_public_client("service-1", "N", ["https://a.example/"]).is_err());
        let short = ServiceAuthentication::secret("s".repeat(SECRET_LEN_MIN - 1)).err();
        assert_eq!(short, Some(SettingsError::Service));
        assert_eq!(format!("{:?}", secret()), "ServiceAuthentication(secret)");
    }
}
