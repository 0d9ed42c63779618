//! SEC-479: one refresh for all, whatever becomes of it on its way.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use axum::{body::Body, response::Response};

use super::{
    super::{
        refreshing::Held,
        world::{Seen, World, redirect, text},
        *,
    },
    net::{Net, Pending, authorizer, browse, seeds, world},
};

const CALLS: usize = 5;
/// Steps after which nothing is on its way any more.
const SETTLED: usize = 40;

/// A world, and the number of the last access token that its server does not take any more.
pub(super) fn ending() -> (World, Arc<AtomicU32>) {
    let ended = Arc::new(AtomicU32::new(0));
    let last = Arc::clone(&ended);
    let world = world(1, move |world, seen| match seen.path.as_str() {
        // Between what the authorization server does and the end of what it says.
        "/token" => {
            let answer = world.token(seen);
            Some(answer.map(|body| Body::new(Held::after(Duration::from_millis(30), body))))
        }
        _ => is_over(seen, last.load(SeqCst)),
    });
    (world, ended)
}

fn is_over(seen: &Seen, last: u32) -> Option<Response<Body>> {
    let number = seen.field("authorization")?.strip_prefix("Bearer at-")?.parse::<u32>().ok()?;
    (seen.path == "/mcp" && number <= last).then(|| text(401, "text/plain", ""))
}

fn client(world: &World) -> Arc<McpClient> {
    Arc::new(McpClient::with_authorizer(Arc::new(authorizer(world, browse))))
}

type Called = Result<(), McpError>;

fn start(net: &Net, client: &Arc<McpClient>) -> Pending<Called> {
    let client = Arc::clone(client);
    net.start("client", async move { client.list_tools().await.map(drop) })
}

/// So many calls at once.
fn call(net: &mut Net, client: &Arc<McpClient>, count: usize) -> Vec<Called> {
    let calls: Vec<_> = (0..count).map(|_| start(net, client)).collect();
    calls.iter().map(|call| net.finish(call)).collect()
}

pub(super) fn uses(world: &World, token: &str) -> usize {
    let sent = world.seen("/token");
    sent.iter().filter(|seen| seen.parameter("refresh_token").as_deref() == Some(token)).count()
}

#[test]
fn sec_479_calls_at_once_refresh_once_over_a_slow_network() {
    for seed in seeds(6) {
        let (world, ended) = ending();
        let mut net = Net::new(seed, &[&world], &["client"]);
        let client = client(&world);
        assert!(call(&mut net, &client, CALLS).iter().all(Result::is_ok));
        for round in 1..=3 {
            ended.store(round, SeqCst);
            assert!(call(&mut net, &client, CALLS).iter().all(Result::is_ok));
            assert_eq!(uses(&world, &format!("rt-{round}")), 1);
        }
        assert_eq!((world.seen("/token").len(), world.seen("/authorize").len()), (4, 1));
    }
}

#[test]
fn sec_479_calls_at_once_share_the_silence_of_the_authorization_server() {
    for seed in seeds(3) {
        let (world, ended) = ending();
        let mut net = Net::new(seed, &[&world], &["client"]);
        let client = client(&world);
        call(&mut net, &client, 1).remove(0).unwrap();
        ended.store(1, SeqCst);
        net.sim.hold("client", "as1");
        let before = net.sim.elapsed();
        for outcome in call(&mut net, &client, CALLS) {
            let error = outcome.unwrap_err();
            assert!(matches!(error, McpError::Authorize(AuthorizeError::Discovery(_))), "{error}");
        }
        // As long as one waits for the metadata, not five times as long.
        let time_limit = world.options().fetch_time_limit;
        let took = net.sim.elapsed() - before;
        assert!(took >= time_limit && took < 2 * time_limit, "{took:?}");

        // The calls after that begin anew, and nothing was lost.
        net.sim.release("client", "as1");
        assert!(call(&mut net, &client, CALLS).iter().all(Result::is_ok));
        assert_eq!((uses(&world, "rt-1"), world.seen("/authorize").len()), (1, 1));
    }
}

#[test]
fn sec_479_a_user_who_refuses_is_asked_once() {
    let world = world(1, |world, seen| {
        // Only the second time does the user agree.
        let is_first = seen.path == "/authorize" && world.seen("/authorize").len() == 1;
        let [state, back] = ["state", "redirect_uri"].map(|name| seen.parameter(name));
        let answer = format!("error=access_denied&state={}&iss={}", state?, world.issuer);
        is_first.then(|| redirect(302, &format!("{}?{answer}", back.unwrap_or_default())))
    });
    for seed in seeds(3) {
        world.known.lock().unwrap().seen.clear();
        let mut net = Net::new(seed, &[&world], &["client"]);
        let client = client(&world);
        for outcome in call(&mut net, &client, CALLS) {
            let error = outcome.unwrap_err();
            assert!(matches!(error, McpError::Authorize(AuthorizeError::Denied(_))), "{error}");
        }
        assert_eq!(world.seen("/authorize").len(), 1);
        assert!(call(&mut net, &client, CALLS).iter().all(Result::is_ok));
        assert_eq!(world.seen("/authorize").len(), 2);
    }
}

/// What happens to the authorization server in the middle of a refresh.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It dies, and comes back with what it knew.
    Crash,
    /// It and the client cannot reach each other.
    Partition,
    /// What they say comes too late.
    Late,
}

impl Fault {
    fn begin(self, net: &mut Net) {
        match self {
            Self::Crash => net.sim.crash("as1"),
            Self::Partition => net.sim.partition("client", "as1"),
            Self::Late => net.sim.hold("client", "as1"),
        }
    }

    fn end(self, net: &mut Net) {
        match self {
            Self::Crash => net.sim.bounce("as1"),
            Self::Partition => net.sim.repair("client", "as1"),
            Self::Late => net.sim.release("client", "as1"),
        }
    }
}

/// The fault begins so many steps after the calls; whether the new tokens were lost.
fn fault_in_a_refresh(fault: Fault, steps: usize) -> bool {
    let (world, ended) = ending();
    let mut net = Net::new(7, &[&world], &["client"]);
    let client = client(&world);
    call(&mut net, &client, 1).remove(0).unwrap();
    ended.store(1, SeqCst);
    let calls: Vec<_> = (0..CALLS).map(|_| start(&net, &client)).collect();
    for _ in 0..steps {
        net.step();
    }
    fault.begin(&mut net);
    let first = net.finish(&calls[0]);
    fault.end(&mut net);
    let mut outcomes: Vec<_> = calls[1..].iter().map(|call| net.finish(call)).collect();
    outcomes.push(first);
    // What was late has come by now.
    for _ in 0..SETTLED {
        net.step();
    }
    let has = Arc::clone(&client);
    let has = net.run("client", async move { has.login().await.unwrap() });
    let given = world.known.lock().unwrap().tokens;
    let is_lost = has.access_token() != format!("at-{given}");
    assert!(!is_lost || outcomes.iter().any(Result::is_err), "{fault:?} at {steps}");

    assert!(call(&mut net, &client, CALLS).iter().all(Result::is_ok), "{fault:?} at {steps}");
    // The user is asked once more if the new tokens were lost on their way, and only then.
    assert_eq!(world.seen("/authorize").len(), if is_lost { 2 } else { 1 }, "{fault:?} at {steps}");
    // Nobody shows a spent token but to ask what became of it, and not twice.
    assert_eq!(uses(&world, "rt-1"), if is_lost { 2 } else { 1 }, "{fault:?} at {steps}");
    is_lost
}

#[test]
fn sec_479_a_fault_in_a_refresh_costs_at_most_one_login() {
    for fault in [Fault::Crash, Fault::Partition, Fault::Late] {
        let costs: Vec<_> =
            (0..36).step_by(3).map(|steps| fault_in_a_refresh(fault, steps)).collect();
        println!("{fault:?} {costs:?}");
        assert!(costs.contains(&false) && costs.contains(&true), "{fault:?} {costs:?}");
    }
}
