//! Keys that nobody knows, that are taken out of use, and answers that are no keys.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_authorization_server::{Settings, TokenFormat};
use portcullis_tokio::resource_server::{JwksSettings, Verification};
use serde_json::{Value, json};

use crate::world::{Answer, ISSUER, World, seeds};

const FLOOD: usize = 50;

fn jwks() -> JwksSettings {
    JwksSettings { url: Some(format!("{ISSUER}/jwks")), ..JwksSettings::default() }
}

fn world(seed: u64) -> World {
    let long = |settings: &mut Settings| {
        settings.lifetimes.access_token = Duration::from_secs(12 * 60 * 60);
        settings.lifetimes.signing_key_publication = Duration::from_secs(60);
    };
    World::new(seed, TokenFormat::Es256, Verification::Jwks(jwks()), long)
}

/// A token of a key that signs from now on.
fn token_of_a_new_key(world: &mut World) -> String {
    // Keys are told apart by the second that they were made in.
    world.pass(Duration::from_secs(1));
    world.beside(world.server.rotate_signing_keys()).unwrap();
    world.pass(Duration::from_secs(61));
    world.beside(world.server.sweep());
    world.tokens().0
}

fn header(token: &str) -> Value {
    let header = Base64UrlUnpadded::decode_vec(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice(&header).unwrap()
}

/// The same token, of a key of this name.
fn of_key(token: &str, kid: &str) -> String {
    let mut header = header(token);
    header["kid"] = json!(kid);
    let header = Base64UrlUnpadded::encode_string(header.to_string().as_bytes());
    let (_, rest) = token.split_once('.').unwrap();
    format!("{header}.{rest}")
}

/// So many calls at once, each with a key of its own that nobody has.
fn flood(world: &mut World, token: &str) -> Vec<u16> {
    let calls: Vec<_> = (0..FLOOD)
        .map(|number| world.start_call(&of_key(token, &format!("unknown-{number}"))))
        .collect();
    assert_eq!(world.call(token), 200, "the honest one does not wait for the flood");
    let outcomes: Vec<_> = calls.iter().map(|call| world.finish(call)).collect();
    outcomes.into_iter().map(|outcome| outcome.map_or(0, |(status, _)| status)).collect()
}

#[test]
fn sec_110_a_flood_of_unknown_keys_asks_once_in_an_interval() {
    for seed in seeds(3) {
        let mut world = world(seed);
        let (token, _) = world.tokens();
        assert_eq!((world.call(&token), world.key_requests()), (200, 1));
        assert_eq!(flood(&mut world, &token), [401; FLOOD]);
        assert_eq!(world.key_requests(), 1, "the set is no older than the interval");
        for asked in 2..=4 {
            world.pass(Duration::from_secs(jwks().interval_secs_min));
            assert_eq!(flood(&mut world, &token), [401; FLOOD]);
            assert_eq!(world.key_requests(), asked, "one for all of them");
        }
        // The key of another name may be a new one.
        let new = token_of_a_new_key(&mut world);
        assert_eq!((world.call(&new), world.key_requests()), (200, 5));
    }
}

/// Answers that are no keys that anything could be verified with.
fn useless() -> Vec<Answer> {
    let set = |keys: Value| json!({ "keys": keys }).to_string();
    let secret = json!({ "kty": "oct", "kid": "1", "alg": "HS256", "k": "c2VjcmV0" });
    vec![
        (200, "text/html", "<html>".to_owned()),
        (500, "application/json", set(json!([]))),
        (302, "application/json", set(json!([]))),
        (200, "application/json", format!("{}{}", set(json!([])), " ".repeat(64 * 1024))),
        (200, "application/json", set(json!([]))),
        (200, "application/json", set(json!([{ "kty": "XYZ", "kid": "1" }]))),
        (200, "application/json", set(json!([secret]))),
        (200, "application/json", String::new()),
    ]
}

#[test]
fn sec_111_answers_that_are_no_keys_keep_the_old_ones_until_there_are_new() {
    for answer in useless() {
        let mut world = world(1);
        let (old, _) = world.tokens();
        assert_eq!(world.call(&old), 200);
        world.answer_keys_with(Some(answer.clone()));
        let new = token_of_a_new_key(&mut world);
        for _ in 0..2 {
            world.pass(Duration::from_secs(jwks().refresh_secs + 1));
            assert_eq!(world.call(&old), 200, "its key is known: {answer:?}");
            assert_eq!(world.call(&new), 503, "nobody knows its key: {answer:?}");
        }
        assert!(world.key_requests() > 1, "{answer:?}");
        world.answer_keys_with(None);
        world.pass(Duration::from_secs(jwks().interval_secs_min));
        assert_eq!((world.call(&new), world.call(&old)), (200, 200), "{answer:?}");

        // Not for ever.
        world.answer_keys_with(Some(answer.clone()));
        world.pass(Duration::from_secs(jwks().stale_secs_max + 1));
        assert_eq!(world.call(&old), 503, "{answer:?}");
    }
}

#[test]
fn sec_112_a_removed_key_ends_within_one_refresh() {
    for seed in seeds(3) {
        let mut world = world(seed);
        let (old, _) = world.tokens();
        let new = token_of_a_new_key(&mut world);
        assert_eq!((world.call(&old), world.call(&new)), (200, 200));
        // The old one was stolen, say.
        let mut set: Value = serde_json::from_str(&world.get("/jwks")).unwrap();
        let keys = set["keys"].as_array_mut().unwrap();
        keys.retain(|key| key["kid"] != header(&old)["kid"]);
        assert_eq!(keys.len(), 1);
        world.answer_keys_with(Some((200, "application/json", set.to_string())));
        // Nobody hears of it while the two cannot reach each other: the old set stays as long as it may.
        world.sim.partition("rs", "as");
        world.pass(Duration::from_secs(jwks().refresh_secs + 1));
        assert_eq!((world.call(&old), world.call(&new)), (200, 200));
        world.sim.repair("rs", "as");
        world.pass(Duration::from_secs(jwks().refresh_secs + 1));
        assert_eq!((world.call(&old), world.call(&new)), (401, 200));
    }
}
