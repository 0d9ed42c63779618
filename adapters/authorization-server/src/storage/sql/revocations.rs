//! Clients and families of tokens that were ended.
//!
//! A request may hold a record that a revocation removes meanwhile, and write it, or what follows
//! from it, afterwards. So a revocation leaves a note, and whoever writes a token looks for it
//! (SEC-310, SEC-560). Both happen under the lock of the client or the family.

use oauth_as::{RevocationWindow, StorageError};

use super::{Lock, SqlRecords, Transaction, Value, nanos};

/// What was ended.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Client,
    Family,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Family => "family",
        }
    }
}

/// Leaves the note. An earlier one of the same client or family only grows.
pub(super) async fn record(
    transaction: &mut Transaction,
    kind: Kind,
    id: &str,
    window: RevocationWindow,
) -> Result<(), StorageError> {
    let statement = "INSERT INTO revocations (kind, id, recorded_at, expires_at) \
        VALUES ($1, $2, $3, $4) ON CONFLICT (kind, id) DO UPDATE SET \
        recorded_at = CASE WHEN excluded.recorded_at > revocations.recorded_at \
            THEN excluded.recorded_at ELSE revocations.recorded_at END, \
        expires_at = CASE WHEN excluded.expires_at > revocations.expires_at \
            THEN excluded.expires_at ELSE revocations.expires_at END";
    let values = [
        Value::Text(kind.name()),
        Value::Text(id),
        Value::Number(nanos(window.recorded_at)),
        Value::Number(nanos(window.until)),
    ];
    transaction.execute(statement, &values).await.map(drop)
}

/// Refuses the empty id, which names nothing that could be ended.
pub(super) fn refuse_empty(id: &str) -> Result<(), StorageError> {
    if id.is_empty() { Err(StorageError::new("nothing is named to be ended")) } else { Ok(()) }
}

impl SqlRecords {
    /// Ends a family; gives the number of tokens that it had.
    pub(super) async fn end_family(
        &self,
        family_id: &str,
        window: RevocationWindow,
    ) -> Result<u64, StorageError> {
        refuse_empty(family_id)?;
        let mut transaction = self.database.begin(&[Lock::Family(family_id)]).await?;
        record(&mut transaction, Kind::Family, family_id, window).await?;
        let family = [Value::Text(family_id)];
        let access = "DELETE FROM access_tokens WHERE family_id = $1";
        let refresh = "DELETE FROM refresh_tokens WHERE family_id = $1";
        let ended = transaction.execute(access, &family).await?
            + transaction.execute(refresh, &family).await?;
        transaction.commit().await?;
        Ok(ended)
    }
}
