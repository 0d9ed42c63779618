//! Answers of every kind, and what each becomes.

use super::*;
use crate::{
    challenge::Challenge, limits::AUDIENCES_MAX, message::Field, scope::RequiredScopes,
    time::Leeway, token::Expectations,
};
use std::{format, string::String, vec, vec::Vec};

const ISSUER: &str = "https://as.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";

fn response(body: &str) -> IncomingResponse<'_> {
    let content_type = Field::One(b"application/json");
    IncomingResponse { status: 200, content_type, body: body.as_bytes() }
}

/// An active answer: `exp`, `aud` and what `members` adds.
fn active(members: &str) -> String {
    format!(r#"{{"active":true,"exp":2000,"aud":"{RESOURCE}"{members}}}"#)
}

/// Parses with a scratch that is large enough, and tells the outcome in a word or shows the error.
fn outcome(response: &IncomingResponse<'_>) -> Result<&'static str, IntrospectionError> {
    let mut buffer = [0; 256];
    match parse(response, ISSUER, &mut Scratch::new(&mut buffer))? {
        Introspected::Active(_) => Ok("active"),
        Introspected::Inactive => Ok("inactive"),
    }
}

#[track_caller]
fn check(body: &str, expected: Result<&str, IntrospectionError>) {
    assert_eq!(outcome(&response(body)), expected, "{body}");
}

/// Status of the answer that a refused introspection leads to.
fn status(error: IntrospectionError) -> u16 {
    Challenge::new(error.reason(), "https://h", RequiredScopes::default()).status()
}

#[test]
fn rs_80_the_question() {
    let token = BearerToken::new(b"a+b/c.d_e~f-==").unwrap();
    let whole = "token=a%2Bb%2Fc.d_e%7Ef-%3D%3D&token_type_hint=access_token";
    for len in 0..=whole.len() {
        match write_request(token, &mut vec![0; len]) {
            Ok(written) => assert_eq!(written, whole),
            Err(BufferFull) => assert!(len < whole.len()),
        }
    }
}

#[test]
fn rs_82_every_fact_is_kept() {
    let body = r#"{"active":true,"iss":"https:\/\/as","aud":["a","b"],"sub":"s","client_id":"c",
        "scope":"x y","exp":30,"nbf":10,"iat":5,"jti":"j","token_type":"bearer","username":"u",
        "x":{"exp":1}}"#;
    let mut buffer = [0; 16];
    let found = parse(&response(body), ISSUER, &mut Scratch::new(&mut buffer));
    let facts = TokenFacts {
        issuer: "https://as",
        audience: Audience::from_slice(&["a", "b"]).unwrap(),
        subject: Some("s"),
        client_id: Some("c"),
        scope: ScopeSet::parse("x y").unwrap(),
        expires_at: UnixTime::from_secs(30),
        not_before: Some(UnixTime::from_secs(10)),
        issued_at: Some(UnixTime::from_secs(5)),
        id: Some("j"),
        binding: Binding::Bearer,
    };
    assert_eq!(found, Ok(Introspected::Active(facts)));
}

#[test]
fn rs_84_without_iss_the_configured_issuer_spoke() {
    for (members, issuer) in [("", ISSUER), (r#","iss":"https://other""#, "https://other")] {
        let body = active(members);
        match parse(&response(&body), ISSUER, &mut Scratch::new(&mut [])) {
            Ok(Introspected::Active(facts)) => assert_eq!(facts.issuer, issuer),
            found => panic!("{found:?}"),
        }
    }
}

#[test]
fn rs_81_only_a_true_active_is_active() {
    check(&active(""), Ok("active"));
    check(r#"{"active":false}"#, Ok("inactive"));
    check(r#"{"active":false,"exp":1,"scope":"a"}"#, Ok("inactive"));
    check(r#"{"\u0061ctive":false}"#, Ok("inactive"));
}

#[test]
fn sec_361_an_answer_that_does_not_say() {
    for (body, error) in [
        ("{}", IntrospectionError::Member),
        (r#"{"exp":2000,"aud":"a"}"#, IntrospectionError::Member),
        (r#"{"Active":true,"exp":2000}"#, IntrospectionError::Member),
        (r#"{"active":"true"}"#, IntrospectionError::Body(JsonError::Type)),
        (r#"{"active":1}"#, IntrospectionError::Body(JsonError::Type)),
        (r#"{"active":null}"#, IntrospectionError::Body(JsonError::Type)),
        (r#"{"active":false,"active":true}"#, IntrospectionError::Body(JsonError::Duplicate)),
        (r#"{"active":true,"\u0061ctive":true}"#, IntrospectionError::Body(JsonError::Duplicate)),
        (r#"{"active":true,"exp":2000"#, IntrospectionError::Body(JsonError::Syntax)),
        (r#"{"active":false} x"#, IntrospectionError::Body(JsonError::Trailing)),
        (r#"[{"active":true}]"#, IntrospectionError::Body(JsonError::Type)),
        ("<html></html>", IntrospectionError::Body(JsonError::Syntax)),
        ("", IntrospectionError::Body(JsonError::Syntax)),
    ] {
        check(body, Err(error));
        assert_eq!(status(error), 401, "{body}");
    }
}

#[test]
fn sec_361_every_cut_answer_is_refused() {
    let whole = active(r#","scope":"a b","cnf":{"jkt":"x"}"#);
    for len in 0..whole.len() {
        assert!(outcome(&response(&whole[..len])).is_err(), "{len}");
    }
    check(&whole, Ok("active"));
}

#[test]
fn sec_360_the_server_could_not_be_asked() {
    let body = active("");
    for code in [100, 199, 201, 204, 301, 302, 307, 400, 401, 403, 404, 429, 500, 503] {
        let error = outcome(&IncomingResponse { status: code, ..response(&body) }).unwrap_err();
        assert_eq!((error, status(error)), (IntrospectionError::Status, 503));
    }
    for content_type in [Field::Absent, Field::Repeated, Field::One(b"text/html")] {
        let error = outcome(&IncomingResponse { content_type, ..response(&body) }).unwrap_err();
        assert_eq!((error, status(error)), (IntrospectionError::ContentType, 503));
    }
}

#[test]
fn lim_11_length_on_both_sides_of_the_limit() {
    let body = active("");
    for (len, expected) in [
        (METADATA_LEN_MAX_DESKTOP - 1, Ok("active")),
        (METADATA_LEN_MAX_DESKTOP, Ok("active")),
        (METADATA_LEN_MAX_DESKTOP + 1, Err(IntrospectionError::TooLong)),
    ] {
        let blanks = " ".repeat(len - body.len());
        assert_eq!(outcome(&response(&[body.as_str(), &blanks].concat())), expected);
    }
    assert_eq!(status(IntrospectionError::TooLong), 503);
}

#[test]
fn sec_032_a_wrong_type_is_never_absent() {
    for member in ["iss", "sub", "client_id", "jti", "token_type", "scope"] {
        for value in ["null", "1", "false", "{}", "[]"] {
            let body = active(&format!(",\"{member}\":{value}"));
            check(&body, Err(IntrospectionError::Body(JsonError::Type)));
        }
    }
    for value in ["null", "\"x\"", "[]", "true"] {
        let body = active(&format!(",\"cnf\":{value}"));
        check(&body, Err(IntrospectionError::Body(JsonError::Type)));
    }
    for aud in ["null", "1", "{}", "[1]", "[\"a\",null]", "[[\"a\"]]"] {
        let body = format!(r#"{{"active":true,"exp":2000,"aud":{aud}}}"#);
        check(&body, Err(IntrospectionError::Body(JsonError::Type)));
    }
}

#[test]
fn sec_093_times_are_whole_and_in_range() {
    for member in ["exp", "nbf", "iat"] {
        let of = |value: &str| {
            outcome(&response(
                &format!(r#"{{"active":true,"exp":1,"{member}":{value}}}"#)
                    .replace(r#""exp":1,"exp""#, r#""exp""#),
            ))
        };
        assert_eq!(of("0"), Ok("active"));
        assert_eq!(of("18446744073709551615"), Ok("active")); // refused by its lifetime later
        for value in
            ["-1", "-0", "1.0", "1e3", "1e20", "18446744073709551616", "NaN", "null", "\"1\""]
        {
            assert!(matches!(of(value), Err(IntrospectionError::Body(_))), "{member} {value}");
        }
    }
}

#[test]
fn lim_7_audiences_on_both_sides_of_the_limit() {
    for (count, expected) in [
        (AUDIENCES_MAX - 1, Ok("active")),
        (AUDIENCES_MAX, Ok("active")),
        (AUDIENCES_MAX + 1, Err(IntrospectionError::Member)),
    ] {
        let list = vec!["\"a\""; count].join(",");
        check(&format!(r#"{{"active":true,"exp":1,"aud":[{list}]}}"#), expected);
    }
}

#[test]
fn sec_362_active_is_not_enough() {
    let now = UnixTime::from_secs(1000);
    let expectations = Expectations {
        issuer: ISSUER,
        resource: RESOURCE,
        leeway: Leeway::from_secs(0).unwrap(),
        lifetime_secs_max: 3600,
        several_audiences: false,
    };
    let judge = |body: &str| match parse(&response(body), ISSUER, &mut Scratch::new(&mut [])) {
        Ok(Introspected::Active(facts)) => expectations.check(&facts, now).map_err(Some),
        Ok(Introspected::Inactive) => Err(Some(TokenError::Inactive)),
        Err(error) => {
            assert_eq!(status(error), 401);
            Err(None)
        }
    };
    assert_eq!(judge(&active("")), Ok(()));
    assert_eq!(judge(&active(r#","token_type":"Bearer""#)), Ok(()));
    for (body, error) in [
        (active(r#","iss":"https://evil""#), Some(TokenError::Issuer)),
        (active("").replace(RESOURCE, "https://other"), Some(TokenError::Audience)),
        (active("").replace("aud", "oud"), Some(TokenError::Audience)),
        (active("").replace("2000", "1000"), Some(TokenError::Expired)),
        (active(r#","nbf":1001"#), Some(TokenError::NotYetValid)),
        (active(r#","token_type":"DPoP""#), Some(TokenError::SenderConstrained)),
        (active(r#","cnf":{"jkt":"x"}"#), Some(TokenError::SenderConstrained)),
        (active("").replace("exp", "oxp"), None),
        (active(r#","token_type":"refresh_token""#), None),
        (active(r#","token_type":"""#), None),
        (active(r#","scope":"a  b""#), None),
    ] {
        assert_eq!(judge(&body), Err(error), "{body}");
    }
}

#[test]
fn escapes_need_scratch_and_its_lack_is_no_verdict() {
    let body = active(r#","sub":"\u0061b""#);
    for len in 0..4 {
        let mut buffer = vec![0; len];
        match parse(&response(&body), ISSUER, &mut Scratch::new(&mut buffer)) {
            Ok(Introspected::Active(facts)) => {
                assert!(facts.subject == Some("ab") && len >= 2);
            }
            found => assert!(found == Err(IntrospectionError::BufferFull) && len < 2),
        }
    }
    assert_eq!(status(IntrospectionError::BufferFull), 503);
}

#[test]
fn lim_6_depth_on_both_sides_of_the_limit() {
    let nested =
        |depth: usize| active(&format!(",\"x\":{}{}", "[".repeat(depth), "]".repeat(depth)));
    for depth in [6, 7] {
        check(&nested(depth), Ok("active"));
    }
    check(&nested(8), Err(IntrospectionError::Body(JsonError::Depth)));
}

#[test]
fn lim_7_members_on_both_sides_of_the_limit() {
    // Three members are there already.
    let members = |count: usize| {
        let more: Vec<String> = (3..count).map(|index| format!(",\"m{index}\":0")).collect();
        active(&more.concat())
    };
    for count in [63, 64] {
        check(&members(count), Ok("active"));
    }
    check(&members(65), Err(IntrospectionError::Body(JsonError::Members)));
}
