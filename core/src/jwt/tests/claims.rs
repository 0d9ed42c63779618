//! SEC-087 to SEC-100, SEC-113: what a signed token must say, and in which types.
//!
//! The comparisons themselves are tested where they are made; here is what reaches them.

use super::*;

/// Values of the wrong type for a claim that is a text.
const NOT_TEXT: [&str; 6] = ["null", "1", "true", "1.5", r#"["x"]"#, r#"{"x":"x"}"#];

#[track_caller]
fn check_claim(name: &str, value: &str, expected: Result<(), TokenError>) {
    check_payload(&with(name, value), expected);
}

#[test]
fn sec_087_issuer() {
    check_claim("iss", r#""https://as.example.com""#, Ok(()));
    check_claim("iss", r#""https:\/\/as.example.com""#, Ok(())); // the same text (SEC-024)
    for other in ["https://as.example.com/", "https://AS.example.com", "http://as.example.com"] {
        check_claim("iss", &format!("\"{other}\""), Err(TokenError::Issuer));
    }
    check_claim("iss", r#"["https://as.example.com"]"#, Err(TokenError::Claim));
}

#[test]
fn sec_088_the_key_of_another_issuer() {
    // Keys are looked up inside of one issuer: the right name and `kid` do not help.
    let others = KeyRing::new(key_id("k1"), HmacKey::new(OTHER_KEY).unwrap());
    let (ours, expectations) = (good_token(), expectations());
    assert_eq!(judge_with(&ours, &ring(), &expectations), Ok(()));
    assert_eq!(judge_with(&ours, &others, &expectations), Err(TokenError::Signature));
    let theirs = Expectations { issuer: "https://other.example.com", ..expectations };
    assert_eq!(judge_with(&ours, &ring(), &theirs), Err(TokenError::Issuer));
}

#[test]
fn sec_089_audience() {
    check_claim("aud", r#"["https://mcp.example.com/mcp"]"#, Ok(()));
    check_claim("aud", r#""https:\/\/mcp.example.com\/mcp""#, Ok(()));
    check_payload(&without("aud"), Err(TokenError::Audience));
    for value in [r#""""#, "[]", r#"[""]"#, r#""https://other.example.com""#] {
        check_claim("aud", value, Err(TokenError::Audience));
    }
    for value in [
        "null",
        "1",
        "{}",
        "true",
        "[1]",
        r#"["https://mcp.example.com/mcp",1]"#,
        r#"["https://mcp.example.com/mcp",null]"#,
        r#"[["https://mcp.example.com/mcp"]]"#,
        r#"{"0":"https://mcp.example.com/mcp"}"#,
    ] {
        check_claim("aud", value, Err(TokenError::Claim));
    }
    let thousand = std::vec![r#""a""#; 500].join(",");
    check_claim("aud", &format!("[{thousand}]"), Err(TokenError::TooLong));
}

#[test]
fn sec_090_several_audiences() {
    let both = with("aud", r#"["https://mcp.example.com/mcp","https://other.example.com"]"#);
    check_payload(&both, Err(TokenError::Audience));
    let permitted = Expectations { several_audiences: true, ..expectations() };
    assert_eq!(judge_with(&sign(HEADER, &both), &ring(), &permitted), Ok(()));
}

#[test]
fn sec_092_sec_094_sec_095_times() {
    let edge = |name: &str, secs: u64, expected| check_claim(name, &format!("{secs}"), expected);
    edge("exp", NOW + 1, Ok(()));
    edge("exp", NOW + 3600, Ok(()));
    edge("exp", NOW + 3601, Err(TokenError::Lifetime));
    edge("nbf", NOW + 60, Ok(()));
    edge("nbf", NOW + 61, Err(TokenError::NotYetValid));
    edge("iat", NOW + 60, Ok(()));
    edge("iat", NOW + 61, Err(TokenError::NotYetValid));
    let expired = |exp: u64| {
        let claims = with("exp", &format!("{exp}"));
        claims.replace(r#""iat":1800000000"#, r#""iat":1799999000"#)
    };
    check_payload(&expired(NOW - 59), Ok(()));
    check_payload(&expired(NOW - 60), Err(TokenError::Expired));
    check_payload(&expired(NOW - 61), Err(TokenError::Expired));
    for name in ["exp", "iat"] {
        check_payload(&without(name), Err(TokenError::Claim));
    }
}

#[test]
fn sec_093_times_are_whole_numbers_in_range() {
    for name in ["exp", "nbf", "iat"] {
        for value in [
            "-1",
            "-0",
            "1800000000.0",
            "1800000000.5",
            "18e8",
            "1.8e9",
            "1E400",
            "01800000000",
            "0x6b49d200",
            "18446744073709551616",
            "100000000000000000000",
            "\"1800000000\"",
            "null",
            "true",
            "[1800000000]",
            "{}",
        ] {
            check_claim(name, value, Err(TokenError::Claim));
        }
        for value in ["NaN", "Infinity", "+1800000000", ""] {
            check_payload(&with(name, value), Err(TokenError::Malformed));
        }
    }
    // In range of the type, out of every reason (SEC-093, SEC-096).
    for value in
        ["9223372036854775807", "9223372036854775808", "18446744073709551615", "1800000600000"]
    {
        check_claim("exp", value, Err(TokenError::Lifetime));
        check_claim("nbf", value, Err(TokenError::NotYetValid));
        check_claim("iat", value, Err(TokenError::NotYetValid));
    }
    check_claim("exp", "0", Err(TokenError::Expired));
}

#[test]
fn sec_098_required_claims() {
    for name in ["iss", "sub", "client_id", "jti"] {
        check_payload(&without(name), Err(TokenError::Claim));
        check_claim(name, r#""""#, Err(TokenError::Claim));
        for value in NOT_TEXT {
            check_claim(name, value, Err(TokenError::Claim));
        }
    }
    for name in ["sub", "client_id", "jti"] {
        check_claim(name, r#""another""#, Ok(()));
    }
    check_payload(&without("scope"), Ok(()));
    check_payload(&without("nbf"), Ok(()));
}

#[test]
fn sec_099_only_the_exact_name_counts() {
    for (name, look_alike) in [
        ("exp", "EXP"),
        ("exp", "exp "),
        ("sub", "Sub"),
        ("client_id", "clientId"),
        ("client_id", "client-id"),
        ("jti", "jt\u{131}"),
        ("iat", "i\u{430}t"),
    ] {
        let (_, value) = CLAIMS.into_iter().find(|(own, _)| *own == name).unwrap();
        let renamed = without(name).replacen('{', &format!("{{\"{look_alike}\":{value},"), 1);
        check_payload(&renamed, Err(TokenError::Claim));
        let restored = renamed.replacen(look_alike, name, 1);
        check_payload(&restored, Ok(()));
    }
    // Escapes spell the same name: it counts, and it counts as a duplicate (SEC-021).
    check_payload(&object(&CLAIMS).replacen("\"sub\"", "\"s\\u0075b\"", 1), Ok(()));
    check_claim("s\\u0075b", r#""root""#, Err(TokenError::Malformed));
    check_claim("\\u0063nf", "{}", Err(TokenError::SenderConstrained));
}

#[test]
fn sec_100_only_scope_as_a_text_grants() {
    for value in [r#"["user"]"#, "null", "{}", "1", r#"" user""#, r#""user  files""#, r#""a\"b""#] {
        check_claim("scope", value, Err(TokenError::Claim));
    }
    for (name, value) in [
        ("scp", r#"["admin"]"#),
        ("roles", r#"["admin"]"#),
        ("permissions", r#""admin""#),
        ("realm_access", r#"{"scope":"admin"}"#),
        ("Scope", r#""admin""#),
    ] {
        let token = sign(HEADER, &with(name, value));
        let mut buffer = [0; 1024];
        let mut scratch = Scratch::new(&mut buffer);
        let verified = UnverifiedJwt::parse(&token, &mut scratch).unwrap().verify(&ring()).unwrap();
        assert_eq!(verified.claims(&mut scratch).unwrap().scope.as_str(), "user files:read");
    }
}

#[test]
fn sec_113_sender_constrained() {
    for value in ["{}", r#"{"jkt":"x"}"#, r#"{"x5t#S256":"x"}"#] {
        check_claim("cnf", value, Err(TokenError::SenderConstrained));
    }
    for value in ["null", "[]", "\"\"", "false"] {
        check_claim("cnf", value, Err(TokenError::Claim));
    }
}

#[test]
fn a_claims_set_is_one_strict_json_object() {
    let good = object(&CLAIMS);
    check_payload(&good, Ok(()));
    for payload in [
        String::new(),
        format!("{good}x"),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        good.replacen('}', "", 1),
        good.replacen('{', "{,", 1),
        good.replacen('}', ",}", 1),
        good.replacen('}', ",\"exp\":1800000600}", 1),
        good.replacen('}', ",\"x\":\"\\ud800\"}", 1),
        good.replacen('}', ",\"x\":\"\n\"}", 1),
        good.replacen('{', "{/**/", 1),
    ] {
        check_payload(&payload, Err(TokenError::Malformed));
    }
    // SEC-031: another kind of value, or the claims set inside of an array.
    for payload in ["null", "1800000000", r#""{}""#, "[]", &format!("[{good}]")] {
        check_payload(payload, Err(TokenError::Claim));
    }
    // SEC-026: not UTF-8.
    let mut bytes = good.into_bytes();
    *bytes.iter_mut().find(|byte| **byte == b'u').unwrap() = 0xff;
    let token = sign_segments(&base64(HEADER.as_bytes()), &base64(&bytes), KEY);
    assert_eq!(judge(&token), Err(TokenError::Malformed));
}

#[test]
fn sec_101_claims_of_a_forged_token_are_not_even_read() {
    // What stands in the payload makes no difference before the signature is right.
    let header = base64(HEADER.as_bytes());
    for payload in [object(&CLAIMS), "{".to_string(), "x".repeat(2500)] {
        let forged = sign_segments(&header, &base64(payload.as_bytes()), OTHER_KEY);
        assert_eq!(judge(&forged), Err(TokenError::Signature));
    }
}
