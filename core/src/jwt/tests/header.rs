//! SEC-070 to SEC-086: the JOSE header, and which key it may ask for.

use super::*;

/// The good header with one parameter replaced or added.
fn header_with(name: &str, value: &str) -> String {
    let mut members = std::vec![("alg", r#""HS256""#), ("typ", r#""at+jwt""#), ("kid", r#""k1""#)];
    members.retain(|(own, _)| *own != name);
    members.push((name, value));
    object(&members)
}

fn header_without(name: &str) -> String {
    let mut members = std::vec![("alg", r#""HS256""#), ("typ", r#""at+jwt""#), ("kid", r#""k1""#)];
    members.retain(|(own, _)| *own != name);
    object(&members)
}

#[track_caller]
fn check_parameter(name: &str, value: &str, expected: Result<(), TokenError>) {
    check_header(&header_with(name, value), expected);
}

#[test]
fn sec_070_no_algorithm_is_none() {
    check_parameter("alg", r#""HS256""#, Ok(()));
    for name in ["none", "None", "NONE", "nOnE", "", "none ", "hs256", "HS256 ", "HS256\\u0000"] {
        check_parameter("alg", &format!("\"{name}\""), Err(TokenError::Algorithm));
    }
    check_header(&header_without("alg"), Err(TokenError::Algorithm));
    for value in ["null", "256", "true", r#"["HS256"]"#, r#"{"HS256":1}"#] {
        check_parameter("alg", value, Err(TokenError::Malformed));
    }
    // Without a signature there are not three segments.
    for alg in ["none", "HS256"] {
        let header = base64(header_with("alg", &format!("\"{alg}\"")).as_bytes());
        let token = format!("{header}.{}.", base64(object(&CLAIMS).as_bytes()));
        assert_eq!(judge(&token), Err(TokenError::Malformed));
    }
}

#[test]
fn sec_071_sec_073_only_the_algorithm_of_the_key() {
    for name in ["RS256", "ES256", "EdDSA", "HS384", "HS512", "PS256", "XX", "HMAC", "A128KW"] {
        check_parameter("alg", &format!("\"{name}\""), Err(TokenError::Algorithm));
    }
}

#[test]
fn sec_072_a_public_key_is_no_hmac_key() {
    let pem = b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE04N0xi21hshyvBp7I167sbE\n";
    // Far too long to be loaded, and a token signed with it is like any forged one.
    assert_eq!(HmacKey::new(pem).err(), Some(KeyError::TooLong));
    let (header, payload) = (base64(HEADER.as_bytes()), base64(object(&CLAIMS).as_bytes()));
    let forged = sign_segments(&header, &payload, pem);
    assert_eq!(judge(&forged), Err(TokenError::Signature));
    assert_eq!(judge(&sign_segments(&header, &payload, KEY)), Ok(()));
}

#[test]
fn sec_075_sec_076_keys_in_the_header_are_not_used() {
    let jwk = format!(r#"{{"kty":"oct","k":"{}"}}"#, base64(OTHER_KEY));
    for (name, value) in [
        ("jwk", jwk.as_str()),
        ("x5c", r#"["MIIB"]"#),
        ("jku", r#""http://127.0.0.1:1/jwks""#),
        ("x5u", r#""file:///dev/zero""#),
        ("x5t", r#""dGVzdA""#),
    ] {
        let header = header_with(name, value);
        check_header(&header, Ok(()));
        let payload = base64(object(&CLAIMS).as_bytes());
        let forged = sign_segments(&base64(header.as_bytes()), &payload, OTHER_KEY);
        assert_eq!(judge(&forged), Err(TokenError::Signature), "{name}");
    }
}

#[test]
fn sec_077_key_ids_are_compared_with_known_ones() {
    check_parameter("kid", r#""k1""#, Ok(()));
    check_parameter("kid", r#""\u006b1""#, Ok(())); // the same text (SEC-024)
    for id in [
        "",
        "K1",
        "k1 ",
        " k1",
        "k",
        "k11",
        "../k1",
        "/dev/null",
        "k1\\u0000",
        "' OR 1=1 --",
        "k1\\n",
    ] {
        check_parameter("kid", &format!("\"{id}\""), Err(TokenError::Key));
    }
    for value in ["null", "1", "true", r#"["k1"]"#, r#"{"k1":"k1"}"#] {
        check_parameter("kid", value, Err(TokenError::Malformed));
    }
    check_parameter("kid", &format!("\"{}\"", "k".repeat(400)), Err(TokenError::Key));
    check_parameter("kid", &format!("\"{}\"", "k".repeat(1024)), Err(TokenError::TooLong));
}

#[test]
fn sec_077_no_key_id_needs_exactly_one_key() {
    check_header(&header_without("kid"), Ok(()));
    let two = ring().with_next(key_id("k2"), HmacKey::new(OTHER_KEY).unwrap()).unwrap();
    let token = sign(&header_without("kid"), &object(&CLAIMS));
    assert_eq!(judge_with(&token, &two, &expectations()), Err(TokenError::Key));
    assert_eq!(judge_with(&good_token(), &two, &expectations()), Ok(()));
}

#[test]
fn sec_080_critical_extensions() {
    for value in
        [r#"["exp"]"#, r#"["b64"]"#, "[]", r#""exp""#, "null", r#"["alg"]"#, r#"["x","x"]"#, "{}"]
    {
        check_parameter("crit", value, Err(TokenError::Header));
    }
    check_header(
        r#"{"alg":"HS256","typ":"at+jwt","kid":"k1","crit":["x"],"x":1}"#,
        Err(TokenError::Header),
    );
    check_parameter("\\u0063rit", r#"["x"]"#, Err(TokenError::Header));
    check_parameter("Crit", r#"["x"]"#, Ok(())); // another name: not the extension list
}

#[test]
fn sec_081_unencoded_payload() {
    for value in ["false", "true", "null", r#""false""#] {
        check_parameter("b64", value, Err(TokenError::Header));
    }
    check_header(
        r#"{"alg":"HS256","typ":"at+jwt","kid":"k1","b64":false,"crit":["b64"]}"#,
        Err(TokenError::Header),
    );
}

#[test]
fn sec_082_encryption_compression_and_nesting() {
    check_parameter("zip", r#""DEF""#, Err(TokenError::Header));
    check_parameter("enc", r#""A128GCM""#, Err(TokenError::Header));
    for value in ["JWT", "jwt", "application/jwt", "JWT; x=y", "application/at+jwt", "at+jwt"] {
        check_parameter("cty", &format!("\"{value}\""), Err(TokenError::Header));
    }
    check_parameter("cty", r#""json""#, Ok(()));
    check_parameter("cty", "1", Err(TokenError::Malformed));
}

#[test]
fn sec_083_password_based_encryption() {
    check_header(
        r#"{"alg":"PBES2-HS256+A128KW","p2c":2147483647,"p2s":"AAAA","typ":"at+jwt","kid":"k1"}"#,
        Err(TokenError::Algorithm),
    );
}

#[test]
fn sec_084_sec_085_only_access_tokens() {
    for value in ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"] {
        check_parameter("typ", &format!("\"{value}\""), Ok(()));
    }
    for value in [
        "JWT",
        "jwt",
        "",
        "at+jwt; x",
        "at+jwt ",
        "at-jwt",
        "application/jwt",
        "text/at+jwt",
        "application/application/at+jwt",
        "id+jwt",
        "logout+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "secevent+jwt",
    ] {
        check_parameter("typ", &format!("\"{value}\""), Err(TokenError::Type));
    }
    check_header(&header_without("typ"), Err(TokenError::Type));
    for value in ["1", "null", r#"["at+jwt"]"#] {
        check_parameter("typ", value, Err(TokenError::Malformed));
    }
}

#[test]
fn a_header_is_one_strict_json_object() {
    check_header("  {\"alg\" : \"HS256\",\r\n\t\"typ\":\"at+jwt\"}\n ", Ok(()));
    for header in [
        "",
        "null",
        "[]",
        "\"HS256\"",
        r#"[{"alg":"HS256","typ":"at+jwt"}]"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}{}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"k1",}"#,
        r#"{"alg":"HS256","typ":"at+jwt","alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","\u0061lg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","x":01}"#,
        "{'alg':'HS256','typ':'at+jwt'}",
        "\u{feff}{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
    ] {
        check_header(header, Err(TokenError::Malformed));
    }
}

/// RFC 8725 §3.11: neither kind of token passes for the other.
#[test]
fn an_id_token_is_no_access_token() {
    let parse = |header: &str| {
        let mut memory = [0; 256];
        let mut scratch = Scratch::new(&mut memory);
        Header::parse_id_token(header.as_bytes(), &mut scratch).map(|header| header.algorithm())
    };
    assert_eq!(parse(r#"{"alg":"ES256"}"#), Ok(Algorithm::Es256));
    assert_eq!(parse(r#"{"alg":"RS256","typ":"jwt"}"#), Ok(Algorithm::Rs256));
    assert_eq!(parse(HEADER), Err(TokenError::Type));
    assert_eq!(parse(r#"{"alg":"none","typ":"JWT"}"#), Err(TokenError::Algorithm));
    assert_eq!(parse(r#"{"alg":"ES256","crit":["x"]}"#), Err(TokenError::Header));
    let id_token_type = HEADER.replace("at+jwt", "JWT");
    let mut memory = [0; 256];
    let access = Header::parse(id_token_type.as_bytes(), &mut Scratch::new(&mut memory));
    assert_eq!(access.map(drop), Err(TokenError::Type));
}

#[test]
fn sec_084_a_jwt_of_one_type_is_of_no_other() {
    let parse = |header: &str| {
        let mut memory = [0; 256];
        let mut scratch = Scratch::new(&mut memory);
        let header = Header::parse_of_type(header.as_bytes(), "oauth-id-jag+jwt", &mut scratch);
        header.map(|header| header.algorithm())
    };
    for good in ["oauth-id-jag+jwt", "OAuth-ID-JAG+JWT", "Application/oauth-id-jag+jwt"] {
        assert_eq!(parse(&format!(r#"{{"alg":"ES256","typ":"{good}"}}"#)), Ok(Algorithm::Es256));
    }
    for bad in ["JWT", "at+jwt", "", "application/", "application/x/oauth-id-jag+jwt", "id-jag+jwt"]
    {
        let header = format!(r#"{{"alg":"ES256","typ":"{bad}"}}"#);
        assert_eq!(parse(&header), Err(TokenError::Type), "{bad}");
    }
    assert_eq!(parse(r#"{"alg":"ES256"}"#), Err(TokenError::Type));
    assert_eq!(parse(r#"{"alg":"none","typ":"oauth-id-jag+jwt"}"#), Err(TokenError::Algorithm));
}
