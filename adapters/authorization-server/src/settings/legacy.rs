//! Clients of MCP 2025-03-26, which know neither RFC 9728 nor RFC 8707 (LG-01 to LG-10).

use super::{Resource, Settings, SettingsError};

impl Settings {
    /// Also serves clients that know nothing of protected resource metadata and name no `resource`:
    /// they take the origin of the MCP server for the issuer (LG-01, LG-02), or the paths `/authorize`,
    /// `/token` and `/register` there for its endpoints (LG-03). What such a client gets is for the one
    /// resource of this server; one that names a resource is served as ever.
    ///
    /// It asks for an issuer that is the origin of that resource, without a path, for exactly one
    /// resource, and for registration, the only way in that those clients have. Something must answer
    /// for both at the origin: [`AuthorizationServer::with_mcp_server`], or a reverse proxy that sends
    /// the paths of the MCP server there and all others here.
    ///
    /// Weaker than discovery by RFC 9728: such a client cannot know that this authorization server
    /// is the one that the MCP server trusts, nor, without metadata, that it checks PKCE. Leave it off
    /// where no client needs it.
    ///
    /// [`AuthorizationServer::with_mcp_server`]: crate::AuthorizationServer::with_mcp_server
    #[must_use]
    pub fn with_legacy_clients(mut self) -> Self {
        self.legacy_clients = true;
        self
    }

    /// What a request without `resource` is for (AS-60).
    pub(crate) fn default_resource(&self) -> Option<&Resource> {
        if self.legacy_clients {
            return self.resources.first();
        }
        self.default_resource.as_deref().and_then(|identifier| self.resource(identifier))
    }

    pub(super) fn check_legacy_clients(&self) -> Result<(), SettingsError> {
        if !self.legacy_clients {
            return Ok(());
        }
        let [resource] = self.resources.as_slice() else {
            return Err(SettingsError::LegacyClients);
        };
        // LG-10: the issuer is the origin that the client knows. Compared as texts, as clients do.
        let path = resource.identifier.strip_prefix(&self.issuer);
        let is_on_issuer = path.is_some_and(|path| path.is_empty() || path.starts_with('/'));
        if !is_on_issuer || !is_origin(&self.issuer) || !self.registration {
            return Err(SettingsError::LegacyClients);
        }
        Ok(())
    }
}

/// Whether a checked issuer has no path.
fn is_origin(issuer: &str) -> bool {
    issuer.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TokenFormat;

    const ORIGIN: &str = "https://mcp.example:8443";

    /// Settings for `issuer` with these resources.
    fn settings(issuer: &str, resources: &[&str]) -> Settings {
        resources.iter().fold(Settings::new(issuer).unwrap(), |settings, resource| {
            let resource = Resource::new(*resource, "Clock", TokenFormat::Opaque).unwrap();
            settings.with_resource(resource.with_scope("user", "words"))
        })
    }

    #[track_caller]
    fn check(settings: Settings, expected: Result<(), SettingsError>) {
        assert_eq!(settings.with_legacy_clients().check(), expected);
    }

    #[test]
    fn lg_10_the_issuer_is_the_origin_of_the_one_resource() {
        let refused = Err(SettingsError::LegacyClients);
        for resource in ["https://mcp.example:8443/mcp", "https://mcp.example:8443/a/b", ORIGIN] {
            check(settings(ORIGIN, &[resource]), Ok(()));
        }
        for resource in [
            "https://mcp.example/mcp",
            "http://mcp.example:8443/mcp",
            "https://mcp.example:84/mcp",
            "https://MCP.example:8443/mcp",
        ] {
            check(settings(ORIGIN, &[resource]), refused);
        }
        // The issuer is how these begin, and not where they are.
        for resource in ["https://mcp.example:8443/mcp", "https://mcp.example.evil.example/mcp"] {
            check(settings("https://mcp.example", &[resource]), refused);
        }
        let with_path = "https://mcp.example/as";
        check(settings(with_path, &["https://mcp.example/as/mcp"]), refused);
        assert_eq!(settings(with_path, &["https://mcp.example/as/mcp"]).check(), Ok(()));
    }

    #[test]
    fn lg_09_a_second_resource_or_none_leaves_no_default() {
        let refused = Err(SettingsError::LegacyClients);
        check(settings(ORIGIN, &[]), refused);
        let two =
            || settings(ORIGIN, &["https://mcp.example:8443/a", "https://mcp.example:8443/b"]);
        check(two(), refused);
        assert_eq!(two().check(), Ok(()), "it is the opt-in that is refused");

        let one = settings(ORIGIN, &["https://mcp.example:8443/a"]);
        assert!(one.default_resource().is_none());
        assert!(one.with_legacy_clients().default_resource().is_some());
    }

    #[test]
    fn lg_06_clients_must_be_able_to_register() {
        let mut closed = settings(ORIGIN, &["https://mcp.example:8443/mcp"]);
        closed.registration = false;
        check(closed, Err(SettingsError::LegacyClients));
    }
}
