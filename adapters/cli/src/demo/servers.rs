//! The demo's two servers, each on its port of loopback.

use std::{io, net::Ipv4Addr};

use portcullis_authorization_server::{
    AuthorizationServer, Resource, Settings as AuthorizationSettings, TokenFormat,
};
use portcullis_core::{
    encoding::base64url,
    jwt::{MasterKey, derive_key_bytes},
};
use portcullis_tokio::{
    resource_server::{
        Description, IntrospectionSettings, Issuer, Protect, ProtectLayer, Secret, Settings,
        Verification,
    },
    serve::{self, ListenerLimits},
};
use tokio::{net::TcpListener, sync::watch};
use zeroize::Zeroizing;

use super::{DemoError, Options, Verify, mcp_server};

/// What people read of the MCP server.
const NAME: &str = "Portcullis demo";
/// What every call of the demo's MCP server needs.
pub(crate) const BASE_SCOPE: &str = "user";
/// What `set_time_zone` needs beside it.
pub(crate) const FURTHER_SCOPE: &str = "time:write";

/// Both servers, bound and configured, not yet answering.
pub(crate) struct Servers {
    authorization_server: AuthorizationServer,
    authorization_listener: TcpListener,
    mcp_server: Protect<mcp_server::Service>,
    mcp_listener: TcpListener,
    pub(crate) issuer: String,
    pub(crate) resource: String,
}

impl Servers {
    /// Takes the ports and configures the servers for each other.
    pub(crate) async fn bind(options: &Options) -> Result<Self, DemoError> {
        let authorization_listener = listen(options.authorization_server_port).await?;
        let mcp_listener = listen(options.server_port).await?;
        // The flow's client takes it later: a taken port is to be known before anything is shown.
        drop(listen(options.redirect_port).await?);
        let issuer = format!("http://localhost:{}", port(&authorization_listener)?);
        let resource = format!("http://localhost:{}/mcp", port(&mcp_listener)?);

        let mut master_key = Zeroizing::new([0; 32]);
        getrandom::fill(master_key.as_mut_slice())
            .map_err(|error| DemoError::start("randomness", &error))?;
        let format = match options.verify {
            Verify::Offline => TokenFormat::Hs256,
            Verify::Introspection => TokenFormat::Opaque,
            Verify::Jwks => TokenFormat::Es256,
        };
        let protected = Resource::new(resource.clone(), NAME, format)
            .map_err(|error| DemoError::start("authorization server", &error))?
            .with_scope(BASE_SCOPE, "Read the time, and know who you are")
            .with_further_scope(FURTHER_SCOPE, "Set the time zone");
        let settings = AuthorizationSettings::demo(issuer.clone())
            .and_then(|settings| settings.with_resource(protected).with_master_key(*master_key))
            .map_err(|error| DemoError::start("authorization server", &error))?;
        let authorization_server = AuthorizationServer::new(settings)
            .await
            .map_err(|error| DemoError::start("authorization server", &error))?;

        let verification = match options.verify {
            Verify::Offline => offline(&authorization_server, &master_key, &resource)?,
            Verify::Introspection => introspection(&authorization_server, &resource)?,
            Verify::Jwks => Verification::jwks_of_issuer(),
        };
        let settings = Settings::new(resource.clone(), Issuer::new(issuer.clone(), verification))
            .base_scopes(BASE_SCOPE)
            .tool_scopes("set_time_zone", FURTHER_SCOPE)
            .description(Description { name: Some(NAME.into()), ..Description::default() });
        let protect = ProtectLayer::new(settings)
            .map_err(|error| DemoError::start("protected server", &error))?;
        let mcp_server = protect.protect(mcp_server::service());
        Ok(Self {
            authorization_server,
            authorization_listener,
            mcp_server,
            mcp_listener,
            issuer,
            resource,
        })
    }

    /// Answers on both ports until the sender of `stopped` is dropped.
    pub(crate) async fn serve(self, stopped: watch::Receiver<()>) -> io::Result<()> {
        let shutdown = |mut stopped: watch::Receiver<()>| async move {
            // An error says that the sender is gone, which is what this waits for.
            while stopped.changed().await.is_ok() {}
        };
        let (listener, limits) = (self.mcp_listener, ListenerLimits::default());
        let mcp = serve::serve(listener, self.mcp_server, limits, shutdown(stopped.clone()));
        let authorization =
            self.authorization_server.serve(self.authorization_listener, shutdown(stopped));
        let ((), authorization) = tokio::join!(mcp, authorization);
        authorization
    }
}

/// The key that the authorization server derives for this resource, and no other (RFC 5869).
fn offline(
    server: &AuthorizationServer,
    master_key: &[u8; 32],
    resource: &str,
) -> Result<Verification, DemoError> {
    let (id, _) = server
        .resource_key(resource)
        .ok_or_else(|| DemoError::start("key", &"the authorization server has none"))?;
    let master = MasterKey::new(master_key).map_err(|error| DemoError::start("key", &error))?;
    let key = derive_key_bytes(&master, resource, &id)
        .map_err(|error| DemoError::start("key", &error))?;
    let mut text = Zeroizing::new([0; 43]);
    let text = base64url::encode(key.as_slice(), text.as_mut_slice())
        .map_err(|error| DemoError::start("key", &error))?;
    Ok(Verification::offline(id.as_str(), Secret::value(text)))
}

fn introspection(server: &AuthorizationServer, resource: &str) -> Result<Verification, DemoError> {
    let credentials = server
        .introspection_credentials(resource)
        .ok_or_else(|| DemoError::start("introspection", &"no credentials"))?;
    Ok(Verification::Introspection(IntrospectionSettings::new(
        server.introspection_endpoint(),
        credentials.client_id.clone(),
        Secret::value(credentials.client_secret.clone()),
    )))
}

async fn listen(port: u16) -> Result<TcpListener, DemoError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| DemoError::Port(port, error))
}

fn port(listener: &TcpListener) -> Result<u16, DemoError> {
    Ok(listener.local_addr().map_err(|error| DemoError::start("listener", &error))?.port())
}
