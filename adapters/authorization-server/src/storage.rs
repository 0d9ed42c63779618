//! Storage that keeps digests instead of secrets.
//!
//! The protocol engine hands its storage authorization codes, access tokens and refresh tokens as
//! clients present them. [`HashedStorage`] stands before any [`Storage`] and passes on only their
//! SHA-256 digests (AS-96, SEC-240). It also remembers what every code is bound to, so that a
//! replay can be told from a guess before the engine acts on it (AS-86).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use oauth_as::authorization::{AuthorizationCodeRecord, AuthorizationCodeState};
use oauth_as::{
    ClientId, IssuedToken, RefreshTokenRecord, RevocationWindow, Storage, StorageError,
    WriteOutcome, delegate_storage,
};

use crate::secrets::Digest;

/// Marks a stored form, so that records read back are not hashed a second time when they are
/// written again. A `:` occurs in no code or token that is ever issued, and [`presented`] keeps
/// texts of this form from outside away: a digest read from a stolen database opens nothing.
const STORED_PREFIX: &str = "sha256:";

/// A storage of digests before a storage.
pub(crate) struct HashedStorage<S> {
    inner: S,
    codes: Mutex<HashMap<String, CodeBinding>>,
    /// Families of tokens whose revocation failed.
    unrevoked: Mutex<HashMap<String, RevocationWindow>>,
}

/// What an authorization code is bound to.
struct CodeBinding {
    code_challenge: String,
    redirect_uri: String,
    expires_at: SystemTime,
}

/// A secret as a client presented it, made harmless if it has the form of a stored one.
pub(crate) fn presented(secret: &str) -> &str {
    if secret.starts_with(STORED_PREFIX) { "" } else { secret }
}

/// The name under which storage knows the access token that was issued as `token`: the `jti` of
/// the JWT made around it.
pub(crate) fn token_id(token: &str) -> String {
    Digest::of(token).to_text()
}

/// The stored form of the access token with this [`token_id`].
pub(crate) fn stored_by_id(id: &str) -> String {
    format!("{STORED_PREFIX}{id}")
}

fn stored(secret: &str) -> String {
    if secret.starts_with(STORED_PREFIX) {
        return secret.to_owned();
    }
    stored_by_id(&token_id(secret))
}

fn stored_option(secret: Option<String>) -> Option<String> {
    secret.map(|secret| stored(&secret))
}

fn stored_state(state: AuthorizationCodeState) -> AuthorizationCodeState {
    match state {
        AuthorizationCodeState::Issued => AuthorizationCodeState::Issued,
        AuthorizationCodeState::Consumed { access_token, refresh_token } => {
            AuthorizationCodeState::Consumed {
                access_token: stored_option(access_token),
                refresh_token: stored_option(refresh_token),
            }
        }
        AuthorizationCodeState::Replayed { access_token, refresh_token } => {
            AuthorizationCodeState::Replayed {
                access_token: stored_option(access_token),
                refresh_token: stored_option(refresh_token),
            }
        }
    }
}

fn stored_code(mut record: AuthorizationCodeRecord) -> AuthorizationCodeRecord {
    record.code = stored(&record.code);
    record.state = stored_state(record.state);
    record
}

impl<S: Storage> HashedStorage<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, codes: Mutex::default(), unrevoked: Mutex::default() }
    }

    /// Whether `code` may be redeemed, or replayed, with this verifier and redirect URI.
    ///
    /// The engine answers a second use of a code by revoking what the first one gave, and does so
    /// before it looks at the verifier. Whoever saw only the code could then end the rightful
    /// client's session (SEC-221), so such a request must not reach the engine with the code in it.
    pub(crate) fn code_fits(
        &self,
        code: &str,
        verifier: Option<&str>,
        redirect_uri: Option<&str>,
    ) -> bool {
        // RFC 7636 §4.6: S256 is the digest's text.
        let challenge = verifier.map(|verifier| Digest::of(verifier).to_text());
        self.codes().get(&stored(code)).is_some_and(|binding| {
            challenge.is_some_and(|challenge| challenge == binding.code_challenge)
                && redirect_uri.is_none_or(|uri| uri == binding.redirect_uri)
        })
    }

    /// What the records are kept in.
    #[cfg(test)]
    pub(crate) fn inner(&self) -> &S {
        &self.inner
    }

    #[cfg(test)]
    pub(crate) fn has_unrevoked(&self) -> bool {
        !self.unrevoked().is_empty()
    }

    /// The family of `client_id`'s refresh token `token`; `None` when it has no such token.
    pub(crate) async fn family_of(
        &self,
        token: &str,
        client_id: &ClientId,
    ) -> Result<Option<String>, StorageError> {
        let record = self.get_refresh_token(token).await?;
        let own = record.filter(|record| record.client_id == *client_id);
        Ok(own.map(|record| record.family_id.as_str().to_owned()))
    }

    /// Whether the last attempt to revoke this family failed, so that tokens of it may be left.
    pub(crate) fn is_unrevoked(&self, family_id: &str) -> bool {
        self.unrevoked().contains_key(family_id)
    }

    fn unrevoked(&self) -> MutexGuard<'_, HashMap<String, RevocationWindow>> {
        self.unrevoked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn codes(&self) -> MutexGuard<'_, HashMap<String, CodeBinding>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Storage> Storage for HashedStorage<S> {
    delegate_storage!(to inner;
        get_client, put_client, compare_and_swap_client, delete_client,
        put_device_grant, get_device_grant, find_device_grant_by_user_code, take_device_grant,
        compare_and_swap_device_grant,
    );

    async fn put_authorization_code(
        &self,
        record: AuthorizationCodeRecord,
    ) -> Result<(), StorageError> {
        let record = stored_code(record);
        let binding = CodeBinding {
            code_challenge: record.code_challenge.clone(),
            redirect_uri: record.redirect_uri.clone(),
            expires_at: record.expires_at,
        };
        self.codes().insert(record.code.clone(), binding);
        self.inner.put_authorization_code(record).await
    }

    async fn compare_and_swap_authorization_code(
        &self,
        expected: &AuthorizationCodeState,
        updated: AuthorizationCodeRecord,
    ) -> Result<bool, StorageError> {
        let expected = stored_state(expected.clone());
        self.inner.compare_and_swap_authorization_code(&expected, stored_code(updated)).await
    }

    async fn take_authorization_code(
        &self,
        code: &str,
    ) -> Result<Option<AuthorizationCodeRecord>, StorageError> {
        self.inner.take_authorization_code(&stored(code)).await
    }

    async fn put_token(&self, mut token: IssuedToken) -> Result<WriteOutcome, StorageError> {
        token.access_token = stored(&token.access_token);
        self.inner.put_token(token).await
    }

    async fn get_token(&self, token: &str) -> Result<Option<Arc<IssuedToken>>, StorageError> {
        self.inner.get_token(&stored(token)).await
    }

    async fn delete_token(&self, token: &str) -> Result<(), StorageError> {
        self.inner.delete_token(&stored(token)).await
    }

    async fn put_refresh_token(
        &self,
        mut record: RefreshTokenRecord,
    ) -> Result<WriteOutcome, StorageError> {
        record.refresh_token = stored(&record.refresh_token);
        self.inner.put_refresh_token(record).await
    }

    async fn get_refresh_token(
        &self,
        token: &str,
    ) -> Result<Option<Arc<RefreshTokenRecord>>, StorageError> {
        self.inner.get_refresh_token(&stored(token)).await
    }

    async fn take_refresh_token(
        &self,
        token: &str,
    ) -> Result<Option<RefreshTokenRecord>, StorageError> {
        let token = stored(token);
        // SEC-310: the engine goes on after a family that it could not revoke, and takes the one
        // token. That one must stay, for the client to try again with.
        if !self.unrevoked().is_empty()
            && let Some(record) = self.inner.get_refresh_token(&token).await?
            && self.is_unrevoked(record.family_id.as_str())
        {
            return Err(StorageError::new("the family of this token must be revoked first"));
        }
        self.inner.take_refresh_token(&token).await
    }

    async fn revoke_token_family(
        &self,
        family_id: &str,
        window: RevocationWindow,
    ) -> Result<u64, StorageError> {
        let revoked = self.inner.revoke_token_family(family_id, window).await;
        match revoked {
            Ok(_) => self.unrevoked().remove(family_id),
            Err(_) => self.unrevoked().insert(family_id.to_owned(), window),
        };
        revoked
    }

    // `rotate_refresh_token` keeps its refusing default: it serves the engine's retry window, which
    // stores whole token answers and is off here.

    async fn sweep_expired(&self, now: SystemTime) -> Result<u64, StorageError> {
        self.codes().retain(|_, binding| now < binding.expires_at);
        let unrevoked: Vec<_> = self
            .unrevoked()
            .iter()
            .map(|(family_id, window)| (family_id.clone(), *window))
            .collect();
        for (family_id, window) in unrevoked {
            if self.revoke_token_family(&family_id, window).await.is_err() && now >= window.until {
                // Its last token has expired.
                self.unrevoked().remove(&family_id);
            }
        }
        self.inner.sweep_expired(now).await
    }
}

#[cfg(test)]
pub(crate) mod faulty;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use oauth_as::{MemoryStorage, ScopeSet};

    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 B
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn code(expires_secs: u64) -> AuthorizationCodeRecord {
        AuthorizationCodeRecord::new(
            "the-code",
            ClientId::new("client"),
            "http://localhost/cb",
            ScopeSet::empty(),
            "alice",
            CHALLENGE,
            UNIX_EPOCH + Duration::from_secs(expires_secs),
        )
    }

    #[tokio::test]
    async fn sec_240_only_digests_reach_the_inner_storage() {
        let storage = HashedStorage::new(MemoryStorage::new());
        let token = IssuedToken::new(
            "the-token",
            ClientId::new("client"),
            None,
            ScopeSet::empty(),
            UNIX_EPOCH,
            UNIX_EPOCH + Duration::from_secs(60),
        );
        assert!(storage.put_token(token).await.unwrap().is_applied());
        storage.put_authorization_code(code(60)).await.unwrap();
        let inner = &storage.inner;
        assert!(inner.get_token("the-token").await.unwrap().is_none());
        assert!(inner.take_authorization_code("the-code").await.unwrap().is_none());
        let record = storage.get_token("the-token").await.unwrap().unwrap();
        assert_eq!(record.access_token, stored_by_id(&token_id("the-token")));
        // The stored form finds the record inside, and is kept out where requests come in.
        assert!(storage.get_token(&record.access_token).await.unwrap().is_some());
        assert_eq!(presented(&record.access_token), "");
        assert_eq!(presented("the-token"), "the-token");
    }

    #[tokio::test]
    async fn records_written_back_keep_their_name() {
        let storage = HashedStorage::new(MemoryStorage::new());
        storage.put_authorization_code(code(60)).await.unwrap();
        let record = storage.take_authorization_code("the-code").await.unwrap().unwrap();
        storage.put_authorization_code(record).await.unwrap();
        assert!(storage.take_authorization_code("the-code").await.unwrap().is_some());
        assert!(storage.take_authorization_code("the-code").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn as_86_only_the_rightful_redeemer_fits_a_code() {
        let storage = HashedStorage::new(MemoryStorage::new());
        storage.put_authorization_code(code(60)).await.unwrap();
        let check = |code: &str, verifier: Option<&str>, uri: Option<&str>| {
            storage.code_fits(code, verifier, uri)
        };
        assert!(check("the-code", Some(VERIFIER), None));
        assert!(check("the-code", Some(VERIFIER), Some("http://localhost/cb")));
        assert!(!check("the-code", Some(VERIFIER), Some("http://localhost/other")));
        assert!(!check("the-code", Some(CHALLENGE), None));
        assert!(!check("the-code", None, None));
        assert!(!check("other-code", Some(VERIFIER), None));
        storage.sweep_expired(UNIX_EPOCH + Duration::from_secs(59)).await.unwrap();
        assert!(check("the-code", Some(VERIFIER), None));
        storage.sweep_expired(UNIX_EPOCH + Duration::from_secs(60)).await.unwrap();
        assert!(!check("the-code", Some(VERIFIER), None));
    }
}
