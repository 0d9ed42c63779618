//! Device grants (RFC 8628), each found by its device code and by its user code.

use std::time::SystemTime;

use oauth_as::device::{DeviceGrantState, normalize_user_code};
use oauth_as::{DeviceGrant, StorageError};

use super::{SqlRecords, Value, can_be_stored, nanos, option_from_json, to_json};

impl SqlRecords {
    /// Fails, and writes nothing, when another grant has the user code.
    pub(super) async fn write_device_grant(&self, grant: &DeviceGrant) -> Result<(), StorageError> {
        let (state, record) = (to_json(&grant.state)?, to_json(grant)?);
        let user_code = normalize_user_code(&grant.user_code);
        let statement = "INSERT INTO device_grants \
            (device_code, user_code, client_id, state, expires_at, record) \
            VALUES ($1, $2, $3, $4, $5, $6) \
            ON CONFLICT (device_code) DO UPDATE SET user_code = excluded.user_code, \
            client_id = excluded.client_id, state = excluded.state, \
            expires_at = excluded.expires_at, record = excluded.record";
        let values = [
            Value::Text(&grant.device_code),
            Value::Text(&user_code),
            Value::Text(grant.client_id.as_str()),
            Value::Text(&state),
            Value::Number(nanos(grant.expires_at)),
            Value::Text(&record),
        ];
        self.database.execute(statement, &values).await.map(drop)
    }

    pub(super) async fn device_grant(
        &self,
        device_code: &str,
    ) -> Result<Option<DeviceGrant>, StorageError> {
        let statement = "SELECT record FROM device_grants WHERE device_code = $1";
        self.find_device_grant(statement, device_code).await
    }

    pub(super) async fn device_grant_of_user_code(
        &self,
        user_code: &str,
    ) -> Result<Option<DeviceGrant>, StorageError> {
        let statement = "SELECT record FROM device_grants WHERE user_code = $1";
        self.find_device_grant(statement, user_code).await
    }

    async fn find_device_grant(
        &self,
        statement: &'static str,
        code: &str,
    ) -> Result<Option<DeviceGrant>, StorageError> {
        if !can_be_stored(code) {
            return Ok(None);
        }
        option_from_json(self.database.text(statement, &[Value::Text(code)]).await?)
    }

    pub(super) async fn take_device(
        &self,
        device_code: &str,
    ) -> Result<Option<DeviceGrant>, StorageError> {
        if !can_be_stored(device_code) {
            return Ok(None);
        }
        let statement = "DELETE FROM device_grants WHERE device_code = $1 RETURNING record";
        let values = [Value::Text(device_code)];
        option_from_json(self.database.execute_returning(statement, &values).await?)
    }

    /// Fails, and writes nothing, when another grant has the user code.
    pub(super) async fn swap_device_grant(
        &self,
        expected: &DeviceGrantState,
        updated: &DeviceGrant,
    ) -> Result<bool, StorageError> {
        let (from, to, record) = (to_json(expected)?, to_json(&updated.state)?, to_json(updated)?);
        let user_code = normalize_user_code(&updated.user_code);
        let statement = "UPDATE device_grants SET user_code = $3, state = $4, expires_at = $5, \
            record = $6 WHERE device_code = $1 AND state = $2";
        let values = [
            Value::Text(&updated.device_code),
            Value::Text(&from),
            Value::Text(&user_code),
            Value::Text(&to),
            Value::Number(nanos(updated.expires_at)),
            Value::Text(&record),
        ];
        Ok(self.database.execute(statement, &values).await? == 1)
    }

    /// Keeps beside a device grant what it is for: the engine's record has no place for that.
    pub(crate) async fn put_device_resource(
        &self,
        device_code: &str,
        resource: &str,
        ends: SystemTime,
    ) -> Result<(), StorageError> {
        let statement = "INSERT INTO device_resources (device_code, resource, expires_at) \
            VALUES ($1, $2, $3)";
        let values = [Value::Text(device_code), Value::Text(resource), Value::Number(nanos(ends))];
        self.database.execute(statement, &values).await.map(drop)
    }

    /// Whether `count` devices, or more, asked within the lifetime of a code.
    pub(crate) async fn has_devices(
        &self,
        count: usize,
        now: SystemTime,
    ) -> Result<bool, StorageError> {
        let statement =
            "SELECT device_code FROM device_resources WHERE expires_at > $1 LIMIT 1 OFFSET $2";
        let Some(before) = count.checked_sub(1) else { return Ok(true) };
        let before = Value::Number(i64::try_from(before).unwrap_or(i64::MAX));
        let found = self.database.text(statement, &[Value::Number(nanos(now)), before]).await?;
        Ok(found.is_some())
    }

    pub(crate) async fn device_resource(
        &self,
        device_code: &str,
    ) -> Result<Option<String>, StorageError> {
        if !can_be_stored(device_code) {
            return Ok(None);
        }
        let statement = "SELECT resource FROM device_resources WHERE device_code = $1";
        self.database.text(statement, &[Value::Text(device_code)]).await
    }
}
