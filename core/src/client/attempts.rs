//! How often the client tries again before it gives up (CL-72).

/// What to do about the answer to one MCP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing: the answer is the operation's result.
    Deliver,
    /// Get a new access token with the refresh token, then send the operation again.
    Refresh,
    /// Run the whole flow, then send the operation again.
    Authorize,
    /// Stop: everything allowed was tried (SEC-476).
    GiveUp,
}

/// What was already tried for one operation: one refresh, one flow, no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    refreshed: bool,
    authorized: bool,
}

impl Attempts {
    /// Judges the status of an answer; `refreshable` says whether there is a refresh token.
    pub const fn react(&mut self, status: u16, refreshable: bool) -> Reaction {
        if status != 401 {
            return Reaction::Deliver;
        }
        if refreshable && !self.refreshed && !self.authorized {
            self.refreshed = true;
            return Reaction::Refresh;
        }
        if !self.authorized {
            self.authorized = true;
            return Reaction::Authorize;
        }
        Reaction::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reaction::{Authorize, Deliver, GiveUp, Refresh};

    fn check(answers: &[(u16, bool)], expected: &[Reaction]) {
        let mut attempts = Attempts::default();
        let reactions: std::vec::Vec<_> = answers
            .iter()
            .map(|&(status, refreshable)| attempts.react(status, refreshable))
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
    fn other_answers_are_results() {
        check(&[(200, true), (403, true), (500, false)], &[Deliver, Deliver, Deliver]);
    }
}
