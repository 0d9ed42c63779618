//! How a client says who it is at the token, introspection and revocation endpoints.

use axum::extract::Request;
use base64ct::{Base64, Encoding};
use http::{HeaderMap, StatusCode, header};
use oauth_as::client_assertion::unverified_subject;
use oauth_as::{ClientCredential, ClientId, ErrorCode, ErrorResponse};
use portcullis_core::encoding::percent::Encoded;
use portcullis_core::encoding::scratch::Scratch;

use crate::answers::{self, Response};
#[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
use crate::assertion_grant::GRANT_TYPE;
use crate::audit;
use crate::client_document::LookUpError;
use crate::form::Form;
use crate::server::Inner;
use crate::throttle::Peer;

/// A request of a client: its form, and who the client says it is.
pub(crate) struct ClientRequest {
    pub(crate) form: Form,
    pub(crate) credentials: ClientCredentials,
    pub(crate) peer: Peer,
    /// All header fields.
    pub(crate) headers: HeaderMap,
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
            None => Ok(Self { form, credentials, peer, headers: head.headers }),
        }
    }

    /// Looks the client up if a document describes it, or gives the answer that refuses it (AS-45).
    pub(crate) async fn meet_client(&self, server: &Inner) -> Result<(), Response> {
        server.meet(self.credentials.client_id.as_str(), self.peer).await.map_err(|error| {
            match error {
                LookUpError::Unknown => {
                    answers::error(&ErrorResponse::new(ErrorCode::InvalidClient), false)
                }
                LookUpError::TooMany => answers::error_with_status(
                    StatusCode::TOO_MANY_REQUESTS,
                    ErrorCode::TemporarilyUnavailable,
                    "too many clients are being looked up",
                ),
            }
        })
    }

    /// The answer for an error of the engine; wrong secrets are counted on the way.
    pub(crate) fn answer_error(&self, server: &Inner, error: &ErrorResponse) -> Response {
        let credentials = &self.credentials;
        if error.error == ErrorCode::InvalidClient && credentials.is_proof() {
            let now = server.settings.clock.now();
            server.wrong_secrets.count(&credentials.throttle_key(self.peer), now);
        }
        answers::error(error, credentials.by_header)
    }
}

/// What a request presents. The engine compares the secret, in constant time (AS-82, SEC-250), and
/// judges the assertion (AS-84).
pub(crate) struct ClientCredentials {
    pub(crate) client_id: ClientId,
    pub(crate) secret: Option<String>,
    assertion: Option<Assertion>,
    /// They came in the `Authorization` field.
    pub(crate) by_header: bool,
}

/// A signed statement of the client about itself (RFC 7523 §2.2).
struct Assertion {
    /// Which kind of statement it is said to be.
    kind: String,
    jwt: String,
}

impl ClientCredentials {
    /// Reads them from the field or the form, of which only one may carry a secret or an assertion
    /// (AS-81).
    fn read(headers: &HeaderMap, form: &Form) -> Result<Self, ErrorResponse> {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let assertion = (form.get("client_assertion_type"), form.get("client_assertion"));
        match (fields.next(), fields.next(), assertion) {
            (None, _, (None, None)) => Self::from_form(form),
            (None, _, (Some(kind), Some(jwt))) => Self::from_assertion(kind, jwt, form),
            // Half an assertion must not be read as "no credentials" (SEC-252).
            (None, _, _) => Err(ErrorResponse::new(ErrorCode::InvalidClient)
                .with_description("a client assertion needs its type, and the type an assertion")),
            (Some(field), None, (None, None)) => Self::from_field(field.as_bytes(), form),
            (Some(_), None, _) => Err(invalid_request("the client authenticates in two ways")),
            (Some(_), Some(_), _) => Err(invalid_request("the Authorization field is repeated")),
        }
    }

    /// The client id is in the assertion, so that it need not be in the form (RFC 7521 §4.2). It is
    /// believed once the engine has checked the assertion for this very client.
    fn from_assertion(kind: &str, jwt: &str, form: &Form) -> Result<Self, ErrorResponse> {
        if form.get("client_secret").is_some() {
            return Err(invalid_request("the client authenticates in two ways"));
        }
        let client_id =
            form.get("client_id").map(str::to_owned).or_else(|| unverified_subject(jwt));
        let client_id = client_id.ok_or_else(|| ErrorResponse::new(ErrorCode::InvalidClient))?;
        Ok(Self {
            client_id: ClientId::new(client_id),
            secret: None,
            assertion: Some(Assertion { kind: kind.to_owned(), jwt: jwt.to_owned() }),
            by_header: false,
        })
    }

    /// As the engine takes them.
    pub(crate) fn to_engine(&self) -> ClientCredential<'_> {
        match &self.assertion {
            Some(Assertion { kind, jwt }) => ClientCredential::assertion(Some(kind), jwt),
            None => ClientCredential::secret(self.secret.as_deref()),
        }
    }

    /// Whether there is no client at all: a workload, or a client that forgot to say who it is.
    #[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
    pub(crate) fn is_nobody(&self) -> bool {
        self.client_id.as_str().is_empty()
    }

    /// Whether the client tries to prove who it is.
    fn is_proof(&self) -> bool {
        self.secret.is_some() || self.assertion.is_some()
    }

    fn from_form(form: &Form) -> Result<Self, ErrorResponse> {
        let client_id = match form.get("client_id") {
            Some(client_id) => client_id,
            // A workload is no client (WF-01). No client has an empty id.
            #[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
            None if form.get("grant_type") == Some(GRANT_TYPE) => "",
            None => return Err(invalid_request("no client_id")),
        };
        Ok(Self {
            client_id: ClientId::new(client_id),
            secret: form.get("client_secret").map(str::to_owned),
            assertion: None,
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
        Ok(Self {
            client_id: ClientId::new(client_id),
            secret: Some(secret),
            assertion: None,
            by_header: true,
        })
    }

    /// The refusal for a caller that has guessed too often (LIM-20).
    ///
    /// Counted for a client id and a peer together: counted for the id alone, anybody could lock a
    /// resource server out of introspection by guessing in its name. The secrets have 256 bits.
    fn refuse_guessing(&self, server: &Inner, peer: Peer) -> Option<Response> {
        let (key, now) = (self.throttle_key(peer), server.settings.clock.now());
        (self.is_proof() && server.wrong_secrets.is_exhausted(&key, now)).then(|| {
            audit::limited("wrong secrets", peer);
            let wait = server.wrong_secrets.wait(&key, now);
            answers::too_often(ErrorCode::InvalidClient, "too many attempts", wait)
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
        let whole = "client_assertion=x&client_assertion_type=t";
        check(&[], &format!("client_id=a&{whole}"), Ok(("a", None)));
        check(&[], whole, Err(ErrorCode::InvalidClient));
        // Claims are {"sub":"a"}.
        let named = "client_assertion=e30.eyJzdWIiOiJhIn0.eA&client_assertion_type=t";
        check(&[], named, Ok(("a", None)));
        check(&[], &format!("{whole}&client_secret=s"), Err(ErrorCode::InvalidRequest));
        check(&["Basic YTpz"], whole, Err(ErrorCode::InvalidRequest));
        check(&["Basic YTpz"], "client_assertion=x", Err(ErrorCode::InvalidRequest));
    }
}
