use std::{format, string::String};

use super::*;
use crate::client::{
    ClientSecret, Grant, Origin,
    testkit::{Answer, ISSUER, Site, scratch},
};

const IDP: &str = "https://idp.example/token";
const ID_JAG_ANSWER: &str = r#"{"access_token":"j.a.g","token_type":"N_A","expires_in":300,
    "issued_token_type":"urn:ietf:params:oauth:token-type:id-jag"}"#;

fn discovered() -> Discovered<'static> {
    let server_members = r#","token_endpoint_auth_methods_supported":["client_secret_basic"]"#;
    let site = Site { server_members, resource_scopes: r#""user""#, ..Site::default() };
    Site { grant: Grant::JwtBearer, ..site }.discovered()
}

fn known(issuer: &'static str, id: &'static str) -> KnownClient<'static> {
    KnownClient {
        issuer,
        id,
        secret: Some(ClientSecret::new("s")),
        secret_expires_at: None,
        key: None,
        authentication: None,
        redirect_uri: None,
        origin: Origin::Configured,
    }
}

fn client() -> Client<'static> {
    Client::configured(&discovered(), &[known(ISSUER, "me")], None).unwrap()
}

fn provider() -> IdentityProvider<'static> {
    let client = KnownClient { secret: None, ..known("https://idp.example", "app") };
    IdentityProvider { token_endpoint: IDP, client }
}

fn exchange(
    provider: IdentityProvider<'static>,
    client: &Client<'static>,
    subject: SubjectToken<'_>,
) -> Result<IdJagRequest<'static>, IdJagError> {
    let (wish, discovered) = (Wish::default(), discovered());
    IdJagRequest::new(&provider, &discovered, client, subject, &wish, None, &mut scratch())
}

fn answered(answer: Answer<'_>) -> Result<String, IdJagError> {
    let mut request = exchange(provider(), &client(), SubjectToken::IdToken("id")).unwrap();
    answer.give(&mut request, &mut scratch());
    request.finish().map(|assertion| assertion.expose().into())
}

#[test]
fn em_01_em_02_the_exchange() {
    for (subject, kind) in [
        (SubjectToken::IdToken("hush"), "id_token"),
        (SubjectToken::RefreshToken("hush"), "refresh_token"),
    ] {
        let request = exchange(provider(), &client(), subject).unwrap();
        let Output::Fetch(sent) = request.poll() else { panic!("nothing to send") };
        assert_eq!((sent.url, sent.authorization), (IDP, None));
        let expected = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
            &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid-jag\
            &audience=https%3A%2F%2Fas.example&resource=https%3A%2F%2Frs.example%2Fmcp&scope=user\
            &subject_token=hush\
            &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3A{kind}&client_id=app"
        );
        assert_eq!(String::from_utf8(sent.body.to_vec()).unwrap(), expected);
        assert!(!format!("{request:?} {subject:?}").contains("hush"));
    }
    let client = KnownClient { secret: Some(ClientSecret::new("s")), ..provider().client };
    let confidential = IdentityProvider { client, ..provider() };
    let request = exchange(confidential, &self::client(), SubjectToken::IdToken("id")).unwrap();
    let Output::Fetch(sent) = request.poll() else { panic!("nothing to send") };
    assert_eq!(sent.authorization, Some("Basic YXBwOnM="));
}

#[test]
fn em_15_sec_474_only_for_the_configured_authorization_server() {
    let other = Client { issuer: "https://as2.example", ..client() };
    let refused = exchange(provider(), &other, SubjectToken::IdToken("id"));
    assert_eq!(refused.map(|_| ()).err(), Some(IdJagError::OtherIssuer));
    let id_jag = Assertion::new("j.a.g").unwrap();
    let (wish, discovered) = (Wish::default(), discovered());
    let request =
        |client| TokenRequest::id_jag(&discovered, &client, id_jag, &wish, None, &mut scratch());
    assert_eq!(request(other).map(|_| ()).err(), Some(TokenRequestError::OtherIssuer));
    let request = request(client()).unwrap();
    let Output::Fetch(sent) = request.poll() else { panic!("nothing to send") };
    assert_eq!(
        (sent.url, sent.authorization),
        ("https://as.example/token", Some("Basic bWU6cw=="))
    );
    let expected = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer\
        &assertion=j.a.g&resource=https%3A%2F%2Frs.example%2Fmcp&scope=user";
    assert_eq!(String::from_utf8(sent.body.to_vec()).unwrap(), expected);
    for endpoint in ["http://idp.example/token", "javascript:x"] {
        let elsewhere = IdentityProvider { token_endpoint: endpoint, ..provider() };
        let refused = exchange(elsewhere, &client(), SubjectToken::IdToken("id"));
        assert!(matches!(refused, Err(IdJagError::Endpoint(_))), "{endpoint}");
    }
}

#[test]
fn em_03_the_answer_is_an_id_jag_and_nothing_else() {
    assert_eq!(answered(Answer::Json(200, ID_JAG_ANSWER)), Ok("j.a.g".into()));
    for (from, to, error) in [
        ("N_A", "Bearer", IdJagError::TokenType),
        ("id-jag", "access_token", IdJagError::TokenType),
        ("issued_token_type", "x", IdJagError::TokenType),
        ("\"token_type\"", "\"x\"", IdJagError::TokenType),
        ("access_token", "x", IdJagError::Token),
        ("j.a.g", "", IdJagError::Token),
        ("j.a.g", "j&a=g", IdJagError::Token),
    ] {
        let body = ID_JAG_ANSWER.replacen(from, to, 1);
        assert_eq!(answered(Answer::Json(200, &body)), Err(error), "{body}");
    }
    let refusal = r#"{"error":"invalid_grant"}"#;
    for (answer, error) in [
        (Answer::Json(400, refusal), IdJagError::Refused),
        (Answer::Html(400, ""), IdJagError::Refused),
        (Answer::Html(200, ID_JAG_ANSWER), IdJagError::ContentType),
        (Answer::Html(503, ""), IdJagError::Trouble),
        (Answer::Json(200, "{"), IdJagError::Body(JsonError::Syntax)),
        (Answer::Failure(FetchFailure::TimedOut), IdJagError::Fetch(FetchFailure::TimedOut)),
    ] {
        assert_eq!(answered(answer), Err(error), "{answer:?}");
    }
}
