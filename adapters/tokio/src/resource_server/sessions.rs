//! Sessions of the service behind, each bound to the principal who opened it (RS-46, RS-47, SEC-349).
//!
//! The service knows a session by its id alone, so whoever came to know an id could take part in it.
//! The client therefore gets the id behind a tag: a MAC over principal and id, under a key that only
//! this process has. With a token of anybody else the same value is no session. Nothing is kept here.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use super::{Principal, SettingsError};

const FIELD: HeaderName = HeaderName::from_static("mcp-session-id");
/// A MAC of 32 bytes in base64url.
const TAG_LEN: usize = 43;

/// Binds ids and recognises them again.
pub(super) struct Sessions(Hmac<Sha256>);

/// What a request says of a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// Nothing.
    None,
    /// It is the principal's own; the id as the service behind knows it.
    Own(HeaderValue),
    /// None that this principal has: guessed, of somebody else, or of an earlier process.
    Foreign,
}

impl Session {
    /// Leaves in `headers` what the service behind may see: its own id, or none.
    pub(super) fn set(self, headers: &mut HeaderMap) {
        match self {
            Self::None => {}
            Self::Own(id) => drop(headers.insert(FIELD, id)),
            Self::Foreign => drop(headers.remove(FIELD)),
        }
    }
}

impl Sessions {
    pub(super) fn new() -> Result<Self, SettingsError> {
        const NO_ENTROPY: SettingsError = SettingsError::System("no source of randomness");
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| NO_ENTROPY)?;
        Hmac::new_from_slice(&key).map(Self).map_err(|_| NO_ENTROPY)
    }

    /// The session that a request of `principal` names. Two lines name none.
    pub(super) fn find(&self, headers: &HeaderMap, principal: &Principal) -> Session {
        let mut values = headers.get_all(FIELD).iter();
        match (values.next(), values.next()) {
            (None, _) => Session::None,
            (Some(value), None) => {
                self.open(value.as_bytes(), principal).map_or(Session::Foreign, Session::Own)
            }
            (Some(_), Some(_)) => Session::Foreign,
        }
    }

    /// Binds the id in an answer to `principal`, if there is one.
    pub(super) fn bind(&self, headers: &mut HeaderMap, principal: &Principal) {
        let Some(id) = headers.remove(FIELD) else { return };
        let tag = self.mac(id.as_bytes(), principal).finalize().into_bytes();
        let mut value = Base64UrlUnpadded::encode_string(&tag).into_bytes();
        value.extend_from_slice(id.as_bytes());
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
            headers.insert(FIELD, value);
        }
    }

    fn open(&self, value: &[u8], principal: &Principal) -> Option<HeaderValue> {
        let (tag, id) = value.split_at_checked(TAG_LEN)?;
        let mut room = [0; 32];
        let tag = Base64UrlUnpadded::decode(tag, &mut room).ok()?;
        self.mac(id, principal).verify_slice(tag).ok()?;
        HeaderValue::from_bytes(id).ok()
    }

    /// Each part is preceded by its length, so that no two lists of parts make the same bytes.
    fn mac(&self, id: &[u8], principal: &Principal) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        let names = [Some(principal.issuer()), principal.subject(), principal.client_id()];
        for name in names {
            // No name is as long as that.
            let len = name.map_or(u64::MAX, |name| u64::try_from(name.len()).unwrap_or(u64::MAX));
            mac.update(&len.to_be_bytes());
            mac.update(name.unwrap_or_default().as_bytes());
        }
        mac.update(id);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: HeaderValue = HeaderValue::from_static("inner-7");

    fn headers(id: HeaderValue) -> HeaderMap {
        HeaderMap::from_iter([(FIELD, id)])
    }

    #[test]
    fn rs_47_each_part_of_a_principal_counts() {
        let sessions = Sessions::new().unwrap();
        let (issuer, other_issuer) = ("https://as.example", "https://other.example");
        let alice = Principal::named(issuer, Some("alice"), Some("app"));
        let mut bound = headers(ID);
        sessions.bind(&mut bound, &alice);
        assert_eq!(sessions.find(&bound, &alice), Session::Own(ID));
        for (issuer, subject, client_id) in [
            (other_issuer, Some("alice"), Some("app")),
            (issuer, Some("bob"), Some("app")),
            (issuer, Some("alice"), Some("other")),
            (issuer, Some("alice"), None),
            (issuer, None, Some("app")),
            (issuer, Some("app"), Some("alice")),
            (issuer, Some("alicea"), Some("pp")),
            (issuer, Some("alice"), Some("")),
        ] {
            let stranger = Principal::named(issuer, subject, client_id);
            assert_eq!(sessions.find(&bound, &stranger), Session::Foreign, "{stranger:?}");
        }
        // Another process has another key.
        assert_eq!(Sessions::new().unwrap().find(&bound, &alice), Session::Foreign);
    }

    #[test]
    fn ts_03_an_id_that_is_not_the_principals_goes_no_further() {
        for (session, expected) in
            [(Session::Own(ID), Some(&ID)), (Session::Foreign, None), (Session::None, None)]
        {
            let is_none = session == Session::None;
            let mut headers = headers(HeaderValue::from_static("as the client wrote it"));
            if is_none {
                headers.clear();
            }
            session.set(&mut headers);
            assert_eq!(headers.get(FIELD), expected);
        }
    }
}
