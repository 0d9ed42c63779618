//! Tokens for the client itself (RFC 6749 §4.4; CC-01 to CC-07).

use super::{
    Client, ClientAuthentication, Discovered, Freshness, Grant, Purpose, TokenRequest,
    TokenRequestError, Wish,
    scope_choice::without_offline_access,
    token_request::{Ask, body_in},
};
use crate::encoding::scratch::Scratch;

impl<'s> TokenRequest<'s> {
    /// Asks for a token by which the client acts for itself, without any user.
    ///
    /// Only for a client that was registered by hand ([`Client::configured`], CC-02) and authenticates
    /// itself. There is no refresh token (CC-07): before the token ends, ask for another one, at
    /// [`Tokens::refresh_in_secs`](super::Tokens::refresh_in_secs). `fresh` is needed by a client that signs.
    pub fn client_credentials(
        discovered: &Discovered<'s>,
        client: &Client<'s>,
        wish: &Wish<'s>,
        fresh: Option<&Freshness>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenRequestError> {
        if client.issuer != discovered.issuer() {
            return Err(TokenRequestError::OtherIssuer);
        }
        if client.authentication == ClientAuthentication::None {
            return Err(TokenRequestError::PublicClient);
        }
        let scope = without_offline_access(discovered, wish);
        let credentials = client.credentials(fresh, scratch)?;
        let body = body_in(scratch, |form| {
            form.pair("grant_type", Grant::ClientCredentials.as_str())?;
            if let Some(resource) = discovered.resource_parameter() {
                form.pair("resource", resource)?; // CL-41
            }
            if !scope.is_empty() {
                form.pair("scope", scope.as_str())?;
            }
            client.write_body(&credentials, form)
        })?;
        let ask = Ask {
            purpose: Purpose::ClientCredentials,
            endpoint: discovered.token_endpoint(),
            issuer: client.issuer,
            resource: discovered.resource(),
            asked_scope: scope,
            expected_scope: scope,
        };
        Ok(Self::asking(ask, body, credentials.authorization))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{
        ClientKey, ClientSecret, DiscoveryError, KnownClient, Machine, Origin, Output, Tokens,
        testkit::{Answer, ISSUER, Site, keep, scratch, test_key},
    };
    use crate::{scope::ScopeSet, time::UnixTime};
    use std::{format, string::String};

    const MEMBERS: &str = r#","token_endpoint_auth_methods_supported":
        ["client_secret_basic","client_secret_post","private_key_jwt","none"]"#;

    fn discovered() -> Discovered<'static> {
        let grant = Grant::ClientCredentials;
        Site { server_members: MEMBERS, resource_scopes: r#""user""#, grant, ..Site::default() }
            .discovered()
    }

    fn client(discovered: &Discovered<'static>, known: KnownClient<'static>) -> Client<'static> {
        Client::configured(discovered, &[known], None).unwrap()
    }

    fn known() -> KnownClient<'static> {
        KnownClient {
            issuer: ISSUER,
            id: "me",
            secret: Some(ClientSecret::new("s")),
            secret_expires_at: None,
            key: None,
            authentication: None,
            redirect_uri: None,
            origin: Origin::Configured,
        }
    }

    fn request(
        known: KnownClient<'static>,
        wish: &Wish<'static>,
    ) -> Result<TokenRequest<'static>, TokenRequestError> {
        let discovered = discovered();
        let client = client(&discovered, known);
        let fresh = Freshness { now: UnixTime::from_secs(1), octets: [1; 32] };
        TokenRequest::client_credentials(&discovered, &client, wish, Some(&fresh), &mut scratch())
    }

    fn sent(request: &TokenRequest<'_>) -> (String, Option<String>) {
        let Output::Fetch(sent) = request.poll() else { panic!("nothing to send") };
        assert_eq!(sent.url, "https://as.example/token");
        (String::from_utf8(sent.body.to_vec()).unwrap(), sent.authorization.map(String::from))
    }

    fn answered(body: &str) -> Result<Tokens<'static>, TokenRequestError> {
        let mut request = request(known(), &Wish::default()).unwrap();
        Answer::Json(200, body).give(&mut request, &mut scratch());
        request.finish()
    }

    #[test]
    fn cc_05_resource_and_scope_and_one_authentication() {
        let wish = Wish { offline_access: true, ..Wish::default() };
        let expected =
            "grant_type=client_credentials&resource=https%3A%2F%2Frs.example%2Fmcp&scope=user";
        let (body, field) = sent(&request(known(), &wish).unwrap());
        assert_eq!((body.as_str(), field.as_deref()), (expected, Some("Basic bWU6cw==")));
        let scope = Some(ScopeSet::EMPTY);
        let (body, _) = sent(&request(known(), &Wish { scope, ..wish }).unwrap());
        assert!(!body.contains("scope"), "{body}");
        let signing = KnownClient { key: Some(ClientKey::new(test_key())), ..known() };
        let (body, field) = sent(&request(signing, &wish).unwrap());
        assert!(body.starts_with(expected) && body.contains("&client_assertion=eyJ"), "{body}");
        assert_eq!(field, None);
    }

    #[test]
    fn as_98_not_for_a_client_without_credentials() {
        let public = KnownClient { secret: None, ..known() };
        let refused = request(public, &Wish::default());
        assert_eq!(refused.map(|_| ()).err(), Some(TokenRequestError::PublicClient));
    }

    #[test]
    fn sec_474_not_at_another_issuer() {
        let discovered = discovered();
        let client = Client { issuer: "https://as2.example", ..client(&discovered, known()) };
        let wish = Wish::default();
        let refused =
            TokenRequest::client_credentials(&discovered, &client, &wish, None, &mut scratch());
        assert_eq!(refused.map(|_| ()).err(), Some(TokenRequestError::OtherIssuer));
    }

    #[test]
    fn cc_07_no_refresh_token_is_kept() {
        let body = r#"{"access_token":"at","token_type":"Bearer","refresh_token":"rt"}"#;
        let tokens = answered(body).unwrap();
        assert_eq!(tokens.access_token().expose(), "at");
        assert_eq!(tokens.scope().as_str(), "user");
        assert!(tokens.refresh_token().is_none());
        assert!(answered(r#"{"access_token":"at","token_type":"mac"}"#).is_err());
    }

    #[test]
    fn a_server_that_offers_it_or_does_not_say() {
        let found = |grants: &'static str| {
            let members = keep(&format!("{MEMBERS}{grants}"));
            let grant = Grant::ClientCredentials;
            let site = Site { server_members: members, grant, ..Site::default() };
            site.try_discover().map(|_| ())
        };
        assert_eq!(found(""), Ok(()));
        assert_eq!(found(r#","grant_types_supported":["client_credentials"]"#), Ok(()));
        let other = found(r#","grant_types_supported":["authorization_code"]"#);
        assert_eq!(other, Err(DiscoveryError::NoGrant));
    }
}
