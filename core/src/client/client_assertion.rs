//! The signed text by which a client authenticates (`private_key_jwt`; RFC 7523 §2.2, §3; CL-61).

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{SignError, Signer, write_jws};
use crate::{
    encoding::{base64url, scratch::Scratch},
    jwt::KeyId,
    time::UnixTime,
};

/// `client_assertion_type`.
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How many seconds an assertion is good for: time for one request, not for a second use.
const LIFETIME_SECS: u64 = 60;

/// Length of 32 octets in base64url.
const ID_LEN: usize = 43;

/// What makes a signed text one that was never sent before: the caller's clock and random source.
#[derive(Clone, Copy)]
pub struct Freshness {
    /// What time it is.
    pub now: UnixTime,
    /// Random octets, never used before; they become the `jti`.
    pub octets: [u8; 32],
}

impl core::fmt::Debug for Freshness {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Freshness").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Writes an assertion of the client `id` for the authorization server `issuer` and nobody else: as the
/// only audience a plain text, since a text that a second server also takes could be passed on (CC-06).
pub(super) fn write_assertion<'s>(
    id: &str,
    issuer: &str,
    signer: &dyn Signer,
    fresh: Option<&Freshness>,
    scratch: &mut Scratch<'s>,
) -> Result<&'s str, SignError> {
    let fresh = fresh.ok_or(SignError::NoTime)?;
    if fresh.octets == [0; 32] {
        return Err(SignError::Entropy);
    }
    let mut unique = [0; ID_LEN];
    let unique = base64url::encode(&fresh.octets, &mut unique)?;
    let header = Header { algorithm: signer.algorithm().as_str(), key_id: signer.key_id() };
    let claims = Claims {
        iss: id,
        sub: id,
        aud: issuer,
        iat: fresh.now.as_secs(),
        exp: fresh.now.plus(LIFETIME_SECS).as_secs(),
        jti: unique,
    };
    write_jws(&header, &claims, signer, scratch)
}

struct Header<'k> {
    algorithm: &'static str,
    key_id: Option<&'k KeyId>,
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("alg", self.algorithm)?;
        members.serialize_entry("typ", "client-authentication+jwt")?;
        if let Some(id) = self.key_id {
            members.serialize_entry("kid", id.as_str())?;
        }
        members.end()
    }
}

#[derive(Serialize)]
struct Claims<'c> {
    iss: &'c str,
    sub: &'c str,
    aud: &'c str,
    iat: u64,
    exp: u64,
    jti: &'c str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::testkit::TestKey;
    use serde_json::{Value, json};
    use std::{format, string::String, vec::Vec};

    const FRESH: Freshness = Freshness { now: UnixTime::from_secs(1_000), octets: [7; 32] };

    fn write(fresh: Option<&Freshness>, key: &TestKey) -> Result<Vec<Value>, SignError> {
        let mut buffer = [0; 2048];
        let scratch = &mut Scratch::new(&mut buffer);
        let text = write_assertion("me", "https://as", key, fresh, scratch)?;
        let mut room = [0; 1024];
        let read = |segment: &str, room: &mut [u8]| -> Value {
            serde_json::from_slice(base64url::decode_into(segment.as_bytes(), room).unwrap())
                .unwrap()
        };
        Ok(text.split('.').take(2).map(|segment| read(segment, &mut room)).collect())
    }

    #[test]
    fn cl_61_cc_06_for_one_issuer_and_for_a_minute() {
        let key = TestKey { id: KeyId::new("k1").ok(), ..TestKey::default() };
        let read = write(Some(&FRESH), &key).unwrap();
        let header = json!({"alg": "ES256", "typ": "client-authentication+jwt", "kid": "k1"});
        assert_eq!(read[0], header);
        assert_eq!(
            read[1],
            json!({
                "iss": "me", "sub": "me", "aud": "https://as", "iat": 1_000, "exp": 1_060,
                "jti": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
            })
        );
        let nameless = write(Some(&FRESH), &TestKey::default()).unwrap();
        assert_eq!(nameless[0].get("kid"), None);
    }

    #[test]
    fn cl_61_each_assertion_is_unique() {
        let other = Freshness { octets: [8; 32], ..FRESH };
        let [one, two] =
            [FRESH, other].map(|fresh| write(Some(&fresh), &TestKey::default()).unwrap());
        assert_ne!(one[1]["jti"], two[1]["jti"]);
    }

    #[test]
    fn without_time_or_randomness_nothing_is_signed() {
        assert_eq!(write(None, &TestKey::default()), Err(SignError::NoTime));
        let broken = Freshness { octets: [0; 32], ..FRESH };
        assert_eq!(write(Some(&broken), &TestKey::default()), Err(SignError::Entropy));
    }

    #[test]
    fn debug_shows_no_octets() {
        assert_eq!(format!("{FRESH:?}"), String::from("Freshness { now: UnixTime(1000), .. }"));
    }
}
