//! Browsers that signed in, and authorization requests that wait for their user.
//!
//! A request waits in a record on the server, bound to the browser that brought it. Forms name the
//! record and nothing else, so that what the user approves is what was asked (SEC-200).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use oauth_as::ValidatedAuthorizationRequest;
use oauth_as::authorization::AuthorizationErrorRedirect;

use crate::secrets::{Digest, EntropyError, random_text};
use crate::settings::{Lifetimes, Limits};
use crate::throttle::Peer;

/// What waits for the user.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// A request that may be granted.
    Ask(Box<ValidatedAuthorizationRequest>),
    /// A request with an error, which goes to the client once the user has signed in (AS-61).
    Refuse(Box<AuthorizationErrorRedirect>),
}

/// An authorization request that waits for its user.
#[derive(Clone)]
pub(crate) struct Pending {
    /// Its name in URLs and forms. Worth nothing without the browser's cookie.
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) client_name: Option<String>,
    pub(crate) redirect_uri: String,
    pub(crate) outcome: Outcome,
}

/// A request as it is added; the rest of [`Pending`] is made here.
pub(crate) struct NewPending<'r> {
    pub(crate) browser: Digest,
    pub(crate) peer: Peer,
    /// The request's query: the same query from the same browser is the same request.
    pub(crate) query: &'r str,
    pub(crate) pending: Pending,
}

/// Why a request cannot wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingError {
    /// LIM-17.
    TooMany,
    /// No randomness for its name.
    Entropy,
}

impl From<EntropyError> for PendingError {
    fn from(EntropyError: EntropyError) -> Self {
        Self::Entropy
    }
}

struct Waiting {
    pending: Pending,
    browser: Digest,
    peer: Peer,
    query: Digest,
    ends: SystemTime,
}

struct SignedIn {
    subject: String,
    ends: SystemTime,
}

/// All browsers and waiting requests of one server.
pub(crate) struct Sessions {
    lifetimes: Lifetimes,
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: HashMap<String, Waiting>,
    signed_in: HashMap<Digest, SignedIn>,
}

impl Sessions {
    pub(crate) fn new(lifetimes: Lifetimes, limits: Limits) -> Self {
        Self { lifetimes, limits, state: Mutex::new(State::default()) }
    }

    /// Lets a request wait, and gives its id. Asking again with the same query from the same browser
    /// gives the record that is already there: a second GET is not noticed.
    pub(crate) fn wait(
        &self,
        new: NewPending<'_>,
        now: SystemTime,
    ) -> Result<String, PendingError> {
        let query = Digest::of(new.query);
        let mut state = self.lock();
        let same = |waiting: &&mut Waiting| {
            waiting.browser == new.browser && waiting.query == query && now < waiting.ends
        };
        if let Some(waiting) = state.waiting.values_mut().find(same) {
            let id = waiting.pending.id.clone();
            waiting.pending = Pending { id: id.clone(), ..new.pending };
            return Ok(id);
        }
        let of_peer = |waiting: &&Waiting| waiting.peer == new.peer;
        if state.waiting.len() >= self.limits.pending_authorizations
            || state.waiting.values().filter(of_peer).count()
                >= self.limits.pending_authorizations_per_peer
        {
            state.waiting.retain(|_, waiting| now < waiting.ends);
        }
        if state.waiting.len() >= self.limits.pending_authorizations
            || state.waiting.values().filter(of_peer).count()
                >= self.limits.pending_authorizations_per_peer
        {
            return Err(PendingError::TooMany);
        }
        let id = random_text()?;
        let waiting = Waiting {
            pending: Pending { id: id.clone(), ..new.pending },
            browser: new.browser,
            peer: new.peer,
            query,
            ends: now + self.lifetimes.pending_authorization,
        };
        state.waiting.insert(id.clone(), waiting);
        Ok(id)
    }

    /// The waiting request, if it is this browser's.
    pub(crate) fn find(&self, id: &str, browser: Digest, now: SystemTime) -> Option<Pending> {
        let state = self.lock();
        let waiting = state.waiting.get(id)?;
        (waiting.browser == browser && now < waiting.ends).then(|| waiting.pending.clone())
    }

    /// Takes the waiting request away, if it is this browser's: it can be decided once.
    pub(crate) fn take(&self, id: &str, browser: Digest, now: SystemTime) -> Option<Pending> {
        let mut state = self.lock();
        let waiting = state.waiting.get(id)?;
        if waiting.browser != browser || now >= waiting.ends {
            return None;
        }
        state.waiting.remove(id).map(|waiting| waiting.pending)
    }

    /// Records that `subject` signed in, and moves the one request that the sign-in was for. The
    /// browser gets a new secret; the old one, which somebody else may have planted, stays
    /// worthless (SEC-202).
    pub(crate) fn sign_in(
        &self,
        subject: &str,
        id: &str,
        before: Digest,
        now: SystemTime,
    ) -> Result<String, EntropyError> {
        let secret = random_text()?;
        let browser = Digest::of(&secret);
        let mut state = self.lock();
        state.signed_in.retain(|_, signed_in| now < signed_in.ends);
        let ends = now + self.lifetimes.session;
        state.signed_in.insert(browser, SignedIn { subject: subject.to_owned(), ends });
        state.signed_in.remove(&before);
        if let Some(waiting) = state.waiting.get_mut(id).filter(|it| it.browser == before) {
            waiting.browser = browser;
        }
        Ok(secret)
    }

    /// Who is signed in with this browser.
    pub(crate) fn subject(&self, browser: Digest, now: SystemTime) -> Option<String> {
        let state = self.lock();
        let signed_in = state.signed_in.get(&browser)?;
        (now < signed_in.ends).then(|| signed_in.subject.clone())
    }

    /// Forgets what has ended.
    pub(crate) fn sweep(&self, now: SystemTime) {
        let mut state = self.lock();
        state.waiting.retain(|_, waiting| now < waiting.ends);
        state.signed_in.retain(|_, signed_in| now < signed_in.ends);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
