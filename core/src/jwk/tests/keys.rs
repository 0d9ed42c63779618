//! Single keys: what they must be, and what is said of them.

use super::*;

#[test]
fn a_key_of_each_kind() {
    check_key(EC, Ok(Algorithm::Es256));
    check_key(OKP, Ok(Algorithm::EdDsa));
    check_key(RSA, Ok(Algorithm::Rs256));
    // RFC 7517 §4: other members are for others.
    check_key(
        &format!("{EC},\"x5c\":[1],\"nbf\":1,\"ext\":{{}},\"x5u\":null"),
        Ok(Algorithm::Es256),
    );
}

#[test]
fn sec_073_alg_agrees_with_the_kind_of_key() {
    for (members, algorithm) in
        [(EC, Algorithm::Es256), (OKP, Algorithm::EdDsa), (RSA, Algorithm::Rs256)]
    {
        for name in
            ["ES256", "EdDSA", "RS256", "HS256", "none", "ES384", "PS256", "RSA-OAEP", "", "es256"]
        {
            let own = name == algorithm.as_str();
            let expected = if own { Ok(algorithm) } else { Err(JwkError::Unsupported) };
            check_key(&format!("{members},\"alg\":\"{name}\""), expected);
        }
    }
}

#[test]
fn sec_079_keys_that_are_not_for_verifying() {
    for said in [
        r#""use":"sig""#,
        r#""key_ops":["verify"]"#,
        r#""key_ops":["sign","verify"]"#,
        r#""use":"sig","key_ops":["verify"]"#,
        r#""use":"\u0073ig""#,
    ] {
        check_key(&format!("{EC},{said}"), Ok(Algorithm::Es256));
    }
    for said in [
        r#""use":"enc""#,
        r#""use":"SIG""#,
        r#""use":"""#,
        r#""key_ops":[]"#,
        r#""key_ops":["sign"]"#,
        r#""key_ops":["encrypt","wrapKey"]"#,
        r#""use":"enc","key_ops":["verify"]"#,
        r#""use":"sig","key_ops":["deriveKey"]"#,
    ] {
        check_key(&format!("{EC},{said}"), Err(JwkError::Purpose));
    }
}

#[test]
fn sec_111_a_published_secret_spoils_the_key() {
    for (members, secret) in [
        (EC, "d"),
        (OKP, "d"),
        (RSA, "d"),
        (RSA, "p"),
        (RSA, "q"),
        (RSA, "dp"),
        (RSA, "dq"),
        (RSA, "qi"),
        (RSA, "oth"),
        (EC, "\\u0064"),
        (r#""kty":"oct""#, "k"),
    ] {
        for value in ["\"AQAB\"", "null", "[]"] {
            check_key(&format!("{members},\"{secret}\":{value}"), Err(JwkError::Private));
        }
    }
    check_key(&format!("{EC},\"D\":\"AQAB\""), Ok(Algorithm::Es256));
}

#[test]
fn sec_071_kinds_and_curves_that_are_not_verified_with() {
    for members in [
        r#""kty":"oct""#,
        r#""kty":"ec","crv":"P-256","x":"AQ","y":"AQ""#,
        r#""kty":"EC","crv":"P-384","x":"AQ","y":"AQ""#,
        r#""kty":"EC","crv":"secp256k1","x":"AQ","y":"AQ""#,
        r#""kty":"OKP","crv":"X25519","x":"AQ""#,
        r#""kty":"OKP","crv":"Ed448","x":"AQ""#,
        r#""kty":"OKP","crv":"P-256","x":"AQ""#,
        r#""kty":"AKP","pub":"AQ""#,
        r#""kty":"""#,
    ] {
        check_key(members, Err(JwkError::Unsupported));
    }
}

#[test]
fn sec_104_values_that_no_key_has() {
    let ec = |x: &[u8], y: &[u8]| {
        format!(r#""kty":"EC","crv":"P-256","x":"{}","y":"{}""#, base64(x), base64(y))
    };
    check_key(&ec(&[1; 32], &[2; 32]), Ok(Algorithm::Es256));
    for len in [0, 31, 33, 64] {
        check_key(&ec(&vec![1; len], &[2; 32]), Err(JwkError::Value));
        check_key(&ec(&[1; 32], &vec![2; len]), Err(JwkError::Value));
    }
    let okp = |x: &[u8]| format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, base64(x));
    for len in [0, 31, 33] {
        check_key(&okp(&vec![9; len]), Err(JwkError::Value));
    }
    let rsa =
        |n: &[u8], e: &[u8]| format!(r#""kty":"RSA","n":"{}","e":"{}""#, base64(n), base64(e));
    let modulus = |len: usize, first: u8, last: u8| {
        let mut n = vec![0x55; len];
        n[0] = first;
        n[len - 1] = last;
        n
    };
    for len in [256, 257, 384, 512] {
        check_key(&rsa(&modulus(len, 0x80, 1), &[1, 0, 1]), Ok(Algorithm::Rs256));
        check_key(&rsa(&modulus(len, 0x80, 1), &[3]), Ok(Algorithm::Rs256));
        check_key(&rsa(&modulus(len, 0x80, 2), &[1, 0, 1]), Err(JwkError::Value));
        check_key(&rsa(&modulus(len, 0, 1), &[1, 0, 1]), Err(JwkError::Value));
    }
    for (n, e) in [
        (modulus(255, 0xff, 1), &[1, 0, 1][..]),
        (modulus(256, 0x7f, 1), &[1, 0, 1]),
        (modulus(513, 1, 1), &[1, 0, 1]),
        (vec![1], &[1, 0, 1]),
        (modulus(256, 0x80, 1), &[]),
        (modulus(256, 0x80, 1), &[1]),
        (modulus(256, 0x80, 1), &[2]),
        (modulus(256, 0x80, 1), &[1, 0, 0]),
        (modulus(256, 0x80, 1), &[0, 1, 0, 1]),
        (modulus(256, 0x80, 1), &[1, 0, 0, 0, 1]),
    ] {
        check_key(&rsa(&n, e), Err(JwkError::Value));
    }
}

#[test]
fn sec_104_ed25519_points_of_small_order_and_second_spellings() {
    let (mut low, mut high) = ([0; 32], [0xff; 32]);
    for (first, weak) in [(0, true), (1, true), (2, false), (3, false)] {
        low[0] = first;
        for sign in [0, 0x80] {
            low[31] = sign;
            assert_eq!(PublicKey::ed25519(&low).is_err(), weak, "{first} {sign}");
        }
    }
    for (first, weak) in [(0xeb, false), (0xec, true), (0xed, true), (0xee, true), (0xff, true)] {
        high[0] = first;
        for last in [0x7f, 0xff] {
            high[31] = last;
            assert_eq!(PublicKey::ed25519(&high).is_err(), weak, "{first} {last}");
        }
    }
    for y in [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ] {
        let byte = |at: usize| u8::from_str_radix(&y[2 * at..2 * at + 2], 16).unwrap();
        let mut key: [u8; 32] = core::array::from_fn(byte);
        assert!(PublicKey::ed25519(&key).is_err());
        key[31] |= 0x80;
        assert!(PublicKey::ed25519(&key).is_err());
        key[7] ^= 1;
        assert!(PublicKey::ed25519(&key).is_ok());
    }
}

#[test]
fn members_that_are_missing_or_of_another_type() {
    for name in ["kty", "crv", "x", "y"] {
        let without: Vec<_> = EC.split(",\"").map(|m| m.trim_start_matches('"')).collect();
        let without: Vec<_> = without
            .into_iter()
            .filter(|member| !member.starts_with(&format!("{name}\"")))
            .map(|member| format!("\"{member}"))
            .collect();
        assert_eq!(without.len(), 3);
        check_key(&without.join(","), Err(JwkError::Malformed));
    }
    for said in [
        r#""kid":1"#,
        r#""kid":null"#,
        r#""alg":["ES256"]"#,
        r#""use":true"#,
        r#""key_ops":"verify""#,
        r#""key_ops":[1,"verify"]"#,
        r#""key_ops":{"verify":true}"#,
        r#""n":{}"#,
    ] {
        check_key(&format!("{EC},{said}"), Err(JwkError::Malformed));
    }
    for text in ["AQ==", "A", "A+z_", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV", "AA AA"] {
        let members = format!(r#""kty":"OKP","crv":"Ed25519","x":"{text}""#);
        check_key(&members, Err(JwkError::Malformed));
    }
}

#[test]
fn sec_077_names_of_keys() {
    let named = |id: &str| format!("{EC},\"kid\":\"{id}\"");
    let longest = "k".repeat(crate::limits::KEY_ID_LEN_MAX);
    for good in ["k", "2026-11", &longest, "\\u006b"] {
        check_key(&named(good), Ok(Algorithm::Es256));
    }
    for bad in ["", "a b", "a\\\"", "\\u0000", "\u{e9}", &format!("{longest}k")] {
        check_key(&named(bad), Err(JwkError::KeyId));
    }
}

#[test]
fn rfc_7638_thumbprints() {
    let name = |members: &str| {
        let document = set(&[members]);
        let mut buffer = vec![0; document.len() * 2];
        let set = KeySet::<1>::parse(document.as_bytes(), &mut Scratch::new(&mut buffer)).unwrap();
        let (_, key) = set.keys().next().unwrap();
        thumbprint(&key).unwrap()
    };
    // RFC 7638 §3.1, RFC 8037 §A.3.
    assert_eq!(name(RSA).as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(name(OKP).as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(name(EC).as_str().len(), THUMBPRINT_LEN);
    assert_eq!(name(EC), name(&format!("\"kid\":\"a\",{EC},\"use\":\"sig\"")));
    assert_ne!(name(EC), name(OKP));
}
