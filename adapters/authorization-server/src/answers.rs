//! What all answers have in common: status, caching, and who may read them.

use std::time::Duration;

use axum::body::Body;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Limited};
use oauth_as::{ErrorCode, ErrorResponse};
use serde::Serialize;

use crate::form::Form;

pub(crate) type Response = http::Response<Body>;

/// JSON that nobody keeps (SEC-156): every answer of every endpoint but the metadata.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    let Ok(bytes) = serde_json::to_vec(value) else {
        return status_only(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    no_store(headers);
    response
}

/// An OAuth error as JSON (AS-97). `by_header` says that the client authenticated, or tried to,
/// with the `Authorization` field, which is then answered with a challenge (AS-83).
pub(crate) fn error(error: &ErrorResponse, by_header: bool) -> Response {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json(status, error);
    if error.error == ErrorCode::InvalidClient && by_header {
        let challenge = HeaderValue::from_static("Basic realm=\"authorization server\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// An error whose status is not the one of its code: 413, 415, 429.
pub(crate) fn error_with_status(
    status: StatusCode,
    code: ErrorCode,
    description: &'static str,
) -> Response {
    let mut response = json(status, &ErrorResponse::new(code).with_description(description));
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}

/// The refusal for somebody who has tried too often, and when to try again.
pub(crate) fn too_often(code: ErrorCode, description: &'static str, wait: Duration) -> Response {
    let mut response = error_with_status(StatusCode::TOO_MANY_REQUESTS, code, description);
    // Rounded up, so that the next attempt does not come too early.
    let secs = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
    response
}

/// An empty answer that nobody keeps.
pub(crate) fn status_only(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    no_store(response.headers_mut());
    response
}

/// Marks an answer as not to be kept by any cache.
pub(crate) fn no_store(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Lets scripts of any origin read the answer. For the endpoints that need no cookie; never for
/// those that users visit (AS-14).
pub(crate) fn readable_by_scripts(mut response: Response) -> Response {
    let any = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    let exposed = HeaderValue::from_static("www-authenticate, retry-after, dpop-nonce");
    response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

/// The answer to a browser that asks whether a script may call.
pub(crate) async fn preflight() -> Response {
    let mut response = readable_by_scripts(status_only(StatusCode::NO_CONTENT));
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, POST, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    // Clients of MCP send their protocol version everywhere.
    let names = "authorization, content-type, mcp-protocol-version, dpop";
    let names = HeaderValue::from_static(names);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Over its limit.
    TooLarge,
    /// The connection broke.
    Broken,
}

pub(crate) async fn read_body(body: Body, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes().to_vec()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
    }
}

/// Whether the request's one content type is `media_type`, whatever its parameters.
pub(crate) fn has_content_type(headers: &HeaderMap, media_type: &str) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    value.to_str().is_ok_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case(media_type)
    })
}

/// The form of a POST to an endpoint that answers in JSON, or the answer that refuses it
/// (AS-80, SEC-237).
pub(crate) async fn read_form(headers: &HeaderMap, body: Body) -> Result<Form, Response> {
    if !has_content_type(headers, "application/x-www-form-urlencoded") {
        return Err(error_with_status(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::InvalidRequest,
            "the body must be application/x-www-form-urlencoded",
        ));
    }
    let too_large = || {
        error_with_status(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::InvalidRequest,
            "the form is too large",
        )
    };
    let bytes = match read_body(body, portcullis_core::limits::FORM_LEN_MAX).await {
        Ok(bytes) => bytes,
        Err(BodyError::TooLarge) => return Err(too_large()),
        Err(BodyError::Broken) => return Err(status_only(StatusCode::BAD_REQUEST)),
    };
    use portcullis_core::encoding::form::FormError;
    Form::parse(&bytes).map_err(|refused| match refused {
        FormError::TooMany | FormError::TooLong => too_large(),
        FormError::Repeated => invalid_request("a parameter is repeated"),
        _ => invalid_request("the form is not well encoded"),
    })
}

fn invalid_request(description: &'static str) -> Response {
    error(&ErrorResponse::new(ErrorCode::InvalidRequest).with_description(description), false)
}
