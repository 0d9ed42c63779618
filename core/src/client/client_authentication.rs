//! How a client proves at the token endpoint that it is the one it says (CL-60).

use base64ct::{Base64, Encoding};

use super::{
    Client, Discovered, Freshness, SignError, Signer,
    client_assertion::{ASSERTION_TYPE, write_assertion},
};
use crate::encoding::{
    form::FormWriter,
    percent,
    scratch::{BufferFull, Scratch},
    text,
};

/// A client authentication method (RFC 7591 §2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAuthentication {
    /// A public client: `client_id` in the body, no secret.
    None,
    /// Id and secret in the `Authorization` field (RFC 6749 §2.3.1).
    Basic,
    /// Id and secret in the body.
    Post,
    /// An assertion, signed with the client's own key (RFC 7523 §2.2).
    PrivateKeyJwt,
}

impl ClientAuthentication {
    /// The method's name in metadata.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method with this name; `None` for those that are not implemented.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Basic, Self::Post, Self::PrivateKeyJwt]
            .into_iter()
            .find(|method| method.as_str() == name)
    }

    /// The method for a client with a secret: one that the server lists, Basic before the body.
    pub(super) fn with_secret(lists: impl Fn(Self) -> bool) -> Option<Self> {
        [Self::Basic, Self::Post].into_iter().find(|method| lists(*method))
    }

    /// Whether the server takes what this key signs.
    pub(super) fn takes_key(discovered: &Discovered<'_>, signer: &dyn Signer) -> bool {
        discovered.lists_authentication(Self::PrivateKeyJwt)
            && discovered.lists_signing_algorithm(signer.algorithm())
    }

    /// The method to register for: none, if the server lists it, since a native client cannot
    /// keep a secret (OAuth 2.1 §8.5); else the body before Basic, for servers exist that list both
    /// and look for the client's id in the body alone.
    pub(super) fn to_register(lists: impl Fn(Self) -> bool) -> Option<Self> {
        [Self::None, Self::Post, Self::Basic].into_iter().find(|method| lists(*method))
    }
}

/// What a client's method needs made before the body is written.
#[derive(Clone, Copy)]
pub(super) struct Credentials<'s> {
    /// The `Authorization` field.
    pub(super) authorization: Option<&'s str>,
    assertion: Option<&'s str>,
}

#[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
impl Credentials<'_> {
    /// Nobody authenticates.
    pub(super) const NONE: Self = Self { authorization: None, assertion: None };
}

impl Client<'_> {
    /// Makes what this client authenticates one request with. `fresh` is needed by one that signs.
    pub(super) fn credentials<'s>(
        &self,
        fresh: Option<&Freshness>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Credentials<'s>, SignError> {
        let assertion = match (self.authentication, self.key) {
            (ClientAuthentication::PrivateKeyJwt, Some(key)) => {
                Some(write_assertion(self.id, self.issuer, key.signer(), fresh, scratch)?)
            }
            (ClientAuthentication::PrivateKeyJwt, None) => return Err(SignError::Key),
            _ => None,
        };
        Ok(Credentials { authorization: self.authorization_field(scratch)?, assertion })
    }

    /// Adds what this client's method puts into the body. One method only is ever used.
    pub(super) fn write_body(
        &self,
        credentials: &Credentials<'_>,
        form: &mut FormWriter<'_>,
    ) -> Result<(), BufferFull> {
        if let Some(assertion) = credentials.assertion {
            // CC-05: the assertion says whose it is.
            form.pair("client_assertion_type", ASSERTION_TYPE)?;
            return form.pair("client_assertion", assertion);
        }
        if self.authentication != ClientAuthentication::Basic {
            form.pair("client_id", self.id)?;
        }
        match self.secret {
            Some(secret) if self.authentication == ClientAuthentication::Post => {
                form.pair("client_secret", secret.expose())
            }
            _ => Ok(()),
        }
    }

    /// The `Authorization` field, if this client's method is Basic.
    ///
    /// Id and secret are form-encoded first, so that a colon in the id is not the one that
    /// separates them (RFC 6749 §2.3.1).
    fn authorization_field<'s>(
        &self,
        scratch: &mut Scratch<'s>,
    ) -> Result<Option<&'s str>, BufferFull> {
        let (ClientAuthentication::Basic, Some(secret)) = (self.authentication, self.secret) else {
            return Ok(None);
        };
        let pair = text::write_in(scratch, |pair| {
            percent::encode_form(self.id, pair)?;
            pair.push(":")?;
            percent::encode_form(secret.expose(), pair)
        })?;
        let encoded = scratch.fill(|free| {
            Base64::encode(pair.as_bytes(), free).map(str::len).map_err(|_| BufferFull)
        })?;
        let encoded = core::str::from_utf8(encoded).map_err(|_| BufferFull)?;
        let field = text::write_in(scratch, |field| {
            field.push("Basic ")?;
            field.push(encoded)
        })?;
        Ok(Some(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::{ClientKey, ClientSecret, testkit::TestKey},
        time::UnixTime,
    };
    use ClientAuthentication::{Basic, None as Public, Post, PrivateKeyJwt};

    #[track_caller]
    fn check(authentication: ClientAuthentication, field: Option<&str>, body: &str) {
        let client = Client {
            issuer: "https://as",
            id: "a:b c",
            secret: (authentication != Public).then_some(ClientSecret::new("p%ä")),
            secret_expires_at: None,
            key: None,
            authentication,
        };
        let (mut buffer, mut room) = ([0; 256], [0; 256]);
        let credentials = client.credentials(None, &mut Scratch::new(&mut buffer)).unwrap();
        assert_eq!(credentials.authorization, field);
        let mut form = FormWriter::new(&mut room);
        client.write_body(&credentials, &mut form).unwrap();
        assert_eq!(form.finish(), body);
    }

    #[test]
    fn cc_05_an_assertion_and_nothing_else() {
        let (key, mut buffer) = (TestKey::default(), [0; 2048]);
        let client = Client {
            issuer: "https://as",
            id: "me",
            secret: Some(ClientSecret::new("hush")),
            secret_expires_at: None,
            key: Some(ClientKey::new(&key)),
            authentication: PrivateKeyJwt,
        };
        let fresh = Freshness { now: UnixTime::from_secs(1), octets: [1; 32] };
        let credentials = client.credentials(Some(&fresh), &mut Scratch::new(&mut buffer)).unwrap();
        assert_eq!(credentials.authorization, None);
        let mut room = [0; 1024];
        let mut form = FormWriter::new(&mut room);
        client.write_body(&credentials, &mut form).unwrap();
        let body = form.finish();
        assert!(body.starts_with("client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-"));
        assert!(body.contains("&client_assertion=eyJ"), "{body}");
        assert!(!body.contains("client_id") && !body.contains("hush"), "{body}");

        let error = client.credentials(None, &mut Scratch::new(&mut buffer)).err();
        assert_eq!(error, Some(SignError::NoTime));
        let keyless = Client { key: None, ..client };
        let error = keyless.credentials(Some(&fresh), &mut Scratch::new(&mut buffer)).err();
        assert_eq!(error, Some(SignError::Key));
    }

    #[test]
    fn one_method_only_and_form_encoded_first() {
        // base64("a%3Ab+c:p%25%C3%A4")
        check(Basic, Some("Basic YSUzQWIrYzpwJTI1JUMzJUE0"), "");
        check(Post, None, "client_id=a%3Ab+c&client_secret=p%25%C3%A4");
        check(Public, None, "client_id=a%3Ab+c");
    }

    #[test]
    fn a_listed_method_is_chosen() {
        let with_secret = |listed: &[ClientAuthentication]| {
            ClientAuthentication::with_secret(|method| listed.contains(&method))
        };
        assert_eq!(with_secret(&[Post, Basic]), Some(Basic));
        assert_eq!(with_secret(&[Public, Post]), Some(Post));
        assert_eq!(with_secret(&[Public]), None);
        let to_register = |listed: &[ClientAuthentication]| {
            ClientAuthentication::to_register(|method| listed.contains(&method))
        };
        assert_eq!(to_register(&[Post, Basic, Public]), Some(Public));
        assert_eq!(to_register(&[Basic, Post]), Some(Post));
        assert_eq!(to_register(&[Basic]), Some(Basic));
        assert_eq!(to_register(&[]), None);
    }

    #[test]
    fn names() {
        for method in [Public, Basic, Post, PrivateKeyJwt] {
            assert_eq!(ClientAuthentication::from_name(method.as_str()), Some(method));
        }
        for other in ["client_secret_jwt", "None", ""] {
            assert_eq!(ClientAuthentication::from_name(other), None);
        }
    }
}
