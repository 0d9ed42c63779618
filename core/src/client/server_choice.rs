//! Which of the resource's authorization servers to use (CL-07).

use super::{Grant, LegacyResource, UrlPolicy};

/// Most authorization servers of one resource that are asked for their metadata (SEC-171).
pub const ISSUERS_TRIED_MAX: usize = 4;

/// How near `resource` in the metadata must be to the server's URL (§8.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResourceMatch {
    /// Same origin, and its path is that of the server or a whole-segment prefix of it.
    #[default]
    Prefix,
    /// Byte for byte the server's URL (RFC 9728 §3.3 to the letter).
    Exact,
}

/// What the application prefers and permits when it looks for an authorization server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preferences<'p> {
    /// Which URLs may be asked.
    pub url_policy: UrlPolicy,
    /// How near `resource` must be.
    pub resource_match: ResourceMatch,
    /// Issuers there are credentials for; tried first.
    pub known_issuers: &'p [&'p str],
    /// The only issuers that are used, if given.
    pub allowed_issuers: Option<&'p [&'p str]>,
    /// The way to tokens that the authorization server has to offer.
    pub grant: Grant,
    /// Whether a server that knows nothing of resource metadata may be its own authorization server, as in MCP
    /// 2025-03-26. Weaker, since nobody vouches for it and PKCE may go unsaid (CL-25): only where it is asked
    /// for.
    pub legacy: Option<LegacyResource>,
}

impl Preferences<'_> {
    /// The issuer to try as number `nth`: each once, the known ones first, else in their order.
    pub(super) fn issuer<'m>(&self, named: &[&'m str], nth: usize) -> Option<&'m str> {
        if nth >= ISSUERS_TRIED_MAX {
            return None;
        }
        let is_known = |issuer: &str| self.known_issuers.contains(&issuer);
        let is_allowed =
            |issuer: &str| self.allowed_issuers.is_none_or(|allowed| allowed.contains(&issuer));
        let candidates = || {
            let first = |(position, issuer): &(usize, &&'m str)| {
                !named.iter().take(*position).any(|earlier| earlier == *issuer)
            };
            let unique = named.iter().enumerate().filter(first).map(|(_, issuer)| *issuer);
            unique.filter(|issuer| is_allowed(issuer))
        };
        let known = candidates().filter(|issuer| is_known(issuer));
        known.chain(candidates().filter(|issuer| !is_known(issuer))).nth(nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn order<'m>(preferences: Preferences<'_>, named: &[&'m str]) -> Vec<&'m str> {
        (0..).map_while(|nth| preferences.issuer(named, nth)).collect()
    }

    #[test]
    fn sec_171_bounded_and_each_once() {
        let anyone = Preferences::default();
        assert_eq!(order(anyone, &["a", "b", "a"]), ["a", "b"]);
        assert_eq!(order(anyone, &["a", "b", "c"]), ["a", "b", "c"]);
        assert_eq!(order(anyone, &["a", "b", "c", "d"]), ["a", "b", "c", "d"]);
        assert_eq!(order(anyone, &["a", "b", "c", "d", "e"]), ["a", "b", "c", "d"]);
        assert!(order(anyone, &[]).is_empty());
    }

    #[test]
    fn sec_171_the_attacker_stands_first() {
        let known = Preferences { known_issuers: &["b", "x"], ..Preferences::default() };
        assert_eq!(order(known, &["evil", "b"]), ["b", "evil"]);
        let only = Preferences { allowed_issuers: Some(&["b"]), ..Preferences::default() };
        assert_eq!(order(only, &["evil", "b"]), ["b"]);
        assert!(order(only, &["evil", "b/"]).is_empty());
    }
}
