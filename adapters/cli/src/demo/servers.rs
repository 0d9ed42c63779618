//! The demo's two servers, each on its port of loopback, or both on one.

use std::{io, net::Ipv4Addr};

use portcullis_authorization_server::{
    AuthorizationServer, Resource, Settings as AuthorizationSettings, TokenFormat,
};
use portcullis_tokio::{
    resource_server::{Description, Protect, ProtectLayer},
    serve::{self, ListenerLimits},
};
use tokio::{net::TcpListener, sync::watch};

use super::{DemoError, Options, Verify, mcp_server};

/// What people read of the MCP server.
const NAME: &str = "Portcullis demo";
/// What every call of the demo's MCP server needs.
pub(crate) const BASE_SCOPE: &str = "user";
/// What `set_time_zone` needs beside it.
pub(crate) const FURTHER_SCOPE: &str = "time:write";
/// Ports of the MCP server, alone and with the authorization server.
const PORT: u16 = 8001;
const LEGACY_PORT: u16 = 8000;

/// Both servers, bound and configured, not yet answering.
pub(crate) struct Servers {
    authorization_server: AuthorizationServer,
    authorization_listener: TcpListener,
    /// `None` when it is behind the other one's listener.
    mcp_server: Option<(Protect<mcp_server::Service>, TcpListener)>,
    pub(crate) issuer: String,
    pub(crate) resource: String,
}

impl Servers {
    /// Takes the ports and configures the servers for each other.
    pub(crate) async fn bind(options: &Options) -> Result<Self, DemoError> {
        let default_port = if options.legacy { LEGACY_PORT } else { PORT };
        let authorization_listener = match options.legacy {
            true => None,
            false => Some(listen(options.authorization_server_port).await?),
        };
        let mcp_listener = listen(options.server_port.unwrap_or(default_port)).await?;
        // The flow's client takes it later: a taken port is to be known before anything is shown.
        drop(listen(options.redirect_port).await?);
        let origin = origin(&mcp_listener)?;
        let resource = format!("{origin}/mcp");
        let issuer = authorization_listener.as_ref().map_or(Ok(origin), self::origin)?;

        let server = authorization_server(options, &issuer, &resource).await?;
        let protection = server
            .resource_server_settings(&resource)
            .ok_or_else(|| DemoError::start("protected server", &"no key"))?
            .base_scopes(BASE_SCOPE)
            .tool_scopes("set_time_zone", FURTHER_SCOPE)
            .description(Description { name: Some(NAME.into()), ..Description::default() });
        let layer = ProtectLayer::new(protection)
            .map_err(|error| DemoError::start("protected server", &error))?;
        let service = mcp_server::service();
        let (authorization_server, authorization_listener, mcp_server) =
            match authorization_listener {
                Some(listener) => (server, listener, Some((layer.protect(service), mcp_listener))),
                None => {
                    let both = server.with_mcp_server(&layer, service).await;
                    let both = both.map_err(|error| DemoError::start("both servers", &error))?;
                    (both, mcp_listener, None)
                }
            };
        Ok(Self { authorization_server, authorization_listener, mcp_server, issuer, resource })
    }

    /// Answers until the sender of `stopped` is dropped.
    pub(crate) async fn serve(self, stopped: watch::Receiver<()>) -> io::Result<()> {
        let shutdown = |mut stopped: watch::Receiver<()>| async move {
            // An error says that the sender is gone, which is what this waits for.
            while stopped.changed().await.is_ok() {}
        };
        let mcp_stopped = shutdown(stopped.clone());
        let mcp = async {
            if let Some((server, listener)) = self.mcp_server {
                serve::serve(listener, server, ListenerLimits::default(), mcp_stopped).await;
            }
        };
        let authorization =
            self.authorization_server.serve(self.authorization_listener, shutdown(stopped));
        let ((), authorization) = tokio::join!(mcp, authorization);
        authorization
    }
}

async fn authorization_server(
    options: &Options,
    issuer: &str,
    resource: &str,
) -> Result<AuthorizationServer, DemoError> {
    let failed = |error| DemoError::start("authorization server", &error);
    let format = match options.verify {
        Verify::Offline => TokenFormat::Hs256,
        Verify::Introspection => TokenFormat::Opaque,
        Verify::Jwks => TokenFormat::Es256,
    };
    let resource = Resource::new(resource, NAME, format)
        .map_err(failed)?
        .with_scope(BASE_SCOPE, "Read the time, and know who you are")
        .with_further_scope(FURTHER_SCOPE, "Set the time zone");
    let settings = AuthorizationSettings::demo(issuer).map_err(failed)?.with_resource(resource);
    let settings = if options.legacy { settings.with_legacy_clients() } else { settings };
    AuthorizationServer::new(settings).await.map_err(failed)
}

async fn listen(port: u16) -> Result<TcpListener, DemoError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| DemoError::Port(port, error))
}

/// The origin that clients know the listener by.
fn origin(listener: &TcpListener) -> Result<String, DemoError> {
    let address = listener.local_addr().map_err(|error| DemoError::start("listener", &error))?;
    Ok(format!("http://localhost:{}", address.port()))
}
