//! An authorization server for the time of a test.

use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::agent::{self, Agent};
use super::{Client, TestClock, TestingError, TokenBuilder, Tokens, User};
use crate::server::AuthorizationServer;
use crate::settings::{Resource, Settings};

/// An authorization server on a free port of loopback, with everything in memory and the user
/// [`DEMO_USER`](super::DEMO_USER). It stops when the last clone is dropped.
///
/// Its limits are those of [`Settings::demo`], and its time is that of a [`TestClock`].
#[derive(Debug, Clone)]
pub struct TestServer(Arc<Running>);

#[derive(Debug)]
struct Running {
    server: AuthorizationServer,
    clock: TestClock,
    _task: Task,
}

/// A listener that is answered; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TestServer {
    /// Starts a server that issues tokens for these resources.
    ///
    /// # Errors
    /// There is no port, or a resource is wrong.
    pub async fn start(
        resources: impl IntoIterator<Item = Resource>,
    ) -> Result<Self, TestingError> {
        Self::start_with(resources, |settings| settings).await
    }

    /// The same, with settings that `change` changed.
    ///
    /// # Errors
    /// There is no port, or a setting is wrong.
    pub async fn start_with(
        resources: impl IntoIterator<Item = Resource>,
        change: impl FnOnce(Settings) -> Settings,
    ) -> Result<Self, TestingError> {
        let listener = listen().await?;
        let clock = TestClock::now();
        let settings = settings(&origin(&listener)?, resources, &clock)?;
        let server = AuthorizationServer::new(change(settings)).await?;
        Ok(Self::answer(listener, server, clock))
    }

    /// Lets `server` answer the listener.
    pub(super) fn answer(
        listener: TcpListener,
        server: AuthorizationServer,
        clock: TestClock,
    ) -> Self {
        let serving = server.clone();
        let task = Task(tokio::spawn(async move {
            if let Err(error) = serving.serve(listener, pending()).await {
                tracing::error!(%error, "the server under test ended");
            }
        }));
        Self(Arc::new(Running { server, clock, _task: task }))
    }

    /// The issuer identifier, which is the URL that it answers at.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.server.issuer()
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        &self.0.clock
    }

    /// The server itself, for what is not here.
    #[must_use]
    pub fn server(&self) -> &AuthorizationServer {
        &self.0.server
    }

    /// A token for `resource`, to be changed before it is made. Without a change it is one that
    /// [`DEMO_USER`](super::DEMO_USER) would have got for the resource's default scope.
    pub fn token(&self, resource: &str) -> TokenBuilder {
        TokenBuilder::new(self, resource)
    }

    /// Tokens for `resource` that a user agreed to, through every endpoint of the server: registration,
    /// sign-in, consent, redemption. An empty `scope` asks for the resource's default.
    ///
    /// # Errors
    /// Where it ended.
    pub async fn authorize(&self, resource: &str, scope: &str) -> Result<Tokens, TestingError> {
        let client = Client::at(self.issuer()).discover().await?.with_resource(resource);
        let mut client = if scope.is_empty() { client } else { client.with_scope(scope) };
        client.authorize(&User::demo()).await
    }

    /// What the resource server of `resource` is told about a token (RFC 7662).
    ///
    /// # Errors
    /// The resource is unknown, or the server is not there any more.
    pub async fn introspect(&self, resource: &str, token: &str) -> Result<Value, TestingError> {
        let credentials = self.server().introspection_credentials(resource);
        let credentials = credentials.ok_or(TestingError::UnknownResource)?;
        let form = [
            ("token", token),
            ("client_id", &credentials.client_id),
            ("client_secret", &credentials.client_secret),
        ];
        let endpoint = self.server().introspection_endpoint();
        let answer = Agent::new(agent::nobody()).post_form(endpoint, &[], form).await?;
        Ok(answer.success()?.json())
    }
}

/// Settings of a server in memory.
pub(super) fn settings(
    issuer: &str,
    resources: impl IntoIterator<Item = Resource>,
    clock: &TestClock,
) -> Result<Settings, TestingError> {
    let settings = Settings::demo(issuer)?.with_clock(clock.into());
    Ok(resources.into_iter().fold(settings, Settings::with_resource))
}

pub(super) async fn listen() -> Result<TcpListener, TestingError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(TestingError::Port)
}

/// The URL of a listener.
pub(super) fn origin(listener: &TcpListener) -> Result<String, TestingError> {
    let address = listener.local_addr().map_err(TestingError::Port)?;
    Ok(format!("http://{address}"))
}
