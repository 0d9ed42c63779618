//! What an answer means to rmcp's transport.

use std::time::Duration;

use futures_core::stream::BoxStream;
use http::{HeaderMap, Response, StatusCode, header};
use hyper::body::Incoming;
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, ErrorData, RequestId, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        HttpStatusError, SseError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
    },
};
use sse_stream::Sse;
use tokio::time::timeout;

use super::{AuthorizedHttpError, Failure, FetchFailure, SESSION_ID, events::events};
use crate::client::fetcher::collect;

/// The message that was posted, and how its answer is to be read.
pub(super) struct Asked<'m> {
    pub(super) message: &'m ClientJsonRpcMessage,
    pub(super) had_session: bool,
    pub(super) limits: StreamableHttpResponseLimits,
    /// For the body of a JSON answer.
    pub(super) time_limit: Duration,
}

/// The media types that are answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Events,
    Other,
}

impl Asked<'_> {
    pub(super) async fn read(
        &self,
        response: Response<Incoming>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let status = response.status();
        let session_id = response.headers().get(SESSION_ID);
        let session_id = session_id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        if status == StatusCode::NOT_FOUND && self.had_session {
            return Err(Failure::SessionExpired);
        }
        let media = media(response.headers());
        if !status.is_success() {
            return self.error(response, media, session_id).await;
        }
        // Nothing else is due to a message that is no request.
        let Some(id) = self.request_id() else { return Ok(StreamableHttpPostResponse::Accepted) };
        match media {
            Media::Events => {
                let events = events(response.into_body(), self.limits.max_sse_event_size);
                Ok(StreamableHttpPostResponse::Sse(events, session_id))
            }
            Media::Json => {
                let body = self.body(response).await?;
                let message = own(serde_json::from_slice(&body)?, id)?;
                Ok(StreamableHttpPostResponse::Json(message, session_id))
            }
            Media::Other => Err(Failure::UnexpectedContentType(content_type(response.headers()))),
        }
    }

    /// An error in JSON-RPC is the answer, whatever the status; the rest is in the status.
    async fn error(
        &self,
        response: Response<Incoming>,
        media: Media,
        session_id: Option<String>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let (status, fields) = (response.status(), response.headers().clone());
        // What a proxy says about who may come in is not the server's word.
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let told = match self.request_id() {
            Some(id) if media == Media::Json && !refused => {
                let body = self.body(response).await?;
                error_of(&body).map(|error| (error, id))
            }
            _ => None,
        };
        if let Some((error, id)) = told {
            let message = ServerJsonRpcMessage::error(error, Some(id.clone()));
            return Ok(StreamableHttpPostResponse::Json(message, session_id));
        }
        if let Some(id) = self.discovery().filter(|_| status.is_client_error() && !refused) {
            // TC-12: a server of an older revision, which rmcp then greets as such.
            let error = ErrorData::invalid_request(format!("status {status}"), None);
            let message = ServerJsonRpcMessage::error(error, Some(id.clone()));
            return Ok(StreamableHttpPostResponse::Json(message, None));
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            let retry_after = fields.get(header::RETRY_AFTER).and_then(|at| at.to_str().ok());
            let error = HttpStatusError::new(status.as_u16(), retry_after.map(str::to_owned));
            return Err(Failure::HttpStatus(error));
        }
        Err(unexpected(status))
    }

    fn request_id(&self) -> Option<&RequestId> {
        match self.message {
            ClientJsonRpcMessage::Request(request) => Some(&request.id),
            _ => None,
        }
    }

    /// The id of a `server/discover` with which rmcp finds out what the server speaks.
    fn discovery(&self) -> Option<&RequestId> {
        match self.message {
            ClientJsonRpcMessage::Request(request)
                if !self.had_session
                    && matches!(request.request, ClientRequest::DiscoverRequest(_)) =>
            {
                Some(&request.id)
            }
            _ => None,
        }
    }

    async fn body(&self, response: Response<Incoming>) -> Result<Vec<u8>, Failure> {
        let max_size = self.limits.max_json_response_size;
        let (head, body) = response.into_parts();
        let body = timeout(self.time_limit, collect(&head, body, max_size, |_, _| false)).await;
        match body.unwrap_or(Err(FetchFailure::TimedOut)) {
            Ok(body) => Ok(body),
            Err(FetchFailure::TooLarge) => Err(Failure::ResponseBodyTooLarge { max_size }),
            Err(failure) => Err(AuthorizedHttpError::Fetch(failure).into()),
        }
    }
}

/// The stream that a GET asked for.
pub(super) fn stream(
    response: Response<Incoming>,
    event_len_max: usize,
) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => Err(Failure::ServerDoesNotSupportSse),
        StatusCode::NOT_FOUND => Err(Failure::SessionExpired),
        status if !status.is_success() => Err(unexpected(status)),
        _ if media(response.headers()) != Media::Events => {
            Err(Failure::UnexpectedContentType(content_type(response.headers())))
        }
        _ => Ok(events(response.into_body(), event_len_max)),
    }
}

pub(super) fn unexpected(status: StatusCode) -> Failure {
    Failure::UnexpectedServerResponse(format!("status {status}").into())
}

/// The answer, if it is to this request (SEC-483). An error for which the server could not read the id is
/// the answer to the one request that was sent.
fn own(answer: ServerJsonRpcMessage, id: &RequestId) -> Result<ServerJsonRpcMessage, Failure> {
    match answer {
        ServerJsonRpcMessage::Response(response) if response.id == *id => {
            Ok(ServerJsonRpcMessage::Response(response))
        }
        ServerJsonRpcMessage::Error(error) if error.id.as_ref().is_none_or(|own| own == id) => {
            Ok(ServerJsonRpcMessage::error(error.error, Some(id.clone())))
        }
        _ => Err(Failure::UnexpectedServerResponse("not the answer to this request".into())),
    }
}

fn error_of(body: &[u8]) -> Option<ErrorData> {
    match serde_json::from_slice(body).ok()? {
        ServerJsonRpcMessage::Error(error) => Some(error.error),
        _ => None,
    }
}

fn media(fields: &HeaderMap) -> Media {
    let value = fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let name = value.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if name.eq_ignore_ascii_case("application/json") {
        Media::Json
    } else if name.eq_ignore_ascii_case("text/event-stream") {
        Media::Events
    } else {
        Media::Other
    }
}

fn content_type(fields: &HeaderMap) -> Option<String> {
    let value = fields.get(header::CONTENT_TYPE)?;
    Some(value.to_str().ok()?.to_owned())
}
