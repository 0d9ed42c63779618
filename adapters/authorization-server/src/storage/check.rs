//! Whether a database could be used, without making or changing anything in it.

use std::fmt;
use std::path::Path;

use super::Database;
use super::sql::{check_postgresql, check_sqlite};

/// Why a database cannot be used, in words for people. No password is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseError(String);

impl Database {
    /// Whether it could be opened: of SQLite, that nobody else may read a file that is there; of
    /// PostgreSQL, that the server lets us in. Tables are neither made nor brought up to date.
    ///
    /// # Errors
    /// [`DatabaseError`] says what is in the way.
    pub async fn check(&self) -> Result<(), DatabaseError> {
        let checked = match self {
            Self::Memory => Ok(()),
            Self::Sqlite(path) if is_missing(path) => Ok(()),
            Self::Sqlite(path) => check_sqlite(path),
            Self::Postgresql(url) => check_postgresql(url).await,
        };
        checked.map_err(|error| DatabaseError(error.0))
    }
}

/// What is not there is made later.
fn is_missing(path: &Path) -> bool {
    !path.exists()
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DatabaseError {}
