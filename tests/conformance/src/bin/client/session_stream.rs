//! The stream on which a server of a session speaks by itself, opened before anything is called.

use std::{collections::HashMap, sync::Arc};

use futures_core::stream::BoxStream;
use http::{HeaderName, HeaderValue};
use portcullis_tokio::client::{AuthorizedHttpClient, AuthorizedHttpError};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest},
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
        StreamableHttpResponseLimits,
    },
};
use sse_stream::Sse;
use tokio::sync::watch;

type Failure = StreamableHttpError<AuthorizedHttpError>;
type Fields = HashMap<HeaderName, HeaderValue>;

#[derive(Clone, Copy, Eq, PartialEq)]
enum Stream {
    /// No session, so no stream.
    NotExpected,
    Opening,
    /// The server opened it, or said that it will not.
    Answered,
}

/// Tells when the server has answered the request for the stream.
///
/// rmcp asks for it beside the first calls. A server that the tool plays takes the answer of a call to
/// whichever stream is asked for next, so one asked for late would get that answer in place of the one that
/// resumes the call.
#[derive(Clone)]
pub(crate) struct SessionStream {
    client: AuthorizedHttpClient,
    stream: watch::Sender<Stream>,
}

/// The end of the wait for the stream.
pub(crate) struct Answered(watch::Receiver<Stream>);

impl SessionStream {
    pub(crate) fn of(client: AuthorizedHttpClient) -> (Self, Answered) {
        let (stream, answered) = watch::channel(Stream::NotExpected);
        (Self { client, stream }, Answered(answered))
    }
}

impl Answered {
    pub(crate) async fn wait(mut self) -> Result<(), watch::error::RecvError> {
        self.0.wait_for(|stream| *stream != Stream::Opening).await.map(drop)
    }
}

/// Revisions without a handshake have no sessions, whatever a server sends with its answers.
fn begins_session(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, ClientJsonRpcMessage::Request(request)
        if matches!(request.request, ClientRequest::InitializeRequest(_)))
}

impl StreamableHttpClient for SessionStream {
    type Error = AuthorizedHttpError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        fields: Fields,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let limits = StreamableHttpResponseLimits::default();
        self.post_message_with_response_limits(
            uri,
            message,
            session_id,
            auth_header,
            fields,
            limits,
        )
        .await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        fields: Fields,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let begins = begins_session(&message);
        let answer = self
            .client
            .post_message_with_response_limits(
                uri,
                message,
                session_id,
                auth_header,
                fields,
                limits,
            )
            .await?;
        use StreamableHttpPostResponse::{Json, Sse};
        if begins && matches!(answer, Json(_, Some(_)) | Sse(_, Some(_))) {
            self.stream.send_replace(Stream::Opening);
        }
        Ok(answer)
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        fields: Fields,
    ) -> Result<(), Failure> {
        self.client.delete_session(uri, session_id, auth_header, fields).await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        fields: Fields,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let limit = StreamableHttpResponseLimits::default().max_sse_event_size;
        self.get_stream_with_max_sse_event_size(
            uri,
            session_id,
            last_event_id,
            auth_header,
            fields,
            limit,
        )
        .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        fields: Fields,
        limit: usize,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let answer = self
            .client
            .get_stream_with_max_sse_event_size(
                uri,
                session_id,
                last_event_id,
                auth_header,
                fields,
                limit,
            )
            .await;
        self.stream.send_replace(Stream::Answered);
        answer
    }
}
