//! A sound server has no finding, and each planted fault is found by its name, with nothing beside it.

mod faults;
mod hostile;
mod strangers;
mod tls;
mod world;

use clap::Parser;
use portcullis_authorization_server::{TokenFormat, testing::ProtectedServer};
use serde_json::json;

use super::{
    Options,
    examination::examine,
    report::{Report, Verdict},
};
use world::World;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

pub(super) fn options(arguments: &[&str]) -> Options {
    let all = ["doctor"].iter().chain(arguments);
    Arguments::try_parse_from(all).unwrap_or_else(|error| panic!("{error}")).options
}

/// The report, and the codes of its findings in order. That a machine with other work to do is slow is no finding.
pub(super) async fn diagnose(url: &str) -> (Report, Vec<&'static str>) {
    let report = examine(&options(&[url])).await;
    let mut codes: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    codes.retain(|code| !code.ends_with("-slow"));
    codes.sort_unstable();
    codes.dedup();
    (report, codes)
}

#[tokio::test]
async fn a_sound_server_has_no_finding() {
    let world = World::start(|_| {}).await;
    let (report, codes) = diagnose(&world.url()).await;
    assert_eq!(codes, [""; 0], "{report:#?}");
    assert_eq!((report.verdict, &report.unchecked), (Verdict::Sound, &None));
}

#[tokio::test]
async fn our_own_servers_have_no_finding() {
    for format in [TokenFormat::Hs256, TokenFormat::Es256, TokenFormat::Opaque] {
        let server = ProtectedServer::sample().token_format(format).start().await.unwrap();
        let (report, codes) = diagnose(server.url()).await;
        assert_eq!(codes, [""; 0], "{report:#?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_that_is_a_secret_or_changes_anything() {
    let world = World::start(|_| {}).await;
    diagnose(&world.url()).await;
    let requests = world.requests();
    assert!(requests.len() > 10, "{requests:#?}");
    for request in &requests {
        let head = request.to_ascii_lowercase();
        assert!(!head.contains("\r\ncookie:"), "{request}");
        let credentials = head.split("\r\n").filter(|line| line.starts_with("authorization:"));
        for line in credentials {
            assert!(
                line.contains("portcullis-doctor") || line.ends_with("no token at all"),
                "{line}"
            );
        }
        let to_register_or_redeem =
            head.starts_with("post /register") || head.starts_with("post /token");
        assert!(!to_register_or_redeem, "{request}");
    }
}

#[tokio::test]
async fn the_json_output_keeps_its_members() {
    let world = World::start(|script| {
        script.edit(world::METADATA, |members| {
            members.remove("code_challenge_methods_supported");
        });
    })
    .await;
    let (report, _) = diagnose(&world.url()).await;
    let mut value = serde_json::to_value(&report).unwrap();
    assert!(value["facts"].as_array().is_some_and(|facts| {
        facts.iter().all(|fact| fact["name"].is_string() && fact["value"].is_string())
    }));
    value["facts"] = json!([]);
    let expected = json!({
        "schema": 1,
        "url": world.url(),
        "verdict": "errors",
        "unchecked": null,
        "counts": {"errors": 1, "warnings": 0, "notes": 0},
        "facts": [],
        "findings": [{
            "code": "no-pkce",
            "severity": "error",
            "requirements": ["AS-07", "CL-25"],
            "where": world.at(world::METADATA),
            "what": super::rules::NO_PKCE.what,
            "detail": "",
            "effect": super::rules::NO_PKCE.effect,
            "remedy": super::rules::NO_PKCE.remedy,
        }],
    });
    assert_eq!(value, expected);
}
