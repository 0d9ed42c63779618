//! Workload identity: the platform that runs the program says who it is (WF-01, WF-05).

use super::{
    Assertion, Client, ClientAuthentication, Discovered, TokenRequest, TokenRequestError, Wish,
};
use crate::encoding::scratch::Scratch;

impl<'s> TokenRequest<'s> {
    /// Presents the platform's JWT: no client id, no registration, no secret (WF-01).
    ///
    /// After a refusal do not ask again with the same JWT, nor in another way (WF-05). There is no refresh
    /// token: present a fresh JWT before the token ends.
    ///
    /// The JWT goes to the issuer that the application named, and to nobody who is only named by the server's
    /// metadata: `issuer` is compared with the one that was found.
    pub fn workload_identity(
        discovered: &Discovered<'s>,
        issuer: &str,
        assertion: Assertion<'_>,
        wish: &Wish<'s>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenRequestError> {
        if issuer != discovered.issuer() {
            return Err(TokenRequestError::OtherIssuer);
        }
        Self::jwt_bearer(discovered, None, assertion, wish, None, scratch)
    }
}

impl<'s> Client<'s> {
    /// What stands for the client where there is none: its id is empty.
    pub const fn unnamed(discovered: &Discovered<'s>) -> Self {
        Self {
            issuer: discovered.issuer(),
            id: "",
            secret: None,
            secret_expires_at: None,
            key: None,
            authentication: ClientAuthentication::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{
        Grant, Machine, Output,
        testkit::{Answer, ISSUER, Site, scratch},
    };
    use std::{format, string::String};

    fn request(issuer: &str) -> Result<TokenRequest<'static>, TokenRequestError> {
        let server_members = r#","grant_types_supported":
            ["urn:ietf:params:oauth:grant-type:jwt-bearer"]"#;
        let site = Site { server_members, resource_scopes: r#""user""#, ..Site::default() };
        let discovered = Site { grant: Grant::JwtBearer, ..site }.discovered();
        let (assertion, wish) = (Assertion::new("a.b-_.c").unwrap(), Wish::default());
        TokenRequest::workload_identity(&discovered, issuer, assertion, &wish, &mut scratch())
    }

    #[test]
    fn wf_01_the_assertion_and_no_client() {
        let request = request(ISSUER).unwrap();
        let Output::Fetch(sent) = request.poll() else { panic!("nothing to send") };
        assert_eq!((sent.url, sent.authorization), ("https://as.example/token", None));
        let expected = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer\
            &assertion=a.b-_.c&resource=https%3A%2F%2Frs.example%2Fmcp&scope=user";
        assert_eq!(String::from_utf8(sent.body.to_vec()).unwrap(), expected);
    }

    #[test]
    fn sec_474_not_to_an_issuer_that_only_the_server_names() {
        for issuer in ["https://as2.example", "https://as.example/", ""] {
            let refused = request(issuer).map(|_| ()).err();
            assert_eq!(refused, Some(TokenRequestError::OtherIssuer), "{issuer}");
        }
    }

    #[test]
    fn no_refresh_token_is_kept_and_a_refusal_is_the_end() {
        let tokens = r#"{"access_token":"at","token_type":"Bearer","refresh_token":"rt"}"#;
        let mut granted = request(ISSUER).unwrap();
        Answer::Json(200, tokens).give(&mut granted, &mut scratch());
        assert!(granted.finish().unwrap().refresh_token().is_none());
        let mut refused = request(ISSUER).unwrap();
        Answer::Json(400, r#"{"error":"invalid_grant"}"#).give(&mut refused, &mut scratch());
        assert!(matches!(refused.poll(), Output::Done));
        assert_eq!(refused.finish().map(|_| ()).err(), Some(TokenRequestError::Refused));
    }

    #[test]
    fn assertions_on_both_sides_of_the_limit() {
        use crate::limits::TOKEN_LEN_MAX;
        for len in [1, TOKEN_LEN_MAX - 1, TOKEN_LEN_MAX] {
            assert!(Assertion::new(&"a".repeat(len)).is_some(), "{len}");
        }
        for text in ["", "a b", "a\n", "a&scope=admin", &"a".repeat(TOKEN_LEN_MAX + 1)] {
            assert!(Assertion::new(text).is_none(), "{text}");
        }
        assert_eq!(format!("{:?}", Assertion::new("a.b.c")), "Some(Assertion(..))");
    }
}
