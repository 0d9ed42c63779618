//! Records in memory: for demonstrations and tests. They end with the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use oauth_as::authorization::{AuthorizationCodeRecord, AuthorizationCodeState};
use oauth_as::par::PushedAuthorizationRequest;
use oauth_as::{
    Client, ClientId, IssuedToken, MemoryStorage, RefreshTokenRecord, RevocationWindow, Storage,
    StorageError, WriteOutcome, delegate_storage,
};

use crate::users::Account;

mod browsers;

use browsers::Browsers;

/// Records in memory.
#[derive(Default)]
pub(crate) struct MemoryRecords {
    /// All that the engine keeps, but for codes: those must be looked at without being taken.
    engine: MemoryStorage,
    codes: Mutex<HashMap<String, AuthorizationCodeRecord>>,
    /// Requests that were pushed. The engine has them, too, but gives them away when they are looked at.
    pushed: Mutex<HashMap<String, PushedAuthorizationRequest>>,
    /// What device grants are for, and when they end.
    device_resources: Mutex<HashMap<String, (String, SystemTime)>>,
    /// The engine's memory does not list its clients.
    client_ids: Mutex<BTreeSet<String>>,
    /// Clients that never obtained a token, and when they registered.
    unused: Mutex<HashMap<String, SystemTime>>,
    browsers: Mutex<Browsers>,
    accounts: Mutex<BTreeMap<String, Account>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Storage for MemoryRecords {
    delegate_storage!(to engine;
        get_client, compare_and_swap_client,
        put_device_grant, get_device_grant, find_device_grant_by_user_code, take_device_grant,
        compare_and_swap_device_grant,
        put_token, get_token, delete_token,
        put_refresh_token, get_refresh_token, take_refresh_token, rotate_refresh_token,
        revoke_token_family, claim_replay_id,
    );

    async fn put_client(&self, client: Client) -> Result<(), StorageError> {
        lock(&self.client_ids).insert(client.client_id.as_str().to_owned());
        self.engine.put_client(client).await
    }

    async fn delete_client(
        &self,
        client_id: &ClientId,
        window: RevocationWindow,
    ) -> Result<bool, StorageError> {
        let deleted = self.engine.delete_client(client_id, window).await?;
        lock(&self.codes).retain(|_, code| code.client_id != *client_id);
        lock(&self.pushed).retain(|_, request| request.client_id != *client_id);
        lock(&self.unused).remove(client_id.as_str());
        lock(&self.client_ids).remove(client_id.as_str());
        Ok(deleted)
    }

    async fn put_authorization_code(
        &self,
        record: AuthorizationCodeRecord,
    ) -> Result<(), StorageError> {
        lock(&self.codes).insert(record.code.clone(), record);
        Ok(())
    }

    async fn compare_and_swap_authorization_code(
        &self,
        expected: &AuthorizationCodeState,
        updated: AuthorizationCodeRecord,
    ) -> Result<bool, StorageError> {
        Ok(self.swap_code(expected, &updated))
    }

    async fn take_authorization_code(
        &self,
        code: &str,
    ) -> Result<Option<AuthorizationCodeRecord>, StorageError> {
        Ok(lock(&self.codes).remove(code))
    }

    async fn put_pushed_authorization_request(
        &self,
        record: PushedAuthorizationRequest,
    ) -> Result<WriteOutcome, StorageError> {
        let name = record.request_uri.clone();
        // In this order: a client that is deleted meanwhile takes it along, or the engine refuses it.
        lock(&self.pushed).insert(name.clone(), record.clone());
        let outcome = self.engine.put_pushed_authorization_request(record).await?;
        if outcome.is_refused() {
            lock(&self.pushed).remove(&name);
        }
        Ok(outcome)
    }

    async fn take_pushed_authorization_request(
        &self,
        request_uri: &str,
    ) -> Result<Option<PushedAuthorizationRequest>, StorageError> {
        self.engine.take_pushed_authorization_request(request_uri).await?;
        Ok(lock(&self.pushed).remove(request_uri))
    }

    async fn sweep_expired(&self, now: SystemTime) -> Result<u64, StorageError> {
        lock(&self.pushed).retain(|_, request| now < request.expires_at);
        lock(&self.device_resources).retain(|_, (_, ends)| now < *ends);
        let swept = {
            let mut codes = lock(&self.codes);
            let before = codes.len();
            codes.retain(|_, code| now < code.expires_at);
            before - codes.len()
        };
        let swept = u64::try_from(swept).unwrap_or(u64::MAX);
        Ok(swept.saturating_add(self.engine.sweep_expired(now).await?))
    }
}

impl MemoryRecords {
    pub(crate) async fn ping(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// At most `count` clients with ids behind `client_id`, in the order of their ids.
    pub(crate) async fn clients_after(
        &self,
        client_id: &str,
        count: usize,
    ) -> Result<Vec<Client>, StorageError> {
        let behind = (Bound::Excluded(client_id.to_owned()), Bound::Unbounded);
        let ids: Vec<String> = lock(&self.client_ids).range(behind).take(count).cloned().collect();
        let mut clients = Vec::new();
        for id in ids {
            let found = self.engine.get_client(&ClientId::new(id)).await?;
            clients.extend(found.map(|client| Client::clone(&client)));
        }
        Ok(clients)
    }

    pub(crate) async fn authorization_code(
        &self,
        code: &str,
    ) -> Result<Option<AuthorizationCodeRecord>, StorageError> {
        Ok(lock(&self.codes).get(code).cloned())
    }

    /// As in the database, though not in one step: the tokens are there before the code is used up,
    /// and go again if it was already. Nobody knows them before this returns.
    pub(crate) async fn redeem_code(
        &self,
        consumed: &AuthorizationCodeRecord,
        access: &IssuedToken,
        next: Option<&RefreshTokenRecord>,
    ) -> Result<bool, StorageError> {
        if self.engine.put_token(access.clone()).await?.is_refused() {
            return Ok(false);
        }
        let refused = match next {
            Some(next) => self.engine.put_refresh_token(next.clone()).await?,
            None => WriteOutcome::Applied,
        }
        .is_refused();
        if refused || !self.swap_code(&AuthorizationCodeState::Issued, consumed) {
            self.engine.delete_token(&access.access_token).await?;
            if let Some(next) = next {
                self.engine.take_refresh_token(&next.refresh_token).await?;
            }
            return Ok(false);
        }
        lock(&self.unused).remove(consumed.client_id.as_str());
        Ok(true)
    }

    fn swap_code(
        &self,
        expected: &AuthorizationCodeState,
        updated: &AuthorizationCodeRecord,
    ) -> bool {
        match lock(&self.codes).get_mut(&updated.code) {
            Some(current) if current.state == *expected => {
                *current = updated.clone();
                true
            }
            _ => false,
        }
    }

    pub(crate) async fn pushed_request(
        &self,
        request_uri: &str,
    ) -> Result<Option<PushedAuthorizationRequest>, StorageError> {
        Ok(lock(&self.pushed).get(request_uri).cloned())
    }

    pub(crate) async fn has_pushed_requests(
        &self,
        count: usize,
        now: SystemTime,
    ) -> Result<bool, StorageError> {
        let waiting = lock(&self.pushed).values().filter(|it| now < it.expires_at).count();
        Ok(waiting >= count)
    }

    pub(crate) async fn put_device_resource(
        &self,
        device_code: &str,
        resource: &str,
        ends: SystemTime,
    ) -> Result<(), StorageError> {
        let entry = (resource.to_owned(), ends);
        lock(&self.device_resources).insert(device_code.to_owned(), entry);
        Ok(())
    }

    pub(crate) async fn has_devices(
        &self,
        count: usize,
        now: SystemTime,
    ) -> Result<bool, StorageError> {
        let waiting = lock(&self.device_resources).values().filter(|(_, ends)| now < *ends).count();
        Ok(waiting >= count)
    }

    pub(crate) async fn device_resource(
        &self,
        device_code: &str,
    ) -> Result<Option<String>, StorageError> {
        Ok(lock(&self.device_resources).get(device_code).map(|(resource, _)| resource.clone()))
    }

    pub(crate) async fn note_unused_client(
        &self,
        client_id: &ClientId,
        unused_max: usize,
        now: SystemTime,
    ) -> Result<bool, StorageError> {
        let mut unused = lock(&self.unused);
        let has_room = unused.len() < unused_max;
        if has_room {
            unused.insert(client_id.as_str().to_owned(), now);
        }
        Ok(has_room)
    }

    pub(crate) async fn mark_client_used(&self, client_id: &ClientId) -> Result<(), StorageError> {
        lock(&self.unused).remove(client_id.as_str());
        Ok(())
    }

    pub(crate) async fn forget_unused_client(
        &self,
        limit: SystemTime,
        window: RevocationWindow,
    ) -> Result<bool, StorageError> {
        let older = |(_, since): &(&String, &SystemTime)| **since <= limit;
        let id = lock(&self.unused).iter().find(older).map(|(id, _)| id.clone());
        match id {
            Some(id) => self.delete_client(&ClientId::new(id), window).await.map(|_| true),
            None => Ok(false),
        }
    }

    pub(crate) async fn account(&self, name: &str) -> Result<Option<Account>, StorageError> {
        Ok(lock(&self.accounts).get(name).cloned())
    }

    pub(crate) async fn accounts(&self) -> Result<Vec<Account>, StorageError> {
        Ok(lock(&self.accounts).values().cloned().collect())
    }

    pub(crate) async fn add_account(&self, account: &Account) -> Result<bool, StorageError> {
        let mut accounts = lock(&self.accounts);
        let is_free = !accounts.contains_key(account.name());
        if is_free {
            accounts.insert(account.name().to_owned(), account.clone());
        }
        Ok(is_free)
    }

    pub(crate) async fn change_account(
        &self,
        name: &str,
        change: impl FnOnce(&mut Account) + Send,
    ) -> Result<bool, StorageError> {
        let is_there = lock(&self.accounts).get_mut(name).map(change).is_some();
        lock(&self.browsers).sign_out(name);
        Ok(is_there)
    }

    pub(crate) async fn remove_account(&self, name: &str) -> Result<bool, StorageError> {
        lock(&self.browsers).sign_out(name);
        Ok(lock(&self.accounts).remove(name).is_some())
    }
}
