//! Getting a client id (CL-30 to CL-39, RFC 7591).

use super::{
    Client, ClientAuthentication, ClientSecret, Discovered, ErrorResponse, FetchFailure, Grant,
    Identity, KnownClient, Machine, Method, Origin, OutgoingRequest, Output, Purpose, UrlPolicy,
    UrlRefusal,
    fetch::{endpoint_body, endpoint_error},
};
use crate::{
    encoding::{
        json::{JsonError, Reader, write::to_slice},
        scratch::Scratch,
        uri::Uri,
    },
    limits::DOCUMENT_DEPTH_MAX,
    message::IncomingResponse,
    time::UnixTime,
};

/// Longest body of a registration endpoint's answer.
pub const REGISTRATION_ANSWER_LEN_MAX: usize = 16 * 1024;
/// Longest client id or secret in bytes.
pub const CLIENT_ID_LEN_MAX: usize = 2 * 1024;

/// Why there is no client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The configured client id is for another issuer: the user must know (CL-37).
    OtherIssuer,
    /// The server offers no way that this client can go: ask the user for a client id (CL-30).
    AskUser,
    /// The client metadata document's URL is not `https` with a path (CL-32).
    MetadataDocument,
    /// The redirect URI is neither https nor loopback (CL-38).
    RedirectUri(UrlRefusal),
    /// The server takes none of the client authentication methods that this client knows (CL-60).
    ClientAuthentication,
    /// There was no answer.
    Fetch(FetchFailure),
    /// 5xx or 429: it may work later.
    Trouble,
    /// The server refused; see [`Registration::error_response`] for its words (CL-35).
    Refused,
    /// The answer is not `application/json`.
    ContentType,
    /// The answer's body is not readable.
    Body(JsonError),
    /// The answer has no usable client id, or a secret that is not usable.
    Answer,
    /// The server did not register the redirect URI.
    RedirectUriDropped,
    /// No room in the caller's buffer.
    BufferFull,
    /// The answer has not been handled yet.
    Unfinished,
}

impl core::fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::RedirectUri(refusal) => return write!(f, "redirect URI: {refusal}"),
            Self::Fetch(failure) => return failure.fmt(f),
            Self::Body(error) => return error.fmt(f),
            Self::OtherIssuer => "configured client id is for another authorization server",
            Self::AskUser => "authorization server has to be told about this client by hand",
            Self::MetadataDocument => "client metadata document has no https URL with a path",
            Self::ClientAuthentication => "no client authentication method in common",
            Self::Trouble => "registration endpoint is in trouble",
            Self::Refused => "registration refused",
            Self::ContentType => "registration answer is not JSON",
            Self::Answer => "registration answer has no usable client id",
            Self::RedirectUriDropped => "redirect URI was not registered",
            Self::BufferFull => "no room for the registration",
            Self::Unfinished => "registration was not answered yet",
        })
    }
}

impl core::error::Error for RegistrationError {}

endpoint_error!(RegistrationError);

/// The machine that gets a client id at one authorization server, in the order of CL-30: a known
/// one, the client's metadata document, dynamic registration, else the user is asked.
#[derive(Debug)]
pub struct Registration<'s> {
    issuer: &'s str,
    redirect_uri: Option<&'s str>,
    refusal: Option<ErrorResponse<'s>>,
    state: State<'s>,
}

#[derive(Debug)]
enum State<'s> {
    Asking { endpoint: &'s str, body: &'s [u8], wanted: ClientAuthentication },
    Done(Result<Client<'s>, RegistrationError>),
}

/// RFC 7591 §2, as much as a public client says.
#[derive(serde::Serialize)]
struct ClientMetadata<'r> {
    client_name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<&'r str>,
    redirect_uris: &'r [&'r str],
    grant_types: [&'static str; 2],
    response_types: &'r [&'r str],
    token_endpoint_auth_method: &'static str,
    application_type: &'static str,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    dpop_bound_access_tokens: bool,
}

impl<'s> Registration<'s> {
    /// Chooses the way. `now` is needed to tell whether a known secret has ended (CL-39); without
    /// a clock one that ends at all counts as ended.
    pub fn new(
        discovered: &Discovered<'s>,
        identity: &Identity<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, RegistrationError> {
        if let Some(redirect_uri) = identity.redirect_uri {
            let admitted = UrlPolicy::HttpsOrLoopback.admit(redirect_uri);
            admitted.map_err(RegistrationError::RedirectUri)?;
        }
        let state = match ready_made(discovered, identity, now)? {
            Some(client) => State::Done(Ok(client)),
            None => request(discovered, identity, scratch)?,
        };
        let (issuer, redirect_uri) = (discovered.issuer(), identity.redirect_uri);
        Ok(Self { issuer, redirect_uri, refusal: None, state })
    }

    /// The client, once [`Machine::poll`] says that there is no more to ask.
    pub fn finish(self) -> Result<Client<'s>, RegistrationError> {
        match self.state {
            State::Done(outcome) => outcome,
            State::Asking { .. } => Err(RegistrationError::Unfinished),
        }
    }

    /// The server's words when it refused.
    pub const fn error_response(&self) -> Option<ErrorResponse<'s>> {
        self.refusal
    }

    fn read(
        &mut self,
        wanted: ClientAuthentication,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Client<'s>, RegistrationError> {
        let body =
            endpoint_body(response, REGISTRATION_ANSWER_LEN_MAX, &mut self.refusal, scratch)?;
        Answer::parse(body, self.redirect_uri, scratch)?.client(self.issuer, wanted)
    }
}

impl<'s> Machine<'s> for Registration<'s> {
    fn poll(&self) -> Output<'_> {
        let State::Asking { endpoint, body, .. } = self.state else {
            return Output::Done;
        };
        Output::Fetch(OutgoingRequest {
            purpose: Purpose::Registration,
            method: Method::Post,
            url: endpoint,
            content_type: Some("application/json"),
            authorization: None,
            mcp_protocol_version: None,
            body,
            response_len_max: REGISTRATION_ANSWER_LEN_MAX,
        })
    }

    fn handle_response(
        &mut self,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
    ) {
        if let State::Asking { wanted, .. } = self.state {
            self.state = State::Done(self.read(wanted, response, scratch));
        }
    }
}

/// A client that needs no request: a known one, or the metadata document.
fn ready_made<'s>(
    discovered: &Discovered<'s>,
    identity: &Identity<'s>,
    now: Option<UnixTime>,
) -> Result<Option<Client<'s>>, RegistrationError> {
    let fits = |known: &&KnownClient<'s>| match known.origin {
        Origin::Configured => {
            known.redirect_uri.is_none() || known.redirect_uri == identity.redirect_uri
        }
        // What was registered without a redirect URI is for another grant.
        Origin::Registered => known.redirect_uri == identity.redirect_uri,
    };
    if let Some(known) = usable(discovered, identity.known, now).find(fits) {
        return of_known(discovered, known).map(Some);
    }
    // CL-37: credentials of the user's own choice that do not fit are not silently replaced.
    if identity.known.iter().any(|known| known.origin == Origin::Configured) {
        return Err(RegistrationError::OtherIssuer);
    }
    let Some(id) = identity.metadata_document else {
        return Ok(None);
    };
    if !discovered.server_metadata().client_id_metadata_document_supported {
        return Ok(None);
    }
    let key = identity.metadata_key;
    // A document has one method for everybody: a server that does not take it is asked in another way.
    if key.is_some_and(|key| !ClientAuthentication::takes_key(discovered, key.signer())) {
        return Ok(None);
    }
    let url = UrlPolicy::HttpsOnly.admit(id).map_err(|_| RegistrationError::MetadataDocument)?;
    if matches!(url.path(), "" | "/") {
        return Err(RegistrationError::MetadataDocument);
    }
    let method = |_| ClientAuthentication::PrivateKeyJwt;
    Ok(Some(Client {
        issuer: discovered.issuer(),
        id,
        secret: None, // CL-33: never a shared secret with a document.
        secret_expires_at: None,
        key,
        authentication: key.map_or(ClientAuthentication::None, method),
    }))
}

/// The known clients of this issuer whose secret has not ended (CL-37, CL-39).
fn usable<'k, 's>(
    discovered: &Discovered<'s>,
    known: &'k [KnownClient<'s>],
    now: Option<UnixTime>,
) -> impl Iterator<Item = &'k KnownClient<'s>> {
    let issuer = discovered.issuer();
    let lives = move |known: &KnownClient<'s>| match (known.secret_expires_at, now) {
        (None, _) => true,
        (Some(end), Some(now)) => now < end,
        (Some(_), None) => false,
    };
    known.iter().filter(move |known| known.issuer == issuer && lives(known))
}

impl<'s> Client<'s> {
    /// The client that was configured for this authorization server: for the ways to tokens where no
    /// client may register itself (CC-02, EM-15).
    pub fn configured(
        discovered: &Discovered<'s>,
        known: &[KnownClient<'s>],
        now: Option<UnixTime>,
    ) -> Result<Self, RegistrationError> {
        let is_configured = |known: &&KnownClient<'s>| known.origin == Origin::Configured;
        match usable(discovered, known, now).find(is_configured) {
            Some(known) => of_known(discovered, known),
            None if known.iter().any(|known| is_configured(&known)) => {
                Err(RegistrationError::OtherIssuer)
            }
            None => Err(RegistrationError::AskUser),
        }
    }
}

fn of_known<'s>(
    discovered: &Discovered<'s>,
    known: &KnownClient<'s>,
) -> Result<Client<'s>, RegistrationError> {
    let key = known.key.filter(|key| ClientAuthentication::takes_key(discovered, key.signer()));
    let authentication = match (known.authentication, key, known.secret) {
        // A key is better than a secret (CC-03).
        (None | Some(ClientAuthentication::PrivateKeyJwt), Some(_), _) => {
            ClientAuthentication::PrivateKeyJwt
        }
        (Some(ClientAuthentication::PrivateKeyJwt), None, _) => {
            return Err(RegistrationError::ClientAuthentication);
        }
        (Some(registered), _, Some(_)) => registered,
        (None, None, Some(_)) => {
            ClientAuthentication::with_secret(|method| discovered.lists_authentication(method))
                .ok_or(RegistrationError::ClientAuthentication)?
        }
        // Without a secret there is nothing to choose from (CL-60).
        (_, _, None) if known.key.is_none() => ClientAuthentication::None,
        (_, _, None) => return Err(RegistrationError::ClientAuthentication),
    };
    Ok(Client {
        issuer: discovered.issuer(),
        id: known.id,
        secret: known.secret,
        secret_expires_at: known.secret_expires_at,
        key,
        authentication,
    })
}

/// The dynamic registration request (RFC 7591 §3.1).
fn request<'s>(
    discovered: &Discovered<'s>,
    identity: &Identity<'s>,
    scratch: &mut Scratch<'s>,
) -> Result<State<'s>, RegistrationError> {
    let endpoint = discovered.server_metadata().registration_endpoint;
    let endpoint =
        endpoint.filter(|_| identity.dynamic_registration).ok_or(RegistrationError::AskUser)?;
    let wanted =
        ClientAuthentication::to_register(|method| discovered.lists_authentication(method))
            .ok_or(RegistrationError::ClientAuthentication)?;
    let grant = match identity.redirect_uri {
        Some(_) => Grant::AuthorizationCode,
        None => Grant::DeviceCode,
    };
    let metadata = ClientMetadata {
        client_name: identity.name,
        client_uri: identity.uri,
        redirect_uris: identity.redirect_uri.as_slice(),
        grant_types: [grant.as_str(), "refresh_token"], // CL-36
        response_types: if grant == Grant::DeviceCode { &[] } else { &["code"] },
        token_endpoint_auth_method: wanted.as_str(),
        application_type: application_type(identity.redirect_uri),
        dpop_bound_access_tokens: identity.bound_tokens_alone,
    };
    let body = scratch.fill(|free| to_slice(&metadata, free).map(<[u8]>::len))?;
    Ok(State::Asking { endpoint, body, wanted })
}

/// CL-34: an answer that comes by https comes to a server, any other one to the user's own machine.
fn application_type(redirect_uri: Option<&str>) -> &'static str {
    let redirect_uri = redirect_uri.and_then(|uri| Uri::parse(uri).ok());
    if redirect_uri.is_some_and(|uri| uri.is_https()) { "web" } else { "native" }
}

/// The client information response (RFC 7591 §3.2.1).
struct Answer<'s> {
    id: &'s str,
    secret: Option<&'s str>,
    secret_expires_at: u64,
    authentication: Option<&'s str>,
}

impl<'s> Answer<'s> {
    fn parse(
        body: &'s [u8],
        redirect_uri: Option<&str>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, RegistrationError> {
        let (mut id, mut secret, mut authentication) = (None, None, None);
        let mut secret_expires_at = 0;
        let mut reader = Reader::new(body, DOCUMENT_DEPTH_MAX)?;
        let mut members = reader.object()?;
        while let Some(name) = members.next(&mut reader)? {
            if name.eq_str("client_id") {
                id = Some(reader.string()?.read(scratch)?);
            } else if name.eq_str("client_secret") {
                secret = Some(reader.string()?.read(scratch)?);
            } else if name.eq_str("client_secret_expires_at") {
                secret_expires_at = reader.unsigned()?;
            } else if name.eq_str("token_endpoint_auth_method") {
                authentication = Some(reader.string()?.read(scratch)?);
            } else if name.eq_str("redirect_uris") {
                match redirect_uri {
                    Some(uri) if !has_text(&mut reader, uri)? => {
                        return Err(RegistrationError::RedirectUriDropped);
                    }
                    Some(_) => {}
                    None => reader.skip()?,
                }
            } else {
                reader.skip()?;
            }
        }
        reader.end()?;
        let id = id.filter(|id| is_credential(id)).ok_or(RegistrationError::Answer)?;
        if secret.is_some_and(|secret| !is_credential(secret)) {
            return Err(RegistrationError::Answer);
        }
        Ok(Self { id, secret, secret_expires_at, authentication })
    }

    /// The server may have replaced what was asked for, and then that counts (CL-39).
    fn client(
        self,
        issuer: &'s str,
        wanted: ClientAuthentication,
    ) -> Result<Client<'s>, RegistrationError> {
        let registered = match self.authentication {
            Some(name) => ClientAuthentication::from_name(name)
                .ok_or(RegistrationError::ClientAuthentication)?,
            None => wanted,
        };
        let (secret, authentication) = match (registered, self.secret) {
            // A secret for a client that does not authenticate is of no use.
            (ClientAuthentication::None, _) => (None, registered),
            // No key was registered.
            (ClientAuthentication::PrivateKeyJwt, _) => {
                return Err(RegistrationError::ClientAuthentication);
            }
            (_, Some(secret)) => (Some(ClientSecret::new(secret)), registered),
            (_, None) => return Err(RegistrationError::Answer),
        };
        // RFC 7591 §3.2.1: zero is never.
        let ends = secret.is_some() && self.secret_expires_at != 0;
        let secret_expires_at = ends.then_some(UnixTime::from_secs(self.secret_expires_at));
        Ok(Client { issuer, id: self.id, secret, secret_expires_at, key: None, authentication })
    }
}

/// Whether an array of strings has `text`.
fn has_text(reader: &mut Reader<'_>, text: &str) -> Result<bool, JsonError> {
    let mut elements = reader.array()?;
    let mut found = false;
    while elements.next(reader)? {
        found |= reader.string()?.eq_str(text);
    }
    Ok(found)
}

/// Printable ASCII within bounds (RFC 6749 Appendix A.1, A.2).
fn is_credential(text: &str) -> bool {
    (1..=CLIENT_ID_LEN_MAX).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

#[cfg(test)]
mod tests;
