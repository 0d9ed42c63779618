//! The HTTP side of one question: pooled connections, a deadline, a limit, and no redirects.

use std::{error::Error as _, fmt::Write as _, time::Duration};

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::Client as PooledClient,
    rt::{TokioExecutor, TokioTimer},
};
use portcullis_core::{
    bearer::BearerToken,
    challenge::Reason,
    encoding::{percent, scratch::Scratch, text::TextWriter},
    introspection::{self, Introspected, IntrospectionError},
    limits,
};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use crate::{
    Authorities, Network,
    connector::{Connector, connector},
    incoming::incoming,
    resource_server::{Facts, IntrospectionSettings, SettingsError, issuer_url::permitted},
};

/// Idle connections are given up before a usual server does so.
const IDLE_SECS_MAX: u64 = 30;
/// Room for what an answer spells with escapes; without any, nothing is used.
const SCRATCH_LEN: usize = 4 * 1024;

/// Why a question has no answer that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskError {
    /// No connection, or a broken one (SEC-360).
    Connection,
    /// No whole answer before the deadline.
    Deadline,
    /// More bytes than an answer can have (LIM-11).
    TooLong,
    /// Not an introspection answer (RFC 7662 §2.2).
    Answer(IntrospectionError),
}

impl AskError {
    /// For logs and as a metric label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Deadline => "deadline",
            Self::TooLong => "too_long",
            Self::Answer(_) => "unusable_answer",
        }
    }

    /// Whether the server could not be asked, as opposed to asked in vain (RS-81): the core draws
    /// that line.
    pub(super) const fn is_outage(self) -> bool {
        match self {
            Self::Connection | Self::Deadline | Self::TooLong => true,
            Self::Answer(error) => matches!(error.reason(), Reason::Unavailable(_)),
        }
    }
}

/// The form body that asks about one token.
pub(super) struct Question(Option<Bytes>);

impl Question {
    /// Room for the token with every character escaped, and the names around it.
    const LEN_MAX: usize = 3 * limits::TOKEN_LEN_MAX + 64;

    pub(super) fn new(token: BearerToken<'_>) -> Self {
        let mut form = Zeroizing::new(vec![0; Self::LEN_MAX]);
        let written = introspection::write_request(token, &mut form).ok();
        Self(written.map(|form| Bytes::copy_from_slice(form.as_bytes())))
    }
}

/// Asks one endpoint with one set of credentials.
pub(super) struct Client {
    http: PooledClient<HttpsConnector<Connector>, Full<Bytes>>,
    endpoint: Uri,
    authorization: HeaderValue,
    issuer: String,
    deadline: Duration,
}

impl Client {
    /// Checks the endpoint and reads the secret.
    pub(super) fn new(
        settings: &IntrospectionSettings,
        issuer: &str,
        network: &Network,
    ) -> Result<Self, SettingsError> {
        if settings.deadline_millis == 0 {
            return Err(SettingsError::Limit("deadline_millis"));
        }
        let authorities = Authorities::from_file_or_public(settings.ca_file.as_deref())
            .map_err(SettingsError::CaFile)?;
        let connector =
            connector(network, &authorities).ok_or(SettingsError::System("no usable TLS"))?;
        let http = PooledClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_SECS_MAX))
            .pool_max_idle_per_host(settings.parallel_max)
            .build(connector);
        Ok(Self {
            http,
            endpoint: endpoint(settings)?,
            authorization: authorization(settings)?,
            issuer: issuer.to_owned(),
            deadline: Duration::from_millis(settings.deadline_millis),
        })
    }

    /// When a question that comes up now is to be answered.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// The facts about the token, `None` when it is definitely not active. When the time is over already,
    /// nobody is asked.
    pub(super) async fn ask(
        &self,
        question: Question,
        deadline: Instant,
    ) -> Result<Option<Facts>, AskError> {
        if deadline <= Instant::now() {
            return Err(AskError::Deadline);
        }
        let exchange = timeout_at(deadline, self.exchange(question));
        let (head, body) = exchange.await.map_err(|_| AskError::Deadline)??;
        let response = incoming(&head, &body);
        let mut buffer = [0; SCRATCH_LEN];
        let mut scratch = Scratch::new(&mut buffer);
        match introspection::parse(&response, &self.issuer, &mut scratch) {
            Ok(Introspected::Active(facts)) => Ok(Some(Facts::from(&facts))),
            Ok(Introspected::Inactive) => Ok(None),
            Err(error) => {
                tracing::warn!(%error, status = response.status, "unusable introspection answer");
                Err(AskError::Answer(error))
            }
        }
    }

    /// One request, one response; a redirect is a response like any other (SEC-360).
    async fn exchange(
        &self,
        question: Question,
    ) -> Result<(http::response::Parts, Bytes), AskError> {
        let form = question.0.ok_or(AskError::TooLong)?;
        let mut request = Request::new(Full::new(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let fields = request.headers_mut();
        fields.insert(header::AUTHORIZATION, self.authorization.clone());
        fields.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        fields.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let again = request.clone();
        let mut response = self.http.request(request).await;
        // A connection that was kept may be closed just when it is used again. To ask twice changes nothing.
        if response.as_ref().is_err_and(was_closed) {
            response = self.http.request(again).await;
        }
        let response = response.map_err(|error| {
            tracing::debug!(%error, "introspection endpoint not reached");
            AskError::Connection
        })?;
        let (head, body) = response.into_parts();
        tracing::debug!(endpoint = %self.endpoint, status = head.status.as_u16(), "introspected");
        let body = Limited::new(body, limits::METADATA_LEN_MAX_DESKTOP).collect().await;
        let body = body.map_err(|error| {
            let limit = error.downcast_ref::<http_body_util::LengthLimitError>();
            if limit.is_some() { AskError::TooLong } else { AskError::Connection }
        })?;
        Ok((head, body.to_bytes()))
    }
}

/// Whether the connection was closed with no byte of an answer.
fn was_closed(error: &hyper_util::client::legacy::Error) -> bool {
    let reason = error.source().and_then(|reason| reason.downcast_ref::<hyper::Error>());
    reason.is_some_and(hyper::Error::is_incomplete_message)
}

fn endpoint(settings: &IntrospectionSettings) -> Result<Uri, SettingsError> {
    permitted(&settings.endpoint, settings.plain_http).ok_or(SettingsError::Endpoint)
}

/// `client_secret_basic` (RFC 6749 §2.3.1): both halves form-encoded, then Basic.
fn authorization(settings: &IntrospectionSettings) -> Result<HeaderValue, SettingsError> {
    let refused = |error| SettingsError::Secret("client_secret".to_owned(), error);
    let secret = settings.client_secret.read().map_err(refused)?;
    let secret = std::str::from_utf8(&secret)
        .map_err(|_| SettingsError::Limit("client_secret, which must be text,"))?;
    if settings.client_id.is_empty() {
        return Err(SettingsError::Limit("client_id"));
    }
    let id = form_encoded(&settings.client_id)?;
    let pair = Zeroizing::new(format!("{}:{}", *id, *form_encoded(secret)?));
    let mut text = Zeroizing::new(String::from("Basic "));
    let encoded = Zeroizing::new(Base64::encode_string(pair.as_bytes()));
    let _ = text.write_str(&encoded);
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| SettingsError::Limit("client_secret"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn form_encoded(text: &str) -> Result<Zeroizing<String>, SettingsError> {
    let mut buffer = Zeroizing::new(vec![0; text.len().saturating_mul(3)]);
    let mut out = TextWriter::new(&mut buffer);
    percent::encode_form(text, &mut out)
        .map_err(|_| SettingsError::Limit("client_id or client_secret"))?;
    Ok(Zeroizing::new(out.finish().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource_server::Secret;

    fn settings(endpoint: &str) -> IntrospectionSettings {
        IntrospectionSettings::new(endpoint, "s6BhdRkqt3", Secret::value("gX1fBat3bV"))
    }

    #[test]
    fn rs_80_credentials_as_in_rfc_6749() {
        // RFC 6749 §2.3.1 gives this pair and this value.
        let value = authorization(&settings("https://as/i")).unwrap();
        assert_eq!(value, "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
        assert!(!format!("{value:?}").contains("czZC"));
        let mut odd = settings("https://as/i");
        odd.client_id = "a b:c".to_owned();
        assert_eq!(authorization(&odd).unwrap(), "Basic YStiJTNBYzpnWDFmQmF0M2JW");
        odd.client_secret = Secret::value("");
        assert!(authorization(&odd).is_err());
    }

    #[test]
    fn sec_372_plain_text_only_on_loopback_or_by_name() {
        for good in ["https://as.example.com/i", "http://127.0.0.1:9000/i", "http://localhost/i"] {
            assert!(endpoint(&settings(good)).is_ok(), "{good}");
        }
        for bad in
            ["http://as.example.com/i", "ftp://as/i", "/i", "", "https://u@as/i", "https://as/i#f"]
        {
            assert_eq!(endpoint(&settings(bad)), Err(SettingsError::Endpoint), "{bad}");
        }
        let mut by_name = settings("http://as.example.com/i");
        by_name.plain_http = true;
        assert!(endpoint(&by_name).is_ok());
    }

    #[test]
    fn no_deadline_is_refused() {
        let mut settings = settings("https://as/i");
        settings.deadline_millis = 0;
        assert!(matches!(
            Client::new(&settings, "i", &Network::system()),
            Err(SettingsError::Limit(_))
        ));
    }
}
