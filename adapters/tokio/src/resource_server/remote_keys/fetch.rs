//! Where the keys come from: the issuer's metadata (RFC 8414) names the key set, or the settings do.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header, response::Parts};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use portcullis_core::{
    encoding::{scratch::Scratch, text::TextWriter},
    jwk,
    limits::{IDENTIFIER_LEN_MAX, METADATA_LEN_MAX_DESKTOP},
    metadata::{
        MetadataError, authorization_server::AuthorizationServer,
        well_known::authorization_server_urls,
    },
};

use super::{JwksSettings, SettingsError};
use crate::{
    Authorities, Network,
    connector::{Connector, connector},
    incoming::incoming,
    public_keys::{PublicKeys, PublicKeysError},
    resource_server::issuer_url::permitted,
};

/// Longest header section of an answer in bytes.
const HEAD_LEN_MAX: usize = 64 * 1024;
/// Room for a well-known URL of the longest issuer.
const URL_LEN_MAX: usize = IDENTIFIER_LEN_MAX + 64;

/// Why the keys could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchError {
    /// No connection, or a broken one.
    Connection,
    /// No whole answer before the deadline.
    Deadline,
    /// More bytes than a document may have (LIM-11).
    TooLong,
    /// The answer is no key set, or has no key that can be used (SEC-111).
    Keys(PublicKeysError),
    /// No place has metadata of the issuer that can be read.
    NoMetadata,
    /// The metadata is not the issuer's, or breaks RFC 8414.
    Metadata(MetadataError),
    /// The metadata names no key set, or one at an address that may not be asked.
    NoKeySet,
}

impl FetchError {
    /// For metric labels.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Deadline => "deadline",
            Self::TooLong => "too_long",
            Self::Keys(_) => "unusable_keys",
            Self::NoMetadata | Self::Metadata(_) | Self::NoKeySet => "unusable_metadata",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("no connection, or a broken one"),
            Self::Deadline => f.write_str("no whole answer before the deadline"),
            Self::TooLong => f.write_str("the answer is too long"),
            Self::Keys(error) => error.fmt(f),
            Self::NoMetadata => f.write_str("no metadata of the issuer"),
            Self::Metadata(error) => error.fmt(f),
            Self::NoKeySet => f.write_str("the metadata names no key set that may be asked for"),
        }
    }
}

/// Reads the keys of one issuer. Nothing that a token says is ever an address here (SEC-076).
pub(super) struct Source {
    http: Client<HttpsConnector<Connector>, Empty<Bytes>>,
    issuer: String,
    url: Option<Uri>,
    deadline: Duration,
    plain_http: bool,
}

impl Source {
    pub(super) fn new(
        settings: &JwksSettings,
        issuer: &str,
        network: &Network,
    ) -> Result<Self, SettingsError> {
        if settings.deadline_millis == 0 {
            return Err(SettingsError::Limit("deadline_millis"));
        }
        let plain_http = settings.plain_http;
        let url = settings.url.as_deref();
        // Where the settings name no key set, the issuer's own address is asked.
        let asked = permitted(url.unwrap_or(issuer), plain_http).ok_or(SettingsError::KeySetUrl)?;
        let authorities = Authorities::from_file_or_public(settings.ca_file.as_deref())
            .map_err(SettingsError::CaFile)?;
        let connector =
            connector(network, &authorities).ok_or(SettingsError::System("no usable TLS"))?;
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(1)
            .http1_max_buf_size(HEAD_LEN_MAX)
            .build(connector);
        Ok(Self {
            http,
            issuer: issuer.to_owned(),
            url: url.map(|_| asked),
            deadline: Duration::from_millis(settings.deadline_millis),
            plain_http,
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Reads the key set, within one deadline for all that it takes.
    pub(super) async fn read(&self) -> Result<PublicKeys, FetchError> {
        let reading = async {
            let url = match &self.url {
                Some(url) => url.clone(),
                None => self.discover().await?,
            };
            let (head, body) = self.get(url).await?;
            let document = jwk::document(&incoming(&head, &body)).map_err(PublicKeysError::Set);
            document.and_then(PublicKeys::read).map_err(FetchError::Keys)
        };
        tokio::time::timeout(self.deadline, reading).await.map_err(|_| FetchError::Deadline)?
    }

    /// `jwks_uri` of the issuer's metadata, from the first place that has some (RS-71).
    async fn discover(&self) -> Result<Uri, FetchError> {
        let candidates = authorization_server_urls(&self.issuer);
        for candidate in candidates.map_err(|_| FetchError::NoMetadata)? {
            let mut room = [0; URL_LEN_MAX];
            let mut text = TextWriter::new(&mut room);
            candidate.write(&mut text).map_err(|_| FetchError::NoMetadata)?;
            let url = text.finish().parse().map_err(|_| FetchError::NoMetadata)?;
            let (head, body) = self.get(url).await?;
            let answer = incoming(&head, &body);
            if answer.status == 200 && answer.is_json() {
                return self.key_set_of(answer.body);
            }
        }
        Err(FetchError::NoMetadata)
    }

    fn key_set_of(&self, document: &[u8]) -> Result<Uri, FetchError> {
        let mut room = vec![0; document.len()];
        let metadata = AuthorizationServer::parse(document, &mut Scratch::new(&mut room))
            .and_then(|metadata| metadata.validate_issuer(&self.issuer).map(|()| metadata))
            .map_err(FetchError::Metadata)?;
        metadata
            .jwks_uri
            .and_then(|url| permitted(url, self.plain_http))
            .ok_or(FetchError::NoKeySet)
    }

    /// One request, one response; a redirect is a response like any other.
    async fn get(&self, url: Uri) -> Result<(Parts, Bytes), FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = url;
        let accepted = "application/jwk-set+json, application/json";
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(accepted));
        let response = self.http.request(request).await.map_err(|error| {
            tracing::debug!(%error, "issuer not reached");
            FetchError::Connection
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, METADATA_LEN_MAX_DESKTOP).collect().await;
        let body = body.map_err(|error| {
            let limit = error.downcast_ref::<http_body_util::LengthLimitError>();
            if limit.is_some() { FetchError::TooLong } else { FetchError::Connection }
        })?;
        Ok((head, body.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_372_keys_come_by_tls_or_from_this_machine() {
        for good in
            ["https://as.example.com/jwks", "http://127.0.0.1:9000/jwks", "http://localhost/"]
        {
            assert!(permitted(good, false).is_some(), "{good}");
        }
        for bad in [
            "http://as.example.com/jwks",
            "file:///k",
            "/jwks",
            "",
            "https://u@as/k",
            "https://as/k#f",
        ] {
            assert!(permitted(bad, false).is_none(), "{bad}");
        }
        assert!(permitted("http://as.example.com/jwks", true).is_some());
        assert!(permitted("file:///k", true).is_none());
    }
}
