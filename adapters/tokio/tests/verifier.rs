//! A verifier of the user's own: what it says is checked like everything else.

mod common;

use common::*;
use portcullis_core::time::UnixTime;
use portcullis_tokio::resource_server::{
    Facts, TokenVerifier, Unavailable, Verification, VerifyFuture,
};

/// Knows a few tokens by name.
struct Book;

impl TokenVerifier for Book {
    fn verify<'a>(&'a self, token: &'a str) -> VerifyFuture<'a> {
        let good = |audience| {
            Facts::new(ISSUER, audience, UnixTime::from_secs(NOW + 60))
                .subject("bob")
                .client_id("book")
                .scope("user")
        };
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(Some(match token {
                "good" => good(RESOURCE),
                "admin" => good(RESOURCE).scope("user time:write"),
                "other-resource" => good("https://other.example/mcp"),
                "two-resources" => good(RESOURCE).audience("https://other.example/mcp"),
                "other-issuer" => {
                    Facts::new("https://other.example", RESOURCE, UnixTime::from_secs(NOW + 60))
                        .scope("user")
                }
                "expired" => {
                    Facts::new(ISSUER, RESOURCE, UnixTime::from_secs(NOW - 60)).scope("user")
                }
                "early" => good(RESOURCE).not_before(UnixTime::from_secs(NOW + 61)),
                "future" => good(RESOURCE).issued_at(UnixTime::from_secs(NOW + 61)),
                "bound" => good(RESOURCE).sender_constrained(),
                "bad-scope" => good(RESOURCE).scope("user  user"),
                "no-scope" => good(RESOURCE).scope(""),
                "outage" => return Err(Unavailable),
                _ => return Ok(None),
            }))
        })
    }
}

#[tokio::test]
async fn facts_pass_the_same_checks() {
    let bench = Bench::new(with_verification(Verification::custom(Book)));
    for (token, status) in [
        ("good", 200),
        ("other-resource", 401),
        ("two-resources", 401),
        ("other-issuer", 401),
        ("expired", 401),
        ("early", 401),
        ("future", 401),
        ("bound", 401),
        ("bad-scope", 401),
        ("no-scope", 403),
        ("unknown", 401),
        ("outage", 503),
    ] {
        bench.check(call_with(token, "get_time"), status).await;
    }
    assert_eq!(bench.recorder.principal().unwrap().subject(), Some("bob"));
    bench.check(call_with("good", "set_time"), 403).await;
    bench.check(call_with("admin", "set_time"), 200).await;
}

#[tokio::test]
async fn inv_4_the_peer_does_not_learn_which_check_failed() {
    let bench = Bench::new(with_verification(Verification::custom(Book)));
    let first = bench.send(call_with("unknown", "get_time")).await;
    for token in ["other-resource", "other-issuer", "expired", "early", "bound", "bad-scope"] {
        let response = bench.send(call_with(token, "get_time")).await;
        assert_eq!(response.headers(), first.headers(), "{token}");
        assert_eq!(response.body(), first.body(), "{token}");
    }
}
