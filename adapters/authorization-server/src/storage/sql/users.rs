//! Users that sign in with a password.

use oauth_as::StorageError;

use super::{Lock, SqlRecords, Value, can_be_stored, from_json, option_from_json, to_json};
use crate::users::Account;

impl SqlRecords {
    pub(crate) async fn account(&self, name: &str) -> Result<Option<Account>, StorageError> {
        if !can_be_stored(name) {
            return Ok(None);
        }
        let statement = "SELECT record FROM users WHERE name = $1";
        option_from_json(self.database.text(statement, &[Value::Text(name)]).await?)
    }

    pub(crate) async fn accounts(&self) -> Result<Vec<Account>, StorageError> {
        let records = self.database.texts("SELECT record FROM users ORDER BY name", &[]).await?;
        records.iter().map(|record| from_json(record)).collect()
    }

    /// Adds an account; false when the name is taken.
    pub(crate) async fn add_account(&self, account: &Account) -> Result<bool, StorageError> {
        let record = to_json(account)?;
        let statement =
            "INSERT INTO users (name, record) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        let values = [Value::Text(account.name()), Value::Text(&record)];
        Ok(self.database.execute(statement, &values).await? == 1)
    }

    /// Changes an account and ends its sign-ins; false when there is none.
    pub(crate) async fn change_account(
        &self,
        name: &str,
        change: impl FnOnce(&mut Account) + Send,
    ) -> Result<bool, StorageError> {
        if !can_be_stored(name) {
            return Ok(false);
        }
        let mut transaction = self.database.begin(&[Lock::User(name)]).await?;
        let statement = "SELECT record FROM users WHERE name = $1";
        let found = transaction.text(statement, &[Value::Text(name)]).await?;
        let Some(mut account) = option_from_json::<Account>(found)? else { return Ok(false) };
        change(&mut account);
        let record = to_json(&account)?;
        let statement = "UPDATE users SET record = $2 WHERE name = $1";
        transaction.execute(statement, &[Value::Text(name), Value::Text(&record)]).await?;
        let statement = "DELETE FROM sessions WHERE subject = $1";
        transaction.execute(statement, &[Value::Text(name)]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Removes an account and ends its sign-ins; false when there is none.
    pub(crate) async fn remove_account(&self, name: &str) -> Result<bool, StorageError> {
        if !can_be_stored(name) {
            return Ok(false);
        }
        let mut transaction = self.database.begin(&[Lock::User(name)]).await?;
        let statement = "DELETE FROM sessions WHERE subject = $1";
        transaction.execute(statement, &[Value::Text(name)]).await?;
        let statement = "DELETE FROM users WHERE name = $1";
        let removed = transaction.execute(statement, &[Value::Text(name)]).await?;
        transaction.commit().await?;
        Ok(removed == 1)
    }
}
