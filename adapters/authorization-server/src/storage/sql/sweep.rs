//! Deleting what has expired.

use std::time::SystemTime;

use oauth_as::StorageError;

use super::{SqlRecords, Value, nanos};

/// Rows that one statement deletes: a writer who waits for it waits a moment.
const BATCH: u64 = 500;
/// Batches of one table in one sweep; what is left then waits for the next one.
const BATCHES_MAX: usize = 200;

/// The statements for one table: rows that another process is at are left to it.
macro_rules! expired {
    ($table:literal, $key:literal) => {
        (
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE ",
                $key,
                " IN (SELECT ",
                $key,
                " FROM ",
                $table,
                " WHERE expires_at <= $1 LIMIT $2)"
            ),
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE ",
                $key,
                " IN (SELECT ",
                $key,
                " FROM ",
                $table,
                " WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
            ),
        )
    };
}

/// What the protocol engine keeps.
const GRANTS: [(&str, &str); 8] = [
    expired!("device_resources", "device_code"),
    expired!("replay_ids", "id"),
    expired!("pushed_requests", "request_uri"),
    expired!("device_grants", "device_code"),
    expired!("authorization_codes", "code"),
    expired!("access_tokens", "token"),
    expired!("refresh_tokens", "token"),
    (
        "DELETE FROM revocations WHERE (kind, id) IN \
         (SELECT kind, id FROM revocations WHERE expires_at <= $1 LIMIT $2)",
        "DELETE FROM revocations WHERE (kind, id) IN \
         (SELECT kind, id FROM revocations WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
    ),
];
/// What is kept for browsers.
const BROWSERS: [(&str, &str); 2] =
    [expired!("sessions", "browser"), expired!("pending_authorizations", "id")];

impl SqlRecords {
    pub(super) async fn sweep_grants(&self, now: SystemTime) -> Result<u64, StorageError> {
        self.sweep(&GRANTS, now).await
    }

    pub(crate) async fn sweep_browsers(&self, now: SystemTime) -> Result<u64, StorageError> {
        self.sweep(&BROWSERS, now).await
    }

    async fn sweep(
        &self,
        statements: &[(&'static str, &'static str)],
        now: SystemTime,
    ) -> Result<u64, StorageError> {
        let values = [Value::Number(nanos(now)), Value::Number(i64::try_from(BATCH).unwrap_or(1))];
        let mut swept = 0;
        for (sqlite, postgresql) in statements {
            let statement = self.database.choose(sqlite, postgresql);
            for _ in 0..BATCHES_MAX {
                let batch = self.database.execute(statement, &values).await?;
                swept += batch;
                if batch < BATCH {
                    break;
                }
            }
        }
        Ok(swept)
    }
}
