//! Which scopes to ask for after a 403 `insufficient_scope` (CL-81, CL-82, CL-85).

use crate::{
    encoding::{
        scratch::{BufferFull, Scratch},
        text,
    },
    scope::ScopeSet,
};

/// What is known of the scopes at one resource, when a challenge asks for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownScopes<'s> {
    /// What was asked for when the tokens in use were granted (CL-84).
    pub asked: ScopeSet<'s>,
    /// What the tokens in use have.
    pub granted: ScopeSet<'s>,
    /// What the user did not agree to before (CL-85).
    pub denied: ScopeSet<'s>,
}

/// Why the user is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepUpError {
    /// The tokens have everything that the challenge names: asking again would bring the same.
    Granted,
    /// The challenge names a scope that the user did not agree to.
    Denied,
    /// All together they are more than a scope may have tokens (LIM-7).
    TooMany,
    /// No room in the caller's buffer.
    BufferFull,
}

impl core::fmt::Display for StepUpError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Granted => "tokens have the scopes that are asked for",
            Self::Denied => "a scope that is asked for was denied before",
            Self::TooMany => "too many scopes together",
            Self::BufferFull => "no room for the scopes",
        })
    }
}

impl core::error::Error for StepUpError {}

impl From<BufferFull> for StepUpError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// The scopes of the next authorization request: what was asked for before and what the challenge names,
/// each once and in this order, so that nothing is lost that other operations need (CL-81). Where nothing was asked
/// for, the server chose what it granted, and that counts.
///
/// Names are compared whole; whether one implies another only the server knows.
pub fn step_up<'s>(
    known: &KnownScopes<'_>,
    challenged: ScopeSet<'_>,
    scratch: &mut Scratch<'s>,
) -> Result<ScopeSet<'s>, StepUpError> {
    if challenged.iter().all(|scope| known.granted.contains(scope)) {
        return Err(StepUpError::Granted);
    }
    if challenged.iter().any(|scope| known.denied.contains(scope)) {
        return Err(StepUpError::Denied);
    }
    let before = if known.asked.is_empty() { known.granted } else { known.asked };
    let added = challenged.iter().filter(|scope| !before.contains(scope));
    let text = text::write_in(scratch, |text| {
        text.push(before.as_str())?;
        for scope in added {
            text.push(if text.is_empty() { "" } else { " " })?;
            text.push(scope)?;
        }
        Ok::<(), BufferFull>(())
    })?;
    ScopeSet::parse(text).map_err(|_| StepUpError::TooMany)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SCOPE_TOKENS_MAX;
    use std::{format, string::String, vec::Vec};

    fn union([asked, granted, denied]: [&str; 3], challenged: &str) -> Result<String, StepUpError> {
        let [asked, granted, denied] =
            [asked, granted, denied].map(|text| ScopeSet::parse(text).unwrap());
        let challenged = ScopeSet::parse(challenged).unwrap();
        let mut buffer = [0; 1024];
        let scratch = &mut Scratch::new(&mut buffer);
        let scope = step_up(&KnownScopes { asked, granted, denied }, challenged, scratch)?;
        Ok(scope.as_str().into())
    }

    #[test]
    fn cl_81_nothing_that_was_asked_for_is_lost() {
        for (known, challenged, expected) in [
            (["user", "user", ""], "admin", "user admin"),
            (["user", "user", ""], "user admin", "user admin"),
            (["user mail", "user", ""], "admin user", "user mail admin"),
            // Granted less than was asked for: it is asked for again.
            (["user mail", "user", ""], "mail", "user mail"),
            (["", "", ""], "admin", "admin"),
            // Nothing was asked for, and the server chose.
            (["", "user", ""], "admin", "user admin"),
            (["user", "user", "other"], "admin", "user admin"),
            // CL-81: names are names, and no part of a longer one.
            (["admin:write", "admin:write", ""], "admin", "admin:write admin"),
        ] {
            assert_eq!(union(known, challenged).as_deref(), Ok(expected), "{known:?} {challenged}");
        }
    }

    #[test]
    fn cl_83_nobody_is_asked_in_vain() {
        assert_eq!(union(["a b", "a b", ""], "b a"), Err(StepUpError::Granted));
        assert_eq!(union(["a", "a", ""], ""), Err(StepUpError::Granted));
        assert_eq!(union(["a", "a", "b"], "b"), Err(StepUpError::Denied));
        assert_eq!(union(["a", "a", "b"], "c b"), Err(StepUpError::Denied));
    }

    #[test]
    fn lim_7_on_both_sides_of_the_limit() {
        let names: Vec<String> = (0..SCOPE_TOKENS_MAX).map(|n| format!("s{n}")).collect();
        let (all, but_one) = (names.join(" "), names.get(1..).unwrap().join(" "));
        assert_eq!(union([&but_one, "", ""], "more"), Ok(format!("{but_one} more")));
        assert_eq!(union([&all, "", ""], "more"), Err(StepUpError::TooMany));
        let scope = ScopeSet::parse("admin").unwrap();
        let mut buffer = [0; 4];
        let full = step_up(&KnownScopes::default(), scope, &mut Scratch::new(&mut buffer));
        assert_eq!(full, Err(StepUpError::BufferFull));
    }
}
