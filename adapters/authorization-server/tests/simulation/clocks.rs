//! Somebody sets the clocks, by hours.

use std::time::Duration;

use portcullis_authorization_server::TokenFormat;
use portcullis_tokio::resource_server::{JwksSettings, Limits, Verification};

use crate::world::{ISSUER, REGISTRATION, World, introspection, seeds};

const HOURS: i64 = 60 * 60;

#[test]
fn sec_565_sec_366_tokens_end_with_the_wall_clock_and_do_not_come_back() {
    for seed in seeds(2) {
        let mut world = World::new(seed, TokenFormat::Opaque, introspection(1_000), |_| {});
        let (token, refresh) = world.tokens();
        assert_eq!(world.call(&token), 200);
        for hours in [5, 24] {
            world.set_clocks_by(hours * HOURS);
            assert_eq!(world.call(&token), 401, "expired");
            world.beside(world.server.sweep());
            world.set_clocks_by(-hours * HOURS);
            assert_eq!(world.call(&token), 401, "what was swept stays dead");
        }
        // The refresh token is good for longer, whichever way the clock went.
        let pending = world.start_refresh(&refresh);
        assert_eq!(world.finish(&pending).map(|(status, _)| status), Some(200));
    }
}

#[test]
fn sec_565_a_clock_set_back_gives_nobody_longer_than_he_had() {
    let mut world = World::new(1, TokenFormat::Opaque, introspection(1_000), |_| {});
    world.set_clocks_by(-5 * HOURS);
    let (token, refresh) = world.tokens();
    assert_eq!(world.call(&token), 200);
    world.set_clocks_by(5 * HOURS);
    assert_eq!(world.call(&token), 401);
    let pending = world.start_refresh(&refresh);
    let (status, _) = world.finish(&pending).unwrap();
    assert_eq!(status, 200, "an hour is nothing to a chain of a month");
}

#[test]
fn sec_565_lim_16_budgets_fill_with_time_that_passes() {
    for hours in [-24, -5, 5, 24] {
        let mut world = World::new(1, TokenFormat::Opaque, introspection(1_000), |settings| {
            settings.limits.registrations_per_peer_per_hour = 10;
        });
        let register =
            |world: &World| world.post("/register", "application/json", REGISTRATION.into()).0;
        for _ in 0..10 {
            assert_eq!(register(&world), 201);
        }
        assert_eq!(register(&world), 429);
        world.set_clocks_by(hours * HOURS);
        assert_eq!(register(&world), 429, "{hours} hours on the wall are no time at all");
        world.pass(Duration::from_secs(361));
        assert_eq!(register(&world), 201, "recovers after {hours} hours on the wall");
        assert_eq!(register(&world), 429);
    }
}

/// The token says when it was issued and when it ends; the resource server allows for some difference, and
/// for no second more.
#[test]
fn sec_566_clocks_of_the_two_servers_differ_by_the_leeway() {
    const LIFE: i64 = 600;
    let leeway = i64::from(Limits::default().leeway_secs);
    for seed in seeds(3) {
        let url = Some(format!("{ISSUER}/jwks"));
        let jwks = Verification::Jwks(JwksSettings { url, ..JwksSettings::default() });
        let mut world = World::new(seed, TokenFormat::Es256, jwks, |settings| {
            settings.lifetimes.access_token = Duration::from_secs(LIFE.unsigned_abs());
        });
        let (token, _) = world.tokens();
        // A second less where it lies ahead, for the time that the call takes.
        for (ahead, status) in [
            (0, 200),
            (-leeway, 200),
            (-leeway - 2, 401),
            (LIFE + leeway - 2, 200),
            (LIFE + leeway + 1, 401),
        ] {
            world.set_resource_ahead(ahead);
            assert_eq!(world.call(&token), status, "{ahead} s ahead");
        }
        world.set_resource_ahead(0);
        assert_eq!(world.call(&token), 200);
    }
}
