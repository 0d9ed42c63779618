//! A protected server and its authorization server, as a client meets them.

use portcullis_core::{
    client::{
        Authorization, Discovered, Discovery, EXPIRES_IN_SECS_MAX, Entropy, Grant, Identity,
        Machine, Output, Preferences, Registration, Tokens, Wish,
    },
    encoding::scratch::Scratch,
    message::{Field, IncomingResponse},
};

use crate::json::Tree;

/// The URL that the user gave.
pub const SERVER: &str = "https://rs.example/mcp";
/// The authorization server.
pub const ISSUER: &str = "https://as.example";
/// Where the client waits.
pub const REDIRECT: &str = "http://127.0.0.1:3030/callback";

const RESOURCE_DOCUMENT: &str = r#"{"resource":"https://rs.example/mcp","authorization_servers":["https://as.example"],"scopes_supported":["user"]}"#;
const REGISTRATION_ANSWER: &str = r#"{"client_id":"c1","redirect_uris":["http://127.0.0.1:3030/callback"],"token_endpoint_auth_method":"none"}"#;

/// The authorization server's metadata; `iss` is promised or not.
fn server_document(iss_promised: bool) -> String {
    format!(
        r#"{{"issuer":"{ISSUER}","authorization_endpoint":"{ISSUER}/authorize","token_endpoint":"{ISSUER}/token","registration_endpoint":"{ISSUER}/register","response_types_supported":["code"],"code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["none"],"authorization_response_iss_parameter_supported":{iss_promised}}}"#
    )
}

/// The metadata of an authorization server that has every other way to tokens, and takes them back.
const MACHINES_DOCUMENT: &str = r#"{"issuer":"https://as.example","authorization_endpoint":"https://as.example/authorize","token_endpoint":"https://as.example/token","device_authorization_endpoint":"https://as.example/device","revocation_endpoint":"https://as.example/revoke","token_endpoint_auth_methods_supported":["client_secret_basic"]}"#;

/// Hands a JSON answer to a machine.
pub fn answer<'s>(
    machine: &mut impl Machine<'s>,
    status: u16,
    body: &[u8],
    scratch: &mut Scratch<'s>,
) {
    let content_type = Field::One(b"application/json");
    machine.handle_response(Ok(IncomingResponse { status, content_type, body }), scratch);
}

/// What an honest discovery finds.
pub fn discovered<'s>(iss_promised: bool, scratch: &mut Scratch<'s>) -> Discovered<'s> {
    found(Grant::AuthorizationCode, &server_document(iss_promised), scratch)
}

/// What it finds for one of the other ways to tokens.
pub fn discovered_for<'s>(grant: Grant, scratch: &mut Scratch<'s>) -> Discovered<'s> {
    found(grant, MACHINES_DOCUMENT, scratch)
}

fn found<'s>(grant: Grant, document: &str, scratch: &mut Scratch<'s>) -> Discovered<'s> {
    let preferences = Preferences { grant, ..Preferences::default() };
    let mut discovery = Discovery::new(SERVER, None, preferences, scratch).expect("a good URL");
    answer(&mut discovery, 200, RESOURCE_DOCUMENT.as_bytes(), scratch);
    answer(&mut discovery, 200, document.as_bytes(), scratch);
    assert!(matches!(discovery.poll(), Output::Done));
    discovery.finish().expect("an honest site")
}

/// An application that nobody knows yet.
pub const fn stranger() -> Identity<'static> {
    Identity { redirect_uri: Some(REDIRECT), ..Identity::new("Fuzz") }
}

/// An authorization request that waits for its callback.
pub fn authorization<'s>(iss_promised: bool, scratch: &mut Scratch<'s>) -> Authorization<'s> {
    let discovered = discovered(iss_promised, scratch);
    let mut registration =
        Registration::new(&discovered, &stranger(), None, scratch).expect("a way to register");
    answer(&mut registration, 201, REGISTRATION_ANSWER.as_bytes(), scratch);
    let client = registration.finish().expect("registered");
    let entropy = Entropy { verifier: [7; 32], state: core::array::from_fn(|at| at as u8) };
    let wish = Wish { scope: None, offline_access: false };
    Authorization::new(&discovered, &client, REDIRECT, &wish, &entropy, scratch).expect("a request")
}

/// The `state` that an authorization URL carries.
pub fn state_of(authorization: &Authorization<'_>) -> String {
    let query = authorization.url().split_once('?').expect("a query").1;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "state").expect("a state").1.into_owned()
}

/// Whether tokens are what another parser reads in the body they came from, and no more.
pub fn are_of(tokens: &Tokens<'_>, body: &[u8], takes_refresh_token: bool) {
    assert!((1..=EXPIRES_IN_SECS_MAX).contains(&tokens.expires_in_secs()));
    assert_eq!((tokens.issuer(), tokens.resource()), (ISSUER, SERVER));
    let Some(answer) = Tree::accepted(body) else { return };
    let text = |name| answer.text_member(name);
    assert!(text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")));
    assert_eq!(text("access_token"), Some(tokens.access_token().expose()));
    let refresh_token = text("refresh_token").filter(|_| takes_refresh_token);
    assert_eq!(refresh_token, tokens.refresh_token().map(|token| token.expose()));
    assert_eq!(text("scope").unwrap_or("user"), tokens.scope().as_str());
}
