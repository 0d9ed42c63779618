//! Why a request that was admitted has no answer of the upstream, and what the client gets instead.

use std::{error::Error, io};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::body::ProxyBody;

/// Said without any address or word of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection.
    Unreachable,
    /// No connection, or no head of an answer, in time.
    Deadline,
    /// What came back is no HTTP answer, or one with a head that is too large.
    Broken,
    /// The upstream wants credentials: its own are missing or wrong, not the client's.
    Credential,
    /// A redirect, which would name an address in here.
    Redirect,
    /// Another protocol, which nobody asked for.
    Upgrade,
    /// Too many requests at once.
    Busy,
    /// Nobody vouched for the request, or there is no time or randomness to vouch for it with.
    Identity,
}

impl Failure {
    pub(super) fn of(error: &hyper_util::client::legacy::Error) -> Self {
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(io) = cause.downcast_ref::<io::Error>()
                && io.kind() == io::ErrorKind::TimedOut
            {
                return Self::Deadline;
            }
            source = cause.source();
        }
        if error.is_connect() { Self::Unreachable } else { Self::Broken }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Unreachable
            | Self::Broken
            | Self::Credential
            | Self::Redirect
            | Self::Upgrade => StatusCode::BAD_GATEWAY,
            Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Identity => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// For logs and as a metric label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Deadline => "deadline",
            Self::Broken => "broken",
            Self::Credential => "credential",
            Self::Redirect => "redirect",
            Self::Upgrade => "upgrade",
            Self::Busy => "busy",
            Self::Identity => "identity",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "the MCP server behind this proxy cannot be reached",
            Self::Deadline => "the MCP server behind this proxy does not answer in time",
            Self::Broken => "the MCP server behind this proxy gave no usable answer",
            Self::Credential => "the MCP server behind this proxy does not accept the proxy",
            Self::Redirect => "the MCP server behind this proxy answered with a redirect",
            Self::Upgrade => "the MCP server behind this proxy changed the protocol",
            Self::Busy => "too many requests at once",
            Self::Identity => "the request cannot be vouched for",
        }
    }

    pub(super) fn answer(self) -> Response<ProxyBody> {
        let mut response =
            Response::new(ProxyBody::own(Bytes::from_static(self.words().as_bytes())));
        *response.status_mut() = self.status();
        let fields = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        fields.insert(header::CONTENT_TYPE, text);
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self == Self::Busy {
            fields.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
