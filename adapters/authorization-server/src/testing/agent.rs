//! HTTP as a program speaks it that plays a browser or a client: over loopback, with cookies.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::TestingError;
use crate::redirect_uri;

/// Longest answer read, in bytes.
const ANSWER_LEN_MAX: usize = 1024 * 1024;

/// One HTTP request and its status, without query and body: they hold codes and tokens.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'e> {
    /// `GET`, `POST`.
    pub method: &'e str,
    /// The URL without its query.
    pub url: &'e str,
    /// The status.
    pub status: u16,
}

pub(super) type Observer = Arc<dyn Fn(&Exchange<'_>) + Send + Sync>;

/// What came back.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header field that is there, in ASCII; of several the first one.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Everything in the answer's body, if it is what was hoped for.
    pub(super) fn success(self) -> Result<Self, TestingError> {
        match self.status {
            200..=299 => Ok(self),
            status => Err(TestingError::Refused { status, body: self.text() }),
        }
    }
}

/// The body may hold tokens.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Sends requests to loopback, one after the other; redirects are the caller's business.
pub(super) struct Agent {
    client: Client<HttpConnector, Full<Bytes>>,
    cookies: BTreeMap<String, String>,
    observer: Observer,
}

impl Agent {
    pub(super) fn new(observer: Observer) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, cookies: BTreeMap::new(), observer }
    }

    pub(super) async fn get(&mut self, url: &str) -> Result<Answer, TestingError> {
        self.send(Method::GET, url, &[], String::new()).await
    }

    pub(super) async fn post_form<'p>(
        &mut self,
        url: &str,
        fields: &[(HeaderName, &str)],
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<Answer, TestingError> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let kind = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(Method::POST, url, &[fields, &[kind]].concat(), form).await
    }

    pub(super) async fn post_json(
        &mut self,
        url: &str,
        fields: &[(HeaderName, &str)],
        body: &Value,
    ) -> Result<Answer, TestingError> {
        let kind = (header::CONTENT_TYPE, "application/json");
        self.send(Method::POST, url, &[fields, &[kind]].concat(), body.to_string()).await
    }

    async fn send(
        &mut self,
        method: Method,
        url: &str,
        fields: &[(HeaderName, &str)],
        body: String,
    ) -> Result<Answer, TestingError> {
        // What is scripted here knows a password and agrees to everything.
        if !redirect_uri::is_loopback(url) {
            return Err(TestingError::NotLoopback);
        }
        let failed = |error: &dyn fmt::Display| TestingError::Http(error.to_string());
        let mut request = Request::builder().method(&method).uri(url);
        for (name, value) in fields {
            request = request.header(name, *value);
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let request = request.body(Full::from(body)).map_err(|error| failed(&error))?;
        let response = self.client.request(request).await.map_err(|error| failed(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_LEN_MAX).collect().await;
        let body = body.map_err(|error| failed(&error))?.to_bytes();
        let (status, url) = (head.status.as_u16(), url.split('?').next().unwrap_or_default());
        (self.observer)(&Exchange { method: method.as_str(), url, status });
        self.keep_cookies(&head.headers);
        Ok(Answer { status, headers: head.headers, body })
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        let cookies = headers.get_all(header::SET_COOKIE).iter().map(HeaderValue::to_str);
        for cookie in cookies.flatten() {
            let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
            if let Some((name, value)) = pair {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

/// One who tells nobody.
pub(super) fn nobody() -> Observer {
    Arc::new(|_: &Exchange<'_>| {})
}
