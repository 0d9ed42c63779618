//! Tokens that are bound to a key, from end to end: this project's client gets them from its authorization
//! server, and uses them at its resource server (RFC 9449).
#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use portcullis_authorization_server::testing::{ProtectedServer, SampleService, User};
use portcullis_authorization_server::{Dpop as Bound, TokenFormat};
use portcullis_tokio::client::{
    self, Dpop, Login, McpClient, OpenBrowser, Options, SigningAlgorithm, SigningKey,
};
use portcullis_tokio::resource_server::Dpop as Taken;

/// The user, as the client's browser.
fn browser() -> impl OpenBrowser + 'static {
    |url: String| async move {
        let user = User::demo();
        let back = user.authorize(&url).await.map_err(io::Error::other)?;
        user.open(&back).await.map_err(io::Error::other)
    }
}

async fn protected(
    format: TokenFormat,
    issued: Bound,
    taken: Taken,
    nonces: bool,
) -> ProtectedServer {
    let server = ProtectedServer::of(SampleService)
        .base_scopes("user")
        .token_format(format)
        .settings(move |settings| {
            let settings = settings.dpop(taken);
            if nonces { settings.dpop_nonces() } else { settings }
        })
        .authorization_server(move |mut settings| {
            settings.dpop = issued;
            settings.dpop_nonces = nonces && issued != Bound::Off;
            settings.lifetimes.access_token = Duration::from_secs(60);
            settings
        });
    server.start().await.unwrap()
}

fn client_at(server: &ProtectedServer, options: Options) -> McpClient {
    McpClient::new(server.url(), options, browser()).unwrap()
}

fn options(dpop: Dpop) -> Options {
    let mut options = Options::new("Bound client");
    options.dpop = dpop;
    options
}

async fn login_of(client: &McpClient) -> Login {
    client.login().await.unwrap()
}

#[tokio::test]
async fn dp_01_to_dp_13_from_end_to_end() {
    for format in [TokenFormat::Es256, TokenFormat::Opaque, TokenFormat::Hs256] {
        for nonces in [false, true] {
            let server = protected(format, Bound::Offered, Taken::Accepted, nonces).await;
            let client = client_at(&server, options(Dpop::WhenOffered));
            for _ in 0..3 {
                let tools = client.list_tools().await.unwrap();
                assert!(tools.to_string().contains("get_time"), "{format:?} {nonces}");
            }
            let login = login_of(&client).await;
            assert!(login.is_bound());
            // Whoever finds the token can do nothing with it.
            let found = server.caller();
            let stolen = found.initialize(Some(login.access_token())).await.unwrap();
            assert_eq!(stolen.status(), 401);
            assert!(stolen.field("www-authenticate").unwrap().contains("invalid_token"));
        }
    }
}

#[tokio::test]
async fn dp_06_a_refresh_keeps_the_key() {
    let server = protected(TokenFormat::Es256, Bound::Required, Taken::Required, true).await;
    let client = client_at(&server, options(Dpop::Required));
    client.list_tools().await.unwrap();
    let first = login_of(&client).await;
    // Its end, and a minute for clocks that differ. The client's own clock stays.
    server.clock().advance(121);
    client.list_tools().await.unwrap();
    let second = login_of(&client).await;
    assert_ne!(first.access_token(), second.access_token());
    assert!(second.is_bound());
}

#[tokio::test]
async fn dp_01_who_wants_what() {
    for (issued, taken, wanted, works, is_bound) in [
        (Bound::Offered, Taken::Accepted, Dpop::Off, true, false),
        (Bound::Offered, Taken::Accepted, Dpop::WhenOffered, true, true),
        // The MCP server would refuse a bound token, and does not offer it.
        (Bound::Offered, Taken::Off, Dpop::WhenOffered, true, false),
        // The authorization server binds nothing.
        (Bound::Off, Taken::Accepted, Dpop::WhenOffered, true, false),
        (Bound::Off, Taken::Accepted, Dpop::Required, false, false),
        (Bound::Required, Taken::Required, Dpop::Off, false, false),
        (Bound::Required, Taken::Required, Dpop::Required, true, true),
    ] {
        let server = protected(TokenFormat::Es256, issued, taken, false).await;
        let client = client_at(&server, options(wanted));
        let listed = client.list_tools().await;
        assert_eq!(listed.is_ok(), works, "{issued:?} {taken:?} {wanted:?}: {listed:?}");
        let login = client.login().await;
        assert_eq!(
            login.is_some_and(|login| login.is_bound()),
            is_bound,
            "{issued:?} {taken:?} {wanted:?}"
        );
    }
}

#[tokio::test]
async fn dp_03_a_key_of_the_application() {
    let server = protected(TokenFormat::Es256, Bound::Offered, Taken::Accepted, true).await;
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256] {
        let mut options = options(Dpop::WhenOffered);
        options.dpop_key = Some(Arc::new(SigningKey::generate(algorithm).unwrap()));
        let client = client_at(&server, options);
        client.list_tools().await.unwrap();
        assert!(login_of(&client).await.is_bound(), "{algorithm:?}");
    }
}

/// A client that takes no other tokens registers itself so (DP-07). In both cases the authorization server asks
/// for a nonce, which the client answers by itself (DP-04).
#[tokio::test]
async fn dp_04_dp_07_a_client_that_takes_bound_tokens_alone() {
    for (wanted, is_bound_alone) in [(Dpop::Required, true), (Dpop::WhenOffered, false)] {
        let server = protected(TokenFormat::Es256, Bound::Offered, Taken::Accepted, true).await;
        let client = client_at(&server, options(wanted));
        client.list_tools().await.unwrap();
        let login = login_of(&client).await;
        assert!(login.is_bound(), "{wanted:?}");
        let id = login.client_id();
        assert_eq!(id.starts_with("client-dpop."), is_bound_alone, "{wanted:?}: {id}");
    }
}

/// What the MCP server says of itself is enough where its challenge is not there (RFC 9728 §2).
#[tokio::test]
async fn dp_14_the_metadata_offer_bound_tokens_before_any_challenge() {
    for (taken, is_bound) in [(Taken::Accepted, true), (Taken::Off, false)] {
        let server = protected(TokenFormat::Es256, Bound::Offered, taken, false).await;
        let options = options(Dpop::WhenOffered);
        let login = client::authorize(server.url(), &options, &browser()).await.unwrap();
        assert_eq!(login.is_bound(), is_bound, "{taken:?}");
    }
}
