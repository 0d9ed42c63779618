//! Registered clients, and which of them never obtained a token.

use std::sync::Arc;
use std::time::SystemTime;

use oauth_as::{Client, ClientId, RevocationWindow, StorageError};

use super::revocations::{Kind, record, refuse_empty};
use super::{
    Lock, SqlRecords, Transaction, Value, can_be_stored, from_json, nanos, option_from_json,
    to_json,
};

/// What goes with a client that is deleted.
const CASCADE: [&str; 7] = [
    "DELETE FROM access_tokens WHERE client_id = $1",
    "DELETE FROM refresh_tokens WHERE client_id = $1",
    "DELETE FROM authorization_codes WHERE client_id = $1",
    "DELETE FROM device_grants WHERE client_id = $1",
    "DELETE FROM pushed_requests WHERE client_id = $1",
    "DELETE FROM unused_clients WHERE client_id = $1",
    "DELETE FROM clients WHERE client_id = $1",
];

impl SqlRecords {
    pub(super) async fn client(
        &self,
        client_id: &ClientId,
    ) -> Result<Option<Arc<Client>>, StorageError> {
        let id = client_id.as_str();
        if !can_be_stored(id) {
            return Ok(None);
        }
        let statement = "SELECT record FROM clients WHERE client_id = $1";
        let found = self.database.text(statement, &[Value::Text(id)]).await?;
        Ok(option_from_json(found)?.map(Arc::new))
    }

    /// At most `count` clients with ids behind `client_id`, in the order of their ids.
    pub(crate) async fn clients_after(
        &self,
        client_id: &str,
        count: usize,
    ) -> Result<Vec<Client>, StorageError> {
        let statement =
            "SELECT record FROM clients WHERE client_id > $1 ORDER BY client_id LIMIT $2";
        let count = Value::Number(i64::try_from(count).unwrap_or(i64::MAX));
        let records = self.database.texts(statement, &[Value::Text(client_id), count]).await?;
        records.iter().map(|record| from_json(record)).collect()
    }

    pub(super) async fn write_client(&self, client: &Client) -> Result<(), StorageError> {
        let id = client.client_id.as_str();
        let record = to_json(client)?;
        let mut transaction = self.database.begin(&[Lock::Client(id)]).await?;
        let statement = "INSERT INTO clients (client_id, record) VALUES ($1, $2) \
            ON CONFLICT (client_id) DO UPDATE SET record = excluded.record";
        transaction.execute(statement, &[Value::Text(id), Value::Text(&record)]).await?;
        transaction.commit().await
    }

    pub(super) async fn swap_client(
        &self,
        expected: &Client,
        updated: &Client,
    ) -> Result<bool, StorageError> {
        let id = updated.client_id.as_str();
        if !can_be_stored(id) {
            return Ok(false);
        }
        let mut transaction = self.database.begin(&[Lock::Client(id)]).await?;
        let statement = "SELECT record FROM clients WHERE client_id = $1";
        let found = transaction.text(statement, &[Value::Text(id)]).await?;
        let Some(current) = option_from_json::<Client>(found)? else { return Ok(false) };
        if current != *expected {
            return Ok(false);
        }
        let record = to_json(updated)?;
        let statement = "UPDATE clients SET record = $2 WHERE client_id = $1";
        transaction.execute(statement, &[Value::Text(id), Value::Text(&record)]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Ends a client with all that it was issued. What is being issued to it meanwhile finds the
    /// revocation that stays behind.
    pub(super) async fn end_client(
        &self,
        client_id: &ClientId,
        window: RevocationWindow,
    ) -> Result<bool, StorageError> {
        let id = client_id.as_str();
        refuse_empty(id)?;
        if !can_be_stored(id) {
            return Ok(false);
        }
        let mut transaction = self.database.begin(&[Lock::Client(id)]).await?;
        let was_there = end(&mut transaction, id, window).await?;
        transaction.commit().await?;
        Ok(was_there)
    }

    /// Notes a client that has no token yet; false when there are `unused_max` already.
    pub(crate) async fn note_unused_client(
        &self,
        client_id: &ClientId,
        unused_max: usize,
        now: SystemTime,
    ) -> Result<bool, StorageError> {
        let mut transaction = self.database.begin(&[Lock::Count("unused clients")]).await?;
        let unused = transaction.count("SELECT COUNT(*) FROM unused_clients", &[]).await?;
        if usize::try_from(unused).map_or(true, |unused| unused >= unused_max) {
            return Ok(false);
        }
        let statement = "INSERT INTO unused_clients (client_id, since) VALUES ($1, $2)";
        let values = [Value::Text(client_id.as_str()), Value::Number(nanos(now))];
        transaction.execute(statement, &values).await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(crate) async fn mark_client_used(&self, client_id: &ClientId) -> Result<(), StorageError> {
        let statement = "DELETE FROM unused_clients WHERE client_id = $1";
        self.database.execute(statement, &[Value::Text(client_id.as_str())]).await.map(drop)
    }

    /// Ends one client that registered at or before `limit` and never obtained a token; false when
    /// there is none.
    pub(crate) async fn forget_unused_client(
        &self,
        limit: SystemTime,
        window: RevocationWindow,
    ) -> Result<bool, StorageError> {
        let limit = Value::Number(nanos(limit));
        let statement =
            "SELECT client_id FROM unused_clients WHERE since <= $1 ORDER BY since LIMIT 1";
        let Some(id) = self.database.text(statement, &[limit]).await? else { return Ok(false) };
        let mut transaction = self.database.begin(&[Lock::Client(&id)]).await?;
        // It may have obtained a token meanwhile, or another process has ended it.
        let statement = "DELETE FROM unused_clients WHERE client_id = $1 AND since <= $2";
        if transaction.execute(statement, &[Value::Text(&id), limit]).await? == 1 {
            end(&mut transaction, &id, window).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

/// Ends a client with all that it was issued; false when there is none.
async fn end(
    transaction: &mut Transaction,
    id: &str,
    window: RevocationWindow,
) -> Result<bool, StorageError> {
    record(transaction, Kind::Client, id, window).await?;
    let mut deleted = 0;
    for statement in CASCADE {
        // The last of them is the client itself.
        deleted = transaction.execute(statement, &[Value::Text(id)]).await?;
    }
    Ok(deleted > 0)
}
