//! Servers of MCP 2025-03-26, which know nothing of protected resource metadata (LG-01 to LG-09).
//!
//! Weaker than discovery: nobody but the server itself says that it is its own authorization server, and
//! without metadata it is not even known whether it checks the PKCE challenge that it is sent (CL-25).

use super::{
    AuthorizationServer, Discovered, Discovery, DiscoveryError, Found, Grant, ProtectedResource,
    State, document, offers, unless_full,
};
use crate::{
    client::FetchFailure,
    encoding::{
        scratch::{BufferFull, Scratch},
        text,
        uri::Uri,
    },
    message::IncomingResponse,
    metadata::{protected_resource::AuthorizationServers, well_known::AUTHORIZATION_SERVER},
};

/// The revision that such a server speaks, named on the metadata request (LG-04).
pub(super) const PROTOCOL_VERSION: &str = "2025-03-26";

/// When such a server is sent the parameter `resource`, which its revision does not have (LG-09).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LegacyResource {
    /// When it has metadata: then it is likely newer than its lack of resource metadata suggests.
    #[default]
    WithMetadata,
    /// Always (CL-41).
    Always,
    /// Never.
    Never,
}

/// Asking for the authorization server metadata at the server's own origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct AskedOrigin<'s> {
    /// Scheme and authority of the server's URL (LG-01).
    base: &'s str,
    pub(super) url: &'s str,
}

impl<'s> AskedOrigin<'s> {
    pub(super) fn of(server_url: &str, scratch: &mut Scratch<'s>) -> Result<Self, DiscoveryError> {
        let none = DiscoveryError::NoResourceMetadata;
        let uri = Uri::parse(server_url).map_err(|_| none)?;
        let authority = uri.authority_text().ok_or(none)?;
        let base = text::write_in(scratch, |base| {
            base.push(uri.scheme())?;
            base.push("://")?;
            base.push(authority)
        })?;
        Ok(Self { base, url: joined(base, AUTHORIZATION_SERVER, scratch)? })
    }
}

impl<'s> Discovery<'_, 's> {
    pub(super) fn origin_answered(
        &self,
        asked: AskedOrigin<'s>,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
    ) -> Result<State<'s>, DiscoveryError> {
        let (server, has_metadata) = match document(response, scratch)? {
            Found::Document(body) => (self.server_of_origin(asked.base, body, scratch)?, true),
            Found::Absent => (self.guessed(asked.base, scratch)?, false),
            // There is something, but who knows what: the default endpoints are not for that (LG-03).
            Found::Unusable => return Err(DiscoveryError::NoServerMetadata),
        };
        let is_allowed = |allowed: &[&str]| allowed.contains(&server.issuer);
        if !self.preferences.allowed_issuers.is_none_or(is_allowed) {
            return Err(DiscoveryError::NoAuthorizationServer);
        }
        self.admit_endpoints(&server)?;
        let mut issuers = AuthorizationServers::new();
        issuers.push(server.issuer).map_err(|_| DiscoveryError::BufferFull)?;
        let resource = ProtectedResource {
            resource: self.server_url,
            authorization_servers: issuers,
            ..ProtectedResource::default()
        };
        Ok(State::Done(Ok(Discovered {
            resource,
            server,
            challenged_scope: self.challenged_scope,
            url_policy: self.preferences.url_policy,
            sends_resource: match self.preferences.legacy {
                Some(LegacyResource::WithMetadata) => has_metadata,
                Some(LegacyResource::Always) | None => true,
                Some(LegacyResource::Never) => false,
            },
            is_guessed: !has_metadata,
        })))
    }

    fn server_of_origin(
        &self,
        base: &str,
        body: &'s [u8],
        scratch: &mut Scratch<'s>,
    ) -> Result<AuthorizationServer<'s>, DiscoveryError> {
        let server = AuthorizationServer::parse(body, scratch)
            .map_err(|error| unless_full(error, DiscoveryError::ServerMetadata))?;
        // LG-08: a slash at the end is tolerated here and nowhere else.
        if server.issuer.strip_suffix('/').unwrap_or(server.issuer) != base {
            return Err(DiscoveryError::OtherIssuer);
        }
        let says_nothing = server.code_challenge_methods_supported.is_empty();
        match offers(&server, self.preferences.grant) {
            // Its revision does not ask it to say that it knows PKCE (LG-05), only that it does.
            Err(DiscoveryError::NoPkce) if says_nothing => {}
            verdict => verdict?,
        }
        Ok(server)
    }

    /// The default endpoints (LG-03).
    fn guessed(
        &self,
        base: &'s str,
        scratch: &mut Scratch<'s>,
    ) -> Result<AuthorizationServer<'s>, DiscoveryError> {
        if self.preferences.grant != Grant::AuthorizationCode {
            return Err(DiscoveryError::NoGrant);
        }
        Ok(AuthorizationServer {
            issuer: base,
            authorization_endpoint: joined(base, "/authorize", scratch)?,
            token_endpoint: joined(base, "/token", scratch)?,
            registration_endpoint: Some(joined(base, "/register", scratch)?),
            ..AuthorizationServer::default()
        })
    }
}

fn joined<'s>(base: &str, path: &str, scratch: &mut Scratch<'s>) -> Result<&'s str, BufferFull> {
    text::write_in(scratch, |url| {
        url.push(base)?;
        url.push(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{
        ClientAuthentication, Machine, Output, Preferences, Registration,
        testkit::{Answer, PRM, PRM_ROOT, SERVER, run, scratch, stranger},
    };
    use std::{format, string::String, vec::Vec};

    const BASE: &str = "https://rs.example";
    const ROOT: &str = "https://rs.example/.well-known/oauth-authorization-server";

    fn document_of(issuer: &str, members: &str) -> String {
        format!(
            r#"{{"issuer":"{issuer}","authorization_endpoint":"{BASE}/oauth/authorize",
            "token_endpoint":"{BASE}/oauth/token"{members}}}"#
        )
    }

    fn discover(
        preferences: Preferences<'static>,
        script: &[(&str, Answer<'_>)],
    ) -> (Result<Discovered<'static>, DiscoveryError>, Vec<String>) {
        let mut scratch = scratch();
        let mut discovery = Discovery::new(SERVER, None, preferences, &mut scratch).unwrap();
        let asked = run(&mut discovery, script, &mut scratch);
        (discovery.finish(), asked)
    }

    fn legacy(legacy: LegacyResource) -> Preferences<'static> {
        Preferences { legacy: Some(legacy), ..Preferences::default() }
    }

    #[track_caller]
    fn refused(
        preferences: Preferences<'static>,
        script: &[(&str, Answer<'_>)],
        error: DiscoveryError,
    ) {
        assert_eq!(discover(preferences, script).0.map(|_| ()), Err(error));
    }

    #[test]
    fn lg_02_metadata_at_the_origin() {
        for issuer in [BASE, "https://rs.example/"] {
            let document = document_of(issuer, "");
            let script = [(ROOT, Answer::Json(200, &document))];
            let (found, asked) = discover(legacy(LegacyResource::WithMetadata), &script);
            let found = found.unwrap();
            assert_eq!(asked, [PRM, PRM_ROOT, ROOT]);
            assert_eq!((found.issuer(), found.resource()), (issuer, SERVER));
            assert_eq!(found.token_endpoint(), "https://rs.example/oauth/token");
            assert_eq!(found.resource_parameter(), Some(SERVER));
            // Nobody who did not ask for it gets there.
            refused(Preferences::default(), &script, DiscoveryError::NoResourceMetadata);
        }
    }

    #[test]
    fn lg_03_the_default_endpoints_only_without_metadata() {
        let (found, asked) = discover(legacy(LegacyResource::WithMetadata), &[]);
        let found = found.unwrap();
        assert_eq!(asked, [PRM, PRM_ROOT, ROOT]);
        assert_eq!(found.authorization_endpoint(), "https://rs.example/authorize");
        assert_eq!(found.token_endpoint(), "https://rs.example/token");
        let registration = found.server_metadata().registration_endpoint;
        assert_eq!(registration, Some("https://rs.example/register"));
        assert_eq!((found.issuer(), found.resource_parameter()), (BASE, None));
        // Who knows what it takes: a native client is a public one.
        let made = Registration::new(&found, &stranger(), None, &mut scratch()).unwrap();
        let Output::Fetch(request) = made.poll() else { panic!("nothing to send") };
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(body.contains(&format!("\"{}\"", ClientAuthentication::None.as_str())), "{body}");

        // No key of the client is known there.
        assert!(!found.lists_authentication(ClientAuthentication::PrivateKeyJwt));
        // The revision has no other default endpoints.
        let device =
            Preferences { grant: Grant::DeviceCode, ..legacy(LegacyResource::WithMetadata) };
        refused(device, &[], DiscoveryError::NoGrant);

        let wrong = [
            (Answer::Html(200, "<html>"), DiscoveryError::NoServerMetadata),
            (Answer::Html(503, ""), DiscoveryError::Trouble),
            (
                Answer::Failure(FetchFailure::TimedOut),
                DiscoveryError::Fetch(FetchFailure::TimedOut),
            ),
            (Answer::Json(200, "{}"), DiscoveryError::ServerMetadata),
        ];
        for (answer, error) in wrong {
            refused(legacy(LegacyResource::WithMetadata), &[(ROOT, answer)], error);
        }
    }

    #[test]
    fn lg_04_the_revision_is_named_on_the_metadata_request_alone() {
        let mut scratch = scratch();
        let preferences = legacy(LegacyResource::WithMetadata);
        let mut discovery = Discovery::new(SERVER, None, preferences, &mut scratch).unwrap();
        for expected in [None, None, Some("2025-03-26")] {
            let Output::Fetch(request) = discovery.poll() else { panic!("nothing to send") };
            assert_eq!(request.mcp_protocol_version, expected, "{}", request.url);
            Answer::Html(404, "").give(&mut discovery, &mut scratch);
        }
    }

    #[test]
    fn lg_08_only_when_every_place_answers_not_found() {
        let preferences = legacy(LegacyResource::WithMetadata);
        for answer in [Answer::Html(404, ""), Answer::Html(405, ""), Answer::Html(302, "")] {
            let script = [(PRM, answer), (PRM_ROOT, answer)];
            assert!(discover(preferences, &script).0.is_ok(), "{answer:?}");
        }
        for place in [PRM, PRM_ROOT] {
            refused(preferences, &[(place, Answer::Html(503, ""))], DiscoveryError::Trouble);
            let page = [(place, Answer::Html(200, "<html>"))];
            refused(preferences, &page, DiscoveryError::NoResourceMetadata);
            let too_large = [(place, Answer::Failure(FetchFailure::TooLarge))];
            refused(preferences, &too_large, DiscoveryError::NoResourceMetadata);
        }
        let other = r#"{"resource":"https://other.example","authorization_servers":["https://a"]}"#;
        refused(preferences, &[(PRM, Answer::Json(200, other))], DiscoveryError::OtherResource);
    }

    #[test]
    fn lg_08_not_where_the_server_names_its_metadata() {
        let challenge = crate::challenge::parse::BearerChallenge {
            realm: None,
            scope: None,
            error: None,
            error_description: None,
            resource_metadata: Some("https://rs.example/meta"),
        };
        let mut scratch = scratch();
        let preferences = legacy(LegacyResource::WithMetadata);
        let discovery = Discovery::new(SERVER, Some(&challenge), preferences, &mut scratch);
        let mut discovery = discovery.unwrap();
        run(&mut discovery, &[], &mut scratch);
        assert_eq!(discovery.finish().map(|_| ()), Err(DiscoveryError::NoResourceMetadata));
    }

    #[test]
    fn lg_08_the_issuer_is_the_origin() {
        for issuer in ["https://evil.example", "https://rs.example/mcp", "https://rs.example//", ""]
        {
            let document = document_of(issuer, "");
            let found = discover(
                legacy(LegacyResource::WithMetadata),
                &[(ROOT, Answer::Json(200, &document))],
            );
            assert!(found.0.is_err(), "{issuer}");
        }
        let only = Preferences {
            allowed_issuers: Some(&["https://as.example"]),
            ..legacy(LegacyResource::WithMetadata)
        };
        refused(only, &[], DiscoveryError::NoAuthorizationServer);
    }

    #[test]
    fn lg_05_pkce_may_go_unsaid_but_not_be_denied() {
        let check = |members: &str| {
            let document = document_of(BASE, members);
            let script = [(ROOT, Answer::Json(200, &document))];
            discover(legacy(LegacyResource::WithMetadata), &script).0.map(|_| ())
        };
        assert_eq!(check(""), Ok(()));
        assert_eq!(check(r#","code_challenge_methods_supported":["S256"]"#), Ok(()));
        let plain = check(r#","code_challenge_methods_supported":["plain"]"#);
        assert_eq!(plain, Err(DiscoveryError::NoPkce));
        let endpoint = check(r#","registration_endpoint":"http://rs.example/register""#);
        assert!(matches!(endpoint, Err(DiscoveryError::Endpoint(_))));
    }

    #[test]
    fn lg_09_when_the_resource_is_named() {
        let document = document_of(BASE, "");
        for (choice, with, without) in [
            (LegacyResource::WithMetadata, true, false),
            (LegacyResource::Always, true, true),
            (LegacyResource::Never, false, false),
        ] {
            let found =
                discover(legacy(choice), &[(ROOT, Answer::Json(200, &document))]).0.unwrap();
            assert_eq!(found.resource_parameter().is_some(), with, "{choice:?}");
            let guessed = discover(legacy(choice), &[]).0.unwrap();
            assert_eq!(guessed.resource_parameter().is_some(), without, "{choice:?}");
        }
    }
}
