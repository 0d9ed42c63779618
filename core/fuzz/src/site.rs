//! A protected server and its authorization server, as a client meets them.

use portcullis_core::{
    client::{
        Authorization, Discovered, Discovery, Entropy, Identity, Machine, Output, Preferences,
        Registration, Wish,
    },
    encoding::scratch::Scratch,
    message::{Field, IncomingResponse},
};

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
    let mut discovery =
        Discovery::new(SERVER, None, Preferences::default(), scratch).expect("a good URL");
    answer(&mut discovery, 200, RESOURCE_DOCUMENT.as_bytes(), scratch);
    answer(&mut discovery, 200, server_document(iss_promised).as_bytes(), scratch);
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
