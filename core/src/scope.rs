//! Scopes: sets of case-sensitive tokens (RFC 6749 §3.3).

use crate::limits::SCOPE_TOKENS_MAX;

/// Why a text is not a scope value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScopeError {
    /// A character outside `%x21 / %x23-5B / %x5D-7E`.
    Character,
    /// A blank at an end, or two in a row.
    Blank,
    /// More than [`SCOPE_TOKENS_MAX`] tokens (LIM-7).
    TooMany,
}

impl core::fmt::Display for ScopeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Character => "scope has a character that is not allowed",
            Self::Blank => "scope has a blank too many",
            Self::TooMany => "scope has too many tokens",
        })
    }
}

impl core::error::Error for ScopeError {}

/// A well-formed scope value: tokens with one blank between them, or nothing at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet<'s>(&'s str);

impl<'s> ScopeSet<'s> {
    /// No scope.
    pub const EMPTY: ScopeSet<'static> = ScopeSet("");

    /// Checks the grammar of RFC 6749 §3.3; the empty text is the empty set.
    pub fn parse(text: &'s str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Ok(Self(text));
        }
        let mut tokens: usize = 0;
        for token in text.split(is_blank) {
            if token.is_empty() {
                return Err(ScopeError::Blank);
            }
            if !token.bytes().all(is_scope_byte) {
                return Err(ScopeError::Character);
            }
            tokens = tokens.saturating_add(1);
            if tokens > SCOPE_TOKENS_MAX {
                return Err(ScopeError::TooMany);
            }
        }
        Ok(Self(text))
    }

    /// The value as it stands on the wire.
    pub const fn as_str(self) -> &'s str {
        self.0
    }

    /// Whether there is no token.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The tokens in order.
    pub fn iter(self) -> impl Iterator<Item = &'s str> {
        self.0.split(is_blank).filter(|token| !token.is_empty())
    }

    /// Whether `token` is one of the tokens, compared whole (SEC-057).
    pub fn contains(self, token: &str) -> bool {
        self.iter().any(|own| own == token)
    }
}

/// What stands between two tokens. As a predicate, because a search for a `char` keeps a panic path in
/// the linked core.
const fn is_blank(character: char) -> bool {
    character == ' '
}

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )` (RFC 6749 §3.3).
const fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

/// A broader scope and what it implies: whoever holds `scope` holds `implies` too (RS-30).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Implication<'c> {
    /// The broader scope.
    pub scope: &'c str,
    /// The narrower ones, named outright: implications are not followed further.
    pub implies: ScopeSet<'c>,
}

/// The scopes one request needs: the union of three configured sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequiredScopes<'c> {
    /// What every call needs.
    pub base: ScopeSet<'c>,
    /// What the method adds.
    pub method: ScopeSet<'c>,
    /// What the named tool adds.
    pub tool: ScopeSet<'c>,
}

impl<'c> RequiredScopes<'c> {
    /// Needed by every call and no more.
    pub const fn base(base: ScopeSet<'c>) -> Self {
        Self { base, method: ScopeSet::EMPTY, tool: ScopeSet::EMPTY }
    }

    /// Every needed token once, those of `base` first (RS-27: a challenge names them all).
    pub fn iter(self) -> impl Iterator<Item = &'c str> {
        let Self { base, method, tool } = self;
        let method_adds = method.iter().filter(move |token| !base.contains(token));
        let tool_adds =
            tool.iter().filter(move |token| !base.contains(token) && !method.contains(token));
        base.iter().chain(method_adds).chain(tool_adds)
    }

    /// Whether nothing is needed.
    pub const fn is_empty(self) -> bool {
        self.base.is_empty() && self.method.is_empty() && self.tool.is_empty()
    }

    /// Whether `granted` has every needed token, itself or by one of `implications` (RS-30).
    pub fn are_met_by(self, granted: ScopeSet<'_>, implications: &[Implication<'_>]) -> bool {
        let is_granted = |needed: &str| {
            granted.contains(needed)
                || implications.iter().any(|broader| {
                    granted.contains(broader.scope) && broader.implies.contains(needed)
                })
        };
        let Self { base, method, tool } = self;
        [base, method, tool].iter().all(|set| set.iter().all(is_granted))
    }
}

impl core::fmt::Display for RequiredScopes<'_> {
    /// The tokens with one blank between them.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, token) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String};

    fn set(text: &str) -> ScopeSet<'_> {
        ScopeSet::parse(text).unwrap()
    }

    #[test]
    fn sec_056_grammar() {
        for text in ["", "read", "read write", "a!#[]~"] {
            assert_eq!(set(text).as_str(), text);
        }
        for (text, error) in [
            (" read", ScopeError::Blank),
            ("read ", ScopeError::Blank),
            ("a  b", ScopeError::Blank),
            ("a\"b", ScopeError::Character),
            ("a\\b", ScopeError::Character),
            ("a\tb", ScopeError::Character),
            ("a\u{e9}", ScopeError::Character),
            ("a\0", ScopeError::Character),
        ] {
            assert_eq!(ScopeSet::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn lim_7_tokens_on_both_sides_of_the_limit() {
        let tokens = |count: usize| -> String { ["a"; 65].get(..count).unwrap().join(" ") };
        for accepted in [SCOPE_TOKENS_MAX - 1, SCOPE_TOKENS_MAX] {
            assert!(ScopeSet::parse(&tokens(accepted)).is_ok());
        }
        assert_eq!(ScopeSet::parse(&tokens(SCOPE_TOKENS_MAX + 1)), Err(ScopeError::TooMany));
        let flood = "a ".repeat(10_000) + "a"; // SEC-056
        assert_eq!(ScopeSet::parse(&flood), Err(ScopeError::TooMany));
    }

    #[test]
    fn sec_057_tokens_are_compared_whole() {
        assert!(set("read write").contains("read"));
        for other in ["rea", "readwrite", "Read", "", "read write"] {
            assert!(!set("read write").contains(other), "{other}");
        }
        assert!(!set("readwrite").contains("read"));
    }

    #[test]
    fn needed_scopes_are_named_once() {
        let needed =
            RequiredScopes { base: set("user"), method: set("call user"), tool: set("admin call") };
        assert_eq!(format!("{needed}"), "user call admin");
        assert!(needed.are_met_by(set("admin user call"), &[]));
        assert!(!needed.are_met_by(set("admin user"), &[]));
        assert!(!needed.are_met_by(set("admin"), &[]));
        assert!(RequiredScopes::default().are_met_by(ScopeSet::EMPTY, &[]));
    }

    #[test]
    fn rs_30_only_configured_implications_count() {
        let needed = RequiredScopes::base(set("read"));
        let table = [Implication { scope: "write", implies: set("read") }];
        assert!(needed.are_met_by(set("write"), &table));
        assert!(!needed.are_met_by(set("write"), &[]));
        assert!(!needed.are_met_by(set("wri"), &table));
    }
}
