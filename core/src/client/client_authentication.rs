//! How a client proves at the token endpoint that it is the one it says (CL-60).

use base64ct::{Base64, Encoding};

use super::Client;
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
}

impl ClientAuthentication {
    /// The method's name in metadata.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }

    /// The method with this name; `None` for those that are not implemented.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Basic, Self::Post].into_iter().find(|method| method.as_str() == name)
    }

    /// The method for a client with a secret: one that the server lists, Basic before the body.
    pub(super) fn with_secret(lists: impl Fn(Self) -> bool) -> Option<Self> {
        [Self::Basic, Self::Post].into_iter().find(|method| lists(*method))
    }

    /// The method to register for: none, if the server lists it, since a native client cannot
    /// keep a secret (OAuth 2.1 §8.5).
    pub(super) fn to_register(lists: impl Fn(Self) -> bool) -> Option<Self> {
        [Self::None, Self::Basic, Self::Post].into_iter().find(|method| lists(*method))
    }
}

impl Client<'_> {
    /// Adds what this client's method puts into the body. One method only is ever used.
    pub(super) fn write_body(&self, form: &mut FormWriter<'_>) -> Result<(), BufferFull> {
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
    pub(super) fn authorization_field<'s>(
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
    use crate::client::ClientSecret;
    use ClientAuthentication::{Basic, None as Public, Post};

    #[track_caller]
    fn check(authentication: ClientAuthentication, field: Option<&str>, body: &str) {
        let client = Client {
            issuer: "https://as",
            id: "a:b c",
            secret: (authentication != Public).then_some(ClientSecret::new("p%ä")),
            secret_expires_at: None,
            authentication,
        };
        let mut buffer = [0; 256];
        assert_eq!(client.authorization_field(&mut Scratch::new(&mut buffer)), Ok(field));
        let mut form = FormWriter::new(&mut buffer);
        client.write_body(&mut form).unwrap();
        assert_eq!(form.finish(), body);
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
        assert_eq!(to_register(&[Post, Basic]), Some(Basic));
        assert_eq!(to_register(&[Post]), Some(Post));
        assert_eq!(to_register(&[]), None);
    }

    #[test]
    fn names() {
        for method in [Public, Basic, Post] {
            assert_eq!(ClientAuthentication::from_name(method.as_str()), Some(method));
        }
        for other in ["private_key_jwt", "None", ""] {
            assert_eq!(ClientAuthentication::from_name(other), None);
        }
    }
}
