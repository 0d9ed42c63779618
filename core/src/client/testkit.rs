//! A small scripted world for this folder's tests.

use std::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};

use sha2::{Digest, Sha256};

use super::{
    Client, Discovered, Discovery, DiscoveryError, FetchFailure, Grant, Identity, KnownClient,
    Machine, Origin, Output, Preferences, Registration, RegistrationError, SignError, Signer,
    SigningAlgorithm, UrlPolicy,
};
use crate::{
    challenge::parse::BearerChallenge,
    encoding::{base64url, scratch::Scratch},
    jwk::PublicKey,
    jwt::KeyId,
    limits::SIGNATURE_LEN_MAX,
    message::{Field, IncomingResponse},
    scope::ScopeSet,
};

pub(super) const SERVER: &str = "https://rs.example/mcp";
pub(super) const ISSUER: &str = "https://as.example";
pub(super) const REDIRECT: &str = "http://127.0.0.1:3030/callback";
pub(super) const PRM: &str = "https://rs.example/.well-known/oauth-protected-resource/mcp";
pub(super) const PRM_ROOT: &str = "https://rs.example/.well-known/oauth-protected-resource";
pub(super) const AS: &str = "https://as.example/.well-known/oauth-authorization-server";
pub(super) const OIDC: &str = "https://as.example/.well-known/openid-configuration";

/// Memory that lives as long as the test program.
pub(super) fn scratch() -> Scratch<'static> {
    Scratch::new(Box::leak(Box::new([0; 32 * 1024])))
}

pub(super) fn keep(text: &str) -> &'static str {
    Box::leak(Box::<str>::from(text))
}

/// The answer to one URL.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer<'a> {
    Json(u16, &'a str),
    Html(u16, &'a str),
    Failure(FetchFailure),
}

impl Answer<'_> {
    pub(super) fn give<'s>(self, machine: &mut impl Machine<'s>, scratch: &mut Scratch<'s>) {
        let response = |status, content_type: &'static str, body: &'_ str| {
            let content_type = Field::One(content_type.as_bytes());
            (status, content_type, Vec::from(body.as_bytes()))
        };
        let (status, content_type, body) = match self {
            Self::Json(status, body) => response(status, "application/json", body),
            Self::Html(status, body) => response(status, "text/html", body),
            Self::Failure(failure) => return machine.handle_response(Err(failure), scratch),
        };
        machine
            .handle_response(Ok(IncomingResponse { status, content_type, body: &body }), scratch);
    }
}

/// Runs a machine against a script; 404 for everything else. Gives the URLs asked, in order.
pub(super) fn run<'s>(
    machine: &mut impl Machine<'s>,
    script: &[(&str, Answer<'_>)],
    scratch: &mut Scratch<'s>,
) -> Vec<String> {
    let mut asked = Vec::new();
    while let Output::Fetch(request) = machine.poll() {
        let url = request.url.to_string();
        let answer = script.iter().find(|(known, _)| *known == url).map(|(_, answer)| *answer);
        answer.unwrap_or(Answer::Html(404, "not here")).give(machine, scratch);
        asked.push(url);
        assert!(asked.len() < 20, "endless: {asked:?}");
    }
    asked
}

/// A resource and its authorization server, as their documents say.
#[derive(Clone, Copy)]
pub(super) struct Site {
    pub(super) challenged: Option<&'static str>,
    /// The entries of `scopes_supported` of the resource.
    pub(super) resource_scopes: &'static str,
    /// The entries of `scopes_supported` of the authorization server.
    pub(super) server_scopes: &'static str,
    /// Further members of the authorization server's metadata, each after a comma.
    pub(super) server_members: &'static str,
    pub(super) authorization_endpoint: &'static str,
    pub(super) grant: Grant,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            challenged: None,
            resource_scopes: "",
            server_scopes: r#""user","offline_access""#,
            server_members: r#","token_endpoint_auth_methods_supported":["none"]"#,
            authorization_endpoint: "https://as.example/authorize",
            grant: Grant::AuthorizationCode,
        }
    }
}

impl Site {
    pub(super) fn resource_document(self) -> String {
        let scopes = match self.resource_scopes {
            "" => String::new(),
            scopes => format!(r#","scopes_supported":[{scopes}]"#),
        };
        format!(r#"{{"resource":"{SERVER}","authorization_servers":["{ISSUER}"]{scopes}}}"#)
    }

    pub(super) fn server_document(self) -> String {
        let Self { server_scopes, server_members, authorization_endpoint, .. } = self;
        format!(
            r#"{{"issuer":"{ISSUER}","authorization_endpoint":"{authorization_endpoint}",
            "token_endpoint":"https://as.example/token","response_types_supported":["code"],
            "code_challenge_methods_supported":["S256"],
            "scopes_supported":[{server_scopes}]{server_members}}}"#
        )
    }

    pub(super) fn try_discover(self) -> Result<Discovered<'static>, DiscoveryError> {
        let mut scratch = scratch();
        let challenge = BearerChallenge {
            realm: None,
            scope: self.challenged.map(|scope| ScopeSet::parse(scope).unwrap()),
            error: None,
            error_description: None,
            resource_metadata: None,
        };
        let preferences = Preferences { grant: self.grant, ..Preferences::default() };
        let mut discovery = Discovery::new(SERVER, Some(&challenge), preferences, &mut scratch)?;
        let (resource, server) = (self.resource_document(), self.server_document());
        let script = [(PRM, Answer::Json(200, &resource)), (AS, Answer::Json(200, &server))];
        run(&mut discovery, &script, &mut scratch);
        discovery.finish()
    }

    pub(super) fn discovered(self) -> Discovered<'static> {
        self.try_discover().unwrap()
    }
}

/// An application that knows nothing yet.
pub(super) fn stranger() -> Identity<'static> {
    Identity { redirect_uri: Some(REDIRECT), ..Identity::new("Test client") }
}

/// The client of a configured public id.
pub(super) fn public_client(
    discovered: &Discovered<'static>,
    issuer: &'static str,
) -> Result<Client<'static>, RegistrationError> {
    let known = Box::leak(Box::new([KnownClient {
        issuer,
        id: "client-1",
        secret: None,
        secret_expires_at: None,
        key: None,
        authentication: None,
        redirect_uri: None,
        origin: Origin::Configured,
    }]));
    let identity = Identity { known, ..stranger() };
    Registration::new(discovered, &identity, None, &mut scratch())?.finish()
}

/// A discovery from the server's URL alone.
pub(super) fn bare_discovery(
    server_url: &'static str,
    scratch: &mut Scratch<'static>,
) -> Result<Discovery<'static, 'static>, DiscoveryError> {
    let preferences =
        Preferences { url_policy: UrlPolicy::for_server(server_url), ..Preferences::default() };
    Discovery::new(server_url, None, preferences, scratch)
}

/// A key whose "signature" is a hash of the message: enough to see what is signed.
pub(super) struct TestKey {
    pub(super) id: Option<KeyId>,
    /// The length that it says its signature has; `None` is a key that fails.
    pub(super) len: Option<usize>,
}

impl Default for TestKey {
    fn default() -> Self {
        Self { id: None, len: Some(32) }
    }
}

/// The key of clients that live as long as the test program.
pub(super) fn test_key() -> &'static TestKey {
    Box::leak(Box::default())
}

impl TestKey {
    /// The signature as it stands in a text.
    pub(super) fn signature_text(&self, message: &str) -> String {
        let mut text = [0; 64];
        String::from(base64url::encode(&Sha256::digest(message), &mut text).unwrap())
    }
}

impl Signer for TestKey {
    fn algorithm(&self) -> SigningAlgorithm {
        SigningAlgorithm::Es256
    }

    fn public_key(&self) -> Result<PublicKey<'_>, SignError> {
        PublicKey::p256(&[1; 32], &[2; 32]).map_err(|_| SignError::Key)
    }

    fn key_id(&self) -> Option<&KeyId> {
        self.id.as_ref()
    }

    fn sign(&self, message: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, SignError> {
        out.iter_mut().zip(Sha256::digest(message)).for_each(|(to, from)| *to = from);
        self.len.ok_or(SignError::Key)
    }
}
