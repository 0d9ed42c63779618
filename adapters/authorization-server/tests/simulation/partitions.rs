//! Authorization server and resource server cannot reach each other, or only late.

use std::time::Duration;

use portcullis_authorization_server::{Settings, TokenFormat};
use portcullis_tokio::resource_server::{JwksSettings, Verification};

use crate::world::{ISSUER, World, introspection, seeds};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Tokens that outlive what happens here.
fn long(settings: &mut Settings) {
    settings.lifetimes.access_token = 12 * HOUR;
    settings.lifetimes.signing_key_publication = Duration::from_secs(60);
}

#[test]
fn sec_360_sec_567_a_partition_of_hours_is_503_and_ends_by_itself() {
    for seed in seeds(3) {
        let mut world = World::new(seed, TokenFormat::Opaque, introspection(1_000), long);
        let (token, _) = world.tokens();
        assert_eq!(world.call(&token), 200);
        assert_eq!(world.call("unknown"), 401);
        world.sim.partition("rs", "as");
        for _ in 0..3 {
            for token in [&token, "unknown"] {
                assert_eq!(world.call(token), 503, "nobody can tell now");
            }
            world.pass(HOUR);
        }
        world.sim.repair("rs", "as");
        assert_eq!(world.call(&token), 200);
        assert_eq!(world.call("unknown"), 401);
    }
}

#[test]
fn sec_360_sec_367_answers_that_come_too_late_are_503_and_remembered_by_nobody() {
    for seed in seeds(3) {
        let mut world = World::new(seed, TokenFormat::Opaque, introspection(1_000), long);
        let (token, _) = world.tokens();
        assert_eq!(world.call(&token), 200);
        for _ in 0..3 {
            world.sim.hold("rs", "as");
            assert_eq!(world.call(&token), 503, "held beyond the deadline");
            world.sim.release("rs", "as");
            assert_eq!(world.call(&token), 200);
        }
    }
}

#[test]
fn sec_360_lost_packets_never_refuse_a_good_token() {
    for seed in seeds(6) {
        let mut world = World::new(seed, TokenFormat::Opaque, introspection(1_000), long);
        let (token, _) = world.tokens();
        world.sim.set_link_fail_rate("rs", "as", 0.2);
        let answers: Vec<_> = (0..20).map(|_| world.call(&token)).collect();
        assert!(answers.iter().all(|status| matches!(status, 200 | 503)), "{answers:?}");
        world.sim.set_link_fail_rate("rs", "as", 0.0);
        world.sim.repair("rs", "as");
        assert_eq!(world.call(&token), 200);
    }
}

#[test]
fn sec_111_sec_567_keys_that_change_during_a_partition() {
    let jwks = || JwksSettings { url: Some(format!("{ISSUER}/jwks")), ..JwksSettings::default() };
    for seed in seeds(3) {
        let mut world = World::new(seed, TokenFormat::Es256, Verification::Jwks(jwks()), long);
        let (old, _) = world.tokens();
        assert_eq!(world.call(&old), 200);
        world.sim.partition("rs", "as");
        // Keys are told apart by the second that they were made in.
        world.pass(Duration::from_secs(1));
        world.beside(world.server.rotate_signing_keys()).unwrap();
        world.pass(Duration::from_secs(61));
        world.beside(world.server.sweep());
        let (new, _) = world.tokens();
        assert_ne!(new.split('.').next(), old.split('.').next(), "another key signs");
        assert_eq!(world.call(&old), 200, "its key is known");
        assert_eq!(world.call(&new), 503, "its key is not, and cannot be read");
        world.sim.repair("rs", "as");
        // The shortest time between two requests for the keys.
        world.pass(Duration::from_secs(jwks().interval_secs_min));
        assert_eq!(world.call(&new), 200);
        assert_eq!(world.call(&old), 200, "published until it has expired");

        // Too long without the authorization server: what was read once is not believed for ever.
        world.sim.partition("rs", "as");
        world.pass(Duration::from_secs(jwks().stale_secs_max + 1));
        assert_eq!(world.call(&new), 503);
        world.sim.repair("rs", "as");
        world.pass(Duration::from_secs(jwks().interval_secs_min));
        assert_eq!(world.call(&new), 200);
    }
}
