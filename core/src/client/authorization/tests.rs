use std::{string::String, vec::Vec};

use super::*;
use crate::{
    client::testkit::{ISSUER, REDIRECT, SERVER, Site, keep, public_client, scratch},
    encoding::{form::Form, uri::Uri},
};

const ENTROPY: Entropy = Entropy { verifier: [1; 32], state: [2; 32] };

fn authorization(
    site: Site,
    entropy: &Entropy,
) -> Result<Authorization<'static>, AuthorizationError> {
    let discovered = site.discovered();
    let client = public_client(&discovered, ISSUER).unwrap();
    let wish = Wish { scope: None, offline_access: true };
    Authorization::new(&discovered, &client, REDIRECT, &wish, entropy, &mut scratch())
}

fn parameters(url: &str) -> Vec<(String, String)> {
    let query = keep(Uri::parse(url).unwrap().query().unwrap());
    let form = Form::parse(query.as_bytes()).unwrap();
    let mut scratch = scratch();
    let mut read = |text: crate::encoding::percent::Encoded<'static>| {
        String::from(text.read(&mut scratch).unwrap())
    };
    form.pairs().map(|(name, value)| (read(name), read(value))).collect()
}

#[test]
fn the_url_has_every_parameter_once() {
    let site = Site { challenged: Some("user"), ..Site::default() };
    let made = authorization(site, &ENTROPY).unwrap();
    assert!(made.url().starts_with("https://as.example/authorize?response_type=code&"));
    let pending = made.pending.as_ref().unwrap();
    let expected = [
        ("response_type", "code"),
        ("client_id", "client-1"),
        ("redirect_uri", REDIRECT),
        ("state", pending.state.expose()),
        ("code_challenge", pending.pkce.challenge()),
        ("code_challenge_method", "S256"),
        ("resource", SERVER),
        ("scope", "user offline_access"),
        ("prompt", "consent"),
    ];
    let found = parameters(made.url());
    let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, expected);
    assert!(!made.url().contains(pending.pkce.verifier().expose()));
}

#[test]
fn cl_43_without_scopes_the_parameter_is_left_out() {
    let site = Site { server_scopes: r#""user""#, ..Site::default() };
    let found = parameters(authorization(site, &ENTROPY).unwrap().url());
    assert!(found.iter().all(|(name, _)| name != "scope" && name != "prompt"));
}

#[test]
fn rfc_6749_3_1_a_query_of_the_endpoint_is_kept() {
    for (endpoint, start) in [
        ("https://as.example/a?b=c", "https://as.example/a?b=c&response_type="),
        ("https://as.example/a?b=c&", "https://as.example/a?b=c&response_type="),
        ("https://as.example/a?", "https://as.example/a?response_type="),
        ("https://as.example", "https://as.example?response_type="),
    ] {
        let site = Site { authorization_endpoint: endpoint, ..Site::default() };
        let made = authorization(site, &ENTROPY).unwrap();
        assert!(made.url().starts_with(start), "{}", made.url());
    }
}

#[test]
fn sec_482_implausible_entropy_is_refused() {
    for entropy in [
        Entropy { verifier: [0; 32], state: [2; 32] },
        Entropy { verifier: [1; 32], state: [0; 32] },
        Entropy { verifier: [1; 32], state: [1; 32] },
    ] {
        let made = authorization(Site::default(), &entropy);
        assert_eq!(made.map(|_| ()), Err(AuthorizationError::Entropy));
    }
    let (first, other) = (
        authorization(Site::default(), &ENTROPY).unwrap(),
        authorization(Site::default(), &Entropy { verifier: [1; 32], state: [3; 32] }).unwrap(),
    );
    assert_ne!(first.url(), other.url());
}

#[test]
fn sec_482_debug_shows_neither_verifier_nor_state() {
    let made = authorization(Site::default(), &ENTROPY).unwrap();
    let shown = std::format!("{made:?} {ENTROPY:?}");
    let pending = made.pending.as_ref().unwrap();
    assert!(!shown.contains(pending.pkce.verifier().expose()), "{shown}");
    assert!(!shown.contains(pending.state.expose()), "{shown}");
}

#[test]
fn sec_474_a_client_of_another_issuer_is_refused() {
    let discovered = Site::default().discovered();
    let client =
        Client { issuer: "https://as.example/", ..public_client(&discovered, ISSUER).unwrap() };
    let made = Authorization::new(
        &discovered,
        &client,
        REDIRECT,
        &Wish::default(),
        &ENTROPY,
        &mut scratch(),
    );
    assert_eq!(made.map(|_| ()), Err(AuthorizationError::OtherIssuer));
}

#[test]
fn cl_38_redirect_uris() {
    let discovered = Site::default().discovered();
    let client = public_client(&discovered, ISSUER).unwrap();
    let with = |redirect_uri| {
        let wish = Wish::default();
        Authorization::new(&discovered, &client, redirect_uri, &wish, &ENTROPY, &mut scratch())
            .map(|_| ())
    };
    for accepted in ["https://app.example/cb", "http://127.0.0.1:1/cb", "http://[::1]:1/cb"] {
        assert_eq!(with(accepted), Ok(()), "{accepted}");
    }
    for refused in ["http://app.example/cb", "app:/cb", "javascript:alert(1)"] {
        assert!(matches!(with(refused), Err(AuthorizationError::RedirectUri(_))), "{refused}");
    }
}

#[test]
fn sec_036_a_small_buffer_is_an_error() {
    let discovered = Site::default().discovered();
    let client = public_client(&discovered, ISSUER).unwrap();
    let mut made = 0;
    for len in 0..1024 {
        let room: &'static mut [u8] = std::vec![0; len].leak();
        let wish = Wish::default();
        let mut scratch = Scratch::new(room);
        match Authorization::new(&discovered, &client, REDIRECT, &wish, &ENTROPY, &mut scratch) {
            Ok(authorization) => {
                made += 1;
                assert_eq!(parameters(authorization.url()).len(), 7);
            }
            Err(error) => assert_eq!(error, AuthorizationError::BufferFull),
        }
    }
    assert!((1..1024).contains(&made));
}
