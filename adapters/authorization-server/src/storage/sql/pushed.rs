//! Authorization requests that were pushed (RFC 9126).

use std::time::SystemTime;

use oauth_as::par::PushedAuthorizationRequest;
use oauth_as::{StorageError, WriteOutcome};

use super::revocations::Owner;
use super::{SqlRecords, Value, nanos, option_from_json, to_json};

impl SqlRecords {
    /// Keeps a request, unless its client was ended since it was pushed.
    pub(super) async fn write_pushed(
        &self,
        request: &PushedAuthorizationRequest,
    ) -> Result<WriteOutcome, StorageError> {
        let client_id = &request.client_id;
        let owner = Owner { client_id, family_id: None, agreed_at: nanos(request.pushed_at) };
        let record = to_json(request)?;
        let mut transaction = self.database.begin(&owner.locks()).await?;
        if owner.is_ended(&mut transaction).await? {
            return Ok(WriteOutcome::RefusedRevoked);
        }
        let statement = "INSERT INTO pushed_requests \
            (request_uri, client_id, expires_at, record) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (request_uri) DO UPDATE SET client_id = excluded.client_id, \
            expires_at = excluded.expires_at, record = excluded.record";
        let values = [
            Value::Text(&request.request_uri),
            Value::Text(client_id.as_str()),
            Value::Number(nanos(request.expires_at)),
            Value::Text(&record),
        ];
        transaction.execute(statement, &values).await?;
        transaction.commit().await?;
        Ok(WriteOutcome::Applied)
    }

    /// The request as it is.
    pub(crate) async fn pushed_request(
        &self,
        request_uri: &str,
    ) -> Result<Option<PushedAuthorizationRequest>, StorageError> {
        let statement = "SELECT record FROM pushed_requests WHERE request_uri = $1";
        option_from_json(self.database.text(statement, &[Value::Text(request_uri)]).await?)
    }

    pub(super) async fn take_pushed(
        &self,
        request_uri: &str,
    ) -> Result<Option<PushedAuthorizationRequest>, StorageError> {
        let statement = "DELETE FROM pushed_requests WHERE request_uri = $1 RETURNING record";
        let values = [Value::Text(request_uri)];
        option_from_json(self.database.execute_returning(statement, &values).await?)
    }

    /// Whether `count` of them, or more, wait to be used.
    pub(crate) async fn has_pushed_requests(
        &self,
        count: usize,
        now: SystemTime,
    ) -> Result<bool, StorageError> {
        let statement =
            "SELECT request_uri FROM pushed_requests WHERE expires_at > $1 LIMIT 1 OFFSET $2";
        let Some(before) = count.checked_sub(1) else { return Ok(true) };
        let before = Value::Number(i64::try_from(before).unwrap_or(i64::MAX));
        let found = self.database.text(statement, &[Value::Number(nanos(now)), before]).await?;
        Ok(found.is_some())
    }
}
