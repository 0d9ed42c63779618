//! Codes that come late, from the wrong client, and after a restart.

use std::time::Duration;

use portcullis_authorization_server::TokenFormat;

use crate::world::{Outcome, World, introspection, member, seeds};

/// Of a code, in seconds.
const LIFE: u64 = 60;

fn world(seed: u64) -> World {
    let code = |settings: &mut portcullis_authorization_server::Settings| {
        settings.lifetimes.authorization_code = Duration::from_secs(LIFE);
    };
    World::new(seed, TokenFormat::Opaque, introspection(1_000), code)
}

#[track_caller]
fn is_refused(outcome: Outcome) {
    let (status, body) = outcome.unwrap();
    assert_eq!((status, member(&body, "error").as_str()), (400, "invalid_grant"), "{body}");
}

#[track_caller]
fn is_granted(outcome: Outcome) {
    let (status, body) = outcome.unwrap();
    assert_eq!(status, 200, "{body}");
}

#[test]
fn sec_223_a_code_ends_with_its_time() {
    for seed in seeds(3) {
        let mut world = world(seed);
        // Two seconds, for the request on its way.
        for (age, is_good) in [(LIFE - 2, true), (LIFE + 1, false), (60 * LIFE, false)] {
            let code = world.code();
            world.pass(Duration::from_secs(age));
            let outcome = world.redeem("client", &code);
            if is_good { is_granted(outcome) } else { is_refused(outcome) }
        }
        // Nor does a clock that is set back bring one back.
        let code = world.code();
        world.pass(Duration::from_secs(LIFE + 1));
        is_refused(world.redeem("client", &code));
        world.set_clocks_by(-(LIFE.cast_signed()));
        is_refused(world.redeem("client", &code));
    }
}

#[test]
fn sec_223_a_code_is_good_once_whatever_becomes_of_the_server() {
    for seed in seeds(3) {
        let mut world = world(seed);
        let (code, late) = (world.code(), world.code());
        world.sim.crash("as");
        assert_eq!(world.redeem("client", &code), None, "nobody is there");
        world.sim.bounce("as");
        is_granted(world.redeem("client", &code));
        world.sim.crash("as");
        world.sim.bounce("as");
        is_refused(world.redeem("client", &code));
        world.pass(Duration::from_secs(LIFE + 1));
        is_refused(world.redeem("client", &late));
        // Guessed, by one character.
        let code = world.code();
        let other = if code.ends_with('A') { "B" } else { "A" };
        is_refused(world.redeem("client", &format!("{}{other}", &code[..code.len() - 1])));
        is_granted(world.redeem("client", &code));
    }
}
