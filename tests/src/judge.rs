//! Runs scenarios over all drivers: each answer against what is expected, and all answers against
//! each other.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{
    bare_core::BareCore,
    driver::{Answer, Driver, Later},
    over_embassy::OverEmbassy,
    over_proxy::OverProxy,
    over_tokio::OverTokio,
    scenario::{self, Expected, Scenario},
};

/// Drivers that do not do what a case expects, and why that is accepted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Their names; what they answer instead is the same to the byte.
    pub drivers: Vec<String>,
    /// The case's name, with the value of `each` where there is one.
    pub case: String,
    /// What they answer instead.
    pub status: u16,
    /// Why.
    pub reason: String,
}

impl Gap {
    fn is_of(&self, driver: &str, scenario: &Scenario) -> bool {
        self.case == scenario.name && self.drivers.iter().any(|own| own == driver)
    }
}

/// The list of known gaps.
pub fn gaps() -> Vec<Gap> {
    let mut lists: BTreeMap<String, Vec<Gap>> = toml::from_str(&scenario::read("gaps")).unwrap();
    lists.remove("gap").unwrap_or_default()
}

/// All drivers and what they did wrong.
pub struct Judge<'d> {
    drivers: Vec<Box<dyn Driver + 'd>>,
    gaps: Vec<Gap>,
    failures: Vec<String>,
}

impl<'d> Judge<'d> {
    /// Over all drivers of a desktop, with the known gaps.
    pub fn new() -> Self {
        let drivers: Vec<Box<dyn Driver + 'd>> = vec![
            Box::new(BareCore::default()),
            Box::new(OverTokio::new()),
            Box::new(OverProxy::new()),
            Box::new(OverEmbassy::new()),
        ];
        Self::with(drivers, gaps())
    }

    /// Over these drivers, with these gaps.
    pub const fn with(drivers: Vec<Box<dyn Driver + 'd>>, gaps: Vec<Gap>) -> Self {
        Self { drivers, gaps, failures: Vec::new() }
    }

    /// Runs one case; returns the answers of those drivers that have no gap there.
    pub fn run(&mut self, scenario: &Scenario) -> Vec<Answer> {
        let mut answers: Vec<Answer> = Vec::new();
        // The first answer without a gap, and the first of each gap.
        let mut firsts: BTreeMap<Option<usize>, Answer> = BTreeMap::new();
        for driver in &mut self.drivers {
            let name = driver.name();
            let answer = driver.answer(&scenario.exchange);
            let mut wrong = faults(&answer, scenario);
            let index = self.gaps.iter().position(|gap| gap.is_of(name, scenario));
            if let Some(gap) = index.and_then(|index| self.gaps.get(index)) {
                if wrong.is_empty() {
                    wrong.push(format!("a listed gap passes: {}", gap.reason));
                } else if answer.status == gap.status {
                    wrong.clear();
                } else {
                    wrong = vec!["another gap than listed".to_owned()];
                }
            }
            if let Some(first) = firsts.get(&index).filter(|it| !answer.is_same_on_the_wire(it)) {
                wrong.push(format!("differs from {}", shown(first)));
            }
            if !answer.reached && driver.answer(&scenario.honest).status != 200 {
                wrong.push("INV-7: an honest request is refused afterwards".to_owned());
            }
            if !wrong.is_empty() {
                let (id, case) = (scenario.id.join(" "), &scenario.name);
                let wrong = wrong.join("; ");
                self.failures
                    .push(format!("{name}: {id}: {case}: {wrong}\n    got {}", shown(&answer)));
            }
            if index.is_none() {
                answers.push(answer.clone());
            }
            firsts.entry(index).or_insert(answer);
        }
        answers
    }

    /// What went wrong so far.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }
}

impl Default for Judge<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// What an answer has that was not expected, and the other way round.
fn faults(answer: &Answer, scenario: &Scenario) -> Vec<String> {
    let Scenario { exchange, expected, .. } = scenario;
    let mut faults = Vec::new();
    let mut want = |holds: bool, what: String| {
        if !holds {
            faults.push(what);
        }
    };
    want(answer.status == expected.status, format!("wants status {}", expected.status));
    let reaches = expected.principal.is_some();
    want(answer.reached == reaches, format!("wants that the service runs: {reaches}"));
    if let Some(principal) = &expected.principal {
        let body = crate::wire::received(&exchange.request).map(|it| it.body).unwrap_or_default();
        let echo = crate::service::answer(principal, &body);
        want(answer.body == echo, format!("wants principal {principal} and the very bytes"));
    } else {
        // 503: there, nobody knows the time for the later request either.
        let goes_on = matches!(answer.later, Later::Closed | Later::Status(200 | 503));
        let later = answer.later;
        want(
            goes_on || exchange.later.is_none(),
            format!("INV-7: the connection goes on with {later:?}"),
        );
    }
    want(answer.earlier.is_none_or(|status| status == 200), "wants the earlier request".into());
    for fault in field_faults(answer, expected) {
        want(false, fault);
    }
    if let Some(body) = &expected.body {
        want(answer.body == body.as_bytes(), format!("wants the body {body}"));
    }
    if let Some(code) = expected.code {
        want(error_code(&answer.body) == Some(code), format!("wants code {code}"));
    }
    if let Some(asked) = expected.asked {
        want(
            answer.asked == asked,
            format!("wants that the authorization server is asked: {asked}"),
        );
    }
    faults
}

fn field_faults(answer: &Answer, expected: &Expected) -> Vec<String> {
    let mut faults = Vec::new();
    let challenges: Vec<_> = answer.values("www-authenticate").collect();
    let wanted: Vec<_> = expected.challenge.iter().map(String::as_bytes).collect();
    if challenges != wanted {
        faults.push(format!("wants challenge {:?}", expected.challenge));
    }
    for field in &expected.present {
        let has = match field.split_once(": ") {
            None => answer.values(field).next().is_some(),
            Some((name, value)) => answer.values(name).eq([value.as_bytes()]),
        };
        if !has {
            faults.push(format!("wants the field {field}"));
        }
    }
    for field in &expected.absent {
        if answer.values(field).next().is_some() {
            faults.push(format!("wants no field {field}"));
        }
    }
    faults
}

/// The code of a JSON-RPC error; read by a parser that is not ours.
fn error_code(body: &[u8]) -> Option<i64> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    (body.get("jsonrpc")? == "2.0").then(|| body.get("error")?.get("code")?.as_i64())?
}

fn shown(answer: &Answer) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
    let fields = answer.fields.iter().map(|(name, value)| format!("{name}: {}", text(value)));
    let fields = fields.collect::<Vec<_>>().join(" | ");
    format!("{} | {fields} | {}", answer.status, text(&answer.body))
}

/// Every id that some scenario shows.
pub fn ids<'a>(scenarios: impl Iterator<Item = &'a Scenario>) -> BTreeSet<&'a str> {
    scenarios.flat_map(|scenario| scenario.id.iter().map(String::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{authorization_server::Script, driver::Exchange, server::Server};

    /// Says the same to everything.
    struct Parrot(&'static str, Answer);

    impl Driver for Parrot {
        fn name(&self) -> &'static str {
            self.0
        }

        fn answer(&mut self, exchange: &Exchange) -> Answer {
            // The honest request is the one that has nothing after it.
            let later = exchange.later.as_ref().map_or(Later::None, |_| Later::Status(200));
            let status = if exchange.later.is_some() { self.1.status } else { 200 };
            Answer { status, later, ..self.1.clone() }
        }
    }

    fn refused() -> Scenario {
        let exchange = Exchange {
            server: Server::default(),
            now: None,
            script: Script::Unreachable,
            earlier: None,
            request: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            later: Some(Vec::new()),
        };
        let honest = Exchange { later: None, ..exchange.clone() };
        let expected = Expected {
            status: 404,
            principal: None,
            challenge: None,
            code: None,
            body: Some("no".into()),
            present: vec!["allow: x".into()],
            absent: vec!["secret".into()],
            asked: Some(false),
        };
        Scenario { id: vec!["X-1".into()], name: "refused".into(), exchange, honest, expected }
    }

    fn right() -> Answer {
        let fields = vec![("allow".to_owned(), b"x".to_vec())];
        Answer { status: 404, fields, body: b"no".to_vec(), ..Answer::default() }
    }

    #[track_caller]
    fn check(answers: [Answer; 2], gap: Option<(&[&str], u16)>, expected: &[&str]) {
        let [first, second] = answers;
        let drivers: Vec<Box<dyn Driver>> =
            vec![Box::new(Parrot("a", first)), Box::new(Parrot("b", second))];
        let gap = gap.map(|(drivers, status)| Gap {
            drivers: drivers.iter().map(|&name| name.into()).collect(),
            case: "refused".into(),
            status,
            reason: "because".into(),
        });
        let mut judge = Judge::with(drivers, gap.into_iter().collect());
        judge.run(&refused());
        let failures = judge.failures();
        assert_eq!(failures.len(), expected.len(), "{failures:?}");
        for (failure, part) in failures.iter().zip(expected) {
            assert!(failure.contains(part), "{failure:?} without {part}");
        }
    }

    #[test]
    fn each_expectation_can_fail() {
        check([right(), right()], None, &[]);
        let wrong = [
            (Answer { status: 200, ..right() }, "wants status 404"),
            (Answer { body: Vec::new(), ..right() }, "wants the body no"),
            (Answer { fields: Vec::new(), ..right() }, "wants the field allow: x"),
            (Answer { reached: true, ..right() }, "wants that the service runs: false"),
            (Answer { asked: true, ..right() }, "is asked: false"),
            (Answer { earlier: Some(401), ..right() }, "wants the earlier request"),
        ];
        for (answer, fault) in wrong {
            check([right(), answer], None, &[fault]);
        }
        let mut challenged = right();
        challenged.fields.push(("www-authenticate".into(), b"Bearer".to_vec()));
        check([right(), challenged], None, &["wants challenge None"]);
        let mut chatty = right();
        chatty.fields.push(("secret".into(), Vec::new()));
        check([right(), chatty], None, &["wants no field secret"]);
    }

    #[test]
    fn drivers_must_agree_to_the_byte() {
        let mut other = right();
        other.fields.push(("x-other".into(), Vec::new()));
        check([right(), other], None, &["differs from"]);
    }

    #[test]
    fn a_listed_gap_must_be_one_and_stay_the_same_one() {
        let wrong = || Answer { status: 200, ..right() };
        check([right(), wrong()], Some((&["b"], 200)), &[]);
        check([right(), wrong()], Some((&["a"], 200)), &["a listed gap passes", "wants status"]);
        check([right(), right()], Some((&["b"], 200)), &["a listed gap passes"]);
        check([right(), wrong()], Some((&["b"], 201)), &["another gap than listed"]);
    }

    #[test]
    fn drivers_with_one_gap_must_agree_to_the_byte() {
        let wrong = || Answer { status: 200, ..right() };
        let both: Option<(&[&str], u16)> = Some((&["a", "b"], 200));
        check([wrong(), wrong()], both, &[]);
        check([wrong(), Answer { body: Vec::new(), ..wrong() }], both, &["differs from"]);
    }
}
