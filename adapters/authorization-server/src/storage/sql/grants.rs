//! Authorization codes, access tokens and refresh tokens.
//!
//! A code or a refresh token ends by one `UPDATE` that finds it unused, in the same transaction that
//! keeps what is issued for it: after a crash either both happened or neither (SEC-231).

use std::sync::Arc;

use oauth_as::authorization::{AuthorizationCodeRecord, AuthorizationCodeState};
use oauth_as::token::RefreshTokenState;
use oauth_as::{IssuedToken, RefreshTokenRecord, StorageError, WriteOutcome};

use super::revocations::Owner;
use super::{SqlRecords, Transaction, Value, nanos, option_from_json, to_json};

const INSERT_TOKEN: &str = "INSERT INTO access_tokens \
    (token, client_id, family_id, expires_at, record) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (token) DO UPDATE SET client_id = excluded.client_id, \
    family_id = excluded.family_id, expires_at = excluded.expires_at, record = excluded.record";
const INSERT_REFRESH_TOKEN: &str = "INSERT INTO refresh_tokens \
    (token, client_id, family_id, state, expires_at, record) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (token) DO UPDATE SET client_id = excluded.client_id, \
    family_id = excluded.family_id, state = excluded.state, expires_at = excluded.expires_at, \
    record = excluded.record";

fn owner_of_token(token: &IssuedToken) -> Owner<'_> {
    Owner {
        client_id: &token.client_id,
        family_id: token.family_id.as_deref(),
        agreed_at: nanos(token.grant_established_at),
    }
}

fn owner_of_refresh_token(record: &RefreshTokenRecord) -> Owner<'_> {
    Owner {
        client_id: &record.client_id,
        family_id: Some(&record.family_id),
        agreed_at: nanos(record.grant_established_at),
    }
}

async fn insert_token(
    transaction: &mut Transaction,
    token: &IssuedToken,
) -> Result<(), StorageError> {
    let record = to_json(token)?;
    let values = [
        Value::Text(&token.access_token),
        Value::Text(token.client_id.as_str()),
        Value::MaybeText(token.family_id.as_deref()),
        Value::Number(nanos(token.expires_at)),
        Value::Text(&record),
    ];
    transaction.execute(INSERT_TOKEN, &values).await.map(drop)
}

async fn insert_refresh_token(
    transaction: &mut Transaction,
    record: &RefreshTokenRecord,
) -> Result<(), StorageError> {
    let (state, json) = (to_json(&record.state)?, to_json(record)?);
    let values = [
        Value::Text(&record.refresh_token),
        Value::Text(record.client_id.as_str()),
        Value::Text(&record.family_id),
        Value::Text(&state),
        Value::MaybeNumber(record.expires_at.map(nanos)),
        Value::Text(&json),
    ];
    transaction.execute(INSERT_REFRESH_TOKEN, &values).await.map(drop)
}

impl SqlRecords {
    pub(super) async fn write_code(
        &self,
        code: &AuthorizationCodeRecord,
    ) -> Result<(), StorageError> {
        let (state, record) = (to_json(&code.state)?, to_json(code)?);
        let statement = "INSERT INTO authorization_codes \
            (code, client_id, state, expires_at, record) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (code) DO UPDATE SET client_id = excluded.client_id, \
            state = excluded.state, expires_at = excluded.expires_at, record = excluded.record";
        let values = [
            Value::Text(&code.code),
            Value::Text(code.client_id.as_str()),
            Value::Text(&state),
            Value::Number(nanos(code.expires_at)),
            Value::Text(&record),
        ];
        self.database.execute(statement, &values).await.map(drop)
    }

    /// The code as it is.
    pub(crate) async fn authorization_code(
        &self,
        code: &str,
    ) -> Result<Option<AuthorizationCodeRecord>, StorageError> {
        let statement = "SELECT record FROM authorization_codes WHERE code = $1";
        option_from_json(self.database.text(statement, &[Value::Text(code)]).await?)
    }

    pub(super) async fn swap_code(
        &self,
        expected: &AuthorizationCodeState,
        updated: &AuthorizationCodeRecord,
    ) -> Result<bool, StorageError> {
        let (from, to, record) = (to_json(expected)?, to_json(&updated.state)?, to_json(updated)?);
        let statement = "UPDATE authorization_codes SET state = $3, record = $4 \
            WHERE code = $1 AND state = $2";
        let values = [
            Value::Text(&updated.code),
            Value::Text(&from),
            Value::Text(&to),
            Value::Text(&record),
        ];
        Ok(self.database.execute(statement, &values).await? == 1)
    }

    pub(super) async fn take_code(
        &self,
        code: &str,
    ) -> Result<Option<AuthorizationCodeRecord>, StorageError> {
        let statement = "DELETE FROM authorization_codes WHERE code = $1 RETURNING record";
        let taken = self.database.execute_returning(statement, &[Value::Text(code)]).await?;
        option_from_json(taken)
    }

    /// Ends an unused code and keeps what is issued for it. False when the code is not unused any
    /// more, or its client has ended: nothing is kept then.
    pub(crate) async fn redeem_code(
        &self,
        consumed: &AuthorizationCodeRecord,
        access: &IssuedToken,
        next: Option<&RefreshTokenRecord>,
    ) -> Result<bool, StorageError> {
        let owner = owner_of_token(access);
        let mut transaction = self.database.begin(&owner.locks()).await?;
        if owner.is_ended(&mut transaction).await? {
            return Ok(false);
        }
        let unused = to_json(&AuthorizationCodeState::Issued)?;
        let (state, record) = (to_json(&consumed.state)?, to_json(consumed)?);
        let statement = "UPDATE authorization_codes SET state = $3, record = $4 \
            WHERE code = $1 AND state = $2";
        let values = [
            Value::Text(&consumed.code),
            Value::Text(&unused),
            Value::Text(&state),
            Value::Text(&record),
        ];
        if transaction.execute(statement, &values).await? != 1 {
            return Ok(false);
        }
        insert_token(&mut transaction, access).await?;
        if let Some(next) = next {
            insert_refresh_token(&mut transaction, next).await?;
        }
        let statement = "DELETE FROM unused_clients WHERE client_id = $1";
        transaction.execute(statement, &[Value::Text(consumed.client_id.as_str())]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(super) async fn write_token(
        &self,
        token: &IssuedToken,
    ) -> Result<WriteOutcome, StorageError> {
        let owner = owner_of_token(token);
        let mut transaction = self.database.begin(&owner.locks()).await?;
        if owner.is_ended(&mut transaction).await? {
            return Ok(WriteOutcome::RefusedRevoked);
        }
        insert_token(&mut transaction, token).await?;
        transaction.commit().await?;
        Ok(WriteOutcome::Applied)
    }

    pub(super) async fn token(
        &self,
        token: &str,
    ) -> Result<Option<Arc<IssuedToken>>, StorageError> {
        let statement = "SELECT record FROM access_tokens WHERE token = $1";
        let found = self.database.text(statement, &[Value::Text(token)]).await?;
        Ok(option_from_json(found)?.map(Arc::new))
    }

    pub(super) async fn end_token(&self, token: &str) -> Result<(), StorageError> {
        let statement = "DELETE FROM access_tokens WHERE token = $1";
        self.database.execute(statement, &[Value::Text(token)]).await.map(drop)
    }

    pub(super) async fn write_refresh_token(
        &self,
        record: &RefreshTokenRecord,
    ) -> Result<WriteOutcome, StorageError> {
        let owner = owner_of_refresh_token(record);
        let mut transaction = self.database.begin(&owner.locks()).await?;
        if owner.is_ended(&mut transaction).await? {
            return Ok(WriteOutcome::RefusedRevoked);
        }
        insert_refresh_token(&mut transaction, record).await?;
        transaction.commit().await?;
        Ok(WriteOutcome::Applied)
    }

    pub(super) async fn refresh_token(
        &self,
        token: &str,
    ) -> Result<Option<Arc<RefreshTokenRecord>>, StorageError> {
        let statement = "SELECT record FROM refresh_tokens WHERE token = $1";
        let found = self.database.text(statement, &[Value::Text(token)]).await?;
        Ok(option_from_json(found)?.map(Arc::new))
    }

    pub(super) async fn take_refresh(
        &self,
        token: &str,
    ) -> Result<Option<RefreshTokenRecord>, StorageError> {
        let statement = "DELETE FROM refresh_tokens WHERE token = $1 RETURNING record";
        let taken = self.database.execute_returning(statement, &[Value::Text(token)]).await?;
        option_from_json(taken)
    }

    /// Ends a refresh token that is as `expected`, and keeps what is issued for it. False when it
    /// has changed or its family or client has ended: nothing is kept then.
    pub(super) async fn rotate(
        &self,
        expected: &RefreshTokenRecord,
        spent: &RefreshTokenRecord,
        access: &IssuedToken,
        next: Option<&RefreshTokenRecord>,
    ) -> Result<bool, StorageError> {
        let owner = owner_of_refresh_token(expected);
        let mut transaction = self.database.begin(&owner.locks()).await?;
        if owner.is_ended(&mut transaction).await? {
            return Ok(false);
        }
        let token = Value::Text(&expected.refresh_token);
        let statement = "SELECT record FROM refresh_tokens WHERE token = $1";
        let current = option_from_json(transaction.text(statement, &[token]).await?)?;
        if current.as_ref() != Some(expected) {
            return Ok(false);
        }
        let (from, to) = (to_json(&RefreshTokenState::Active)?, to_json(&spent.state)?);
        let record = to_json(spent)?;
        let statement = "UPDATE refresh_tokens SET state = $3, expires_at = $4, record = $5 \
            WHERE token = $1 AND state = $2";
        let values = [
            token,
            Value::Text(&from),
            Value::Text(&to),
            Value::MaybeNumber(spent.expires_at.map(nanos)),
            Value::Text(&record),
        ];
        if transaction.execute(statement, &values).await? != 1 {
            return Ok(false);
        }
        insert_token(&mut transaction, access).await?;
        if let Some(next) = next {
            insert_refresh_token(&mut transaction, next).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}
