//! Storage that keeps digests instead of secrets.
//!
//! The protocol engine hands its storage authorization codes, access tokens and refresh tokens as
//! clients present them. [`HashedStorage`] stands before the [`Records`] and passes on only their
//! SHA-256 digests (AS-96, SEC-240).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use oauth_as::authorization::{AuthorizationCodeRecord, AuthorizationCodeState};
use oauth_as::device::DeviceGrantState;
use oauth_as::par::PushedAuthorizationRequest;
use oauth_as::token::RefreshTokenState;
use oauth_as::{
    Client, ClientId, DeviceGrant, IssuedToken, RefreshTokenRecord, RevocationWindow, ScopeSet,
    Storage, StorageError, WriteOutcome, delegate_storage,
};

use super::Records;
use super::redemption::{self, Kept, Redemption};
use super::{once, pushed};
use crate::client_document::{Documents, is_document_id};
use crate::clock::Clock;
use crate::secrets::Digest;

/// Marks a stored form, so that records read back are not hashed a second time when they are
/// written again. A `:` occurs in no code or token that is ever issued, and [`presented`] keeps
/// texts of this form from outside away: a digest read from a stolen database opens nothing.
const STORED_PREFIX: &str = "sha256:";

/// A storage of digests before the records.
pub(crate) struct HashedStorage {
    inner: Records,
    /// Clients that the settings name. They are what the settings say, at every start.
    fixed: HashMap<String, Arc<Client>>,
    /// Clients that documents describe.
    documents: Option<Arc<Documents>>,
    /// What every client may ask for, whatever there was when it was registered.
    scopes: Option<ScopeSet>,
    /// How long refresh tokens live, and by which clock; as the engine says if there is none.
    refresh: Option<RefreshLifetime>,
    /// Families of tokens whose revocation failed, in this process: the client was told so, and
    /// this one goes on trying.
    unrevoked: Mutex<HashMap<String, RevocationWindow>>,
}

/// How long refresh tokens live.
pub(crate) struct RefreshLifetime {
    pub(crate) clock: Clock,
    /// All tokens of one grant, from the user's consent.
    pub(crate) chain: Duration,
    /// One token, until it is used.
    pub(crate) idle: Duration,
}

impl RefreshLifetime {
    /// The engine knows one end, that of the chain. A token that waits for its use may end before it; one
    /// that was used is remembered until then, to notice that it is used again.
    /// A lifetime beyond the end of time is no end.
    fn end_of(&self, record: &RefreshTokenRecord) -> Option<SystemTime> {
        let chain = record.grant_established_at.checked_add(self.chain);
        match record.state {
            RefreshTokenState::Active => {
                let idle = self.clock.now().checked_add(self.idle);
                [chain, idle].into_iter().flatten().min()
            }
            _ => chain,
        }
    }
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

fn stored_device_grant(mut grant: DeviceGrant) -> DeviceGrant {
    grant.device_code = stored(&grant.device_code);
    grant
}

impl HashedStorage {
    /// A storage before `inner`, beside which the clients `fixed` are known.
    pub(crate) fn new(inner: Records, fixed: impl IntoIterator<Item = Client>) -> Self {
        let named = |client: Client| (client.client_id.as_str().to_owned(), Arc::new(client));
        Self {
            inner,
            fixed: fixed.into_iter().map(named).collect(),
            documents: None,
            scopes: None,
            refresh: None,
            unrevoked: Mutex::default(),
        }
    }

    /// Also knows these.
    #[cfg(feature = "workload-identity")]
    pub(crate) fn with_clients(mut self, clients: impl IntoIterator<Item = Client>) -> Self {
        let named = |client: Client| (client.client_id.as_str().to_owned(), Arc::new(client));
        self.fixed.extend(clients.into_iter().map(named));
        self
    }

    /// Also knows the clients of `documents`.
    pub(crate) fn with_documents(self, documents: Arc<Documents>) -> Self {
        Self { documents: Some(documents), ..self }
    }

    /// Lets every registered client ask for these scopes, also for those of resources that were added
    /// after it had registered.
    pub(crate) fn with_scopes(self, scopes: ScopeSet) -> Self {
        Self { scopes: Some(scopes), ..self }
    }

    /// Ends refresh tokens that are not used (AS-94).
    pub(crate) fn with_refresh_lifetime(self, refresh: RefreshLifetime) -> Self {
        Self { refresh: Some(refresh), ..self }
    }

    /// A client of the records as the engine sees it.
    fn with_current_scopes(&self, client: Arc<Client>) -> Arc<Client> {
        match &self.scopes {
            Some(scopes) if client.allowed_scopes != *scopes => {
                let mut client = Arc::unwrap_or_clone(client);
                client.allowed_scopes = scopes.clone();
                Arc::new(client)
            }
            _ => client,
        }
    }

    /// What the records are kept in.
    pub(crate) fn records(&self) -> &Records {
        &self.inner
    }

    /// Keeps what the engine wrote for a request that it granted.
    pub(crate) async fn keep(&self, redemption: &Redemption) -> Result<Kept, StorageError> {
        redemption.keep(&self.inner).await
    }

    /// Ends a redemption for which nothing is issued.
    pub(crate) async fn give_up(&self, redemption: &Redemption) {
        redemption.give_up(&self.inner).await;
    }

    #[cfg(test)]
    pub(crate) fn has_unrevoked(&self) -> bool {
        !self.unrevoked().is_empty()
    }

    /// Remembers, until `ends`, what the grant of this device code is for.
    pub(crate) async fn keep_device_resource(
        &self,
        device_code: &str,
        resource: &str,
        ends: SystemTime,
    ) -> Result<(), StorageError> {
        self.inner.put_device_resource(&stored(device_code), resource, ends).await
    }

    /// What the grant of this device code is for.
    pub(crate) async fn device_resource(
        &self,
        device_code: &str,
    ) -> Result<Option<String>, StorageError> {
        self.inner.device_resource(&stored(device_code)).await
    }

    /// The request that was pushed and is named so, as long as it waits.
    pub(crate) async fn pushed_request(
        &self,
        request_uri: &str,
    ) -> Result<Option<PushedAuthorizationRequest>, StorageError> {
        self.inner.pushed_request(&stored(request_uri)).await
    }

    /// Uses up the request that was pushed and has this stored name: false when it is used up
    /// already. `ends` is when nothing can refer to it any more.
    pub(crate) async fn use_pushed_request(
        &self,
        name: &str,
        ends: SystemTime,
    ) -> Result<bool, StorageError> {
        let id = token_id(&format!("pushed request {name}"));
        let is_first = self.inner.claim_replay_id(&id, ends).await?;
        self.inner.take_pushed_authorization_request(name).await?;
        Ok(is_first)
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
}

impl Storage for HashedStorage {
    delegate_storage!(to inner;
        put_client, delete_client, find_device_grant_by_user_code,
    );

    async fn compare_and_swap_client(
        &self,
        expected: &Client,
        updated: Client,
    ) -> Result<bool, StorageError> {
        let Some(stored) = self.inner.get_client(&expected.client_id).await? else {
            return Ok(false);
        };
        if *self.with_current_scopes(Arc::clone(&stored)) != *expected {
            return Ok(false);
        }
        self.inner.compare_and_swap_client(&stored, updated).await
    }

    async fn get_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        let id = client_id.as_str();
        let found = match (self.fixed.get(id), &self.documents) {
            (Some(fixed), _) => Some(Arc::clone(fixed)),
            (None, Some(documents)) if is_document_id(id) => documents.known(id),
            (None, _) => {
                let found = self.inner.get_client(client_id).await?;
                found.map(|client| self.with_current_scopes(client))
            }
        };
        Ok(match redemption::current() {
            Some(redemption) => found.map(|client| redemption.seen(client)),
            None => found,
        })
    }

    async fn put_device_grant(&self, grant: DeviceGrant) -> Result<(), StorageError> {
        self.inner.put_device_grant(stored_device_grant(grant)).await
    }

    async fn get_device_grant(
        &self,
        device_code: &str,
    ) -> Result<Option<DeviceGrant>, StorageError> {
        self.inner.get_device_grant(&stored(device_code)).await
    }

    async fn take_device_grant(
        &self,
        device_code: &str,
    ) -> Result<Option<DeviceGrant>, StorageError> {
        self.inner.take_device_grant(&stored(device_code)).await
    }

    async fn compare_and_swap_device_grant(
        &self,
        expected: &DeviceGrantState,
        updated: DeviceGrant,
    ) -> Result<bool, StorageError> {
        self.inner.compare_and_swap_device_grant(expected, stored_device_grant(updated)).await
    }

    async fn put_authorization_code(
        &self,
        record: AuthorizationCodeRecord,
    ) -> Result<(), StorageError> {
        let record = stored_code(record);
        match redemption::current() {
            Some(redemption) => redemption.put_code(&self.inner, record).await,
            None => self.inner.put_authorization_code(record).await,
        }
    }

    async fn compare_and_swap_authorization_code(
        &self,
        expected: &AuthorizationCodeState,
        updated: AuthorizationCodeRecord,
    ) -> Result<bool, StorageError> {
        let expected = stored_state(expected.clone());
        let updated = stored_code(updated);
        if let Some(redemption) = redemption::current()
            && let Some(swapped) = redemption.swap_code(&expected, &updated)
        {
            return Ok(swapped);
        }
        self.inner.compare_and_swap_authorization_code(&expected, updated).await
    }

    async fn take_authorization_code(
        &self,
        code: &str,
    ) -> Result<Option<AuthorizationCodeRecord>, StorageError> {
        match redemption::current() {
            Some(redemption) => redemption.take_code(&self.inner, &stored(code)).await,
            None => self.inner.take_authorization_code(&stored(code)).await,
        }
    }

    async fn put_pushed_authorization_request(
        &self,
        mut record: PushedAuthorizationRequest,
    ) -> Result<WriteOutcome, StorageError> {
        record.request_uri = stored(&record.request_uri);
        record.redirect_uri = pushed::redirect_uri().or(record.redirect_uri);
        self.inner.put_pushed_authorization_request(record).await
    }

    async fn take_pushed_authorization_request(
        &self,
        request_uri: &str,
    ) -> Result<Option<PushedAuthorizationRequest>, StorageError> {
        self.inner.take_pushed_authorization_request(&stored(request_uri)).await
    }

    async fn put_token(&self, mut token: IssuedToken) -> Result<WriteOutcome, StorageError> {
        token.access_token = stored(&token.access_token);
        match redemption::current() {
            Some(redemption) => Ok(redemption.put_token(token)),
            None => self.inner.put_token(token).await,
        }
    }

    async fn get_token(&self, token: &str) -> Result<Option<Arc<IssuedToken>>, StorageError> {
        self.inner.get_token(&stored(token)).await
    }

    async fn delete_token(&self, token: &str) -> Result<(), StorageError> {
        let token = stored(token);
        if redemption::current().is_some_and(|redemption| redemption.delete_token(&token)) {
            return Ok(());
        }
        self.inner.delete_token(&token).await
    }

    async fn put_refresh_token(
        &self,
        mut record: RefreshTokenRecord,
    ) -> Result<WriteOutcome, StorageError> {
        record.refresh_token = stored(&record.refresh_token);
        let Some(redemption) = redemption::current() else {
            // What is put back is what it was.
            return self.inner.put_refresh_token(record).await;
        };
        if let Some(refresh) = &self.refresh {
            record.expires_at = refresh.end_of(&record);
        }
        Ok(redemption.put_refresh_token(record))
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
        match redemption::current() {
            Some(redemption) => redemption.take_refresh_token(&self.inner, &token).await,
            None => self.inner.take_refresh_token(&token).await,
        }
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

    async fn claim_replay_id(
        &self,
        id: &str,
        expires_at: SystemTime,
    ) -> Result<bool, StorageError> {
        // A client chose it; its digest has a bounded length.
        let id = token_id(id);
        if once::is_claimed(&id) {
            return Ok(true);
        }
        let is_first = self.inner.claim_replay_id(&id, expires_at).await?;
        if is_first {
            once::note(id);
        }
        Ok(is_first)
    }

    // `rotate_refresh_token` keeps its refusing default: the engine calls it for its retry window,
    // which stores whole token answers and is off here. A [`Redemption`] calls that of the records.

    async fn sweep_expired(&self, now: SystemTime) -> Result<u64, StorageError> {
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
mod tests;
