//! Public vectors, threat cases, and two laws: what we write is read back, and nothing differs from
//! another parser where both accept.

use super::*;
use crate::{
    bearer::BearerError,
    challenge::{Challenge, Reason},
    scope::{RequiredScopes, ScopeSet},
    token::TokenError,
};
use proptest::prelude::*;
use std::{
    borrow::ToOwned,
    collections::BTreeMap,
    format, fs, println,
    string::{String, ToString},
    vec::Vec,
};

/// A challenge in plain words: scheme and names in lower case, values unescaped.
type Plain = (String, Result<BTreeMap<String, Vec<u8>>, String>);

fn plain(challenge: ParsedChallenge<'_>) -> Plain {
    let params = || {
        let pair = |param: Param<'_>| {
            (param.name.to_ascii_lowercase(), param.value.bytes().collect::<Vec<u8>>())
        };
        challenge.params().map(pair).collect()
    };
    let content = challenge.token68().map_or_else(|| Ok(params()), |text| Err(text.to_owned()));
    (challenge.scheme().to_ascii_lowercase(), content)
}

fn parse(line: &[u8]) -> Vec<Plain> {
    Challenges::parse([line]).map(plain).collect()
}

/// Expects these challenges, written `scheme name=value name=value` or `scheme token68`.
#[track_caller]
fn check(line: &[u8], expected: &[&str]) {
    let text = |(scheme, content): Plain| match content {
        Err(token68) => format!("{scheme} {token68}"),
        Ok(params) => params
            .iter()
            .fold(scheme, |text, (name, value)| format!("{text} {name}={}", value.escape_ascii())),
    };
    let found: Vec<String> = parse(line).into_iter().map(text).collect();
    assert_eq!(found, expected, "{}", line.escape_ascii());
}

#[test]
fn challenges_of_one_line() {
    check(b"Bearer", &["bearer"]);
    check(b"Bearer realm=\"x\", error=e", &["bearer error=e realm=x"]);
    check(b"Basic realm=b, Bearer realm=x", &["basic realm=b", "bearer realm=x"]);
    check(b"Negotiate , Bearer\tA = b", &["negotiate", "bearer a=b"]);
    check(b"Bearer , ,realm=x,", &["bearer realm=x"]);
    check(b"", &[]);
}

#[test]
fn sec_154_unbalanced_quotes_end_the_line() {
    check(b"Basic realm=b, Bearer realm=\"x", &["basic realm=b"]);
    check(b"Bearer a=b, realm=\"x, Basic realm=\"y\"", &[]);
    check(b"Bearer realm=\"x\\", &[]);
    check(b"Bearer realm=x\"", &[]);
}

#[test]
fn sec_154_a_parameter_named_twice() {
    check(b"Bearer realm=a, realm=a, Basic realm=b", &["basic realm=b"]);
    check(b"Bearer scope=a, error=e, SCOPE=b", &[]);
    check(b"Bearer scope=a, Bearer scope=b", &["bearer scope=a", "bearer scope=b"]);
}

#[test]
fn sec_154_bearer_inside_a_quoted_string() {
    check(
        b"Basic realm=\"Bearer resource_metadata=x, Bearer\"",
        &["basic realm=Bearer resource_metadata=x, Bearer"],
    );
}

#[test]
fn sec_154_token68_before_ours() {
    check(b"Negotiate dGVzdA==, Bearer realm=x", &["negotiate dGVzdA==", "bearer realm=x"]);
    check(b"Negotiate dGVzdA== x, Bearer realm=x", &[]);
    check(b"Negotiate dGVzdA==, realm=x, Bearer a=b", &["negotiate dGVzdA=="]);
}

#[test]
fn sec_154_challenges_on_both_sides_of_the_limit() {
    for (count, read) in [
        (CHALLENGES_MAX - 1, CHALLENGES_MAX - 1),
        (CHALLENGES_MAX, CHALLENGES_MAX),
        (CHALLENGES_MAX + 1, CHALLENGES_MAX),
        (1000, CHALLENGES_MAX),
    ] {
        let one_line = ["Basic realm=x"].repeat(count).join(", ");
        assert_eq!(parse(one_line.as_bytes()).len(), read);
        let lines = std::iter::repeat_n(b"Basic realm=x".as_slice(), count);
        assert_eq!(Challenges::parse(lines).count(), read);
    }
    // Challenges that are passed over count too.
    let line = format!("{}Bearer realm=x", "Basic a=b, a=b, ".repeat(CHALLENGES_MAX));
    check(line.as_bytes(), &[]);
}

#[test]
fn lim_7_parameters_on_both_sides_of_the_limit() {
    for (count, read) in [(PARAMS_MAX - 1, 2), (PARAMS_MAX, 2), (PARAMS_MAX + 1, 1)] {
        let params: Vec<String> = (0..count).map(|index| format!("p{index}=v")).collect();
        let line = format!("Bearer {}, Basic", params.join(", "));
        assert_eq!(parse(line.as_bytes()).len(), read, "{count}");
    }
}

#[test]
fn each_line_stands_alone() {
    let lines = [b"Bearer realm=\"x".as_slice(), b"\"", b"", b"realm=x", b"Basic realm=y"];
    let found: Vec<Plain> = Challenges::parse(lines).map(plain).collect();
    assert_eq!(found, parse(b"Basic realm=y"));
}

#[test]
fn sec_150_control_characters_are_faults() {
    for byte in 0..=u8::MAX {
        let allowed = matches!(byte, b'\t' | 0x20..=0x7E | 0x80..);
        for before in ["", "\\"] {
            let line = [b"Bearer realm=\"", before.as_bytes(), &[byte], b"a\""].concat();
            let is_quote = before.is_empty() && byte == b'"';
            let value = match (before, byte) {
                ("", b'\\') => b"a".to_vec(),
                _ => Vec::from([byte, b'a']),
            };
            let expected = BTreeMap::from([("realm".to_owned(), value)]);
            let found = parse(&line);
            if allowed && !is_quote {
                assert_eq!(found, [("bearer".to_owned(), Ok(expected))], "{}", line.escape_ascii());
            } else {
                assert_eq!(found, [], "{}", line.escape_ascii());
            }
        }
    }
}

#[test]
fn public_vectors() {
    let path = format!(
        "{}/../../shared/vectors/challenges/www_authenticate.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let Ok(text) = fs::read_to_string(&path) else {
        println!("skipped: the vectors are not here");
        return;
    };
    let vectors: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(!vectors.is_empty());
    for vector in &vectors {
        // Characters beyond ASCII stand for single bytes.
        let header = vector["header"].as_str().unwrap();
        let line: Vec<u8> = header.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let found = parse(&line);
        if vector["invalid"] == true {
            // Only "duplicate parameter" and a fault behind a whole challenge leave anything.
            for (scheme, content) in found {
                let token68 = content.expect_err(header);
                assert!(header.starts_with(&format!("Bearer {token68},")) && scheme == "bearer");
            }
            continue;
        }
        let expected: Vec<Plain> =
            vector["expect"].as_array().unwrap().iter().map(expected_of).collect();
        assert_eq!(found, expected, "{}", vector["name"]);
    }
}

fn expected_of(challenge: &serde_json::Value) -> Plain {
    let scheme = challenge["scheme"].as_str().unwrap().to_owned();
    let content = match challenge["token68"].as_str() {
        Some(token68) => Err(token68.to_owned()),
        None => Ok(challenge["params"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().as_bytes().to_vec()))
            .collect()),
    };
    (scheme, content)
}

/// What another parser reads, `None` where it refuses the line.
fn oracle(line: &str) -> Option<Vec<Plain>> {
    let challenges = http_auth::parse_challenges(line).ok()?;
    let of_challenge = |challenge: &http_auth::ChallengeRef<'_>| {
        let pair = |(name, value): &(&str, http_auth::ParamValue<'_>)| {
            (name.to_ascii_lowercase(), value.to_unescaped().into_bytes())
        };
        (challenge.scheme.to_ascii_lowercase(), Ok(challenge.params.iter().map(pair).collect()))
    };
    Some(challenges.iter().map(of_challenge).collect())
}

fn names_are_single(line: &str) -> bool {
    http_auth::parse_challenges(line).is_ok_and(|challenges| {
        challenges.iter().all(|challenge| {
            let mut names: Vec<_> =
                challenge.params.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            names.sort();
            names.windows(2).all(|pair| pair[0] != pair[1])
        })
    })
}

/// Lines made of the pieces that the grammar turns on, and lines that are lists at least.
fn lines() -> impl Strategy<Value = String> {
    let of = |texts: &'static str| prop::sample::select(texts.split('|').collect::<Vec<_>>());
    let words =
        of("Bearer|Basic|realm|scope|x|=|==| = | |\t|,|\"|\"a b\"|\"\\\"\"|\\|error=e|;|\u{1}");
    let elements = of("Bearer|Basic realm=r|DPoP a=\"b\"|scope = \"a, b\"|x=\"\\y\"|Digest |");
    let separators = of(", |,| ,\t|,,");
    prop_oneof![
        prop::collection::vec(words, 0..14).prop_map(|words| words.concat()),
        prop::collection::vec((elements, separators), 0..8)
            .prop_map(|pairs| pairs.into_iter().flat_map(|pair| [pair.0, pair.1]).collect()),
    ]
}

proptest! {
    #[test]
    fn same_as_another_parser_where_both_accept(line in lines()) {
        let ours = parse(line.as_bytes());
        if let Some(theirs) = oracle(&line)
            && names_are_single(&line)
            && ours.iter().all(|(_, content)| content.is_ok())
            && theirs.len() <= CHALLENGES_MAX
        {
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn any_bytes_are_read_within_the_limits(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let challenges: Vec<_> = Challenges::parse([line.as_slice()]).collect();
        prop_assert!(challenges.len() <= CHALLENGES_MAX);
        prop_assert!(challenges.iter().all(|challenge| challenge.params().count() <= PARAMS_MAX));
    }

    #[test]
    fn what_is_written_is_read_back(
        reason in prop::sample::select(&[
            Reason::NoCredentials,
            Reason::Scope,
            Reason::Token(TokenError::Expired),
            Reason::Request(BearerError::Repeated),
            Reason::Request(BearerError::Malformed),
        ][..]),
        url in "https://[!#-\\[\\]-~]{1,40}",
        scope in "([!#-\\[\\]-~]{1,8}( [!#-\\[\\]-~]{1,8}){0,3})?",
    ) {
        let base = ScopeSet::parse(&scope).unwrap();
        let required = RequiredScopes { base, ..RequiredScopes::default() };
        let challenge = Challenge::new(reason, &url, required);
        let line = challenge.www_authenticate().unwrap().to_string();
        let expected = BearerChallenge {
            realm: None,
            scope: Some(base).filter(|scope| !scope.is_empty()),
            error: challenge.error().map(|error| error.as_str()),
            error_description: challenge.description(),
            resource_metadata: Some(url.as_str()),
        };
        let found = bearer([line.as_bytes()], &mut Scratch::new(&mut [])).unwrap();
        prop_assert_eq!(found, Some(expected));
        prop_assert_eq!(oracle(&line), Some(parse(line.as_bytes())));
    }
}

/// The parts of the chosen challenge as one text.
#[track_caller]
fn check_bearer(lines: &[&[u8]], expected: Option<(&str, &str, &str)>) {
    let mut buffer = [0; 64];
    let found = bearer(lines.iter().copied(), &mut Scratch::new(&mut buffer)).unwrap();
    let parts = found.map(|challenge| {
        let scope = challenge.scope.map_or("-", ScopeSet::as_str);
        (challenge.resource_metadata.unwrap_or("-"), scope, challenge.error.unwrap_or("-"))
    });
    assert_eq!(parts, expected);
}

#[test]
fn cl_02_the_bearer_challenge_is_found() {
    check_bearer(&[b"Bearer resource_metadata=\"u\", scope=\"a b\""], Some(("u", "a b", "-")));
    check_bearer(
        &[b"Basic realm=x, DPoP algs=ES256", b"bEARER error=e, Resource_Metadata=u"],
        Some(("u", "-", "e")),
    );
    check_bearer(&[b"Bearer"], Some(("-", "-", "-")));
    check_bearer(&[b"Basic realm=x", b"BearerX realm=y"], None);
    check_bearer(&[], None);
}

#[test]
fn cl_03_a_challenge_that_names_metadata_comes_first() {
    check_bearer(
        &[b"Bearer error=a, Bearer error=b, resource_metadata=u", b"Bearer resource_metadata=v"],
        Some(("u", "-", "b")),
    );
    check_bearer(&[b"Bearer error=a, Bearer error=b"], Some(("-", "-", "a")));
}

#[test]
fn escapes_are_resolved_before_values_are_judged() {
    check_bearer(&[b"Bearer resource_metadata=\"\\u\\r\\l\""], Some(("url", "-", "-")));
    check_bearer(&[b"Bearer scope=\"a\\ b\""], Some(("-", "a b", "-")));
    check_bearer(&[b"Bearer scope=\"a\\\"b\""], None);
}

#[test]
fn sec_154_an_unsound_challenge_is_passed_over_whole() {
    for unsound in [
        "Bearer scope=\"a  b\", resource_metadata=\"u\"",
        "Bearer scope=\"a\\\\b\", resource_metadata=\"u\"",
        "Bearer resource_metadata=\"\"",
        "Bearer resource_metadata=\"https://h/a b\"",
        "Bearer resource_metadata=\"https://h/\u{e9}\"",
        "Bearer error=\"\"",
        "Bearer dGVzdA==",
    ] {
        check_bearer(&[unsound.as_bytes()], None);
        check_bearer(&[unsound.as_bytes(), b"Bearer error=e"], Some(("-", "-", "e")));
    }
    check_bearer(&[b"Bearer scope=\"\", resource_metadata=u"], Some(("u", "-", "-")));
}

#[test]
fn texts_for_people_are_left_out_when_they_are_not_utf_8() {
    let line: &[u8] = b"Bearer realm=\"\xe9\", error=e, error_description=\"\xc3\xa9\"";
    let found = bearer([line], &mut Scratch::new(&mut [])).unwrap().unwrap();
    assert_eq!((found.realm, found.error_description), (None, Some("\u{e9}")));
}

#[test]
fn sec_036_a_value_is_whole_or_an_error() {
    let line: &[u8] = b"Bearer resource_metadata=\"h\\ttps\"";
    for len in 0..6 {
        let mut buffer = [0; 6];
        let mut scratch = Scratch::new(buffer.get_mut(..len).unwrap());
        match bearer([line], &mut scratch) {
            Ok(found) => assert_eq!((found.unwrap().resource_metadata, len), (Some("https"), 5)),
            Err(BufferFull) => assert!(len < 5),
        }
    }
}
