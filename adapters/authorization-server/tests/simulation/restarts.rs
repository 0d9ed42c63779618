//! The authorization server dies and comes back in the middle of refreshes.

use portcullis_authorization_server::TokenFormat;

use crate::world::{Numbers, World, introspection, member, seeds};

const CHAINS: usize = 6;
const ROUNDS: usize = 12;

/// One client's chain of refresh tokens.
struct Chain {
    token: String,
    /// The token was sent, and nobody knows what came of it.
    is_unanswered: bool,
    used: Vec<String>,
    is_over: bool,
}

/// The client sends a token again when it got no answer. Whatever was answered holds: a token that the
/// client was given and has not sent yet is good, and one that gave tokens never gives any again.
fn restart_over_and_over(seed: u64) {
    let mut world = World::new(seed, TokenFormat::Opaque, introspection(1_000), |_| {});
    let mut numbers = Numbers::new(seed);
    let mut chains: Vec<_> = (0..CHAINS)
        .map(|_| {
            let (_, token) = world.tokens();
            Chain { token, is_unanswered: false, used: Vec::new(), is_over: false }
        })
        .collect();
    let (mut answered, mut unanswered) = (0, 0);
    for _ in 0..ROUNDS {
        let under_way: Vec<_> = chains
            .iter()
            .map(|chain| (!chain.is_over).then(|| world.start_refresh(&chain.token)))
            .collect();
        // Somewhere between the connections and the last answer.
        for _ in 0..numbers.below(40) {
            world.step();
        }
        world.sim.crash("as");
        for _ in 0..numbers.below(10) {
            world.step();
        }
        world.sim.bounce("as");
        for (chain, pending) in chains.iter_mut().zip(under_way) {
            let Some(pending) = pending else { continue };
            match world.finish(&pending) {
                Some((200, body)) => {
                    let next = member(&body, "refresh_token");
                    chain.used.push(std::mem::replace(&mut chain.token, next));
                    chain.is_unanswered = false;
                    answered += 1;
                }
                Some((400, body)) => {
                    assert_eq!(member(&body, "error"), "invalid_grant");
                    assert!(chain.is_unanswered, "a token that was never sent is refused: {body}");
                    chain.is_over = true;
                }
                Some((status, body)) => panic!("{status} {body}"),
                None => {
                    chain.is_unanswered = true;
                    unanswered += 1;
                }
            }
        }
    }
    assert!(answered > 0 && unanswered > 0, "{answered} answered, {unanswered} unanswered");
    for chain in &chains {
        spends_nothing_twice(&mut world, chain);
    }
}

fn spends_nothing_twice(world: &mut World, chain: &Chain) {
    if !chain.is_over && !chain.is_unanswered {
        // Twice at once: one of them wins at most.
        let both = [world.start_refresh(&chain.token), world.start_refresh(&chain.token)];
        let won =
            both.map(|pending| world.finish(&pending).is_some_and(|(status, _)| status == 200));
        assert!(won.iter().filter(|won| **won).count() <= 1);
    }
    for used in &chain.used {
        let pending = world.start_refresh(used);
        let status = world.finish(&pending).map(|(status, _)| status);
        assert_eq!(status, Some(400), "a used token gave tokens again");
    }
}

#[test]
fn sec_563_sec_229_restarts_lose_no_grant_and_spend_none_twice() {
    for seed in seeds(8) {
        restart_over_and_over(seed);
    }
}
