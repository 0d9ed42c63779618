//! What a resource server is told that accepts this server's tokens.

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_core::jwt::{KeyError, derive_key_bytes};
use portcullis_tokio::resource_server::{
    IntrospectionSettings, Issuer, Secret, Settings as ResourceServerSettings, Verification,
};
use zeroize::Zeroizing;

use crate::access_token::TokenMint;
use crate::server::AuthorizationServer;
use crate::settings::TokenFormat;

impl AuthorizationServer {
    /// The settings of a [`ProtectLayer`](portcullis_tokio::resource_server::ProtectLayer) in this
    /// process that accepts this server's tokens for `resource`: HS256 tokens with the key derived for
    /// it, opaque ones by introspection, all others with the keys at `/jwks`. No scope is needed yet.
    /// `None` for a resource that is unknown.
    ///
    /// They hold the secrets of that resource server. One in another process is told what it needs by
    /// its own settings.
    #[must_use]
    pub fn resource_server_settings(&self, resource: &str) -> Option<ResourceServerSettings> {
        let known = self.inner.settings.resource(resource)?;
        let verification = match known.format {
            TokenFormat::Hs256 => offline(&self.inner.mint, resource).ok()?,
            TokenFormat::Opaque => {
                let credentials = &known.credentials;
                Verification::Introspection(IntrospectionSettings::new(
                    self.introspection_endpoint(),
                    credentials.client_id.as_str(),
                    Secret::value(credentials.client_secret.as_str()),
                ))
            }
            TokenFormat::Es256 | TokenFormat::EdDsa | TokenFormat::Rs256 => {
                Verification::jwks_of_issuer()
            }
        };
        let issuer = Issuer::new(self.issuer(), verification);
        Some(ResourceServerSettings::new(resource, issuer))
    }
}

/// With the key that is derived for this resource, and no other (RFC 5869).
fn offline(mint: &TokenMint, resource: &str) -> Result<Verification, KeyError> {
    let (master, id) = mint.master_key();
    let key = derive_key_bytes(master, resource, id)?;
    let text = Zeroizing::new(Base64UrlUnpadded::encode_string(key.as_slice()));
    Ok(Verification::offline(id.as_str(), Secret::value(text.as_str())))
}
