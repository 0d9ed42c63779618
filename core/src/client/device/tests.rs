use std::{format, string::String, vec};

use super::*;
use crate::{
    client::{
        ClientAuthentication, ClientKey,
        testkit::{Answer, ISSUER, Site, public_client, scratch, test_key},
    },
    time::UnixTime,
};

const MEMBERS: &str = r#","token_endpoint_auth_methods_supported":["none","private_key_jwt"],
    "device_authorization_endpoint":"https://as.example/device""#;
const CODES: &str = r#"{"device_code":"dc","user_code":"WDJB-MJHT","expires_in":100,
    "verification_uri":"https://as.example/go","interval":5}"#;
const TOKENS: &str = r#"{"access_token":"at","token_type":"Bearer","refresh_token":"rt"}"#;

fn discovered() -> Discovered<'static> {
    let site = Site { server_members: MEMBERS, resource_scopes: r#""user""#, ..Site::default() };
    Site { grant: Grant::DeviceCode, ..site }.discovered()
}

fn client() -> Client<'static> {
    public_client(&discovered(), ISSUER).unwrap()
}

fn request(client: &Client<'static>) -> Result<DeviceRequest<'static>, DeviceError> {
    let fresh = Freshness { now: UnixTime::from_secs(1), octets: [1; 32] };
    DeviceRequest::new(&discovered(), client, &Wish::default(), Some(&fresh), &mut scratch())
}

fn answered(answer: Answer<'_>) -> Result<DeviceGrant<'static>, DeviceError> {
    let mut request = request(&client()).unwrap();
    answer.give(&mut request, &mut scratch());
    request.finish(1_000)
}

/// One poll at `now`, answered so.
fn polled(
    grant: &mut DeviceGrant<'static>,
    now: u64,
    answer: Answer<'_>,
) -> Result<Option<String>, DeviceError> {
    let mut room = vec![0; 2048];
    let mut scratch = Scratch::new(&mut room);
    let mut request = grant.token_request(None, &mut scratch).unwrap();
    answer.give(&mut request, &mut scratch);
    let tokens = grant.handle_answer(request, now)?;
    Ok(tokens.map(|tokens| tokens.access_token().expose().into()))
}

fn refusal(error: &str) -> String {
    format!(r#"{{"error":"{error}"}}"#)
}

#[test]
fn rfc_8628_3_1_the_request() {
    let request = request(&client()).unwrap();
    let Output::Fetch(sent) = request.poll() else { panic!("nothing to send") };
    assert_eq!(sent.url, "https://as.example/device");
    let expected = "client_id=client-1&resource=https%3A%2F%2Frs.example%2Fmcp&scope=user";
    assert_eq!(sent.body, expected.as_bytes());
    let other = Client { issuer: "https://as2.example", ..client() };
    assert_eq!(super::tests::request(&other).map(|_| ()), Err(DeviceError::OtherIssuer));
    // Without the endpoint there is nothing to ask, whatever else the server offers.
    let wish = Wish::default();
    let none = Site::default().discovered();
    let refused = DeviceRequest::new(&none, &client(), &wish, None, &mut scratch());
    assert_eq!(refused.map(|_| ()), Err(DeviceError::NoEndpoint));
}

#[test]
fn the_user_sees_the_code_and_then_there_are_tokens() {
    let mut grant = answered(Answer::Json(200, CODES)).unwrap();
    assert_eq!(
        (grant.user_code(), grant.verification_uri()),
        ("WDJB-MJHT", "https://as.example/go")
    );
    assert_eq!((grant.verification_uri_complete(), grant.expires_in_secs()), (None, 100));
    assert_eq!(grant.poll(1_000), DevicePoll::Wait(5));
    assert_eq!(grant.poll(1_004), DevicePoll::Wait(1));
    assert_eq!(grant.poll(1_005), DevicePoll::Ask);
    let mut room = vec![0; 1024];
    let token_request = grant.token_request(None, &mut Scratch::new(&mut room)).unwrap();
    let Output::Fetch(sent) = token_request.poll() else { panic!("nothing to send") };
    assert_eq!(sent.url, "https://as.example/token");
    let expected = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code\
        &device_code=dc&resource=https%3A%2F%2Frs.example%2Fmcp&client_id=client-1";
    assert_eq!(sent.body, expected.as_bytes());
    assert_eq!(polled(&mut grant, 1_005, Answer::Json(200, TOKENS)), Ok(Some("at".into())));
}

#[test]
fn each_poll_of_a_client_that_signs_is_signed_anew() {
    let key = Some(ClientKey::new(test_key()));
    let authentication = ClientAuthentication::PrivateKeyJwt;
    let mut request = request(&Client { key, authentication, ..client() }).unwrap();
    Answer::Json(200, CODES).give(&mut request, &mut scratch());
    let grant = request.finish(0).unwrap();
    let body = |octet| {
        let fresh = Freshness { now: UnixTime::from_secs(1), octets: [octet; 32] };
        let mut room = vec![0; 4096];
        let request = grant.token_request(Some(&fresh), &mut Scratch::new(&mut room)).unwrap();
        let Output::Fetch(sent) = request.poll() else { panic!("nothing to send") };
        sent.body.to_vec()
    };
    assert_ne!(body(1), body(2));
    let unsigned = grant.token_request(None, &mut scratch());
    assert_eq!(unsigned.map(|_| ()).err(), Some(DeviceError::Sign(SignError::NoTime)));
}

#[test]
fn rfc_8628_3_5_what_the_token_endpoint_says() {
    let mut grant = answered(Answer::Json(200, CODES)).unwrap();
    let pending = refusal("authorization_pending");
    assert_eq!(polled(&mut grant, 1_005, Answer::Json(400, &pending)), Ok(None));
    assert_eq!(grant.poll(1_005), DevicePoll::Wait(5));
    assert_eq!(polled(&mut grant, 1_010, Answer::Json(400, &refusal("slow_down"))), Ok(None));
    assert_eq!(grant.poll(1_010), DevicePoll::Wait(10));
    // It stays slower (§3.5).
    assert_eq!(polled(&mut grant, 1_020, Answer::Json(400, &pending)), Ok(None));
    assert_eq!(grant.poll(1_020), DevicePoll::Wait(10));
    for (error, expected) in [
        ("expired_token", DeviceError::Expired),
        ("access_denied", DeviceError::Denied),
        ("invalid_grant", DeviceError::Token(TokenRequestError::Refused)),
        ("authorization_pendin", DeviceError::Token(TokenRequestError::Refused)),
    ] {
        let mut grant = answered(Answer::Json(200, CODES)).unwrap();
        assert_eq!(polled(&mut grant, 1_005, Answer::Json(400, &refusal(error))), Err(expected));
    }
    // Such words count only in a refusal.
    let mut grant = answered(Answer::Json(200, CODES)).unwrap();
    assert!(polled(&mut grant, 1_005, Answer::Json(200, &pending)).is_err());
}

#[test]
fn trouble_is_backed_off_from_and_the_end_stays_the_end() {
    let mut grant = answered(Answer::Json(200, CODES)).unwrap();
    for (now, answer, wait) in [
        (1_005, Answer::Failure(FetchFailure::TimedOut), 10),
        (1_015, Answer::Failure(FetchFailure::Unreachable), 20),
        (1_035, Answer::Html(503, "busy"), 40),
        // No longer than the code is good.
        (1_075, Answer::Html(503, "busy"), 25),
    ] {
        assert_eq!(polled(&mut grant, now, answer), Ok(None));
        assert_eq!(grant.poll(now), DevicePoll::Wait(wait), "{now}");
    }
    assert_eq!(grant.poll(1_099), DevicePoll::Wait(1));
    assert_eq!(grant.poll(1_100), DevicePoll::Expired);
    let mut grant = answered(Answer::Json(200, CODES)).unwrap();
    let too_large = polled(&mut grant, 1_005, Answer::Failure(FetchFailure::TooLarge));
    assert!(matches!(too_large, Err(DeviceError::Token(_))));
}

#[test]
fn sec_478_hostile_times_are_bounded() {
    let with = |expires_in: &str, interval: &str| {
        let body = CODES.replace("100", expires_in).replace(":5}", &format!(":{interval}}}"));
        answered(Answer::Json(200, &body)).map(|grant| (grant.end_secs, grant.next_secs))
    };
    assert_eq!(with("1799", "5"), Ok((2_799, 1_005)));
    assert_eq!(with("1800", "59"), Ok((2_800, 1_059)));
    assert_eq!(with("1801", "60"), Ok((2_800, 1_060)));
    assert_eq!(with("18446744073709551615", "18446744073709551615"), Ok((2_800, 1_060)));
    // Zero is not "as fast as you can".
    assert_eq!(with("100", "0"), Ok((1_100, 1_001)));
    assert_eq!(with("0", "5"), Err(DeviceError::Answer));
    assert!(matches!(with("-1", "5"), Err(DeviceError::Body(_))));
    assert!(matches!(with("100", "-5"), Err(DeviceError::Body(_))));
    let unnamed = CODES.replace(r#","interval":5"#, "");
    assert_eq!(answered(Answer::Json(200, &unnamed)).unwrap().next_secs, 1_005);
    // `slow_down` for ever only makes the asking rarer, until the code has ended.
    let mut grant = answered(Answer::Json(200, CODES)).unwrap();
    for _ in 0..1_000 {
        assert_eq!(polled(&mut grant, 1_005, Answer::Json(400, &refusal("slow_down"))), Ok(None));
    }
    assert_eq!(grant.poll(1_005), DevicePoll::Wait(95));
    // Nor does trouble make it more frequent again.
    let mut slow = answered(Answer::Json(200, &CODES.replace("100", "1000"))).unwrap();
    for _ in 0..20 {
        assert_eq!(polled(&mut slow, 1_005, Answer::Json(400, &refusal("slow_down"))), Ok(None));
    }
    assert_eq!(polled(&mut slow, 1_005, Answer::Html(503, "busy")), Ok(None));
    assert_eq!(slow.poll(1_005), DevicePoll::Wait(105));
}

#[test]
fn sec_461_pages_that_are_not_shown() {
    for (page, complete) in [
        ("javascript:alert(1)", None),
        ("http://as.example/go", None),
        ("https://as.example@evil.example/", None),
        ("https://as.example/go", Some("file:///etc/passwd")),
        ("https://as.example/go", Some("javascript:alert(1)")),
        ("https://as.example/go", Some("https://as.example/go#x")),
    ] {
        let complete = complete
            .map(|url| format!(r#","verification_uri_complete":"{url}""#))
            .unwrap_or_default();
        let body = CODES.replace(r#""https://as.example/go""#, &format!(r#""{page}"{complete}"#));
        let refused = answered(Answer::Json(200, &body));
        assert!(matches!(refused, Err(DeviceError::VerificationUri(_))), "{body}");
    }
    let body = CODES.replace(
        r#""interval""#,
        r#""verification_uri_complete":"https://as.example/go?c=WDJB","interval""#,
    );
    let grant = answered(Answer::Json(200, &body)).unwrap();
    assert_eq!(grant.verification_uri_complete(), Some("https://as.example/go?c=WDJB"));
}

#[test]
fn sec_486_codes_that_are_not_shown() {
    let with = |code: &str| answered(Answer::Json(200, &CODES.replace("WDJB-MJHT", code)));
    for len in [USER_CODE_LEN_MAX - 1, USER_CODE_LEN_MAX] {
        assert!(with(&"A".repeat(len)).is_ok(), "{len}");
    }
    // Nothing that acts on a terminal.
    for code in ["", "\\u001b[2J", "\\u202e1", &"A".repeat(USER_CODE_LEN_MAX + 1)] {
        assert_eq!(with(code).map(|_| ()), Err(DeviceError::Answer), "{code}");
    }
    for missing in ["device_code", "user_code", "verification_uri", "expires_in"] {
        let body = CODES.replacen(missing, "x", 1);
        assert_eq!(answered(Answer::Json(200, &body)).map(|_| ()), Err(DeviceError::Answer));
    }
}

#[test]
fn other_answers() {
    let denied = refusal("invalid_client");
    for (answer, expected) in [
        (Answer::Json(400, &denied), DeviceError::Refused),
        (Answer::Html(404, "no"), DeviceError::Refused),
        (Answer::Html(503, "no"), DeviceError::Trouble),
        (Answer::Html(200, CODES), DeviceError::ContentType),
        (Answer::Failure(FetchFailure::TimedOut), DeviceError::Fetch(FetchFailure::TimedOut)),
        (Answer::Json(200, "{"), DeviceError::Body(JsonError::Syntax)),
    ] {
        assert_eq!(answered(answer).map(|_| ()), Err(expected), "{answer:?}");
    }
    assert_eq!(request(&client()).unwrap().finish(0).map(|_| ()), Err(DeviceError::Unfinished));
    let long = format!("{CODES}{}", " ".repeat(DEVICE_ANSWER_LEN_MAX + 1 - CODES.len()));
    let too_large = Err(DeviceError::Fetch(FetchFailure::TooLarge));
    assert_eq!(answered(Answer::Json(200, &long)).map(|_| ()), too_large);
    assert!(answered(Answer::Json(200, &long[..DEVICE_ANSWER_LEN_MAX])).is_ok());
}

#[test]
fn sec_320_debug_shows_no_code() {
    let grant = answered(Answer::Json(200, &CODES.replace("\"dc\"", "\"hush\""))).unwrap();
    assert!(!format!("{grant:?}").contains("hush"));
}
