//! Sending one request, within limits of time and length.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, Request, Response, header,
    response::Parts,
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use portcullis_core::{
    client::{FetchFailure, Method, OutgoingRequest, UrlPolicy},
    message::IncomingResponse,
};

#[cfg(feature = "dpop")]
use portcullis_core::{client::dpop::token_endpoint_wants_nonce, encoding::scratch::Scratch};

use super::Options;
use crate::{
    Authorities,
    connector::{Connector, Network, connector},
    incoming::incoming,
    vetted::ConnectError,
};

/// Most reasons under an error that are looked at.
const REASONS_MAX: usize = 16;
/// Longest header section of an answer in bytes.
const HEAD_LEN_MAX: usize = 64 * 1024;
/// Node and uvicorn close connections that were idle for five seconds, as long as a user needs to log in; a code that
/// is on its way then is lost.
const IDLE_SECS_MAX: u64 = 3;

/// An HTTP client that follows no redirect, keeps no cookie, and adds no credentials of its own.
#[derive(Clone)]
pub(super) struct Fetcher {
    pooled: Client<HttpsConnector<Connector>, Full<Bytes>>,
}

/// An answer, whole.
pub(super) struct Received {
    pub(super) head: Parts,
    pub(super) body: Vec<u8>,
}

impl Fetcher {
    /// `None` when there is no usable TLS.
    pub(super) fn new(options: &Options) -> Option<Self> {
        let network = match options.public_addresses_only {
            true => Network::public(),
            false => Network::system(),
        };
        Self::over(&network, &options.authorities)
    }

    /// Whose connections go over this network, whatever the options say of addresses.
    pub(super) fn over(network: &Network, authorities: &Authorities) -> Option<Self> {
        let pooled = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_SECS_MAX))
            .http1_max_buf_size(HEAD_LEN_MAX)
            .build(connector(network, authorities)?);
        Some(Self { pooled })
    }

    /// Sends what a machine of the core wants sent, as it stands.
    pub(super) async fn fetch(
        &self,
        request: &OutgoingRequest<'_>,
        further: Option<(HeaderName, HeaderValue)>,
        time_limit: Duration,
    ) -> Result<Received, FetchFailure> {
        let method = match request.method {
            Method::Get => HttpMethod::GET,
            Method::Post => HttpMethod::POST,
        };
        let mut fields = HeaderMap::new();
        fields.insert(header::ACCEPT, HeaderValue::from_static(OutgoingRequest::ACCEPT));
        if let Some(content_type) = request.content_type {
            fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(authorization) = request.authorization {
            fields.insert(header::AUTHORIZATION, secret_value(authorization)?);
        }
        if let Some(version) = request.mcp_protocol_version {
            fields.insert("mcp-protocol-version", HeaderValue::from_static(version));
        }
        fields.extend(further.map(|(name, value)| (Some(name), value)));
        let body = Bytes::copy_from_slice(request.body);
        let len_max = request.response_len_max;
        self.send(method, request.url, fields, body, len_max, time_limit, |_, _| false).await
    }

    /// Sends one request. The body is read until its end, or until `enough` says so when it is
    /// shown each new piece.
    #[allow(clippy::too_many_arguments, reason = "each is one independent part of a request")]
    pub(super) async fn send(
        &self,
        method: HttpMethod,
        url: &str,
        fields: HeaderMap,
        body: Bytes,
        len_max: usize,
        time_limit: Duration,
        enough: impl FnMut(&Parts, &[u8]) -> bool,
    ) -> Result<Received, FetchFailure> {
        let exchange = async {
            let (head, body) = self.open(method, url, fields, body).await?.into_parts();
            let body = collect(&head, body, len_max, enough).await?;
            Ok(Received { head, body })
        };
        tokio::time::timeout(time_limit, exchange).await.map_err(|_| FetchFailure::TimedOut)?
    }

    /// Sends one request, and gives the answer with its body still to come. How long that may take is for
    /// the caller to say.
    pub(super) async fn open(
        &self,
        method: HttpMethod,
        url: &str,
        fields: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, FetchFailure> {
        // The core admitted the URL under the policy in force; nothing wider ever leaves here.
        UrlPolicy::HttpsOrLoopback.admit(url).map_err(|_| FetchFailure::Unreachable)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().map_err(|_| FetchFailure::Unreachable)?;
        *request.headers_mut() = fields;
        self.pooled.request(request).await.map_err(|error| {
            tracing::debug!(%error, "no answer");
            failure(&error)
        })
    }
}

/// Whether it was the certificate or the address: the reason stands under those of the layers above.
fn failure(error: &hyper_util::client::legacy::Error) -> FetchFailure {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    for _ in 0..REASONS_MAX {
        let Some(reason) = next else { break };
        if matches!(reason.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return FetchFailure::Certificate;
        }
        if matches!(reason.downcast_ref(), Some(ConnectError::Forbidden(_))) {
            return FetchFailure::NotPublic;
        }
        next = match reason.downcast_ref::<std::io::Error>() {
            // Its own source is that of what it wraps.
            Some(wrapping) => wrapping.get_ref().map(|wrapped| wrapped as _),
            None => reason.source(),
        };
    }
    FetchFailure::Unreachable
}

impl Received {
    pub(super) fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// Whether the token endpoint refused the proof for want of a nonce.
    #[cfg(feature = "dpop")]
    pub(super) fn wants_nonce(&self) -> bool {
        let mut room = vec![0; 3 * self.body.len()];
        token_endpoint_wants_nonce(&self.incoming(), &mut Scratch::new(&mut room))
    }

    #[cfg(not(feature = "dpop"))]
    pub(super) const fn wants_nonce(&self) -> bool {
        false
    }

    /// The answer as the core sees it.
    pub(super) fn incoming(&self) -> IncomingResponse<'_> {
        incoming(&self.head, &self.body)
    }
}

/// A field value that no log shows.
pub(super) fn secret_value(text: &str) -> Result<HeaderValue, FetchFailure> {
    let mut value = HeaderValue::from_str(text).map_err(|_| FetchFailure::Unreachable)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The body, within its limit, until its end or until `enough` says so.
pub(super) async fn collect(
    head: &Parts,
    mut body: Incoming,
    len_max: usize,
    mut enough: impl FnMut(&Parts, &[u8]) -> bool,
) -> Result<Vec<u8>, FetchFailure> {
    let mut collected = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| FetchFailure::Unreachable)?;
        let Some(piece) = frame.data_ref() else { continue };
        if piece.len() > len_max - collected.len() {
            return Err(FetchFailure::TooLarge);
        }
        collected.extend_from_slice(piece);
        if enough(head, piece) {
            break;
        }
    }
    Ok(collected)
}

#[cfg(test)]
mod tests;
