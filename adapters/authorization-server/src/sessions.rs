//! Browsers that signed in, and authorization requests that wait for their user.
//!
//! A request waits in a record on the server, bound to the browser that brought it. Forms name the
//! record and nothing else, so that what the user approves is what was asked (SEC-200).

use std::time::SystemTime;

use oauth_as::authorization::AuthorizationErrorRedirect;
use oauth_as::{ErrorResponse, ScopeSet, StorageError};
use serde::{Deserialize, Serialize};

use crate::secrets::{Digest, EntropyError, random_text};
use crate::settings::{Lifetimes, Limits};
use crate::storage::Records;
use crate::throttle::Peer;

/// What waits for the user.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// A request that may be granted.
    Ask(Asked),
    /// A device's request, which its user named by a code.
    Device(DeviceAsked),
    /// A request with an error, which goes to the client once the user has signed in (AS-61).
    Refuse(#[serde(with = "RefusedFields")] AuthorizationErrorRedirect),
}

/// A request that was found good. The engine judges it again when the user has decided: the client
/// may have gone or changed since (SEC-214).
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// What the engine is asked, name by name.
    pub(crate) parameters: Vec<(String, String)>,
    /// Where the answer goes. The engine is asked about the registered URI that it matches.
    pub(crate) redirect_uri: String,
    pub(crate) scope: ScopeSet,
    pub(crate) resource: String,
    /// The stored name of the pushed request that it came as (RFC 9126).
    #[serde(default)]
    pub(crate) pushed: Option<String>,
}

/// What a device asks for (RFC 8628). Its record at the engine counts, found by the code.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct DeviceAsked {
    /// As the device shows it.
    pub(crate) user_code: String,
    pub(crate) scope: ScopeSet,
    pub(crate) resource: String,
}

/// An authorization request that waits for its user.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) client_id: String,
    pub(crate) client_name: Option<String>,
    /// Empty for a device, which is not answered through the browser.
    pub(crate) redirect_uri: String,
    pub(crate) outcome: Outcome,
}

/// A request as it is added.
pub(crate) struct NewPending<'r> {
    pub(crate) browser: Digest,
    pub(crate) peer: Peer,
    /// The request's query: the same query from the same browser is the same request.
    pub(crate) query: &'r str,
    pub(crate) pending: Pending,
}

/// A request as the records keep it.
#[derive(Clone)]
pub(crate) struct Waiting {
    /// Its name in URLs and forms. Worth nothing without the browser's cookie.
    pub(crate) id: String,
    pub(crate) browser: Digest,
    pub(crate) peer: Peer,
    pub(crate) query: Digest,
    pub(crate) ends: SystemTime,
    pub(crate) pending: Pending,
}

impl Waiting {
    /// The peer as a text to look for.
    pub(crate) fn peer_key(&self) -> String {
        format!("{:?}", self.peer)
    }
}

/// Why a request cannot wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingError {
    /// LIM-17.
    TooMany,
    /// No randomness for its name, or no storage for its record.
    Unavailable,
}

impl From<EntropyError> for PendingError {
    fn from(EntropyError: EntropyError) -> Self {
        Self::Unavailable
    }
}

impl From<StorageError> for PendingError {
    fn from(error: StorageError) -> Self {
        unavailable(error);
        Self::Unavailable
    }
}

/// The records of browsers cannot be read or written right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable;

fn unavailable(error: StorageError) -> Unavailable {
    tracing::error!(%error, "the records of browsers cannot be used");
    Unavailable
}

/// All browsers and waiting requests of one server.
pub(crate) struct Sessions {
    lifetimes: Lifetimes,
    limits: Limits,
    records: Records,
}

impl Sessions {
    pub(crate) fn new(records: Records, lifetimes: Lifetimes, limits: Limits) -> Self {
        Self { lifetimes, limits, records }
    }

    /// Lets a request wait, and gives its id. Asking again with the same query from the same browser
    /// gives the record that is already there: a second GET is not noticed.
    pub(crate) async fn wait(
        &self,
        new: NewPending<'_>,
        now: SystemTime,
    ) -> Result<String, PendingError> {
        let waiting = Waiting {
            id: random_text()?,
            browser: new.browser,
            peer: new.peer,
            query: Digest::of(new.query),
            ends: now + self.lifetimes.pending_authorization,
            pending: new.pending,
        };
        let id = self.records.wait(&waiting, &self.limits, now).await?;
        id.ok_or(PendingError::TooMany)
    }

    /// The waiting request, if it is this browser's.
    pub(crate) async fn find(
        &self,
        id: &str,
        browser: Digest,
        now: SystemTime,
    ) -> Result<Option<Pending>, Unavailable> {
        self.records.find_pending(id, browser, now).await.map_err(unavailable)
    }

    /// Takes the waiting request away, if it is this browser's: it can be decided once.
    pub(crate) async fn take(
        &self,
        id: &str,
        browser: Digest,
        now: SystemTime,
    ) -> Result<Option<Pending>, Unavailable> {
        self.records.take_pending(id, browser, now).await.map_err(unavailable)
    }

    /// Records that `subject` signed in, and moves the one request that the sign-in was for. The
    /// browser gets a new secret; the old one, which somebody else may have planted, stays
    /// worthless (SEC-202).
    pub(crate) async fn sign_in(
        &self,
        subject: &str,
        id: &str,
        before: Digest,
        now: SystemTime,
    ) -> Result<String, Unavailable> {
        let secret = random_text().map_err(|EntropyError| Unavailable)?;
        let (browser, ends) = (Digest::of(&secret), now + self.lifetimes.session);
        let signed_in = self.records.sign_in(subject, id, before, browser, ends).await;
        signed_in.map_err(unavailable)?;
        Ok(secret)
    }

    /// Who is signed in with this browser.
    pub(crate) async fn subject(
        &self,
        browser: Digest,
        now: SystemTime,
    ) -> Result<Option<String>, Unavailable> {
        self.records.subject(browser, now).await.map_err(unavailable)
    }

    /// Forgets what has ended.
    pub(crate) async fn sweep(&self, now: SystemTime) -> Result<(), Unavailable> {
        self.records.sweep_browsers(now).await.map(drop).map_err(unavailable)
    }
}

/// How a refusal that waits is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "AuthorizationErrorRedirect")]
struct RefusedFields {
    redirect_uri: String,
    error: ErrorResponse,
    state: Option<String>,
    iss: String,
}

#[cfg(test)]
mod tests;
