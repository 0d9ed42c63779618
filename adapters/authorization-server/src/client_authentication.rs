//! How a client says who it is at the token, introspection and revocation endpoints.

use axum::extract::Request;
use base64ct::{Base64, Encoding};
use http::{HeaderMap, StatusCode, header};
use oauth_as::{ClientId, ErrorCode, ErrorResponse};
use portcullis_core::encoding::percent::Encoded;
use portcullis_core::encoding::scratch::Scratch;

use crate::answers::{self, Response};
use crate::audit;
use crate::form::Form;
use crate::server::Inner;
use crate::throttle::Peer;

/// A request of a client: its form, and who the client says it is.
pub(crate) struct ClientRequest {
    pub(crate) form: Form,
    pub(crate) credentials: ClientCredentials,
    peer: Peer,
}

impl ClientRequest {
    /// Reads a request, or gives the answer that refuses it. `refused` is the error for credentials
    /// that cannot be read.
    pub(crate) async fn read(
        server: &Inner,
        request: Request,
        refused: impl FnOnce(ErrorResponse) -> ErrorResponse,
    ) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        let form = answers::read_form(&head.headers, body).await?;
        let credentials = ClientCredentials::read(&head.headers, &form)
            .map_err(|error| answers::error(&refused(error), true))?;
        let peer = Peer::of(&head.extensions);
        match credentials.refuse_guessing(server, peer) {
            Some(refusal) => Err(refusal),
            None => Ok(Self { form, credentials, peer }),
        }
    }

    /// The answer for an error of the engine; wrong secrets are counted on the way.
    pub(crate) fn answer_error(&self, server: &Inner, error: &ErrorResponse) -> Response {
        let credentials = &self.credentials;
        if error.error == ErrorCode::InvalidClient && credentials.secret.is_some() {
            let now = server.settings.clock.now();
            server.wrong_secrets.count(&credentials.throttle_key(self.peer), now);
        }
        answers::error(error, credentials.by_header)
    }
}

/// What a request presents. The engine compares the secret, in constant time (AS-82, SEC-250).
pub(crate) struct ClientCredentials {
    pub(crate) client_id: ClientId,
    pub(crate) secret: Option<String>,
    /// They came in the `Authorization` field.
    pub(crate) by_header: bool,
}

impl ClientCredentials {
    /// Reads them from the field or the form, of which only one may carry a secret (AS-81).
    fn read(headers: &HeaderMap, form: &Form) -> Result<Self, ErrorResponse> {
        // An assertion that is not supported must not be read as "no credentials" (SEC-252).
        if form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some() {
            return Err(ErrorResponse::new(ErrorCode::InvalidClient)
                .with_description("client assertions are not supported"));
        }
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        match (fields.next(), fields.next()) {
            (None, _) => Self::from_form(form),
            (Some(field), None) => Self::from_field(field.as_bytes(), form),
            (Some(_), Some(_)) => Err(invalid_request("the Authorization field is repeated")),
        }
    }

    fn from_form(form: &Form) -> Result<Self, ErrorResponse> {
        let client_id = form.get("client_id").ok_or_else(|| invalid_request("no client_id"))?;
        Ok(Self {
            client_id: ClientId::new(client_id),
            secret: form.get("client_secret").map(str::to_owned),
            by_header: false,
        })
    }

    fn from_field(field: &[u8], form: &Form) -> Result<Self, ErrorResponse> {
        let (client_id, secret) =
            basic(field).ok_or_else(|| ErrorResponse::new(ErrorCode::InvalidClient))?;
        if form.get("client_secret").is_some() {
            return Err(invalid_request("the client authenticates in two ways"));
        }
        if form.get("client_id").is_some_and(|named| named != client_id) {
            return Err(invalid_request("two different client ids"));
        }
        Ok(Self { client_id: ClientId::new(client_id), secret: Some(secret), by_header: true })
    }

    /// The refusal for a caller that has guessed too often (LIM-20).
    ///
    /// Counted for a client id and a peer together: counted for the id alone, anybody could lock a
    /// resource server out of introspection by guessing in its name. The secrets have 256 bits.
    fn refuse_guessing(&self, server: &Inner, peer: Peer) -> Option<Response> {
        let exhausted = server
            .wrong_secrets
            .is_exhausted(&self.throttle_key(peer), server.settings.clock.now());
        (self.secret.is_some() && exhausted).then(|| {
            audit::limited("wrong secrets", peer);
            answers::error_with_status(
                StatusCode::TOO_MANY_REQUESTS,
                ErrorCode::InvalidClient,
                "too many attempts",
            )
        })
    }

    fn throttle_key(&self, peer: Peer) -> String {
        format!("{peer:?} {}", self.client_id)
    }
}

fn invalid_request(description: &'static str) -> ErrorResponse {
    ErrorResponse::new(ErrorCode::InvalidRequest).with_description(description)
}

/// Client id and secret of `Basic` credentials; both are form-encoded inside (RFC 6749 §2.3.1).
fn basic(field: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(field).ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let pair = String::from_utf8(Base64::decode_vec(encoded.trim_start_matches(' ')).ok()?).ok()?;
    let (client_id, secret) = pair.split_once(':')?;
    let (client_id, secret) = (form_decoded(client_id)?, form_decoded(secret)?);
    (!client_id.is_empty() && !secret.is_empty()).then_some((client_id, secret))
}

fn form_decoded(text: &str) -> Option<String> {
    let mut room = vec![0; text.len()];
    let mut scratch = Scratch::new(&mut room);
    Encoded::form(text).ok()?.read(&mut scratch).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        authorization: &[&str],
        form: &str,
        expected: Result<(&str, Option<&str>), ErrorCode>,
    ) {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        let form = Form::parse(form.as_bytes()).unwrap();
        let read = ClientCredentials::read(&headers, &form);
        let seen = read
            .as_ref()
            .map(|it| (it.client_id.as_str(), it.secret.as_deref()))
            .map_err(|error| error.error);
        assert_eq!(seen, expected);
    }

    #[test]
    fn as_81_one_way_to_authenticate() {
        check(&[], "client_id=a", Ok(("a", None)));
        check(&[], "client_id=a&client_secret=s", Ok(("a", Some("s"))));
        check(&[], "client_id=a&client_secret=", Ok(("a", None)));
        check(&[], "", Err(ErrorCode::InvalidRequest));
        check(&["Basic YTpz"], "", Ok(("a", Some("s")))); // a:s
        check(&["basic YTpz"], "client_id=a", Ok(("a", Some("s"))));
        check(&["Basic YTpz"], "client_id=b", Err(ErrorCode::InvalidRequest));
        check(&["Basic YTpz"], "client_secret=s", Err(ErrorCode::InvalidRequest));
        check(&["Basic YTpz", "Basic YTpz"], "", Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn sec_251_malformed_basic_is_no_credential() {
        check(&["Basic YSUzQWI6cyUyMHQ="], "", Ok(("a:b", Some("s t")))); // a%3Ab:s%20t
        for bad in ["Basic", "Basic YTo=", "Basic OnM=", "Basic YQ==", "Basic !", "Bearer YTpz"] {
            check(&[bad], "", Err(ErrorCode::InvalidClient));
        }
        check(&["Basic YSV6ejpz"], "", Err(ErrorCode::InvalidClient)); // a%zz:s
    }

    #[test]
    fn sec_252_assertions_are_not_ignored() {
        check(&[], "client_id=a&client_assertion=x", Err(ErrorCode::InvalidClient));
        check(&[], "client_id=a&client_assertion_type=x", Err(ErrorCode::InvalidClient));
    }
}
