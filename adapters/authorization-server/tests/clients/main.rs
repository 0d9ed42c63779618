//! Our own client gets its tokens from our own authorization server in each way there is, and the protected
//! server admits them.

use std::io;
use std::sync::{Arc, Mutex};

use portcullis_authorization_server::testing::{ProtectedServer, User};
use portcullis_authorization_server::{ServiceAuthentication, Settings};
use portcullis_tokio::client::{
    Access, AuthorizeError, ConfiguredClient, DeviceCode, McpClient, McpError, Options,
    SigningAlgorithm, SigningKey,
};

const SECRET: &str = "a-secret-that-a-machine-made-for-a-machine";

fn with_service(authentication: ServiceAuthentication) -> impl FnOnce(Settings) -> Settings {
    |settings| settings.with_service("service-1", "Reports", authentication, ["user"]).unwrap()
}

async fn nobody(_: String) -> io::Result<()> {
    Err(io::Error::other("there is no user"))
}

/// A client of `server`, set up by `change` with knowledge of the issuer.
fn client(server: &ProtectedServer, change: impl FnOnce(&str, Options) -> Options) -> McpClient {
    let options = change(server.authorization_server().issuer(), Options::new("Test client"));
    McpClient::new(server.url(), options, nobody).unwrap()
}

fn service(
    known: impl FnOnce(ConfiguredClient) -> ConfiguredClient,
) -> impl FnOnce(&str, Options) -> Options {
    |issuer, options| {
        let client = known(ConfiguredClient::new(issuer, "service-1"));
        Options { clients: vec![client], access: Access::ClientCredentials, ..options }
    }
}

async fn time(client: &McpClient) -> Result<String, McpError> {
    let answer = client.call_tool("get_time", serde_json::json!({})).await?;
    Ok(answer["content"][0]["text"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_service_with_a_secret() {
    let secret = ServiceAuthentication::secret(SECRET).unwrap();
    let server = ProtectedServer::sample().authorization_server(with_service(secret));
    let server = server.start().await.unwrap();
    let right = client(&server, service(|client| client.with_secret(SECRET)));
    assert_eq!(time(&right).await.unwrap(), "get_time for service-1");
    let wrong =
        client(&server, service(|client| client.with_secret("another secret, as long as it is")));
    assert!(matches!(time(&wrong).await, Err(McpError::Authorize(AuthorizeError::Token(..)))));
}

#[tokio::test]
async fn cl_61_a_service_with_a_key_of_each_kind() {
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256] {
        let [key, other] = [0, 1].map(|_| SigningKey::generate(algorithm).unwrap());
        let keys = ServiceAuthentication::public_keys(&key.key_set().unwrap()).unwrap();
        let server = ProtectedServer::sample().authorization_server(with_service(keys));
        let server = server.start().await.unwrap();
        let right = client(&server, service(|client| client.with_key(key)));
        assert_eq!(time(&right).await.unwrap(), "get_time for service-1", "{algorithm:?}");
        let wrong = client(&server, service(|client| client.with_key(other)));
        let refused = time(&wrong).await;
        assert!(
            matches!(refused, Err(McpError::Authorize(AuthorizeError::Token(..)))),
            "{refused:?}"
        );
    }
}

/// Shows the code to a user who logs in, or who says no, somewhere else.
fn device(server: &ProtectedServer, user: User) -> McpClient {
    let clock = server.clock().clone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let display = move |code: DeviceCode| {
        let (user, clock, seen) = (user.clone(), clock.clone(), Arc::clone(&seen));
        async move {
            seen.lock().unwrap().push(code.user_code.clone());
            // The server's clock stands still in tests: the next poll is not too early.
            clock.advance(5);
            let entered = user.enter_code(&code.verification_uri, &code.user_code).await;
            entered.map_err(io::Error::other)
        }
    };
    client(server, |_, options| Options { access: Access::Device(Arc::new(display)), ..options })
}

#[tokio::test]
async fn rfc_8628_a_program_whose_user_logs_in_elsewhere() {
    let server = ProtectedServer::sample().start().await.unwrap();
    let connected = device(&server, User::demo());
    assert_eq!(time(&connected).await.unwrap(), "get_time for demo_user");
    let refused = device(&server, User::demo().who_denies());
    assert!(matches!(time(&refused).await, Err(McpError::Authorize(AuthorizeError::Device(..)))));
}
