//! One request over one connection, which ends with it.

use bytes::Bytes;
use http::{Request, response::Parts};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// How much of an answer is read, in bytes.
pub(crate) struct AnswerLimits {
    pub(crate) head_len_max: usize,
    pub(crate) body_len_max: usize,
}

/// Why there is no whole answer.
pub(crate) enum ExchangeError {
    /// No HTTP, or the connection broke.
    Http,
    /// The body goes on beyond its limit.
    TooLarge,
}

/// Sends a request and reads the answer whole. `judge` sees its head before anything of its body is read.
pub(crate) async fn exchange<E: From<ExchangeError>>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    limits: AnswerLimits,
    judge: impl FnOnce(&Parts) -> Result<(), E>,
) -> Result<(Parts, Bytes), E> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits.head_len_max);
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| ExchangeError::Http)?;
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(|_| ExchangeError::Http)?;
        let (head, body) = response.into_parts();
        judge(&head)?;
        let body = Limited::new(body, limits.body_len_max).collect().await.map_err(|error| {
            match error.is::<LengthLimitError>() {
                true => ExchangeError::TooLarge,
                false => ExchangeError::Http,
            }
        })?;
        Ok((head, body.to_bytes()))
    };
    // The connection is driven here, so that it ends with the exchange.
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        _ = &mut connection => exchange.await,
    }
}
