//! The sound server with one small change at a time.

use serde_json::{Value, json};

use super::{
    diagnose, options,
    world::{AUTHORIZE, Body, KEYS, METADATA, OPENID, PRM, ROOT_PRM, Reply, Script, World},
};
use crate::doctor::{examination::examine, report::Severity};

type Plant = fn(&mut Script);

/// What is found, and the change that is to be found.
async fn check(expected: &str, plant: Plant) {
    let world = World::start(plant).await;
    let (report, codes) = diagnose(&world.url()).await;
    assert_eq!(codes, [expected], "{report:#?}");
    let errors = report.findings.iter().filter(|it| it.severity == Severity::Error).count();
    assert_eq!(report.counts.errors, errors);
    for finding in &report.findings {
        assert!(!finding.requirements.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
    }
}

fn result() -> Reply {
    Reply::json(&json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}))
}

fn set(script: &mut Script, place: &str, name: &str, value: Value) {
    script.edit(place, |members| {
        members.insert(name.to_owned(), value);
    });
}

fn remove(script: &mut Script, place: &str, name: &str) {
    script.edit(place, |members| {
        members.remove(name).expect(name);
    });
}

#[tokio::test]
async fn faults_of_the_endpoint_without_a_token() {
    let faults: &[(&str, Plant)] = &[
        ("server-redirects", |it| {
            it.challenge = Reply::new(307, "").field("location", "https://mcp.example/mcp");
        }),
        ("open-server", |it| it.challenge = result()),
        ("open-server", |it| drop(it.open.insert("tools/list", result()))),
        ("open-handshake", |it| drop(it.open.insert("initialize", result()))),
        ("open-handshake", |it| drop(it.open.insert("server/discover", result()))),
        ("no-401", |it| it.challenge = Reply::new(403, "")),
        ("no-401", |it| it.challenge = Reply::new(500, "")),
        ("no-challenge", |it| {
            it.challenge = Reply::new(401, "");
            it.garbage = Reply::new(401, "");
        }),
        ("no-bearer", |it| {
            it.challenge = Reply::new(401, "").field("www-authenticate", "Basic realm=\"x\"");
            it.garbage = it.challenge.clone();
        }),
        ("unreadable-challenge", |it| it.replace_in_challenges("scope=\"user\"", "scope=\"user")),
        ("unreadable-challenge", |it| {
            it.replace_in_challenges("scope=\"user\"", "scope=\"a\", scope=\"b\"")
        }),
        ("unreadable-challenge", |it| {
            it.replace_in_challenges("resource_metadata=", "resource_metadata:")
        }),
        ("several-bearer", |it| {
            it.replace_in_challenges("scope=\"user\"", "scope=\"user\", Bearer realm=\"x\"")
        }),
        ("empty-challenge", |it| {
            it.challenge = Reply::new(401, "").field("www-authenticate", "Bearer");
        }),
        ("no-pointer", |it| {
            it.challenge = Reply::new(401, "").field("www-authenticate", "Bearer scope=\"user\"");
        }),
        ("error-without-token", |it| it.challenge = it.garbage.clone()),
        ("error-without-token", |it| {
            for (_, value) in &mut it.challenge.fields {
                *value = value.replace("Bearer ", "Bearer error_description=\"no token\", ");
            }
        }),
        ("offline-in-challenge", |it| {
            it.replace_in_challenges("scope=\"user", "scope=\"user offline_access")
        }),
        ("preflight-token", |it| it.preflight = it.challenge.clone()),
        ("challenge-hidden", |it| {
            it.preflight = Reply::new(204, "").field("access-control-allow-origin", "*");
        }),
        ("challenge-hidden", |it| show_browsers(it, "Mcp-Session-Id, Retry-After")),
        ("clock", |it| it.clock = 300),
        ("clock", |it| it.clock = -300),
    ];
    for (expected, plant) in faults {
        check(expected, *plant).await;
    }
}

/// RFC 9111 §4: what a cache has kept has the time at which it was made.
#[tokio::test]
async fn an_answer_out_of_a_cache_says_nothing_about_the_clock() {
    let world = World::start(|it| (it.clock, it.is_cached) = (-300, true)).await;
    assert_eq!(diagnose(&world.url()).await.1, [""; 0]);
}

/// Lets pages call, and read these fields of the answer.
fn show_browsers(script: &mut Script, exposed: &str) {
    script.preflight = Reply::new(204, "").field("access-control-allow-origin", "*");
    script.challenge = script.challenge.clone().field("access-control-expose-headers", exposed);
}

#[tokio::test]
async fn what_others_do_and_is_no_fault() {
    let sound: &[Plant] = &[
        |it| show_browsers(it, "Retry-After, www-authenticate"),
        |it| show_browsers(it, "*"),
        // It cannot decide now, which is told of a token that could be one.
        |it| it.malformed = Reply::new(503, ""),
        |it| it.malformed = Reply::new(401, ""),
        // A document of somebody else's at a later place, and a page that says that there is none.
        |it| other_openid(it, 200, "https://other.example"),
        |it| {
            let issuer = it.issuer.clone();
            other_openid(it, 404, &issuer);
        },
    ];
    for plant in sound {
        let world = World::start(*plant).await;
        let (report, codes) = diagnose(&world.url()).await;
        assert_eq!(codes, [""; 0], "{report:#?}");
    }
}

/// Puts a document with other endpoints at the place behind the first one.
fn other_openid(script: &mut Script, status: u16, issuer: &str) {
    let document = json!({"issuer": issuer, "token_endpoint": "https://other.example/token"});
    script.documents.insert(OPENID.to_owned(), Reply::json(&document).with_status(status));
}

#[tokio::test]
async fn documents_that_take_long() {
    let found = async |place| {
        let world = World::start(|it| it.slow = Some(place)).await;
        let report = examine(&options(&[&world.url(), "--timeout", "120"])).await;
        report.findings.iter().map(|it| it.code).collect::<Vec<_>>()
    };
    let (resource, issuer) = tokio::join!(found(PRM), found(METADATA));
    assert!(resource.contains(&"prm-slow"), "{resource:?}");
    assert!(issuer.contains(&"metadata-slow"), "{issuer:?}");
}

#[tokio::test]
async fn faults_of_the_endpoint_with_a_token() {
    let faults: &[(&str, Plant)] = &[
        ("garbage-admitted", |it| it.garbage = result()),
        ("garbage-status", |it| it.garbage = Reply::new(500, "")),
        ("garbage-status", |it| it.garbage = Reply::new(403, "")),
        ("garbage-undecided", |it| it.garbage = Reply::new(503, "")),
        ("garbage-no-challenge", |it| it.garbage = Reply::new(401, "")),
        ("garbage-no-error", |it| it.garbage = it.challenge.clone()),
        ("query-token", |it| it.query = Some(result())),
        ("query-token", |it| it.query = Some(it.garbage.clone())),
        ("malformed-credentials", |it| it.malformed = Reply::new(500, "")),
        ("malformed-credentials", |it| it.malformed = result()),
    ];
    for (expected, plant) in faults {
        check(expected, *plant).await;
    }
}

#[tokio::test]
async fn faults_of_the_resource_metadata() {
    let faults: &[(&str, Plant)] = &[
        ("pointer-url", |it| {
            it.replace_in_challenges("resource_metadata=\"http:", "resource_metadata=\"ftp:")
        }),
        ("pointer-origin", |it| {
            let (server, issuer) = (it.server.clone(), it.issuer.clone());
            it.replace_in_challenges(&server, &issuer);
            let reply = it.documents.get(PRM).cloned().unwrap();
            it.documents.insert(PRM.replace("server", "issuer"), reply);
        }),
        ("pointer-broken", |it| it.replace_in_challenges("resource/mcp", "resource/other")),
        ("no-path-form", |it| {
            it.replace_in_challenges("/.well-known/oauth-protected-resource/mcp", "/meta");
            let reply = it.documents.remove(PRM).unwrap();
            it.documents.insert("server /meta".to_owned(), reply);
        }),
        ("prm-unreadable", |it| {
            it.change(PRM, |reply| Reply { body: Body::Text("{,}".into()), ..reply })
        }),
        ("prm-unreadable", |it| set(it, PRM, "scopes_supported", json!("user"))),
        ("prm-no-resource", |it| remove(it, PRM, "resource")),
        ("prm-resource-syntax", |it| {
            let resource = format!("{}/mcp?x=y", it.server);
            set(it, PRM, "resource", resource.into());
        }),
        ("prm-other-resource", |it| set(it, PRM, "resource", "https://mcp.example/mcp".into())),
        ("prm-inexact-resource", |it| {
            let resource = format!("{}/mcp/", it.server);
            set(it, PRM, "resource", resource.into());
        }),
        ("prm-inexact-resource", |it| {
            let resource = it.server.clone();
            set(it, PRM, "resource", resource.into());
        }),
        ("prm-no-issuer", |it| remove(it, PRM, "authorization_servers")),
        ("prm-no-issuer", |it| set(it, PRM, "authorization_servers", json!([]))),
        ("prm-empty-list", |it| set(it, PRM, "resource_signing_alg_values_supported", json!([]))),
        ("prm-no-header", |it| set(it, PRM, "bearer_methods_supported", json!(["query"]))),
        ("prm-other-methods", |it| {
            set(it, PRM, "bearer_methods_supported", json!(["header", "query"]))
        }),
        ("prm-other-methods", |it| {
            set(it, PRM, "bearer_methods_supported", json!(["header", "body"]))
        }),
        ("prm-head", |it| it.head = Some(405)),
        ("prm-offline", |it| set(it, PRM, "scopes_supported", json!(["user", "offline_access"]))),
        ("prm-no-cors", |it| it.change(PRM, |reply| reply.without("access-control-allow-origin"))),
        ("prm-no-cache", |it| it.change(PRM, |reply| reply.without("cache-control"))),
        ("no-scope", |it| {
            it.replace_in_challenges(", scope=\"user\"", "");
            remove(it, PRM, "scopes_supported");
        }),
    ];
    for (expected, plant) in faults {
        check(expected, *plant).await;
    }
}

/// Where the document cannot be had, that there is none is a consequence that is told, too.
#[tokio::test]
async fn metadata_that_cannot_be_had() {
    let faults: &[(&[&str], Plant)] = &[
        (&["no-prm", "pointer-broken"], |it| drop(it.documents.remove(PRM))),
        (&["no-prm", "pointer-broken", "prm-redirects"], |it| {
            it.change(PRM, |reply| reply.with_status(301).field("location", "/x"));
        }),
        (&["no-prm", "pointer-broken", "prm-needs-token"], |it| {
            it.change(PRM, |reply| reply.with_status(401))
        }),
        (&["no-prm", "pointer-broken", "prm-needs-token"], |it| {
            it.change(PRM, |reply| reply.with_status(403))
        }),
        (&["no-prm", "prm-trouble"], |it| it.change(PRM, |reply| reply.with_status(500))),
        (&["no-prm", "prm-trouble"], |it| it.change(PRM, |reply| reply.with_status(429))),
        (&["no-prm", "pointer-broken", "prm-media-type"], |it| {
            it.change(PRM, |reply| reply.field("content-type", "text/html"));
        }),
        (&["metadata-redirects", "no-metadata"], |it| {
            it.change(METADATA, |reply| {
                reply.with_status(302).field("location", "http://x.example/")
            });
        }),
        (&["metadata-media-type", "no-metadata"], |it| {
            it.change(METADATA, |reply| reply.field("content-type", "text/plain"));
        }),
    ];
    for (expected, plant) in faults {
        let world = World::start(*plant).await;
        let (report, codes) = diagnose(&world.url()).await;
        assert_eq!(codes, *expected, "{report:#?}");
    }
    // At the root alone is enough for MCP (RS-06).
    let world = World::start(|it| {
        let reply = it.documents.remove(PRM).unwrap();
        it.documents.insert(ROOT_PRM.to_owned(), reply);
        it.replace_in_challenges("resource/mcp", "resource");
    })
    .await;
    let (report, codes) = diagnose(&world.url()).await;
    assert_eq!(codes, [""; 0], "{report:#?}");
}

#[tokio::test]
async fn faults_of_the_authorization_server() {
    let faults: &[(&str, Plant)] = &[
        ("issuer-url", |it| set(it, PRM, "authorization_servers", json!(["http://as.example"]))),
        ("issuer-url", |it| {
            set(it, PRM, "authorization_servers", json!(["https://as.example/?x"]))
        }),
        ("issuer-forbidden", |it| {
            set(it, PRM, "authorization_servers", json!(["https://10.0.0.1"]))
        }),
        ("no-metadata", |it| drop(it.documents.remove(METADATA))),
        ("metadata-trouble", |it| it.change(METADATA, |reply| reply.with_status(502))),
        ("metadata-unreadable", |it| set(it, METADATA, "jwks_uri", json!(1))),
        ("metadata-members", |it| remove(it, METADATA, "token_endpoint")),
        ("metadata-empty-list", |it| set(it, METADATA, "ui_locales_supported", json!([]))),
        ("metadata-disagree", |it| {
            let reply = it.documents.get(METADATA).cloned().unwrap();
            it.documents.insert(OPENID.to_owned(), reply);
            remove(it, OPENID, "code_challenge_methods_supported");
        }),
        ("other-issuer", |it| set(it, METADATA, "issuer", "https://as.example".into())),
        ("issuer-slash", |it| {
            let issuer = format!("{}/", it.issuer);
            set(it, METADATA, "issuer", issuer.into());
        }),
        ("no-response-types", |it| remove(it, METADATA, "response_types_supported")),
        ("no-code", |it| set(it, METADATA, "response_types_supported", json!(["token"]))),
        ("no-pkce", |it| remove(it, METADATA, "code_challenge_methods_supported")),
        ("no-pkce", |it| set(it, METADATA, "code_challenge_methods_supported", json!([]))),
        ("no-pkce", |it| set(it, METADATA, "code_challenge_methods_supported", json!(["plain"]))),
        ("plain-pkce", |it| {
            set(it, METADATA, "code_challenge_methods_supported", json!(["plain", "S256"]))
        }),
        ("no-grant-types", |it| remove(it, METADATA, "grant_types_supported")),
        ("no-code-grant", |it| {
            set(it, METADATA, "grant_types_supported", json!(["client_credentials"]))
        }),
        ("no-auth-methods", |it| remove(it, METADATA, "token_endpoint_auth_methods_supported")),
        ("no-public-clients", |it| {
            set(
                it,
                METADATA,
                "token_endpoint_auth_methods_supported",
                json!(["client_secret_basic"]),
            );
        }),
        ("no-assertion-algorithms", |it| {
            remove(it, METADATA, "token_endpoint_auth_signing_alg_values_supported");
        }),
        ("algorithm-none", |it| {
            set(it, METADATA, "token_endpoint_auth_signing_alg_values_supported", json!(["none"]));
        }),
        ("no-iss", |it| remove(it, METADATA, "authorization_response_iss_parameter_supported")),
        ("no-registration", |it| {
            remove(it, METADATA, "registration_endpoint");
            remove(it, METADATA, "client_id_metadata_document_supported");
        }),
        ("endpoint-url", |it| {
            set(it, METADATA, "token_endpoint", "http://as.example/token".into())
        }),
        ("endpoint-url", |it| {
            set(it, METADATA, "registration_endpoint", "http://as.example/register".into())
        }),
        ("authorize-cors", |it| {
            it.change(AUTHORIZE, |reply| reply.field("access-control-allow-origin", "*"));
        }),
        ("authorize-redirects", |it| {
            let to = "https://portcullis-doctor.invalid/callback?error=x";
            it.change(AUTHORIZE, |reply| reply.with_status(302).field("location", to));
        }),
        ("authorize-fails", |it| it.change(AUTHORIZE, |reply| reply.with_status(500))),
        ("keys-unreachable", |it| drop(it.documents.remove(KEYS))),
        ("keys-unusable", |it| set(it, KEYS, "keys", json!([]))),
        ("keys-private", |it| {
            it.edit(KEYS, |members| members["keys"][0]["d"] = "x".into());
        }),
        ("keys-private", |it| set(it, KEYS, "keys", json!([{"kty": "oct", "k": "AAAA"}]))),
        ("keys-ids", |it| {
            it.edit(KEYS, |members| {
                let key = members["keys"][0].clone();
                members["keys"] = json!([key, {"kty": "EC", "kid": "1"}]);
            });
        }),
    ];
    for (expected, plant) in faults {
        check(expected, *plant).await;
    }
    // A redirect to a page of the server's own, to sign in first, is no fault.
    let world = World::start(|it| {
        it.change(AUTHORIZE, |reply| reply.with_status(302).field("location", "/sign-in"));
    })
    .await;
    assert_eq!(diagnose(&world.url()).await.1, [""; 0]);
}
