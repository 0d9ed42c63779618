//! What a client holds for one server: its login, and what the user did not agree to.

use std::time::SystemTime;

use portcullis_core::{
    client::{AfterRefresh, KnownScopes, StepUpError, step_up},
    encoding::scratch::Scratch,
    limits::SCOPE_TOKENS_MAX,
    scope::ScopeSet,
};

use zeroize::Zeroizing;

use super::{
    AuthorizeError, Login,
    shared_failure::{Begun, SharedFailure},
    token_failure::TokenFailure,
};

/// Most that is remembered of what was denied, in bytes.
const DENIED_LEN_MAX: usize = 4 * 1024;

#[derive(Default)]
pub(super) struct Session {
    pub(super) login: Option<Login>,
    /// Scopes with one blank between them (CL-85).
    denied: String,
    /// Whether what is stored was looked at.
    pub(super) is_loaded: bool,
    /// Whether there is something that is to be stored before it is used (CL-63).
    pub(super) is_unsaved: bool,
    failed: Option<SharedFailure>,
    /// How many operations had begun when the user was last asked for more scopes in vain.
    asked_in_vain: u64,
}

/// What to do about a challenge that names further scopes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The tokens have them by now: somebody else asked in the meantime.
    Taken,
    /// Ask for these.
    Ask(String),
    /// Asking is in vain.
    None(StepUpError),
}

impl Session {
    /// Begins with a login that is nowhere else.
    pub(super) const fn new(login: Login) -> Self {
        Self {
            login: Some(login),
            denied: String::new(),
            is_loaded: true,
            is_unsaved: true,
            failed: None,
            asked_in_vain: 0,
        }
    }

    /// As it is stored, and that it was looked at.
    pub(super) fn loaded(self) -> Self {
        Self { is_loaded: true, ..self }
    }

    /// What is to be stored; `None` without a login.
    pub(super) fn to_record(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.login.as_ref().map(|login| login.to_record(&self.denied))
    }

    /// What was stored for this server; `None` if that cannot be read.
    pub(super) fn from_record(record: &[u8], server_url: &str) -> Option<Self> {
        let (login, denied) = Login::from_record(record, server_url)?;
        Some(Self { denied, is_unsaved: false, ..Self::new(login) })
    }

    /// Whether it is time to refresh the login, and possible.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        self.login.as_ref().is_some_and(|login| login.is_due(now))
    }

    /// Whether the login is another one than that which was `used`: somebody logged in or refreshed.
    pub(super) fn is_other_than(&self, used: Option<&Login>) -> bool {
        self.login.as_ref().map(Login::access_token) != used.map(Login::access_token)
    }

    /// Takes a new login; why there was none before is of no interest any more.
    pub(super) fn renew(&mut self, login: Login) {
        (self.login, self.failed) = (Some(login), None);
    }

    /// Takes in what a failed refresh means for the login.
    pub(super) fn after_refresh(&mut self, after: AfterRefresh) {
        if let Some(login) = &mut self.login {
            login.after_refresh(after, SystemTime::now());
        }
    }

    /// There is no new login, for a reason that the operations which have begun share.
    pub(super) fn share(&mut self, begun: &Begun, error: &AuthorizeError) {
        self.failed = SharedFailure::new(begun.so_far(), error);
    }

    /// Why there was no new login since this operation began.
    pub(super) fn failure_of(&self, operation: u64) -> Option<AuthorizeError> {
        self.failed.as_ref().and_then(|failed| failed.of(operation))
    }

    /// The question for more scopes failed: the operations which have begun do not ask it once more.
    pub(super) fn asked_in_vain(&mut self, begun: &Begun) {
        self.asked_in_vain = begun.so_far();
    }

    /// Whether the user may be asked for more scopes on behalf of this operation.
    pub(super) fn may_ask(&self, operation: u64) -> bool {
        operation >= self.asked_in_vain && self.failure_of(operation).is_none()
    }

    /// Judges a challenge to a request that was sent with `used`.
    pub(super) fn step(&self, used: Option<&Login>, challenged: ScopeSet<'_>) -> Step {
        let own = |scope: fn(&Login) -> &str| {
            let text = self.login.as_ref().map_or("", scope);
            ScopeSet::parse(text).unwrap_or_default()
        };
        let denied = ScopeSet::parse(&self.denied).unwrap_or_default();
        let known =
            KnownScopes { asked: own(Login::asked_scope), granted: own(Login::scope), denied };
        // The union is at most as long as all together and the blanks between.
        let len = [known.asked, known.granted, challenged].map(|scope| scope.as_str().len() + 1);
        let mut buffer = vec![0; len.iter().sum()];
        match step_up(&known, challenged, &mut Scratch::new(&mut buffer)) {
            Ok(scope) => Step::Ask(scope.as_str().to_owned()),
            Err(StepUpError::Granted) if self.is_other_than(used) => Step::Taken,
            Err(error) => Step::None(error),
        }
    }

    /// Whether what is stored is another login, or the same with what another process made of it.
    pub(super) fn is_stored_otherwise(&self, stored: Option<&Login>) -> bool {
        self.login.as_ref().map(Login::tokens) != stored.map(Login::tokens)
    }

    /// After a login that failed: forgets the client of the login there is if it may be one that the authorization
    /// server has forgotten; whether it did. Where that is so, a browser shows it to the user and nothing comes back,
    /// so that the next login has to be with another client.
    pub(super) fn doubt_client(&mut self, failure: &TokenFailure) -> bool {
        let is_doubtful = failure.after == AfterRefresh::ForgetClient
            || matches!(failure.error, AuthorizeError::TimedOut);
        // What can be refreshed is not given up for it: a refresh tells whether the client is known.
        let login = self.login.as_ref().filter(|login| is_doubtful && !login.is_refreshable());
        let forgets = login.is_some();
        if forgets {
            self.after_refresh(AfterRefresh::ForgetClient);
        }
        forgets
    }

    /// The user was asked for these scopes: what the login does not have was denied.
    pub(super) fn remember_denied(&mut self, challenged: ScopeSet<'_>) {
        let granted = self.login.as_ref().map_or("", Login::scope);
        let granted = ScopeSet::parse(granted).unwrap_or_default();
        let mut denied: Vec<&str> = self.denied.split_ascii_whitespace().collect();
        let new: Vec<&str> = challenged
            .iter()
            .filter(|scope| !granted.contains(scope) && !denied.contains(scope))
            .collect();
        denied.extend(new);
        // The newest of them: a record that has more than a scope may have is not read again.
        let mut len = 0;
        let fits = |scope: &&str| {
            len += scope.len() + 1;
            len <= DENIED_LEN_MAX
        };
        let newest = denied.iter().rev().copied().take(SCOPE_TOKENS_MAX).take_while(fits);
        let mut newest: Vec<&str> = newest.collect();
        newest.reverse();
        self.denied = newest.join(" ");
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::limits::SCOPE_TOKENS_MAX;
    use serde_json::json;

    use super::*;
    use crate::client::RECORD_LEN_MAX;

    const SERVER: &str = "https://mcp.example/mcp";

    fn session() -> Session {
        let record = json!({
            "version": 1, "server_url": SERVER, "issuer": "https://as.example", "resource": SERVER,
            "client_id": "c", "client_is_known": true, "client_secret": null,
            "client_secret_expires_at": null, "client_authentication": "none", "redirect_uri": "",
            "asked_scope": "", "scope": "user", "denied_scope": "", "access_token": "at",
            "refresh_token": null, "is_renewable": false, "expires_at": 1, "refresh_at": 1,
        });
        Session::from_record(record.to_string().as_bytes(), SERVER).unwrap()
    }

    fn scope(text: &str) -> ScopeSet<'_> {
        ScopeSet::parse(text).unwrap()
    }

    #[test]
    fn cl_85_a_server_that_wants_ever_more_leaves_a_record_that_is_read() {
        let mut session = session();
        let names: Vec<String> = (0..=2 * SCOPE_TOKENS_MAX).map(|n| format!("s{n}")).collect();
        for name in &names {
            session.remember_denied(scope(name));
        }
        let login = session.login.clone();
        let read = Session::from_record(&session.to_record().unwrap(), SERVER).unwrap();
        let (old, new) = names.split_at(names.len() - SCOPE_TOKENS_MAX);
        for name in new {
            assert_eq!(read.step(login.as_ref(), scope(name)), Step::None(StepUpError::Denied));
        }
        // What is long ago may be asked for again.
        assert!(old.iter().all(|name| matches!(read.step(None, scope(name)), Step::Ask(_))));

        for letter in ["a", "b", "c"] {
            session.remember_denied(scope(&letter.repeat(RECORD_LEN_MAX / 2)));
            assert!(session.to_record().unwrap().len() < RECORD_LEN_MAX);
        }
    }

    #[test]
    fn cl_81_what_was_granted_unasked_is_not_lost() {
        let step = session().step(None, scope("admin"));
        assert_eq!(step, Step::Ask("user admin".to_owned()));
    }
}
