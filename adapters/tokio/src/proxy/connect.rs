//! Connections to the upstream, each made within its time, the handshake included.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::HttpsConnector;
use tower_service::Service;

use super::{UpstreamError, UpstreamSettings};
use crate::{
    Authorities, Network,
    connector::{self, Connector},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Inner = HttpsConnector<Connector>;

/// Connects within a time.
#[derive(Clone)]
pub(super) struct Timed {
    inner: Inner,
    time: Duration,
}

impl Timed {
    /// Reads the CA file, where there is one.
    pub(super) fn new(
        settings: &UpstreamSettings,
        network: &Network,
    ) -> Result<Self, UpstreamError> {
        let authorities = Authorities::from_file_or_public(settings.ca_file.as_deref())
            .map_err(UpstreamError::CaFile)?;
        let inner = connector::connector(network, &authorities);
        let time = Duration::from_millis(settings.limits.connect_millis);
        Ok(Self { inner: inner.ok_or(UpstreamError::Tls)?, time })
    }
}

impl Service<Uri> for Timed {
    type Response = <Inner as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.time, self.inner.call(uri));
        Box::pin(
            async move { connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? },
        )
    }
}
