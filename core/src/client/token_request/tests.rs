use std::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::*;
use crate::client::{
    Authorization, Callback, ClientAuthentication, ClientSecret, Entropy, Method, RefreshToken,
    Wish,
    testkit::{Answer, ISSUER, REDIRECT, SERVER, Site, public_client, scratch},
};

const TOKENS: &str =
    r#"{"access_token":"at","token_type":"Bearer","expires_in":60,"refresh_token":"rt"}"#;

fn client(authentication: ClientAuthentication) -> Client<'static> {
    let public = public_client(&Site::default().discovered(), ISSUER).unwrap();
    let secret = (authentication != ClientAuthentication::None).then_some(ClientSecret::new("s"));
    Client { secret, authentication, ..public }
}

fn code_request(authentication: ClientAuthentication) -> TokenRequest<'static> {
    let mut scratch = scratch();
    let discovered = Site { challenged: Some("user"), ..Site::default() }.discovered();
    let entropy = Entropy { verifier: [1; 32], state: [2; 32] };
    let wish = Wish::default();
    let client = client(authentication);
    let mut authorization =
        Authorization::new(&discovered, &client, REDIRECT, &wish, &entropy, &mut scratch).unwrap();
    let state = authorization.pending.as_ref().unwrap().state.expose().to_string();
    let callback = authorization.handle_callback(&format!("code=c&state={state}"), &mut scratch);
    let Callback::Granted(grant) = callback else { panic!("{callback:?}") };
    TokenRequest::code(grant, None, &mut scratch).unwrap()
}

fn stored() -> StoredTokens<'static> {
    StoredTokens {
        issuer: ISSUER,
        resource: SERVER,
        client_id: "client-1",
        asked_scope: ScopeSet::parse("user mail").unwrap(),
        scope: ScopeSet::parse("user").unwrap(),
        refresh_token: RefreshToken::new("old").unwrap(),
    }
}

fn refresh(
    client: Client<'static>,
    stored: StoredTokens<'static>,
) -> Result<TokenRequest<'static>, TokenRequestError> {
    TokenRequest::refresh(&Site::default().discovered(), &client, &stored, None, &mut scratch())
}

fn refresh_request(authentication: ClientAuthentication) -> TokenRequest<'static> {
    refresh(client(authentication), stored()).unwrap()
}

fn sent(request: &TokenRequest<'_>) -> (String, Option<String>) {
    let Output::Fetch(fetch) = request.poll() else { panic!("nothing to send") };
    assert_eq!(fetch.url, "https://as.example/token");
    assert_eq!(fetch.method, Method::Post);
    assert_eq!(fetch.content_type, Some("application/x-www-form-urlencoded"));
    (String::from_utf8(fetch.body.to_vec()).unwrap(), fetch.authorization.map(String::from))
}

fn answered(answer: Answer<'_>) -> Result<Tokens<'static>, TokenRequestError> {
    let mut request = code_request(ClientAuthentication::None);
    answer.give(&mut request, &mut scratch());
    assert!(matches!(request.poll(), Output::Done));
    request.finish()
}

#[test]
fn cl_41_60_the_code_exchange() {
    // The verifier of 32 octets of 1, base64url.
    let verifier = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    let common = format!(
        "grant_type=authorization_code&code=c&code_verifier={verifier}\
         &redirect_uri=http%3A%2F%2F127.0.0.1%3A3030%2Fcallback&resource=https%3A%2F%2Frs.example%2Fmcp"
    );
    let request = |method| sent(&code_request(method));
    assert_eq!(request(ClientAuthentication::None), (format!("{common}&client_id=client-1"), None));
    assert_eq!(
        request(ClientAuthentication::Post),
        (format!("{common}&client_id=client-1&client_secret=s"), None)
    );
    let basic = "Basic Y2xpZW50LTE6cw==".to_string(); // client-1:s
    assert_eq!(request(ClientAuthentication::Basic), (common, Some(basic)));
}

#[test]
fn the_refresh() {
    let (body, field) = sent(&refresh_request(ClientAuthentication::None));
    assert_eq!(
        body,
        "grant_type=refresh_token&refresh_token=old\
         &resource=https%3A%2F%2Frs.example%2Fmcp&client_id=client-1"
    );
    assert_eq!(field, None);
}

#[test]
fn cl_84_a_refresh_changes_only_what_the_server_says() {
    for (answer, scope) in
        [(String::from(TOKENS), "user"), (TOKENS.replace('}', r#","scope":"less"}"#), "less")]
    {
        let mut request = refresh_request(ClientAuthentication::None);
        Answer::Json(200, &answer).give(&mut request, &mut scratch());
        let tokens = request.finish().unwrap();
        assert_eq!((tokens.asked_scope().as_str(), tokens.scope().as_str()), ("user mail", scope));
    }
}

#[test]
fn lim_8_a_form_on_both_sides_of_the_limit() {
    let mut buffer = std::vec![0; 2 * FORM_LEN_MAX];
    let value = "a".repeat(FORM_LEN_MAX - "n=".len());
    for (value, expected) in [
        (&value[1..], Ok(FORM_LEN_MAX - 1)),
        (&value, Ok(FORM_LEN_MAX)),
        (&format!("{value}a"), Err(BufferFull)),
    ] {
        let body = body_in(&mut Scratch::new(&mut buffer), |form| form.pair("n", value));
        assert_eq!(body.map(<[u8]>::len), expected);
    }
}

#[test]
fn cl_62_tokens_are_for_one_issuer_and_resource() {
    let tokens = answered(Answer::Json(200, TOKENS)).unwrap();
    assert_eq!((tokens.issuer(), tokens.resource()), (ISSUER, SERVER));
    assert_eq!(tokens.access_token().expose(), "at");
    assert_eq!(tokens.refresh_token().map(RefreshToken::expose), Some("rt"));
    assert_eq!(tokens.expires_in_secs(), 60);
    assert_eq!(tokens.scope().as_str(), "user", "as asked for");

    let narrowed = TOKENS.replace('}', r#","scope":"less"}"#);
    let tokens = answered(Answer::Json(200, &narrowed)).unwrap();
    assert_eq!(tokens.scope().as_str(), "less", "as granted");
}

#[test]
fn sec_478_and_173_answers_that_are_refused() {
    for (answer, error) in [
        (Answer::Html(200, "<html>"), TokenRequestError::ContentType),
        (Answer::Html(200, TOKENS), TokenRequestError::ContentType),
        (Answer::Html(302, ""), TokenRequestError::Refused),
        (Answer::Json(307, TOKENS), TokenRequestError::Refused),
        (Answer::Json(400, TOKENS), TokenRequestError::Refused),
        (Answer::Json(429, TOKENS), TokenRequestError::Trouble),
        (Answer::Json(500, TOKENS), TokenRequestError::Trouble),
        (Answer::Failure(FetchFailure::TimedOut), TokenRequestError::Fetch(FetchFailure::TimedOut)),
        (Answer::Json(200, "{}"), TokenRequestError::TokenType),
        (Answer::Json(200, ""), TokenRequestError::Body(JsonError::Syntax)),
    ] {
        assert_eq!(answered(answer).map(|_| ()), Err(error), "{answer:?}");
    }
}

#[test]
fn the_servers_words_are_kept() {
    let mut request = refresh_request(ClientAuthentication::None);
    let body = r#"{"error":"invalid_grant","error_description":"revoked"}"#;
    Answer::Json(400, body).give(&mut request, &mut scratch());
    assert_eq!(request.error_response().unwrap().to_string(), "invalid_grant (revoked)");
    assert_eq!(request.finish().map(|_| ()), Err(TokenRequestError::Refused));
}

#[test]
fn only_a_refusal_costs_the_user_a_login() {
    use AfterRefresh::{ForgetClient, ForgetTokens, Keep};
    for (answer, expected) in [
        (Answer::Failure(FetchFailure::Unreachable), Keep),
        (Answer::Failure(FetchFailure::TimedOut), Keep),
        (Answer::Json(503, "{}"), Keep),
        (Answer::Json(429, "{}"), Keep),
        (Answer::Failure(FetchFailure::TooLarge), ForgetTokens),
        (Answer::Json(400, r#"{"error":"invalid_grant"}"#), ForgetTokens),
        (Answer::Json(400, "{}"), ForgetTokens),
        (Answer::Json(401, r#"{"error":"invalid_client"}"#), ForgetClient),
        (Answer::Json(400, r#"{"error":"invalid_client"}"#), ForgetClient),
        // A server in trouble does not say who is known.
        (Answer::Json(500, r#"{"error":"invalid_client"}"#), Keep),
        (Answer::Json(200, "{}"), ForgetTokens),
    ] {
        let mut request = refresh_request(ClientAuthentication::None);
        answer.give(&mut request, &mut scratch());
        let words = request.error_response();
        let error = request.finish().unwrap_err();
        assert_eq!(error.after_refresh(words.as_ref()), expected, "{answer:?}");
    }
}

#[test]
fn lim_11_body_on_both_sides_of_the_limit() {
    let padded = |len: usize| format!("{TOKENS}{}", " ".repeat(len - TOKENS.len()));
    for len in [TOKEN_ANSWER_LEN_MAX - 1, TOKEN_ANSWER_LEN_MAX] {
        assert!(answered(Answer::Json(200, &padded(len))).is_ok());
    }
    let too_large = answered(Answer::Json(200, &padded(TOKEN_ANSWER_LEN_MAX + 1)));
    let expected = TokenRequestError::Fetch(FetchFailure::TooLarge);
    assert_eq!(too_large.map(|_| ()), Err(expected));
}

#[test]
fn an_answer_that_was_not_asked_for_changes_nothing() {
    let mut request = code_request(ClientAuthentication::None);
    let mut scratch = scratch();
    Answer::Json(400, "{}").give(&mut request, &mut scratch);
    Answer::Json(200, TOKENS).give(&mut request, &mut scratch);
    assert_eq!(request.finish().map(|_| ()), Err(TokenRequestError::Refused));
    let unfinished = code_request(ClientAuthentication::None).finish();
    assert_eq!(unfinished.map(|_| ()), Err(TokenRequestError::Unfinished));
}

#[test]
fn sec_172_474_475_a_refresh_token_is_shown_to_nobody_else() {
    let public = client(ClientAuthentication::None);
    let check = |client, stored, error| assert_eq!(refresh(client, stored).map(|_| ()), Err(error));
    let elsewhere = "https://as2.example";
    let other = Client { issuer: elsewhere, ..public };
    check(other, stored(), TokenRequestError::OtherIssuer);
    let other = StoredTokens { issuer: elsewhere, ..stored() };
    check(public, other, TokenRequestError::OtherIssuer);
    let other = StoredTokens { resource: "https://rs.example", ..stored() };
    check(public, other, TokenRequestError::OtherResource);
    let other = StoredTokens { client_id: "client-2", ..stored() };
    check(public, other, TokenRequestError::OtherClient);
    assert!(refresh(public, stored()).is_ok());
}

#[test]
fn sec_320_debug_shows_no_secret() {
    let request = refresh_request(ClientAuthentication::Basic);
    let shown: Vec<String> = std::vec![format!("{request:?}"), format!("{:?}", request.poll())];
    for secret in ["old", "Basic "] {
        assert!(!shown.iter().any(|shown| shown.contains(secret)), "{shown:?}");
    }
}

#[test]
fn dp_01_which_kind_of_token_is_taken() {
    let given = |proving, body| {
        let mut request = code_request(ClientAuthentication::None).proving(proving);
        Answer::Json(200, body).give(&mut request, &mut scratch());
        request.finish().map(|_| ())
    };
    for (proving, bearer, bound) in [
        (Proving::No, true, false),
        (Proving::IfBound, true, cfg!(feature = "dpop")),
        (Proving::OnlyBound, false, cfg!(feature = "dpop")),
    ] {
        let expected = |taken| if taken { Ok(()) } else { Err(TokenRequestError::TokenType) };
        let bearer_token = r#"{"access_token":"a","token_type":"Bearer"}"#;
        assert_eq!(given(proving, bearer_token), expected(bearer), "{proving:?}");
        let bound_token = r#"{"access_token":"a","token_type":"DPoP"}"#;
        assert_eq!(given(proving, bound_token), expected(bound), "{proving:?}");
    }
}
