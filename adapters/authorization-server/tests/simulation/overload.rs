//! More callers than the resource server asks about at once.

use std::time::Duration;

use portcullis_authorization_server::TokenFormat;
use portcullis_tokio::resource_server::Verification;

use crate::world::{World, introspection, seeds};

const PARALLEL: usize = 2;
/// Those whose question is asked, or waits for its turn.
const UNDER_WAY: usize = 16 * PARALLEL;
const CALLERS: usize = 60;
const DEADLINE: Duration = Duration::from_secs(5);

#[test]
fn sec_569_whoever_finds_the_queue_full_is_turned_away_at_once() {
    for seed in seeds(3) {
        let deadline_millis = u64::try_from(DEADLINE.as_millis()).unwrap();
        let Verification::Introspection(mut settings) = introspection(deadline_millis) else {
            panic!("asks otherwise")
        };
        settings.parallel_max = PARALLEL;
        let verification = Verification::Introspection(settings);
        let mut world = World::new(seed, TokenFormat::Opaque, verification, |_| {});
        let (token, _) = world.tokens();
        assert_eq!(world.call(&token), 200);

        world.sim.hold("rs", "as");
        let before = world.sim.elapsed();
        let calls: Vec<_> =
            (0..CALLERS).map(|number| world.start_call(&format!("token-{number}"))).collect();
        // Half of the deadline: long before whoever waits has given up.
        while world.sim.elapsed() - before < DEADLINE / 2 {
            world.step();
        }
        let early = calls.iter().filter(|call| call.is_over()).count();
        assert_eq!(early, CALLERS - UNDER_WAY);
        // The deadline counts from the call, not from the turn: nobody waits twice.
        for call in &calls {
            assert_eq!(world.finish(call).map(|(status, _)| status), Some(503));
        }
        assert!(world.sim.elapsed() - before < DEADLINE + DEADLINE / 5);

        world.sim.release("rs", "as");
        assert_eq!(world.call(&token), 200);
        let calls: Vec<_> =
            (0..UNDER_WAY).map(|number| world.start_call(&format!("again-{number}"))).collect();
        for call in &calls {
            assert_eq!(
                world.finish(call).map(|(status, _)| status),
                Some(401),
                "asked about in turn"
            );
        }
    }
}
