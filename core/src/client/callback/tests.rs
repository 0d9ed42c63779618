use std::{format, string::String};

use super::*;
use crate::client::{
    Entropy, Wish,
    testkit::{ISSUER, REDIRECT, Site, public_client, scratch},
};

const PROMISED: &str = r#","authorization_response_iss_parameter_supported":true"#;

fn authorization(server_members: &'static str, state: u8) -> Authorization<'static> {
    let discovered = Site { server_members, ..Site::default() }.discovered();
    let client = public_client(&discovered, ISSUER).unwrap();
    let entropy = Entropy { verifier: [1; 32], state: [state; 32] };
    let wish = Wish::default();
    Authorization::new(&discovered, &client, REDIRECT, &wish, &entropy, &mut scratch()).unwrap()
}

fn state_of(authorization: &Authorization<'_>) -> String {
    authorization.pending.as_ref().unwrap().state.expose().into()
}

/// What a callback came to, in short.
fn outcome(callback: &Callback<'_>) -> String {
    match callback {
        Callback::Ignored(ignored) => format!("{ignored:?}"),
        Callback::Granted(grant) => format!("code {}", grant.code),
        Callback::Denied(error) => format!("denied {error}"),
        Callback::Refused(error) => format!("refused {error:?}"),
    }
}

/// `STATE` in the query stands for the right one.
#[track_caller]
fn check(server_members: &'static str, query: &str, expected: &str) {
    let mut authorization = authorization(server_members, 2);
    let query = query.replace("STATE", &state_of(&authorization));
    let callback = authorization.handle_callback(&query, &mut scratch());
    assert_eq!(outcome(&callback), expected, "{query}");
}

#[test]
fn cl_50_the_iss_table() {
    let issuer = "iss=https%3A%2F%2Fas.example";
    check(PROMISED, &format!("code=c&state=STATE&{issuer}"), "code c");
    check(PROMISED, "code=c&state=STATE", "refused Issuer");
    check("", &format!("code=c&state=STATE&{issuer}"), "code c");
    check("", "code=c&state=STATE", "code c");
}

#[test]
fn sec_467_another_issuer_in_any_spelling() {
    for members in [PROMISED, ""] {
        for issuer in [
            "https://evil.example",
            "https://as.example/",
            "https://AS.example",
            "HTTPS://as.example",
            "https://as.example:443",
            "https%253A%252F%252Fas.example",
            "",
        ] {
            check(members, &format!("code=c&state=STATE&iss={issuer}"), "refused Issuer");
            // CL-52: nor is an error of somebody else shown.
            check(members, &format!("error=e&state=STATE&iss={issuer}"), "refused Issuer");
        }
        check(members, "code=c&state=STATE&iss=https://as.example", "code c");
    }
    check(PROMISED, "error=access_denied&state=STATE", "refused Issuer");
    check("", "error=access_denied&state=STATE", "denied access_denied");
}

#[test]
fn sec_465_state_missing_or_wrong() {
    for query in [
        "code=c",
        "code=c&state=",
        "code=c&state=x",
        "code=c&state=STATEx",
        "code=c&state=xSTATE",
        "code=c&State=STATE",
        "error=access_denied",
        "error=access_denied&state=x",
        "",
    ] {
        check("", query, "State");
    }
}

#[test]
fn sec_465_repeated_parameters() {
    for query in [
        "code=c&code=d&state=STATE",
        "code=c&state=STATE&state=STATE",
        "code=c&state=x&state=STATE",
        "code=c&state=STATE&iss=a&iss=b",
        "code=c&state=STATE&%63ode=d",
        "code=%zz&state=STATE",
        "code=%00&state=STATE",
    ] {
        check("", query, "Malformed");
    }
}

#[test]
fn sec_466_and_473_hostile_callbacks_change_nothing() {
    let mut authorization = authorization("", 2);
    let state = state_of(&authorization);
    let mut scratch = scratch();
    let free = scratch.free_len();
    for _ in 0..1000 {
        for query in ["error=access_denied", "code=x&state=%41%42", "%", "state=a&state=b"] {
            let callback = authorization.handle_callback(query, &mut scratch);
            assert!(matches!(callback, Callback::Ignored(_)), "{query}");
        }
    }
    assert_eq!(scratch.free_len(), free, "a stranger uses up the buffer");
    let callback = authorization.handle_callback(&format!("code=c&state={state}"), &mut scratch);
    assert_eq!(outcome(&callback), "code c");
}

#[test]
fn sec_465_one_state_one_use() {
    for first in ["code=c", "error=e", "code=c&iss=x"] {
        let mut authorization = authorization("", 2);
        let state = state_of(&authorization);
        let mut scratch = scratch();
        let callback =
            authorization.handle_callback(&format!("{first}&state={state}"), &mut scratch);
        assert!(!matches!(callback, Callback::Ignored(_)));
        let again = authorization.handle_callback(&format!("code=c&state={state}"), &mut scratch);
        assert_eq!(outcome(&again), "Spent");
    }
}

#[test]
fn sec_468_answers_of_two_flows_crossed() {
    let (mut first, mut second) = (authorization("", 2), authorization("", 3));
    let query = format!("code=c&state={}", state_of(&second));
    let mut scratch = scratch();
    assert_eq!(outcome(&first.handle_callback(&query, &mut scratch)), "State");
    assert_eq!(outcome(&second.handle_callback(&query, &mut scratch)), "code c");
}

#[test]
fn neither_or_both_of_code_and_error() {
    check("", "state=STATE", "refused Content");
    check("", "code=c&error=e&state=STATE", "refused Content");
    check("", "code=&state=STATE", "refused Content");
    check("", "code=%0d%0a&state=STATE", "refused Content");
    check("", "error=&state=STATE", "refused Content");
    check("", "error=%1b%5b2J&state=STATE", "refused Content");
    check("", "error=a&error_description=%1b&state=STATE", "denied a");
    check("", "code=a%2Bb+c&state=STATE", "code a+b c");
}

#[test]
fn code_on_both_sides_of_the_limit() {
    for (len, accepted) in
        [(CODE_LEN_MAX - 1, true), (CODE_LEN_MAX, true), (CODE_LEN_MAX + 1, false)]
    {
        let code = "a".repeat(len);
        let expected = if accepted { format!("code {code}") } else { "refused Content".into() };
        check("", &format!("code={code}&state=STATE"), &expected);
    }
}

#[test]
fn sec_320_debug_shows_no_code() {
    let mut authorization = authorization("", 2);
    let query = format!("code=hush&state={}", state_of(&authorization));
    let callback = authorization.handle_callback(&query, &mut scratch());
    assert!(matches!(callback, Callback::Granted(_)));
    assert!(!format!("{callback:?}").contains("hush"));
}
