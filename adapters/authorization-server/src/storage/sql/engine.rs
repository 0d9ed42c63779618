//! What the protocol engine asks of its storage, answered by the database.

use std::sync::Arc;
use std::time::SystemTime;

use oauth_as::authorization::{AuthorizationCodeRecord, AuthorizationCodeState};
use oauth_as::device::DeviceGrantState;
use oauth_as::par::PushedAuthorizationRequest;
use oauth_as::{
    Client, ClientId, DeviceGrant, IssuedToken, RefreshTokenRecord, RevocationWindow, Storage,
    StorageError, WriteOutcome,
};

use super::SqlRecords;

impl Storage for SqlRecords {
    async fn get_client(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, StorageError> {
        self.client(client_id).await
    }

    async fn put_client(&self, client: Client) -> Result<(), StorageError> {
        self.write_client(&client).await
    }

    async fn compare_and_swap_client(
        &self,
        expected: &Client,
        updated: Client,
    ) -> Result<bool, StorageError> {
        self.swap_client(expected, &updated).await
    }

    async fn delete_client(
        &self,
        client_id: &ClientId,
        window: RevocationWindow,
    ) -> Result<bool, StorageError> {
        self.end_client(client_id, window).await
    }

    async fn put_device_grant(&self, grant: DeviceGrant) -> Result<(), StorageError> {
        self.write_device_grant(&grant).await
    }

    async fn get_device_grant(
        &self,
        device_code: &str,
    ) -> Result<Option<DeviceGrant>, StorageError> {
        self.device_grant(device_code).await
    }

    async fn find_device_grant_by_user_code(
        &self,
        normalized_user_code: &str,
    ) -> Result<Option<DeviceGrant>, StorageError> {
        self.device_grant_of_user_code(normalized_user_code).await
    }

    async fn take_device_grant(
        &self,
        device_code: &str,
    ) -> Result<Option<DeviceGrant>, StorageError> {
        self.take_device(device_code).await
    }

    async fn compare_and_swap_device_grant(
        &self,
        expected: &DeviceGrantState,
        updated: DeviceGrant,
    ) -> Result<bool, StorageError> {
        self.swap_device_grant(expected, &updated).await
    }

    async fn put_authorization_code(
        &self,
        record: AuthorizationCodeRecord,
    ) -> Result<(), StorageError> {
        self.write_code(&record).await
    }

    async fn compare_and_swap_authorization_code(
        &self,
        expected: &AuthorizationCodeState,
        updated: AuthorizationCodeRecord,
    ) -> Result<bool, StorageError> {
        self.swap_code(expected, &updated).await
    }

    async fn take_authorization_code(
        &self,
        code: &str,
    ) -> Result<Option<AuthorizationCodeRecord>, StorageError> {
        self.take_code(code).await
    }

    async fn put_pushed_authorization_request(
        &self,
        record: PushedAuthorizationRequest,
    ) -> Result<WriteOutcome, StorageError> {
        self.write_pushed(&record).await
    }

    async fn take_pushed_authorization_request(
        &self,
        request_uri: &str,
    ) -> Result<Option<PushedAuthorizationRequest>, StorageError> {
        self.take_pushed(request_uri).await
    }

    async fn put_token(&self, token: IssuedToken) -> Result<WriteOutcome, StorageError> {
        self.write_token(&token).await
    }

    async fn get_token(&self, token: &str) -> Result<Option<Arc<IssuedToken>>, StorageError> {
        self.token(token).await
    }

    async fn delete_token(&self, token: &str) -> Result<(), StorageError> {
        self.end_token(token).await
    }

    async fn put_refresh_token(
        &self,
        record: RefreshTokenRecord,
    ) -> Result<WriteOutcome, StorageError> {
        self.write_refresh_token(&record).await
    }

    async fn get_refresh_token(
        &self,
        token: &str,
    ) -> Result<Option<Arc<RefreshTokenRecord>>, StorageError> {
        self.refresh_token(token).await
    }

    async fn rotate_refresh_token(
        &self,
        expected: &RefreshTokenRecord,
        spent: &RefreshTokenRecord,
        access: &IssuedToken,
        next: Option<&RefreshTokenRecord>,
    ) -> Result<bool, StorageError> {
        self.rotate(expected, spent, access, next).await
    }

    async fn take_refresh_token(
        &self,
        token: &str,
    ) -> Result<Option<RefreshTokenRecord>, StorageError> {
        self.take_refresh(token).await
    }

    async fn revoke_token_family(
        &self,
        family_id: &str,
        window: RevocationWindow,
    ) -> Result<u64, StorageError> {
        self.end_family(family_id, window).await
    }

    async fn claim_replay_id(
        &self,
        id: &str,
        expires_at: SystemTime,
    ) -> Result<bool, StorageError> {
        self.claim(id, expires_at).await
    }

    async fn sweep_expired(&self, now: SystemTime) -> Result<u64, StorageError> {
        self.sweep_grants(now).await
    }
}
