//! Authorization codes, access tokens and refresh tokens.
//!
//! A code or a refresh token ends by one `UPDATE` that finds it unused, in the same transaction that
//! keeps what is issued for it: after a crash either both happened or neither (SEC-231). The whole of
//! that transaction is one call of the database (`tokens`).

use std::sync::Arc;

use oauth_as::authorization::{AuthorizationCodeRecord, AuthorizationCodeState};
use oauth_as::token::RefreshTokenState;
use oauth_as::{IssuedToken, RefreshTokenRecord, StorageError, WriteOutcome};

use super::tokens::{Tokens, UsedUp};
use super::{SqlRecords, Value, nanos, option_from_json, to_json};

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
        let used_up = UsedUp {
            name: &consumed.code,
            from: to_json(&AuthorizationCodeState::Issued)?,
            to: to_json(&consumed.state)?,
            ends: Some(nanos(consumed.expires_at)),
            record: to_json(consumed)?,
        };
        let tokens = Tokens::of_access(access)?.with_refresh(next)?;
        self.database.redeem_code(&tokens, &used_up).await
    }

    pub(super) async fn write_token(
        &self,
        token: &IssuedToken,
    ) -> Result<WriteOutcome, StorageError> {
        self.keep(&Tokens::of_access(token)?).await
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
        self.keep(&Tokens::of_refresh(record)?).await
    }

    async fn keep(&self, tokens: &Tokens<'_>) -> Result<WriteOutcome, StorageError> {
        Ok(match self.database.keep_token(tokens).await? {
            true => WriteOutcome::Applied,
            false => WriteOutcome::RefusedRevoked,
        })
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
    ///
    /// A record changes with its state and never otherwise, so that the state alone is compared.
    pub(super) async fn rotate(
        &self,
        expected: &RefreshTokenRecord,
        spent: &RefreshTokenRecord,
        access: &IssuedToken,
        next: Option<&RefreshTokenRecord>,
    ) -> Result<bool, StorageError> {
        if expected.state != RefreshTokenState::Active {
            return Ok(false);
        }
        let used_up = UsedUp {
            name: &expected.refresh_token,
            from: to_json(&expected.state)?,
            to: to_json(&spent.state)?,
            ends: spent.expires_at.map(nanos),
            record: to_json(spent)?,
        };
        let tokens = Tokens::of_rotation(expected, access)?.with_refresh(next)?;
        self.database.rotate_refresh_token(&tokens, &used_up).await
    }
}
