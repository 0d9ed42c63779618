//! Which scopes an operation needs: one table for every protocol revision.

use crate::scope::{Implication, RequiredScopes, ScopeSet};

/// The scopes that one method, or one tool, needs beside the base scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<'c> {
    /// The JSON-RPC method or the tool, compared whole and case-sensitively.
    pub name: &'c str,
    /// What it adds.
    pub scopes: ScopeSet<'c>,
}

/// What is needed for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy<'c> {
    /// Needed by every call.
    pub base: ScopeSet<'c>,
    /// Added by JSON-RPC method.
    pub methods: &'c [Rule<'c>],
    /// Added by the name of the tool that `tools/call` calls.
    pub tools: &'c [Rule<'c>],
    /// Broader scopes and what they imply.
    pub implications: &'c [Implication<'c>],
}

impl<'c> Policy<'c> {
    /// What every call needs, known from the head alone.
    pub const fn base(&self) -> RequiredScopes<'c> {
        RequiredScopes::base(self.base)
    }

    /// What the operation needs, named by the checked body (never by a mirrored header, SEC-345).
    ///
    /// A name that no rule has needs what its method needs. Whether a tool exists is for the server behind.
    pub fn needed(&self, method: &str, name: Option<&str>) -> RequiredScopes<'c> {
        let tool = match (method, name) {
            ("tools/call", Some(name)) => scopes_of(self.tools, name),
            _ => ScopeSet::EMPTY,
        };
        RequiredScopes { base: self.base, method: scopes_of(self.methods, method), tool }
    }
}

/// The scopes of the rule with this name; rules are few, so that a linear search is the fastest.
fn scopes_of<'c>(rules: &[Rule<'c>], name: &str) -> ScopeSet<'c> {
    rules.iter().find(|rule| rule.name == name).map_or(ScopeSet::EMPTY, |rule| rule.scopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[track_caller]
    fn check(method: &str, name: Option<&str>, expected: &str) {
        let set = |text| ScopeSet::parse(text).unwrap();
        let policy = Policy {
            base: set("user"),
            methods: &[Rule { name: "resources/read", scopes: set("files") }],
            tools: &[Rule { name: "set_led", scopes: set("device:write") }],
            implications: &[],
        };
        assert_eq!(policy.needed(method, name).to_string(), expected);
    }

    #[test]
    fn sec_343_a_tool_adds_its_scopes_wherever_it_is_called() {
        check("tools/call", Some("set_led"), "user device:write");
        check("tools/call", Some("get_time"), "user");
        check("tools/list", None, "user");
        check("resources/read", Some("file:///x"), "user files");
    }

    #[test]
    fn names_are_compared_whole() {
        check("tools/call", Some("SET_LED"), "user");
        check("tools/call", Some("set_led "), "user");
        // A prompt that has a tool's name is not that tool.
        check("prompts/get", Some("set_led"), "user");
        check("Resources/read", None, "user");
    }
}
