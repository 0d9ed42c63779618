//! Every scenario over every driver.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_tests::{
    judge::{self, Judge},
    scenario::{self, Scenarios, TOPICS},
};

#[track_caller]
fn run(topic: &str) {
    let scenarios = Scenarios::load();
    let mut judge = Judge::new();
    let cases = &scenarios.by_topic[topic];
    for scenario in cases {
        judge.run(scenario);
    }
    println!("{topic}: {} cases", cases.len());
    assert!(!cases.is_empty());
    let failures = judge.failures();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn audience() {
    run("audience");
}

#[test]
fn credentials() {
    run("credentials");
}

#[test]
fn envelope() {
    run("envelope");
}

#[test]
fn eras() {
    run("eras");
}

#[test]
fn headers_mirrored() {
    run("headers_mirrored");
}

#[test]
fn introspection() {
    run("introspection");
}

#[test]
fn metadata() {
    run("metadata");
}

#[test]
fn origins() {
    run("origins");
}

#[test]
fn routing() {
    run("routing");
}

#[test]
fn scopes() {
    run("scopes");
}

#[test]
fn token_claims() {
    run("token_claims");
}

#[test]
fn token_headers() {
    run("token_headers");
}

/// Whatever is wrong with a token, the peer sees the same bytes.
#[test]
fn sec_157_one_answer_for_every_bad_token() {
    let scenarios = Scenarios::load();
    let mut judge = Judge::new();
    let mut answers = BTreeMap::new();
    for scenario in scenarios.iter() {
        for answer in judge.run(scenario) {
            let is_invalid_token = answer
                .values("www-authenticate")
                .any(|value| value.starts_with(b"Bearer error=\"invalid_token\""));
            // What an allowed page may read is said beside the answer, not by it.
            let is_cross_origin = answer.values("access-control-allow-origin").next().is_some();
            if is_invalid_token && !is_cross_origin {
                let cases: &mut Vec<_> =
                    answers.entry((answer.status, answer.fields, answer.body)).or_default();
                cases.push(&scenario.name);
            }
        }
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    let cases = answers.values().next().unwrap().len();
    println!("{cases} answers");
    assert!(cases > 200, "only {cases} answers were compared");
}

/// No id is silent: it has a case here, or the list says where it is shown instead.
#[test]
fn every_id_is_shown() {
    let scenarios = Scenarios::load();
    let shown = judge::ids(scenarios.iter());
    let elsewhere: BTreeMap<String, String> = toml::from_str(&scenario::read("elsewhere")).unwrap();
    let wanted = [
        ("SEC", 70..=100),
        ("SEC", 113..=113),
        ("SEC", 120..=135),
        ("SEC", 150..=153),
        ("SEC", 156..=158),
        ("SEC", 340..=346),
        ("SEC", 360..=364),
        ("SEC", 373..=373),
        ("SEC", 385..=388),
        ("TS", 20..=27),
        ("TS", 30..=35),
        ("TS", 40..=49),
        ("TL", 1..=7),
        ("TD", 1..=1),
        ("TD", 6..=6),
        ("LIM", 4..=5),
        ("LIM", 7..=7),
        ("LIM", 10..=10),
    ];
    let mut silent = Vec::new();
    for (series, numbers) in wanted {
        for number in numbers {
            let id = match series {
                "SEC" => format!("SEC-{number:03}"),
                "LIM" => format!("LIM-{number}"),
                _ => format!("{series}-{number:02}"),
            };
            match (shown.contains(id.as_str()), elsewhere.get(&id)) {
                (true, None) => {}
                (false, Some(reason)) => assert!(reason.len() > 20, "{id}: {reason}"),
                (false, None) => silent.push(id),
                (true, Some(_)) => panic!("{id} is shown here, and not elsewhere"),
            }
        }
    }
    assert!(silent.is_empty(), "{silent:?}");
}

/// Names are unique, since gaps are listed by them, and each accepted case has a refused twin.
#[test]
fn each_accepting_case_has_a_rejecting_twin() {
    let scenarios = Scenarios::load();
    let mut names = BTreeSet::new();
    for scenario in scenarios.iter() {
        assert!(names.insert(&scenario.name), "{}: twice", scenario.name);
    }
    let is_accepted = |scenario: &&scenario::Scenario| scenario.expected.principal.is_some();
    let refused = judge::ids(scenarios.iter().filter(|scenario| !is_accepted(scenario)));
    for scenario in scenarios.iter().filter(is_accepted) {
        let has_twin = scenario.id.iter().any(|id| refused.contains(id.as_str()));
        assert!(has_twin, "{}: nothing with its ids is refused", scenario.name);
    }
    for gap in judge::gaps() {
        assert!(names.contains(&gap.case), "{}: no such case", gap.case);
    }
}

#[test]
fn every_file_is_run() {
    let other = ["elsewhere", "gaps", "snippets", "tokens"];
    for entry in std::fs::read_dir(scenario::folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(TOPICS.contains(&name) || other.contains(&name), "{name} is not run");
    }
}
