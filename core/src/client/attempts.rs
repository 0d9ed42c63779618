//! How often the client tries again before it gives up (CL-72, CL-83).

use crate::{challenge::parse::BearerChallenge, error::ErrorCode};

/// What to do about the answer to one MCP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing: the answer is the operation's result.
    Deliver,
    /// Get a new access token with the refresh token, then send the operation again.
    Refresh,
    /// Run the whole flow, then send the operation again.
    Authorize,
    /// Ask the user for the scopes of the challenge as well, see [`step_up`](super::step_up); then send
    /// the operation again. Where that cannot be asked for, the answer is the result.
    StepUp,
    /// Stop: everything allowed was tried (SEC-476).
    GiveUp,
}

/// What was already tried for one operation: one refresh, one flow, one step-up, no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    refreshed: bool,
    authorized: bool,
    stepped_up: bool,
}

impl Attempts {
    /// Judges an answer by its status and Bearer challenge; `refreshable` says whether there is a
    /// refresh token.
    pub fn react(
        &mut self,
        status: u16,
        challenge: Option<&BearerChallenge<'_>>,
        refreshable: bool,
    ) -> Reaction {
        match status {
            401 => self.unauthorized(refreshable),
            403 if !self.stepped_up && challenge.is_some_and(asks_for_more) => {
                self.stepped_up = true;
                Reaction::StepUp
            }
            _ => Reaction::Deliver,
        }
    }

    const fn unauthorized(&mut self, refreshable: bool) -> Reaction {
        // What a flow brought was just refused: its refresh token is not worth more.
        if self.authorized || self.stepped_up {
            return Reaction::GiveUp;
        }
        if refreshable && !self.refreshed {
            self.refreshed = true;
            return Reaction::Refresh;
        }
        self.authorized = true;
        Reaction::Authorize
    }
}

/// Whether the user could permit what was refused (CL-80). Without the scopes it is not known what to ask
/// for: the challenge alone is authoritative (CL-82).
fn asks_for_more(challenge: &BearerChallenge<'_>) -> bool {
    challenge.error == Some(ErrorCode::InsufficientScope.as_str())
        && challenge.scope.is_some_and(|scope| !scope.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::ScopeSet;
    use Reaction::{Authorize, Deliver, GiveUp, Refresh, StepUp};

    fn challenge(error: Option<&'static str>, scope: &'static str) -> BearerChallenge<'static> {
        let scope = Some(ScopeSet::parse(scope).unwrap());
        BearerChallenge {
            realm: None,
            scope,
            error,
            error_description: None,
            resource_metadata: None,
        }
    }

    fn more() -> BearerChallenge<'static> {
        challenge(Some("insufficient_scope"), "admin")
    }

    #[track_caller]
    fn check(answers: &[(u16, bool)], expected: &[Reaction]) {
        let mut attempts = Attempts::default();
        let reactions: std::vec::Vec<_> = answers
            .iter()
            .map(|&(status, refreshable)| attempts.react(status, Some(&more()), refreshable))
            .collect();
        assert_eq!(reactions, expected);
    }

    #[test]
    fn sec_476_401_for_ever_ends() {
        check(&[(401, true), (401, true), (401, true)], &[Refresh, Authorize, GiveUp]);
        check(&[(401, false), (401, false), (401, true)], &[Authorize, GiveUp, GiveUp]);
        // The flow brought a refresh token: what it brought was just refused, so it is not used.
        check(&[(401, false), (401, true)], &[Authorize, GiveUp]);
    }

    #[test]
    fn sec_351_cl_83_403_for_ever_ends() {
        check(&[(403, true), (403, true), (403, true)], &[StepUp, Deliver, Deliver]);
        check(&[(401, false), (403, true), (403, true)], &[Authorize, StepUp, Deliver]);
        check(&[(403, true), (401, true), (403, true)], &[StepUp, GiveUp, Deliver]);
        check(&[(401, true), (403, true), (401, true)], &[Refresh, StepUp, GiveUp]);
    }

    #[test]
    fn cl_80_only_a_missing_scope_that_is_named() {
        for (challenge, expected) in [
            (Some(more()), StepUp),
            (Some(challenge(Some("insufficient_scope"), "")), Deliver),
            (Some(challenge(Some("invalid_token"), "admin")), Deliver),
            (Some(challenge(None, "admin")), Deliver),
            (None, Deliver),
        ] {
            assert_eq!(Attempts::default().react(403, challenge.as_ref(), true), expected);
        }
        assert_eq!(Attempts::default().react(400, Some(&more()), true), Deliver);
    }

    #[test]
    fn other_answers_are_results() {
        check(&[(200, true), (404, true), (500, false)], &[Deliver, Deliver, Deliver]);
    }
}
