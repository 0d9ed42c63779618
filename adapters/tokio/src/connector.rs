//! How both sides connect: plain TCP, or TLS by rustls.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use crate::{Authorities, public_network, vetted};

type BoxError = Box<dyn Error + Send + Sync>;
type Connecting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Bytes in both directions.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// What connections go over: the operating system's network, or another, such as that of a simulation.
/// TLS is spoken over either.
#[derive(Clone, Default)]
pub struct Network(Option<Arc<Connect>>);

type Connect = dyn Fn(Uri) -> Connecting<Stream, io::Error> + Send + Sync;

impl Network {
    /// TCP of the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// TCP of the operating system, to addresses of the public internet alone (CL-93, SEC-462): a name is looked
    /// up once, and is refused if one of its addresses is not such.
    #[must_use]
    pub fn public() -> Self {
        Self::from_fn(|url| public_network::connect(url, vetted::look_up, vetted::dial))
    }

    /// Connections that `connect` makes to the host and port of a URL.
    pub fn from_fn<F, T>(connect: impl Fn(Uri) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let boxed = move |uri| -> Connecting<Stream, io::Error> {
            let connecting = connect(uri);
            Box::pin(async move { connecting.await.map(Stream::new) })
        };
        Self(Some(Arc::new(boxed)))
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Network(other)" } else { "Network(system)" })
    }
}

/// A connector for https, and for http where the caller's own policy permits the URL. `None` when there
/// is no usable TLS. No proxy is taken from the environment.
pub(crate) fn connector(
    network: &Network,
    authorities: &Authorities,
) -> Option<HttpsConnector<Connector>> {
    let tls = HttpsConnectorBuilder::new().with_tls_config(authorities.client_config()?);
    Some(tls.https_or_http().enable_http1().wrap_connector(Connector::new(network)))
}

/// Connects over a [`Network`].
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    network: Network,
}

impl Connector {
    fn new(network: &Network) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { tcp, network: network.clone() }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream, BoxError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match &self.network.0 {
            Some(connect) => {
                let connecting = connect(uri);
                Box::pin(async move { Ok(connecting.await?) })
            }
            None => {
                let connecting = self.tcp.call(uri);
                Box::pin(async move { Ok(Stream::new(connecting.await?.into_inner())) })
            }
        }
    }
}

/// A connection of either network.
pub(crate) struct Stream(TokioIo<Box<dyn Bytes>>);

impl Stream {
    fn new(bytes: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(TokioIo::new(Box::new(bytes)))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
