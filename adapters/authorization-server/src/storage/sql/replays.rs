//! Ids of client assertions that were used: each of them counts once (RFC 7523 §3).

use std::time::SystemTime;

use oauth_as::StorageError;

use super::{SqlRecords, Value, nanos};

impl SqlRecords {
    /// False when the id is there already. It stays until the assertion would have expired.
    pub(super) async fn claim(
        &self,
        id: &str,
        expires_at: SystemTime,
    ) -> Result<bool, StorageError> {
        let statement = "INSERT INTO replay_ids (id, expires_at) VALUES ($1, $2) \
            ON CONFLICT (id) DO NOTHING";
        let values = [Value::Text(id), Value::Number(nanos(expires_at))];
        Ok(self.database.execute(statement, &values).await? == 1)
    }
}
