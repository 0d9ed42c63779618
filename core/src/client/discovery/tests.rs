use std::{format, string::String, vec::Vec};

use super::*;
use crate::client::{
    UrlPolicy,
    testkit::{
        AS, Answer, ISSUER, OIDC, PRM, PRM_ROOT, SERVER, Site, bare_discovery, keep, run, scratch,
    },
};

type Outcome = Result<(String, String), DiscoveryError>;

fn discover(
    preferences: Preferences<'static>,
    script: &[(&str, Answer<'_>)],
) -> (Outcome, Vec<String>) {
    let mut scratch = scratch();
    let mut discovery = Discovery::new(SERVER, None, preferences, &mut scratch).unwrap();
    let asked = run(&mut discovery, script, &mut scratch);
    let outcome = discovery.finish();
    (outcome.map(|found| (found.resource().into(), found.issuer().into())), asked)
}

/// What a script leads to, and the URLs that were asked.
#[track_caller]
fn check(script: &[(&str, Answer<'_>)], expected: Result<(), DiscoveryError>, asked: &[&str]) {
    let (outcome, found) = discover(Preferences::default(), script);
    let expected = expected.map(|()| (SERVER.into(), ISSUER.into()));
    assert_eq!((outcome, found), (expected, asked.iter().map(|&url| url.into()).collect()));
}

fn resource_naming(resource: &str, issuers: &str) -> String {
    format!(r#"{{"resource":"{resource}","authorization_servers":[{issuers}]}}"#)
}

#[test]
fn cl_03_cl_22_the_candidates_in_order() {
    let (resource, server) =
        (Site::default().resource_document(), Site::default().server_document());
    let (resource, server) = (Answer::Json(200, &resource), Answer::Json(200, &server));
    check(&[(PRM, resource), (AS, server)], Ok(()), &[PRM, AS]);
    check(&[(PRM_ROOT, resource), (AS, server)], Ok(()), &[PRM, PRM_ROOT, AS]);
    check(&[(PRM, resource), (OIDC, server)], Ok(()), &[PRM, AS, OIDC]);
    check(&[], Err(DiscoveryError::NoResourceMetadata), &[PRM, PRM_ROOT]);
    check(&[(PRM, resource)], Err(DiscoveryError::NoServerMetadata), &[PRM, AS, OIDC]);
}

#[test]
fn cl_03_the_url_of_the_challenge_is_the_only_one() {
    let url = "https://meta.example/rs";
    let challenge = BearerChallenge {
        realm: None,
        scope: None,
        error: None,
        error_description: None,
        resource_metadata: Some(url),
    };
    let go = |script: &[(&str, Answer<'_>)]| {
        let mut scratch = scratch();
        let preferences = Preferences::default();
        let mut discovery =
            Discovery::new(SERVER, Some(&challenge), preferences, &mut scratch).unwrap();
        let asked = run(&mut discovery, script, &mut scratch);
        (discovery.finish().map(|_| ()), asked)
    };
    let (resource, server) =
        (Site::default().resource_document(), Site::default().server_document());
    let (resource, server) = (Answer::Json(200, &resource), Answer::Json(200, &server));
    assert_eq!(
        go(&[(url, resource), (AS, server)]),
        (Ok(()), [url, AS].map(String::from).to_vec())
    );
    let nothing = Err(DiscoveryError::NoResourceMetadata);
    assert_eq!(go(&[(PRM, resource)]), (nothing, [url].map(String::from).to_vec()));
}

#[test]
fn sec_155_the_url_of_the_challenge_passes_the_policy() {
    for url in ["http://meta.example/", "javascript:x", "file:///etc/passwd", "http://127.0.0.1/"] {
        let challenge = BearerChallenge {
            realm: None,
            scope: None,
            error: None,
            error_description: None,
            resource_metadata: Some(url),
        };
        let preferences = Preferences::default();
        let made = Discovery::new(SERVER, Some(&challenge), preferences, &mut scratch());
        let refused =
            DiscoveryError::ResourceMetadataUrl(UrlPolicy::HttpsOnly.admit(url).unwrap_err());
        assert_eq!(made.map(|_| ()), Err(refused), "{url}");
    }
    assert!(bare_discovery("http://rs.example/mcp", &mut scratch()).is_err());
    assert!(bare_discovery("http://127.0.0.1:8001/mcp", &mut scratch()).is_ok());
}

#[test]
fn cl_06_and_sec_168_what_leads_to_the_next_place() {
    let (resource, server) =
        (Site::default().resource_document(), Site::default().server_document());
    let (resource, server) = (Answer::Json(200, &resource), Answer::Json(200, &server));
    let long = " ".repeat(METADATA_LEN_MAX_DESKTOP + 1);
    let foreign = resource_naming(SERVER, r#""https://evil.example""#);
    for passed_over in [
        Answer::Html(404, ""),
        Answer::Json(403, "{}"),
        Answer::Json(301, "{}"),
        Answer::Html(302, ""),
        Answer::Html(200, "<html>an error page</html>"),
        Answer::Json(200, "<html>"),
        Answer::Json(200, ""),
        Answer::Json(200, "{}{}"),
        Answer::Json(200, &long),
        // JSON that does not say so is an upload or a page, not the server's own word.
        Answer::Html(200, &foreign),
        Answer::Failure(FetchFailure::TooLarge),
    ] {
        let script = [(PRM, passed_over), (PRM_ROOT, resource), (AS, passed_over), (OIDC, server)];
        check(&script, Ok(()), &[PRM, PRM_ROOT, AS, OIDC]);
    }
}

#[test]
fn sec_177_trouble_ends_it() {
    let (resource, server) =
        (Site::default().resource_document(), Site::default().server_document());
    let (resource, server) = (Answer::Json(200, &resource), Answer::Json(200, &server));
    for (trouble, error) in [
        (Answer::Html(500, ""), DiscoveryError::Trouble),
        (Answer::Html(503, ""), DiscoveryError::Trouble),
        (Answer::Html(429, ""), DiscoveryError::Trouble),
        (Answer::Failure(FetchFailure::TimedOut), DiscoveryError::Fetch(FetchFailure::TimedOut)),
        (
            Answer::Failure(FetchFailure::Unreachable),
            DiscoveryError::Fetch(FetchFailure::Unreachable),
        ),
    ] {
        check(&[(PRM, trouble), (PRM_ROOT, resource), (AS, server)], Err(error), &[PRM]);
        check(&[(PRM, resource), (AS, trouble), (OIDC, server)], Err(error), &[PRM, AS]);
    }
}

#[test]
fn lim_11_document_on_both_sides_of_the_limit() {
    let resource = Site::default().resource_document();
    for (len, read) in [
        (METADATA_LEN_MAX_DESKTOP - 1, true),
        (METADATA_LEN_MAX_DESKTOP, true),
        (METADATA_LEN_MAX_DESKTOP + 1, false),
    ] {
        let padded = format!("{resource}{}", " ".repeat(len - resource.len()));
        let mut scratch = Scratch::new(std::vec![0; 2 * METADATA_LEN_MAX_DESKTOP].leak());
        let mut discovery = bare_discovery(SERVER, &mut scratch).unwrap();
        let asked = run(&mut discovery, &[(PRM, Answer::Json(200, &padded))], &mut scratch);
        assert_eq!(asked.contains(&AS.into()), read, "{len}");
    }
}

#[test]
fn sec_166_metadata_of_another_resource() {
    for resource in [
        "https://evil.example/mcp",
        "https://rs.example:8443/mcp",
        "http://rs.example/mcp",
        "https://sub.rs.example/mcp",
        "https://rs.example/mc",
        "https://rs.example/mcp2",
        "https://rs.example/mcp/deeper",
        "https://rs.example/mcp?a",
        "https://rs.example/mcp#a",
        "https://u@rs.example/mcp",
    ] {
        let document = resource_naming(resource, r#""https://as.example""#);
        let script = [(PRM, Answer::Json(200, document.as_str()))];
        check(&script, Err(DiscoveryError::OtherResource), &[PRM]);
    }
}

#[test]
fn cl_04_a_bare_origin_speaks_for_a_deeper_endpoint_unless_strict() {
    let resource = resource_naming("https://rs.example", r#""https://as.example""#);
    let server = Site::default().server_document();
    let script = [(PRM, Answer::Json(200, &resource)), (AS, Answer::Json(200, &server))];
    let (outcome, _) = discover(Preferences::default(), &script);
    assert_eq!(outcome.unwrap().0, "https://rs.example", "verbatim: no slash is added");
    let strict = Preferences { resource_match: ResourceMatch::Exact, ..Preferences::default() };
    assert_eq!(discover(strict, &script).0, Err(DiscoveryError::OtherResource));
}

#[test]
fn sec_171_no_authorization_server() {
    for (issuers, error) in [
        ("", DiscoveryError::ResourceMetadata),
        ("1", DiscoveryError::ResourceMetadata),
        ("null", DiscoveryError::ResourceMetadata),
    ] {
        let document = resource_naming(SERVER, issuers);
        check(&[(PRM, Answer::Json(200, &document))], Err(error), &[PRM]);
    }
    let missing = format!(r#"{{"resource":"{SERVER}"}}"#);
    check(&[(PRM, Answer::Json(200, &missing))], Err(DiscoveryError::ResourceMetadata), &[PRM]);
    let none_allowed = Preferences { allowed_issuers: Some(&[]), ..Preferences::default() };
    let resource = Site::default().resource_document();
    let (outcome, asked) = discover(none_allowed, &[(PRM, Answer::Json(200, &resource))]);
    assert_eq!((outcome, asked.len()), (Err(DiscoveryError::NoAuthorizationServer), 1));
}

#[test]
fn sec_165_metadata_of_another_issuer() {
    let resource = Site::default().resource_document();
    for issuer in [
        "https://as.example/",
        "https://AS.example",
        "https://evil.example",
        "",
        "https://as.example/t",
    ] {
        let server = Site::default().server_document();
        let server = server
            .replace(&format!("\"issuer\":\"{ISSUER}\""), &format!("\"issuer\":\"{issuer}\""));
        let script =
            [(PRM, Answer::Json(200, resource.as_str())), (AS, Answer::Json(200, &server))];
        let (outcome, asked) = discover(Preferences::default(), &script);
        assert!(
            matches!(outcome, Err(DiscoveryError::OtherIssuer | DiscoveryError::ServerMetadata)),
            "{issuer}"
        );
        // §8.3: the first document decides, no other place of this issuer is asked.
        assert_eq!(asked, [PRM, AS]);
    }
}

#[test]
fn sec_169_pkce_is_not_offered() {
    let resource = Site::default().resource_document();
    let server = Site::default().server_document();
    for methods in [
        "",
        r#""code_challenge_methods_supported":["plain"],"#,
        r#""code_challenge_methods_supported":["s256"],"#,
    ] {
        let server = server.replace(r#""code_challenge_methods_supported":["S256"],"#, methods);
        let script =
            [(PRM, Answer::Json(200, resource.as_str())), (AS, Answer::Json(200, &server))];
        check(&script, Err(DiscoveryError::NoPkce), &[PRM, AS]);
    }
}

#[test]
fn a_server_without_what_the_way_to_tokens_needs() {
    let resource = Site::default().resource_document();
    let server = Site::default().server_document();
    let no_code = server.replace(r#"["code"]"#, r#"["token","id_token"]"#);
    for (grant, server, expected) in [
        (Grant::AuthorizationCode, &no_code, DiscoveryError::NoCode),
        (Grant::DeviceCode, &server, DiscoveryError::NoGrant),
    ] {
        let script = [(PRM, Answer::Json(200, &resource)), (AS, Answer::Json(200, server))];
        let preferences = Preferences { grant, ..Preferences::default() };
        assert_eq!(discover(preferences, &script).0, Err(expected));
    }
}

#[test]
fn sec_170_and_461_endpoints_pass_the_policy() {
    let resource = Site::default().resource_document();
    for endpoint in [
        "http://as.example/x",
        "http://127.0.0.1/x",
        "javascript:alert(1)",
        "file:///x",
        "https://u@as.example/x",
        "https://as.example/x#f",
        "https://as.example/`id`",
    ] {
        for name in [
            "authorization_endpoint",
            "token_endpoint",
            "registration_endpoint",
            "device_authorization_endpoint",
        ] {
            let server = Site {
                server_members: r#","registration_endpoint":"https://as.example/register""#,
                ..Site::default()
            };
            let document: serde_json::Value =
                serde_json::from_str(&server.server_document()).unwrap();
            let mut document = document;
            document[name] = endpoint.into();
            let document = serde_json::to_string(&document).unwrap();
            let script =
                [(PRM, Answer::Json(200, resource.as_str())), (AS, Answer::Json(200, &document))];
            let (outcome, asked) = discover(Preferences::default(), &script);
            assert!(
                matches!(
                    outcome,
                    Err(DiscoveryError::Endpoint(_) | DiscoveryError::ServerMetadata)
                ),
                "{name} {endpoint}: {outcome:?}"
            );
            assert_eq!(asked, [PRM, AS]);
        }
    }
}

#[test]
fn cl_07_the_next_authorization_server_when_the_first_is_unfit() {
    let resource = resource_naming(
        SERVER,
        r#""http://as0.example","https://as1.example?q","https://as2.example","https://as.example""#,
    );
    let server = Site::default().server_document();
    let evil = "https://as2.example/.well-known/oauth-authorization-server";
    let script = [
        (PRM, Answer::Json(200, resource.as_str())),
        (evil, Answer::Json(200, &server)),
        (AS, Answer::Json(200, &server)),
    ];
    check(&script, Ok(()), &[PRM, evil, AS]);

    let known = Preferences { known_issuers: &[ISSUER], ..Preferences::default() };
    assert_eq!(discover(known, &script).1, [PRM, AS]);
}

#[test]
fn sec_167_and_cl_23_an_issuer_with_path_never_asks_the_root() {
    let resource = resource_naming(SERVER, r#""https://as.example/t1""#);
    let server = Site::default().server_document();
    let script = [
        (PRM, Answer::Json(200, resource.as_str())),
        (AS, Answer::Json(200, &server)),
        (OIDC, Answer::Json(200, &server)),
    ];
    check(
        &script,
        Err(DiscoveryError::NoServerMetadata),
        &[
            PRM,
            "https://as.example/.well-known/oauth-authorization-server/t1",
            "https://as.example/.well-known/openid-configuration/t1",
            "https://as.example/t1/.well-known/openid-configuration",
        ],
    );
}

#[test]
fn cl_70_a_resource_without_header_tokens() {
    for (methods, outcome) in [
        (r#"["header"]"#, Ok(())),
        (r#"["body","header"]"#, Ok(())),
        (r#"["query"]"#, Err(DiscoveryError::NoHeader)),
        ("[]", Err(DiscoveryError::NoHeader)),
    ] {
        let resource = Site::default().resource_document();
        let resource =
            resource.replace('}', &format!(r#","bearer_methods_supported":{methods}}}"#));
        let server = Site::default().server_document();
        let script =
            [(PRM, Answer::Json(200, resource.as_str())), (AS, Answer::Json(200, &server))];
        let asked: &[&str] = if outcome.is_ok() { &[PRM, AS] } else { &[PRM] };
        check(&script, outcome, asked);
    }
}

#[test]
fn sec_036_a_small_buffer_is_an_error() {
    let (resource, server) =
        (Site::default().resource_document(), Site::default().server_document());
    let script = [(PRM, Answer::Json(200, resource.as_str())), (AS, Answer::Json(200, &server))];
    let mut found = 0;
    for len in 0..1500 {
        let mut scratch = Scratch::new(std::vec![0; len].leak());
        let outcome = bare_discovery(SERVER, &mut scratch).and_then(|mut discovery| {
            run(&mut discovery, &script, &mut scratch);
            discovery.finish()
        });
        match outcome {
            Ok(discovered) => found += i32::from(discovered.issuer() == ISSUER),
            Err(error) => assert_eq!(error, DiscoveryError::BufferFull, "{len}"),
        }
    }
    assert!((1..1500).contains(&found));
}

#[test]
fn an_answer_after_the_end_changes_nothing() {
    let mut scratch = scratch();
    let mut discovery = bare_discovery(keep(SERVER), &mut scratch).unwrap();
    run(&mut discovery, &[], &mut scratch);
    Answer::Json(200, "{}").give(&mut discovery, &mut scratch);
    assert_eq!(discovery.finish().map(|_| ()), Err(DiscoveryError::NoResourceMetadata));
    let unfinished = bare_discovery(SERVER, &mut scratch).unwrap().finish();
    assert_eq!(unfinished.map(|_| ()), Err(DiscoveryError::Unfinished));
}
