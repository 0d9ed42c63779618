//! Browsers that signed in, and requests that wait for their user.

use std::time::SystemTime;

use oauth_as::StorageError;

use super::{
    Lock, SqlRecords, Transaction, Value, can_be_stored, nanos, option_from_json, to_json,
};
use crate::secrets::Digest;
use crate::sessions::{Pending, Waiting};
use crate::settings::Limits;

impl SqlRecords {
    /// Lets a request wait, and gives its id: that of the same request if it waits already. `None`
    /// when too many wait (LIM-17).
    pub(crate) async fn wait(
        &self,
        waiting: &Waiting,
        limits: &Limits,
        now: SystemTime,
    ) -> Result<Option<String>, StorageError> {
        let (browser, query) = (waiting.browser.to_text(), waiting.query.to_text());
        let (peer, record) = (waiting.peer_key(), to_json(&waiting.pending)?);
        let mut transaction = self.database.begin(&[Lock::Count("pending authorizations")]).await?;
        let statement = "UPDATE pending_authorizations SET record = $4 \
            WHERE browser = $1 AND query = $2 AND expires_at > $3 RETURNING id";
        let values = [
            Value::Text(&browser),
            Value::Text(&query),
            Value::Number(nanos(now)),
            Value::Text(&record),
        ];
        if let Some(id) = transaction.text(statement, &values).await? {
            transaction.commit().await?;
            return Ok(Some(id));
        }
        if is_full(&mut transaction, &peer, limits).await? {
            let statement = "DELETE FROM pending_authorizations WHERE expires_at <= $1";
            transaction.execute(statement, &[Value::Number(nanos(now))]).await?;
            if is_full(&mut transaction, &peer, limits).await? {
                return Ok(None);
            }
        }
        let statement = "INSERT INTO pending_authorizations \
            (id, browser, query, peer, expires_at, record) VALUES ($1, $2, $3, $4, $5, $6)";
        let values = [
            Value::Text(&waiting.id),
            Value::Text(&browser),
            Value::Text(&query),
            Value::Text(&peer),
            Value::Number(nanos(waiting.ends)),
            Value::Text(&record),
        ];
        transaction.execute(statement, &values).await?;
        transaction.commit().await?;
        Ok(Some(waiting.id.clone()))
    }

    /// The waiting request, if it is this browser's.
    pub(crate) async fn find_pending(
        &self,
        id: &str,
        browser: Digest,
        now: SystemTime,
    ) -> Result<Option<Pending>, StorageError> {
        if !can_be_stored(id) {
            return Ok(None);
        }
        let statement = "SELECT record FROM pending_authorizations \
            WHERE id = $1 AND browser = $2 AND expires_at > $3";
        let (browser, now) = (browser.to_text(), nanos(now));
        let values = [Value::Text(id), Value::Text(&browser), Value::Number(now)];
        option_from_json(self.database.text(statement, &values).await?)
    }

    /// Takes the waiting request away, if it is this browser's; one of two callers gets it.
    pub(crate) async fn take_pending(
        &self,
        id: &str,
        browser: Digest,
        now: SystemTime,
    ) -> Result<Option<Pending>, StorageError> {
        if !can_be_stored(id) {
            return Ok(None);
        }
        let statement = "DELETE FROM pending_authorizations \
            WHERE id = $1 AND browser = $2 AND expires_at > $3 RETURNING record";
        let (browser, now) = (browser.to_text(), nanos(now));
        let values = [Value::Text(id), Value::Text(&browser), Value::Number(now)];
        option_from_json(self.database.execute_returning(statement, &values).await?)
    }

    /// Records a sign-in under a new secret, and moves the one request that it was for.
    pub(crate) async fn sign_in(
        &self,
        subject: &str,
        id: &str,
        before: Digest,
        browser: Digest,
        ends: SystemTime,
    ) -> Result<(), StorageError> {
        let (before, browser) = (before.to_text(), browser.to_text());
        let mut transaction = self.database.begin(&[]).await?;
        let statement = "INSERT INTO sessions (browser, subject, expires_at) VALUES ($1, $2, $3)";
        let values = [Value::Text(&browser), Value::Text(subject), Value::Number(nanos(ends))];
        transaction.execute(statement, &values).await?;
        let statement = "DELETE FROM sessions WHERE browser = $1";
        transaction.execute(statement, &[Value::Text(&before)]).await?;
        let statement = "UPDATE pending_authorizations SET browser = $3 \
            WHERE id = $1 AND browser = $2";
        let values = [Value::Text(id), Value::Text(&before), Value::Text(&browser)];
        transaction.execute(statement, &values).await?;
        transaction.commit().await
    }

    /// Who is signed in with this browser.
    pub(crate) async fn subject(
        &self,
        browser: Digest,
        now: SystemTime,
    ) -> Result<Option<String>, StorageError> {
        let statement = "SELECT subject FROM sessions WHERE browser = $1 AND expires_at > $2";
        let browser = browser.to_text();
        self.database.text(statement, &[Value::Text(&browser), Value::Number(nanos(now))]).await
    }
}

async fn is_full(
    transaction: &mut Transaction,
    peer: &str,
    limits: &Limits,
) -> Result<bool, StorageError> {
    let reached = |count: u64, max: usize| usize::try_from(count).map_or(true, |it| it >= max);
    let all = transaction.count("SELECT COUNT(*) FROM pending_authorizations", &[]).await?;
    let statement = "SELECT COUNT(*) FROM pending_authorizations WHERE peer = $1";
    let of_peer = transaction.count(statement, &[Value::Text(peer)]).await?;
    Ok(reached(all, limits.pending_authorizations)
        || reached(of_peer, limits.pending_authorizations_per_peer))
}
