//! The clients in the database, for whoever looks after them.

use std::fmt;

use oauth_as::{
    Client, ClientAuth, ClientId, GrantType, RevocationWindow, ScopeSet, SecretHash, Storage,
    StorageError,
};

use crate::audit::audit;
use crate::clock::Clock;
use crate::redirect_uri;
use crate::registration::metadata::{is_bound, shown_name};
use crate::secrets::random_text;
use crate::server::every_scope;
use crate::settings::{BOUND_ID_PREFIX, CLIENT_ID_PREFIX, Dpop, Lifetimes, Limits, Settings};
use crate::storage::Records;

/// Clients that one look at the database fetches.
const PAGE_LEN: usize = 500;

/// The clients in the database: adding, listing and removing them. A server that is running on the same
/// database takes notice at once. Clients that registered themselves are among them.
#[derive(Clone)]
pub struct Clients {
    records: Records,
    clock: Clock,
    lifetimes: Lifetimes,
    limits: Limits,
    scopes: ScopeSet,
    dpop: Dpop,
}

/// A client to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClient {
    /// What users read.
    pub name: String,
    /// Where users are sent back to: `https` anywhere, `http` on loopback (AS-53).
    pub redirect_uris: Vec<String>,
    /// Whether the client can keep a secret, and gets one.
    pub confidential: bool,
    /// Whether it gets tokens that are bound to its key, and no others (`dpop_bound_access_tokens`, RFC 9449 §5.2).
    /// Needs [`Settings::dpop`].
    pub bound_tokens_alone: bool,
}

/// A client in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownClient {
    /// Its id.
    pub client_id: String,
    /// What users read. Clients that registered themselves chose it.
    pub name: Option<String>,
    /// Where users are sent back to.
    pub redirect_uris: Vec<String>,
    /// Whether it authenticates.
    pub confidential: bool,
    /// Whether it gets tokens that are bound to its key, and no others.
    pub bound_tokens_alone: bool,
}

/// Why clients could not be changed. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The name is empty.
    Name,
    /// There is no redirect URI, there are too many (LIM-9), or one cannot be one. The text says why.
    RedirectUri(&'static str),
    /// It is to get bound tokens alone, and the settings bind none.
    Dpop,
    /// There is no such client.
    Unknown,
    /// The operating system gave no randomness.
    Entropy,
    /// The database cannot be used. The text is for people.
    Database(String),
}

impl Clients {
    /// Opens the clients of the database that `settings` name; made, with its tables, when there is none.
    ///
    /// # Errors
    /// [`ClientError::Database`] when it cannot be opened.
    pub async fn open(settings: &Settings) -> Result<Self, ClientError> {
        Ok(Self::of(&Records::open(&settings.database).await?, settings))
    }

    pub(crate) fn of(records: &Records, settings: &Settings) -> Self {
        Self {
            records: records.clone(),
            clock: settings.clock.clone(),
            lifetimes: settings.lifetimes,
            limits: settings.limits,
            scopes: every_scope(settings),
            dpop: settings.dpop,
        }
    }

    /// Adds a client that does not expire. Gives its id, and the secret of a confidential one, of which
    /// only the digest is kept.
    ///
    /// # Errors
    /// [`ClientError::Name`], [`ClientError::RedirectUri`], [`ClientError::Dpop`], [`ClientError::Entropy`],
    /// [`ClientError::Database`].
    pub async fn add(&self, new: &NewClient) -> Result<(String, Option<String>), ClientError> {
        let name = shown_name(&new.name).ok_or(ClientError::Name)?;
        self.check_redirect_uris(&new.redirect_uris)?;
        let prefix = match new.bound_tokens_alone {
            false => CLIENT_ID_PREFIX,
            true if self.dpop == Dpop::Off => return Err(ClientError::Dpop),
            true => BOUND_ID_PREFIX,
        };
        let random = || random_text().map_err(|_| ClientError::Entropy);
        let client_id = format!("{prefix}{}", random()?);
        let secret = new.confidential.then(random).transpose()?;
        let auth = secret.as_deref().map_or(ClientAuth::Public, |secret| {
            ClientAuth::ConfidentialSecretHash { hash: SecretHash::sha256(secret) }
        });
        let client = Client {
            client_id: ClientId::new(&client_id),
            auth,
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            redirect_uris: new.redirect_uris.clone(),
            allowed_scopes: self.scopes.clone(),
            default_scopes: ScopeSet::empty(),
            name: Some(name),
            registration: None,
        };
        self.records.put_client(client).await?;
        audit!(info, "client added", client_id, public = secret.is_none());
        Ok((client_id, secret))
    }

    /// Removes a client, and ends all that it was issued.
    ///
    /// # Errors
    /// [`ClientError::Unknown`], [`ClientError::Database`].
    pub async fn remove(&self, client_id: &str) -> Result<(), ClientError> {
        let id = ClientId::new(client_id);
        if self.records.get_client(&id).await?.is_none() {
            return Err(ClientError::Unknown);
        }
        let now = self.clock.now();
        // As long as anything that is being issued to it at this moment could live.
        let longest = self.lifetimes.refresh_token.max(self.lifetimes.access_token);
        let until = now.checked_add(longest).unwrap_or(now);
        self.records.delete_client(&id, RevocationWindow { recorded_at: now, until }).await?;
        audit!(info, "client removed", client_id);
        Ok(())
    }

    /// All clients, by id.
    ///
    /// # Errors
    /// [`ClientError::Database`].
    pub async fn list(&self) -> Result<Vec<KnownClient>, ClientError> {
        let mut known: Vec<KnownClient> = Vec::new();
        loop {
            let last = known.last().map(|client| client.client_id.clone()).unwrap_or_default();
            let page = self.records.clients_after(&last, PAGE_LEN).await?;
            if page.is_empty() {
                return Ok(known);
            }
            known.extend(page.into_iter().map(KnownClient::from));
        }
    }

    fn check_redirect_uris(&self, uris: &[String]) -> Result<(), ClientError> {
        if uris.is_empty() {
            return Err(ClientError::RedirectUri("at least one redirect URI is needed"));
        }
        if uris.len() > self.limits.redirect_uris {
            return Err(ClientError::RedirectUri("there are too many redirect URIs"));
        }
        for uri in uris {
            redirect_uri::check(uri, self.limits.redirect_uri_bytes)
                .map_err(|error| ClientError::RedirectUri(error.description()))?;
        }
        Ok(())
    }
}

impl From<Client> for KnownClient {
    fn from(client: Client) -> Self {
        Self {
            bound_tokens_alone: is_bound(&client),
            client_id: client.client_id.as_str().to_owned(),
            name: client.name,
            redirect_uris: client.redirect_uris,
            confidential: !matches!(client.auth, ClientAuth::Public),
        }
    }
}

impl From<StorageError> for ClientError {
    fn from(error: StorageError) -> Self {
        Self::Database(error.0)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("a client needs a name that people can read"),
            Self::RedirectUri(error) => f.write_str(error),
            Self::Dpop => f.write_str("a client of bound tokens needs `dpop` in the settings"),
            Self::Unknown => f.write_str("there is no such client"),
            Self::Entropy => f.write_str("the operating system gave no randomness"),
            Self::Database(error) => write!(f, "the database cannot be used: {error}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Database;

    async fn check(database: Database) {
        let settings = Settings::new("https://as.example").unwrap().with_database(database);
        let clients = Clients::open(&settings).await.unwrap();
        let new = |name: &str, uris: &[&str], confidential| NewClient {
            name: name.into(),
            redirect_uris: uris.iter().map(|&uri| uri.to_owned()).collect(),
            confidential,
            bound_tokens_alone: false,
        };
        let (public, none) = clients.add(&new("P", &["https://a.example"], false)).await.unwrap();
        let (secret, some) = clients.add(&new("C", &["http://localhost/"], true)).await.unwrap();
        assert!(none.is_none() && some.is_some());
        for (bad, expected) in [
            (new(" ", &["https://a.example"], false), ClientError::Name),
            (new("N", &[], false), ClientError::RedirectUri("at least one redirect URI is needed")),
        ] {
            assert_eq!(clients.add(&bad).await, Err(expected));
        }
        for uri in ["http://a.example", "javascript:x", "https://a.example#f", ""] {
            let refused = clients.add(&new("N", &[uri], false)).await;
            assert!(matches!(refused, Err(ClientError::RedirectUri(_))), "{uri}");
        }
        let many = vec!["https://a.example"; 17];
        assert!(clients.add(&new("N", &many, false)).await.is_err());
        let mut known = clients.list().await.unwrap();
        assert_eq!(known.len(), 2);
        known.retain(|client| client.client_id == secret);
        assert!(known[0].confidential && known[0].name.as_deref() == Some("C"));
        clients.remove(&public).await.unwrap();
        assert_eq!(clients.remove(&public).await, Err(ClientError::Unknown));
        assert_eq!(clients.list().await.unwrap(), known);
    }

    #[tokio::test]
    async fn dp_07_a_client_of_bound_tokens_where_there_are_some() {
        for (dpop, taken) in [(Dpop::Off, false), (Dpop::Offered, true), (Dpop::Required, true)] {
            let mut settings = Settings::new("https://as.example").unwrap();
            settings.dpop = dpop;
            let clients = Clients::open(&settings).await.unwrap();
            let new = NewClient {
                name: "App".into(),
                redirect_uris: vec!["https://a.example".into()],
                confidential: false,
                bound_tokens_alone: true,
            };
            let added = clients.add(&new).await;
            assert_eq!(added.is_ok(), taken, "{dpop:?}: {added:?}");
            assert!(taken || added == Err(ClientError::Dpop));
            let known = clients.list().await.unwrap();
            assert_eq!(known.len(), usize::from(taken));
            assert!(known.iter().all(|client| client.bound_tokens_alone));
        }
    }

    #[tokio::test]
    async fn lim_9_clients_that_an_administrator_adds() {
        let folder = tempfile::tempdir().unwrap();
        check(Database::Memory).await;
        check(Database::Sqlite(folder.path().join("records.db"))).await;
    }
}
