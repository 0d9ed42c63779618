//! Servers that mean harm to whoever looks at them.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    diagnose, options,
    world::{Body, METADATA, PRM, Reply, World},
};
use crate::doctor::{examination::examine, report::Verdict};

/// More than any of these may take, also where the machine is busy.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn sec_173_bodies_without_an_end() {
    for (body, secs) in [(Body::Endless, "50"), (Body::Drip, "2")] {
        let world = World::start(|it| it.change(METADATA, |reply| Reply { body, ..reply })).await;
        let begun = Instant::now();
        let report = examine(&options(&[&world.url(), "--timeout", secs])).await;
        assert!(begun.elapsed() < DEADLINE);
        assert!(report.findings.iter().any(|it| it.code == "metadata-too-long"), "{report:#?}");
        assert_eq!(report.verdict, Verdict::Errors);
    }
}

#[tokio::test]
async fn sec_168_sec_462_a_redirect_is_told_and_not_followed() {
    let metadata_service = "http://169.254.169.254/latest/meta-data/";
    let world = World::start(|it| {
        it.change(PRM, |reply| reply.with_status(302).field("location", metadata_service));
    })
    .await;
    let (report, codes) = diagnose(&world.url()).await;
    assert_eq!(codes, ["no-prm", "pointer-broken", "prm-redirects"], "{report:#?}");
    let told = report.findings.iter().any(|it| it.detail.contains(metadata_service));
    assert!(told, "{report:#?}");
}

#[tokio::test]
async fn sec_462_metadata_leads_to_no_private_address() {
    for issuer in ["https://169.254.169.254", "https://192.168.1.1/as", "https://[fd00::1]"] {
        let world = World::start(|it| {
            it.edit(PRM, |members| members["authorization_servers"] = json!([issuer]));
        })
        .await;
        let (report, codes) = diagnose(&world.url()).await;
        assert_eq!(codes, ["issuer-forbidden"], "{report:#?}");
    }
}

/// Four authorization servers are looked at, however many are named.
#[tokio::test]
async fn sec_173_issuers_without_measure() {
    let issuers: Vec<_> = (1..=7).map(|nth| format!("https://10.0.0.{nth}")).collect();
    let world = World::start(|it| {
        it.edit(PRM, |members| members["authorization_servers"] = json!(issuers));
    })
    .await;
    let (report, codes) = diagnose(&world.url()).await;
    assert_eq!((codes.as_slice(), report.findings.len()), (&["issuer-forbidden"][..], 4));
}

#[tokio::test]
async fn texts_without_measure_are_cut() {
    let world = World::start(|it| {
        it.edit(PRM, |members| members["resource"] = "x\u{1b}[2J".repeat(2_000).into());
    })
    .await;
    let (report, codes) = diagnose(&world.url()).await;
    assert_eq!(codes, ["prm-resource-syntax"]);
    assert!(report.findings.iter().all(|it| it.detail.len() < 400), "{report:#?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_checked() {
    let world = World::start(|_| {}).await;
    let url = world.url();
    drop(world);
    for url in [url.as_str(), "http://mcp.example/mcp", "ftp://mcp.example/", "x"] {
        let report = examine(&options(&[url])).await;
        let expected =
            if url.starts_with("http://mcp") { Verdict::Errors } else { Verdict::Unchecked };
        assert_eq!(report.verdict, expected, "{report:#?}");
        assert!(report.unchecked.is_some());
    }
}
