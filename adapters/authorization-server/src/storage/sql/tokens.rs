//! Writing tokens, with or without something that they use up, as one call of the database.
//!
//! On SQLite that is several statements, one after the other; on PostgreSQL one function, which has
//! the same statements and takes the locks ([`super::Lock`]). Both take their values in one order.

use oauth_as::{ClientId, IssuedToken, RefreshTokenRecord, StorageError};

use super::connection::Database;
use super::{Lock, Value, nanos, to_json};

/// Whether the client or the family was ended. A client may come back under its id: what was agreed
/// to afterwards counts, if the client is there. A family never comes back.
macro_rules! owner_has_ended {
    () => {
        "EXISTS (SELECT 1 FROM revocations WHERE \
            (kind = 'client' AND id = $3 AND (recorded_at >= $5 \
                OR NOT EXISTS (SELECT 1 FROM clients WHERE clients.client_id = $3))) \
            OR (kind = 'family' AND id = $4))"
    };
}

macro_rules! insert_access_token {
    ($($condition:expr),+) => {
        concat!(
            "INSERT INTO access_tokens (token, client_id, family_id, expires_at, record) \
            SELECT $6, $3, $4, $7, $8 WHERE ", $($condition),+,
            " ON CONFLICT (token) DO UPDATE SET client_id = excluded.client_id, \
            family_id = excluded.family_id, expires_at = excluded.expires_at, \
            record = excluded.record"
        )
    };
}

macro_rules! insert_refresh_token {
    ($($condition:expr),+) => {
        concat!(
            "INSERT INTO refresh_tokens (token, client_id, family_id, state, expires_at, record) \
            SELECT $9, $3, $4, $10, $11, $12 WHERE ", $($condition),+,
            " ON CONFLICT (token) DO UPDATE SET client_id = excluded.client_id, \
            family_id = excluded.family_id, state = excluded.state, \
            expires_at = excluded.expires_at, record = excluded.record"
        )
    };
}

// `changes()` is the number of rows that the last statement that writes has changed.

const KEEP_ACCESS_TOKEN: &str =
    concat!(insert_access_token!("NOT ", owner_has_ended!()), " RETURNING 'kept'");
const KEEP_REFRESH_TOKEN: &str =
    concat!(insert_refresh_token!("NOT ", owner_has_ended!()), " RETURNING 'kept'");
const REDEEM_CODE: &str = concat!(
    "SAVEPOINT one_write; \
    UPDATE authorization_codes SET state = $15, expires_at = $16, record = $17 \
        WHERE code = $13 AND state = $14 AND NOT ",
    owner_has_ended!(),
    "; SELECT 'kept' WHERE changes() = 1; ",
    insert_access_token!("changes() = 1"),
    "; ",
    insert_refresh_token!("changes() = 1 AND $9 IS NOT NULL"),
    "; DELETE FROM unused_clients WHERE client_id = $3 \
        AND EXISTS (SELECT 1 FROM access_tokens WHERE token = $6)"
);
const ROTATE_REFRESH_TOKEN: &str = concat!(
    "SAVEPOINT one_write; \
    UPDATE refresh_tokens SET state = $15, expires_at = $16, record = $17 \
        WHERE token = $13 AND state = $14 AND NOT ",
    owner_has_ended!(),
    "; SELECT 'kept' WHERE changes() = 1; ",
    insert_access_token!("changes() = 1"),
    "; ",
    insert_refresh_token!("changes() = 1 AND $9 IS NOT NULL")
);
const KEEP_ON_POSTGRESQL: &str =
    "SELECT * FROM keep_tokens($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

/// Tokens that are to be written, all of one client and one family.
pub(super) struct Tokens<'a> {
    client_id: &'a ClientId,
    family_id: Option<&'a str>,
    /// When the user agreed, in nanoseconds.
    agreed_at: i64,
    access: Option<Row<'a>>,
    refresh: Option<Row<'a>>,
    /// Of the refresh token.
    state: Option<String>,
}

struct Row<'a> {
    token: &'a str,
    ends: Option<i64>,
    record: String,
}

/// A code or a refresh token that gives tokens once.
pub(super) struct UsedUp<'a> {
    pub(super) name: &'a str,
    /// What its state must be, and what it becomes.
    pub(super) from: String,
    pub(super) to: String,
    /// When the used record ends, in nanoseconds.
    pub(super) ends: Option<i64>,
    pub(super) record: String,
}

impl<'a> Tokens<'a> {
    pub(super) fn of_access(access: &'a IssuedToken) -> Result<Self, StorageError> {
        Ok(Self {
            client_id: &access.client_id,
            family_id: access.family_id.as_deref(),
            agreed_at: nanos(access.grant_established_at),
            access: Some(Row {
                token: &access.access_token,
                ends: Some(nanos(access.expires_at)),
                record: to_json(access)?,
            }),
            refresh: None,
            state: None,
        })
    }

    /// The token alone.
    pub(super) fn of_refresh(record: &'a RefreshTokenRecord) -> Result<Self, StorageError> {
        Self::in_family_of(record).with_refresh(Some(record))
    }

    /// No token yet, in the family of `record`.
    fn in_family_of(record: &'a RefreshTokenRecord) -> Self {
        Self {
            client_id: &record.client_id,
            family_id: Some(&record.family_id),
            agreed_at: nanos(record.grant_established_at),
            access: None,
            refresh: None,
            state: None,
        }
    }

    /// What `spent` gives.
    pub(super) fn of_rotation(
        spent: &'a RefreshTokenRecord,
        access: &'a IssuedToken,
    ) -> Result<Self, StorageError> {
        Ok(Self { access: Self::of_access(access)?.access, ..Self::in_family_of(spent) })
    }

    pub(super) fn with_refresh(
        self,
        next: Option<&'a RefreshTokenRecord>,
    ) -> Result<Self, StorageError> {
        let Some(next) = next else { return Ok(self) };
        let refresh = Row {
            token: &next.refresh_token,
            ends: next.expires_at.map(nanos),
            record: to_json(next)?,
        };
        Ok(Self { refresh: Some(refresh), state: Some(to_json(&next.state)?), ..self })
    }

    fn values(&self) -> [Value<'_>; 12] {
        let client_id = self.client_id.as_str();
        let family_key = self.family_id.map(|family_id| Lock::Family(family_id).key());
        let (access, refresh) = (self.access.as_ref(), self.refresh.as_ref());
        [
            Value::Number(Lock::Client(client_id).key()),
            Value::MaybeNumber(family_key),
            Value::Text(client_id),
            Value::MaybeText(self.family_id),
            Value::Number(self.agreed_at),
            Value::MaybeText(access.map(|row| row.token)),
            Value::MaybeNumber(access.and_then(|row| row.ends)),
            Value::MaybeText(access.map(|row| row.record.as_str())),
            Value::MaybeText(refresh.map(|row| row.token)),
            Value::MaybeText(self.state.as_deref()),
            Value::MaybeNumber(refresh.and_then(|row| row.ends)),
            Value::MaybeText(refresh.map(|row| row.record.as_str())),
        ]
    }

    fn values_with<'v>(&'v self, used_up: &'v UsedUp<'_>) -> Vec<Value<'v>> {
        let used_up = [
            Value::Text(used_up.name),
            Value::Text(&used_up.from),
            Value::Text(&used_up.to),
            Value::MaybeNumber(used_up.ends),
            Value::Text(&used_up.record),
        ];
        self.values().into_iter().chain(used_up).collect()
    }
}

impl Database {
    /// Writes the one token that there is, unless its client or family has ended: false then.
    pub(super) async fn keep_token(&self, tokens: &Tokens<'_>) -> Result<bool, StorageError> {
        let on_sqlite = match tokens.access {
            Some(_) => KEEP_ACCESS_TOKEN,
            None => KEEP_REFRESH_TOKEN,
        };
        let statement = self.choose(on_sqlite, KEEP_ON_POSTGRESQL);
        Ok(self.execute_returning(statement, &tokens.values()).await?.is_some())
    }

    /// Uses up a code for tokens. False, and nothing is written, when it is not as expected or the
    /// client has ended.
    pub(super) async fn redeem_code(
        &self,
        tokens: &Tokens<'_>,
        code: &UsedUp<'_>,
    ) -> Result<bool, StorageError> {
        let on_postgresql = "SELECT * FROM redeem_code($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
            $11, $12, $13, $14, $15, $16, $17)";
        let statement = self.choose(REDEEM_CODE, on_postgresql);
        Ok(self.execute_returning(statement, &tokens.values_with(code)).await?.is_some())
    }

    /// Uses up a refresh token for tokens. False, and nothing is written, when it is not as expected
    /// or its client or family has ended.
    pub(super) async fn rotate_refresh_token(
        &self,
        tokens: &Tokens<'_>,
        spent: &UsedUp<'_>,
    ) -> Result<bool, StorageError> {
        let on_postgresql = "SELECT * FROM rotate_refresh_token($1, $2, $3, $4, $5, $6, $7, $8, \
            $9, $10, $11, $12, $13, $14, $15, $16, $17)";
        let statement = self.choose(ROTATE_REFRESH_TOKEN, on_postgresql);
        Ok(self.execute_returning(statement, &tokens.values_with(spent)).await?.is_some())
    }
}
