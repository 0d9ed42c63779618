//! Grants under random sequences of requests, some of them at once, beside a model of what a grant is.

use http::StatusCode;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::databases::TestDatabase;
use crate::harness::*;

const CASES: u32 = 40;
/// Longer than anything waits.
const LONG_SECS: u64 = 40 * 24 * 60 * 60;

/// What a client, or a thief, does with one grant.
#[derive(Debug, Clone)]
enum Act {
    Redeem,
    RedeemWithWrongVerifier,
    /// With any refresh token that there was.
    Refresh(Index),
    /// Of the newest refresh token.
    Revoke,
    RevokeAccess(Index),
}

#[derive(Debug, Clone)]
enum Step {
    One(Act),
    Two(Act, Act),
    Wait(u64),
    /// Everything expires.
    End,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Redeem),
        1 => Just(Act::RedeemWithWrongVerifier),
        6 => any::<Index>().prop_map(Act::Refresh),
        1 => Just(Act::Revoke),
        1 => any::<Index>().prop_map(Act::RevokeAccess),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => act().prop_map(Step::One),
        6 => (act(), act()).prop_map(|(a, b)| Step::Two(a, b)),
        2 => (1_u64..20).prop_map(Step::Wait),
        1 => Just(Step::End),
    ];
    prop::collection::vec(step, 3..10).prop_map(|mut steps| {
        // Most grants begin; what comes before is tried, too.
        steps.insert(steps.len().min(1), Step::One(Act::Redeem));
        steps
    })
}

/// What a grant is, whatever is done to it.
#[derive(Debug, Clone, Default)]
struct Grant {
    is_redeemed: bool,
    /// Revoked, replayed or over.
    is_dead: bool,
    /// Each with whether it is spent.
    refresh: Vec<(String, bool)>,
    /// Each with whether it was revoked by itself.
    access: Vec<(String, bool)>,
}

/// A request, made of what was known before it.
#[derive(Debug, Clone)]
enum Sent {
    Code { is_right: bool },
    Refresh(String),
    Revoke(String),
    RevokeAccess(String),
}

impl Grant {
    /// `None` when there is nothing yet to do it with.
    fn request(&self, act: &Act) -> Option<Sent> {
        let pick = |tokens: &[(String, bool)], index: &Index| {
            (!tokens.is_empty()).then(|| index.get(tokens).0.clone())
        };
        Some(match act {
            Act::Redeem => Sent::Code { is_right: true },
            Act::RedeemWithWrongVerifier => Sent::Code { is_right: false },
            Act::Refresh(index) => Sent::Refresh(pick(&self.refresh, index)?),
            Act::Revoke => Sent::Revoke(self.refresh.last()?.0.clone()),
            Act::RevokeAccess(index) => Sent::RevokeAccess(pick(&self.access, index)?),
        })
    }

    /// Whether this is the answer that the grant as it is gives; it then becomes what follows.
    fn explains(&mut self, sent: &Sent, answer: &Answer) -> bool {
        let issues = match sent {
            Sent::Code { is_right: false } => false,
            Sent::Code { is_right: true } => {
                // AS-86: a second use ends everything.
                let first = !self.is_redeemed && !self.is_dead;
                self.is_dead |= self.is_redeemed;
                self.is_redeemed = true;
                first
            }
            Sent::Refresh(token) => {
                let Some(known) = self.refresh.iter_mut().find(|(it, _)| it == token) else {
                    return false;
                };
                let issues = !self.is_dead && !known.1;
                // AS-92: reuse ends everything.
                self.is_dead |= known.1;
                known.1 = true;
                issues
            }
            Sent::Revoke(_) => {
                self.is_dead = true;
                return answer.status == StatusCode::OK;
            }
            Sent::RevokeAccess(token) => {
                self.access.iter_mut().filter(|(it, _)| it == token).for_each(|it| it.1 = true);
                return answer.status == StatusCode::OK;
            }
        };
        if !issues {
            return answer.refusal() == (400, "invalid_grant".into());
        }
        if answer.status != StatusCode::OK {
            return false;
        }
        let (access, refresh) = answer.tokens();
        self.access.push((access, false));
        self.refresh.push((refresh, false));
        true
    }

    async fn is_as_it_shows(&self, server: &Server) -> bool {
        for (token, is_revoked) in &self.access {
            if server.is_active(OPAQUE, token).await == (self.is_dead || *is_revoked) {
                return false;
            }
        }
        true
    }
}

async fn send(server: &Server, client: &Client, code: &str, sent: &Sent) -> Answer {
    match sent {
        Sent::Code { is_right } => {
            let mut form = redemption(code);
            form[3].1 = if *is_right { VERIFIER } else { OTHER_VERIFIER };
            server.token(client, &form).await
        }
        Sent::Refresh(token) => server.refresh(client, token).await,
        Sent::Revoke(token) | Sent::RevokeAccess(token) => {
            server.as_client("/revoke", client, &[("token", token)]).await
        }
    }
}

/// Runs a sequence; gives the grants that explain all of it.
async fn run(server: &Server, client: &Client, code: &str, steps: &[Step]) -> Result<(), String> {
    let mut grants = vec![Grant::default()];
    for (number, step) in steps.iter().enumerate() {
        let known = grants[0].clone();
        let acts = match step {
            Step::One(act) => vec![act],
            Step::Two(a, b) => vec![a, b],
            Step::Wait(secs) => {
                server.pass_secs(*secs);
                continue;
            }
            Step::End => {
                server.pass_secs(LONG_SECS);
                server.server.sweep().await;
                grants.iter_mut().for_each(|grant| grant.is_dead = true);
                continue;
            }
        };
        let sent: Vec<Sent> = acts.iter().filter_map(|act| known.request(act)).collect();
        let answers = match sent.as_slice() {
            [] => continue,
            [one] => vec![send(server, client, code, one).await],
            [a, b, ..] => {
                let (a, b) =
                    tokio::join!(send(server, client, code, a), send(server, client, code, b));
                vec![a, b]
            }
        };
        // One order of the requests must explain the answers, and what tokens are worth afterwards.
        let orders: &[&[usize]] = if answers.len() == 1 { &[&[0]] } else { &[&[0, 1], &[1, 0]] };
        let mut explained = Vec::new();
        for grant in &grants {
            for order in orders {
                let mut grant = grant.clone();
                if order.iter().all(|at| grant.explains(&sent[*at], &answers[*at]))
                    && grant.is_as_it_shows(server).await
                {
                    explained.push(grant);
                }
            }
        }
        if explained.is_empty() {
            let seen: Vec<_> = answers.iter().map(|it| (it.status, &it.body)).collect();
            return Err(format!("step {number}, {step:?} of {grants:?}: {seen:?}"));
        }
        grants = explained;
        grants.truncate(8);
    }
    Ok(())
}

#[test]
fn sec_560_a_grant_is_what_its_model_is() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for database in TestDatabase::each() {
        let mut settings = settings().with_database(database.place());
        settings.lifetimes.authorization_code = std::time::Duration::from_secs(600);
        let server = runtime.block_on(Server::with(settings));
        let client = runtime.block_on(server.public_client());
        // A client that never got a token is forgotten when everything expires.
        let code = runtime.block_on(server.code(&client, OPAQUE));
        let redeemed = runtime.block_on(server.token(&client, &redemption(&code)));
        assert_eq!(redeemed.status, StatusCode::OK);
        let config = Config { failure_persistence: None, ..Config::with_cases(CASES) };
        let checked = TestRunner::new(config).run(&steps(), |steps| {
            let code = runtime.block_on(server.code(&client, OPAQUE));
            let result = runtime.block_on(run(&server, &client, &code, &steps));
            result.map_err(TestCaseError::fail)
        });
        checked.unwrap();
        runtime.block_on(server.server.close());
    }
}
