//! Ids of what counts once and was used: assertions (RFC 7523 §3), DPoP proofs (RFC 9449 §11.1) and
//! pushed requests (RFC 9126 §7.3).

use std::time::SystemTime;

use oauth_as::StorageError;

use super::{SqlRecords, Value, nanos};

impl SqlRecords {
    /// False when the id is there already. It stays until what it stands for has expired.
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
