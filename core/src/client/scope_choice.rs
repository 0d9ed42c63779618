//! Which scopes to ask for (CL-43 to CL-45, CL-48).

use super::{AuthorizationError, Discovered, Wish};
use crate::{
    encoding::{scratch::Scratch, text},
    scope::ScopeSet,
};

/// The scope that asks for a refresh token (OpenID Connect Core §11).
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// The first scope choice: the application's own, else that of the 401 challenge, else all that the
/// resource's metadata names, else none (CL-43). The challenge is authoritative: it is not compared
/// with the metadata (CL-45).
///
/// `offline_access` is added only if the authorization server lists it (CL-44).
pub(super) fn choose<'s>(
    discovered: &Discovered<'s>,
    wish: &Wish<'s>,
    scratch: &mut Scratch<'s>,
) -> Result<ScopeSet<'s>, AuthorizationError> {
    let asked = without_offline_access(discovered, wish);
    let offline = wish.offline_access
        && discovered.server_metadata().scopes_supported.contains(OFFLINE_ACCESS)
        && !asked.contains(OFFLINE_ACCESS);
    if !offline {
        return Ok(asked);
    }
    let text = text::write_in(scratch, |text| {
        text.push(asked.as_str())?;
        text.push(if asked.is_empty() { "" } else { " " })?;
        text.push(OFFLINE_ACCESS)
    })?;
    ScopeSet::parse(text).map_err(|_| AuthorizationError::Scope)
}

/// The choice for a client that is given no refresh token.
pub(super) fn without_offline_access<'s>(
    discovered: &Discovered<'s>,
    wish: &Wish<'s>,
) -> ScopeSet<'s> {
    let asked = wish.scope.or(discovered.challenged_scope());
    asked.unwrap_or(discovered.resource_metadata().scopes_supported)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::testkit::{Site, scratch};

    /// Challenge, `scopes_supported` of the resource, own wish, offline wish; the choice.
    #[track_caller]
    fn check(
        challenged: Option<&'static str>,
        resource: &'static str,
        own: Option<&'static str>,
        offline: bool,
        expected: &str,
    ) {
        let site = Site { challenged, resource_scopes: resource, ..Site::default() };
        let discovered = site.discovered();
        let scope = own.map(|own| ScopeSet::parse(own).unwrap());
        let wish = Wish { scope, offline_access: offline };
        let chosen = choose(&discovered, &wish, &mut scratch()).unwrap();
        assert_eq!(chosen.as_str(), expected);
    }

    #[test]
    fn cl_43_challenge_then_metadata_then_nothing() {
        check(Some("user"), r#""a","b""#, None, false, "user");
        check(None, r#""a","b""#, None, false, "a b");
        check(None, "", None, false, "");
        check(Some("user"), r#""a","b""#, Some("own"), false, "own");
        check(Some("user"), r#""a","b""#, Some(""), false, "");
    }

    #[test]
    fn cl_44_offline_access_only_where_it_is_listed() {
        check(Some("user"), "", None, true, "user offline_access");
        check(None, "", None, true, "offline_access");
        check(Some("offline_access user"), "", None, true, "offline_access user");
        let unlisted = Site { server_scopes: r#""user""#, ..Site::default() }.discovered();
        let wish = Wish { scope: None, offline_access: true };
        assert_eq!(choose(&unlisted, &wish, &mut scratch()), Ok(ScopeSet::EMPTY));
    }
}
