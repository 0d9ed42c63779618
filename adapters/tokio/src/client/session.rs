//! What a client holds for one server: its login, and what the user did not agree to.

use std::time::SystemTime;

use portcullis_core::{
    client::{AfterRefresh, KnownScopes, StepUpError, step_up},
    encoding::scratch::Scratch,
    scope::ScopeSet,
};

use zeroize::Zeroizing;

use super::{
    AuthorizeError, Login,
    shared_failure::{Begun, SharedFailure},
};

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
        Some(Self { login: Some(login), denied, is_loaded: true, is_unsaved: false, failed: None })
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

    /// Judges a challenge to a request that was sent with `used`.
    pub(super) fn step(&self, used: Option<&Login>, challenged: ScopeSet<'_>) -> Step {
        let own = |scope: fn(&Login) -> &str| {
            let text = self.login.as_ref().map_or("", scope);
            ScopeSet::parse(text).unwrap_or_default()
        };
        let denied = ScopeSet::parse(&self.denied).unwrap_or_default();
        let known =
            KnownScopes { asked: own(Login::asked_scope), granted: own(Login::scope), denied };
        // The union is at most as long as both together and a blank.
        let mut buffer = vec![0; known.asked.as_str().len() + challenged.as_str().len() + 1];
        match step_up(&known, challenged, &mut Scratch::new(&mut buffer)) {
            Ok(scope) => Step::Ask(scope.as_str().to_owned()),
            Err(StepUpError::Granted) if self.is_other_than(used) => Step::Taken,
            Err(error) => Step::None(error),
        }
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
        self.denied = denied.join(" ");
    }
}
