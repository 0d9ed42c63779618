//! Authorization requests that were pushed (RFC 9126).

use std::time::SystemTime;

use oauth_as::par::PushedAuthorizationRequest;
use oauth_as::{StorageError, WriteOutcome};

use super::{Lock, SqlRecords, Value, nanos, option_from_json, to_json};

impl SqlRecords {
    /// Keeps a request, unless its client was ended since it was pushed.
    pub(super) async fn write_pushed(
        &self,
        request: &PushedAuthorizationRequest,
    ) -> Result<WriteOutcome, StorageError> {
        let client_id = request.client_id.as_str();
        let record = to_json(request)?;
        // As for tokens (`tokens`): a client may come back under its id.
        let statement = "INSERT INTO pushed_requests (request_uri, client_id, expires_at, record) \
            SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM revocations \
                WHERE kind = 'client' AND id = $2 AND (recorded_at >= $5 \
                OR NOT EXISTS (SELECT 1 FROM clients WHERE clients.client_id = $2))) \
            ON CONFLICT (request_uri) DO UPDATE SET client_id = excluded.client_id, \
            expires_at = excluded.expires_at, record = excluded.record";
        let values = [
            Value::Text(&request.request_uri),
            Value::Text(client_id),
            Value::Number(nanos(request.expires_at)),
            Value::Text(&record),
            Value::Number(nanos(request.pushed_at)),
        ];
        let mut transaction = self.database.begin(&[Lock::Client(client_id)]).await?;
        let written = transaction.execute(statement, &values).await?;
        transaction.commit().await?;
        Ok(if written == 1 { WriteOutcome::Applied } else { WriteOutcome::RefusedRevoked })
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
