//! `/token`: codes, PKCE, refresh rotation, binding to client and resource.

use http::{Method, StatusCode};
use portcullis_authorization_server::{Resource, TokenFormat};

use crate::databases::TestDatabase;
use crate::harness::*;

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".into())
}

#[tokio::test]
async fn sec_220_a_replayed_code_revokes_what_it_gave() {
    let server = Server::new().await;
    for resource in [OPAQUE, SIGNED] {
        let client = server.public_client().await;
        let code = server.code(&client, resource).await;
        let (access, refresh) = server.redeem(&client, &code).await.tokens();
        assert!(server.is_active(resource, &access).await);
        assert_eq!(server.redeem(&client, &code).await.refusal(), invalid_grant());
        assert!(!server.is_active(resource, &access).await);
        assert_eq!(server.refresh(&client, &refresh).await.refusal(), invalid_grant());
    }
}

#[tokio::test]
async fn sec_221_a_replay_that_could_not_redeem_revokes_nothing() {
    let server = Server::new().await;
    let (client, other) = (server.public_client().await, server.public_client().await);
    let code = server.code(&client, OPAQUE).await;
    let (access, _) = server.redeem(&client, &code).await.tokens();
    for (at, wrong) in [(3, OTHER_VERIFIER), (3, CHALLENGE), (3, ""), (2, "http://localhost:1/x")] {
        let mut form = redemption(&code);
        form[at].1 = wrong;
        assert_eq!(server.token(&client, &form).await.refusal(), invalid_grant());
    }
    assert_eq!(server.redeem(&other, &code).await.refusal(), invalid_grant());
    assert!(server.is_active(OPAQUE, &access).await);
}

#[tokio::test]
async fn a_wrong_guess_does_not_burn_a_live_code() {
    let server = Server::new().await;
    let (client, other) = (server.public_client().await, server.public_client().await);
    let code = server.code(&client, OPAQUE).await;
    let mut form = redemption(&code);
    form[3].1 = OTHER_VERIFIER;
    assert_eq!(server.token(&client, &form).await.refusal(), invalid_grant());
    assert_eq!(server.redeem(&other, &code).await.refusal(), invalid_grant());
    assert_eq!(server.redeem(&client, &code).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sec_222_parallel_redemptions_have_one_success() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let code = server.code(&client, OPAQUE).await;
    let (a, b, c) = tokio::join!(
        server.redeem(&client, &code),
        server.redeem(&client, &code),
        server.redeem(&client, &code)
    );
    let successes = [a, b, c].iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(successes, 1);
}

#[tokio::test]
async fn sec_223_codes_expire_and_cannot_be_guessed() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let code = server.code(&client, OPAQUE).await;
    assert!(code.len() >= 43, "256 bits");
    assert_eq!(server.redeem(&client, "guessed").await.refusal(), invalid_grant());
    server.pass_secs(59);
    assert_eq!(server.redeem(&client, &code).await.status, StatusCode::OK);
    let code = server.code(&client, OPAQUE).await;
    server.pass_secs(60);
    assert_eq!(server.redeem(&client, &code).await.refusal(), invalid_grant());
}

#[tokio::test]
async fn sec_224_verifiers() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for (verifier, good) in [
        ("a".repeat(42), false),
        ("a".repeat(43), true),
        ("a".repeat(128), true),
        ("a".repeat(129), false),
        (format!("{}+", "a".repeat(42)), false),
    ] {
        let challenge = challenge_of(&verifier);
        let location =
            server.authorize(&query(&client.id, &[("code_challenge", &challenge)])).await;
        let code = parameter(&location, "code").unwrap();
        let mut form = redemption(&code);
        form[3].1 = &verifier;
        let answer = server.token(&client, &form).await;
        assert_eq!(answer.status == StatusCode::OK, good, "{verifier} {}", answer.body);
    }
}

#[tokio::test]
async fn sec_225_redirect_uri_and_resource_at_the_token_endpoint() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for (extra, expected) in [
        (("redirect_uri", "http://localhost:3030/other"), Err("invalid_grant")),
        (("redirect_uri", "http://localhost:3031/callback"), Err("invalid_grant")),
        (("redirect_uri", ""), Ok(())), // AS-87
        (("redirect_uri", REDIRECT), Ok(())),
        (("resource", SIGNED), Err("invalid_target")),
        (("resource", "https://other.example"), Err("invalid_target")),
        (("resource", "no uri"), Err("invalid_target")),
        (("resource", OPAQUE), Ok(())),
    ] {
        let code = server.code(&client, OPAQUE).await;
        let mut form = redemption(&code).to_vec();
        form.retain(|(name, _)| *name != extra.0);
        form.push(extra);
        let answer = server.token(&client, &form).await;
        match expected {
            Ok(()) => assert_eq!(answer.status, StatusCode::OK, "{extra:?} {}", answer.body),
            Err(error) => assert_eq!(answer.refusal(), (400, error.into()), "{extra:?}"),
        }
    }
}

#[tokio::test]
async fn sec_226_sec_227_refreshing_cannot_widen() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let (_, refresh) = server.tokens(&client, OPAQUE).await;
    for (name, value, error) in [
        ("resource", SIGNED, "invalid_target"),
        ("resource", "https://other.example", "invalid_target"),
        ("scope", "user admin", "invalid_scope"),
        ("scope", "us\"er", "invalid_scope"),
    ] {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), (name, value)];
        assert_eq!(server.token(&client, &form).await.refusal(), (400, error.into()), "{value}");
    }
    let same = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
        ("resource", OPAQUE),
        ("scope", "user"),
    ];
    let answer = server.token(&client, &same).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(server.is_active(OPAQUE, &answer.tokens().0).await);
}

#[tokio::test]
async fn sec_228_a_spent_refresh_token_ends_the_family() {
    let server = Server::new().await;
    for resource in [OPAQUE, SIGNED] {
        let client = server.public_client().await;
        let (first_access, first) = server.tokens(&client, resource).await;
        let (second_access, second) = server.refresh(&client, &first).await.tokens();
        assert!(server.is_active(resource, &first_access).await);
        assert_eq!(server.refresh(&client, &first).await.refusal(), invalid_grant());
        assert_eq!(server.refresh(&client, &second).await.refusal(), invalid_grant());
        for access in [first_access, second_access] {
            assert!(!server.is_active(resource, &access).await);
        }
    }
}

#[tokio::test]
async fn sec_229_parallel_refreshes_have_one_success() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let (_, refresh) = server.tokens(&client, OPAQUE).await;
    let (a, b) = tokio::join!(server.refresh(&client, &refresh), server.refresh(&client, &refresh));
    let successes = [a, b].iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(successes, 1);
}

#[tokio::test]
async fn sec_232_refresh_tokens_belong_to_their_client() {
    let server = Server::new().await;
    let confidential = server.client_with("client_secret_post").await;
    let other = server.public_client().await;
    let (_, refresh) = server.tokens(&confidential, OPAQUE).await;
    assert_eq!(server.refresh(&other, &refresh).await.refusal(), invalid_grant());
    let naked = Client { secret: None, ..confidential.clone() };
    assert_eq!(server.refresh(&naked, &refresh).await.refusal(), (401, "invalid_client".into()));
    let wrong = Client { secret: Some("wrong".into()), ..confidential.clone() };
    assert_eq!(server.refresh(&wrong, &refresh).await.refusal(), (401, "invalid_client".into()));
    assert_eq!(server.refresh(&confidential, &refresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sec_233_refresh_chains_end() {
    let mut settings = settings();
    settings.lifetimes.refresh_token_idle = settings.lifetimes.refresh_token;
    let server = Server::with(settings).await;
    let client = server.public_client().await;
    let (_, refresh) = server.tokens(&client, OPAQUE).await;
    server.pass_secs(29 * 24 * 60 * 60);
    let (_, next) = server.refresh(&client, &refresh).await.tokens();
    server.pass_secs(24 * 60 * 60);
    assert_eq!(server.refresh(&client, &next).await.refusal(), invalid_grant());
}

#[tokio::test]
async fn as_95_refresh_tokens_only_for_clients_that_registered_for_them() {
    let server = Server::new().await;
    let answer = server
        .register(serde_json::json!({ "redirect_uris": [REDIRECT],
            "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"] }))
        .await;
    let id = answer.json()["client_id"].as_str().unwrap().to_owned();
    let client = Client { id, secret: None };
    let code = server.code(&client, OPAQUE).await;
    let body = server.redeem(&client, &code).await.json();
    assert!(body["access_token"].is_string());
    assert!(body.get("refresh_token").is_none());
}

#[tokio::test]
async fn sec_234_other_grants() {
    let server = Server::new().await;
    let client = server.client_with("client_secret_post").await;
    for grant_type in [
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "AUTHORIZATION_CODE",
    ] {
        let refused = server.token(&client, &[("grant_type", grant_type)]).await.refusal();
        assert_eq!(refused, (400, "unsupported_grant_type".into()), "{grant_type}");
    }
    let missing = server.token(&client, &[("code", "x")]).await.refusal();
    assert_eq!(missing, (400, "invalid_request".into()));
    let repeated = [("grant_type", "refresh_token"), ("grant_type", "authorization_code")];
    let repeated = server.token(&client, &repeated).await.refusal();
    assert_eq!(repeated, (400, "invalid_request".into()));
}

#[tokio::test]
async fn sec_237_framing_of_the_request() {
    let server = Server::new().await;
    assert_eq!(server.get("/token").await.status, StatusCode::METHOD_NOT_ALLOWED);
    for (content_type, body, status) in [
        ("application/json", "{}", 415),
        ("text/plain", "grant_type=refresh_token", 415),
        ("application/x-www-form-urlencoded; charset=utf-8", "client_id=x&grant_type=x", 400),
        ("application/x-www-form-urlencoded", "grant_type=%zz", 400),
    ] {
        let fields = [("content-type", content_type)];
        let answer = server.send(request(Method::POST, "/token", &fields, body.into())).await;
        assert_eq!(answer.status.as_u16(), status, "{content_type}");
        assert_eq!(answer.field("cache-control"), Some("no-store"));
    }
    let form = |len: usize| format!("client_id={}", "x".repeat(len - 10));
    for (len, status) in [(16 * 1024 - 1, 400), (16 * 1024, 400), (16 * 1024 + 1, 413)] {
        let fields = [("content-type", "application/x-www-form-urlencoded")];
        let answer = server.send(request(Method::POST, "/token", &fields, form(len).into())).await;
        assert_eq!(answer.status.as_u16(), status, "{len}");
    }
}

#[tokio::test]
async fn sec_240_stored_forms_of_secrets_open_nothing() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let code = server.code(&client, OPAQUE).await;
    let digest = format!("sha256:{}", challenge_of(&code));
    assert_eq!(server.redeem(&client, &digest).await.refusal(), invalid_grant());
    let (access, refresh) = server.redeem(&client, &code).await.tokens();
    let digest = |secret: &str| format!("sha256:{}", challenge_of(secret));
    assert_eq!(server.refresh(&client, &digest(&refresh)).await.refusal(), invalid_grant());
    assert!(!server.is_active(OPAQUE, &digest(&access)).await);
    let revoke = [("token", digest(&access))];
    let form = [("token", revoke[0].1.as_str())];
    assert_eq!(server.as_client("/revoke", &client, &form).await.status, StatusCode::OK);
    assert!(server.is_active(OPAQUE, &access).await);
}

#[tokio::test]
async fn sec_251_two_ways_to_authenticate() {
    let server = Server::new().await;
    let client = server.client_with("client_secret_basic").await;
    let secret = client.secret.clone().unwrap();
    let basic = basic(&client.id, &secret);
    let code = server.code(&client, OPAQUE).await;
    let mut form = redemption(&code).to_vec();
    form.push(("client_secret", &secret));
    let answer = server.post_form("/token", &[("authorization", &basic)], &form).await;
    assert_eq!(answer.refusal(), (400, "invalid_request".into()));
    let public = server.public_client().await;
    let with_secret = Client { secret: Some("any".into()), ..public };
    let refused = server.redeem(&with_secret, &code).await.refusal();
    assert_eq!(refused, (401, "invalid_client".into()));
}

#[tokio::test]
async fn lim_20_wrong_client_secrets() {
    let server = Server::new().await;
    let client = server.client_with("client_secret_post").await;
    let wrong = Client { secret: Some("wrong".into()), ..client.clone() };
    for _ in 0..10 {
        assert_eq!(server.redeem(&wrong, "x").await.status, StatusCode::UNAUTHORIZED);
    }
    let answer = server.redeem(&client, "x").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.field("retry-after"), Some("60"));
    server.pass_secs(60);
    assert_eq!(server.redeem(&client, "x").await.refusal(), invalid_grant());
    // The next time it takes longer, and the answer says so.
    for _ in 0..10 {
        assert_eq!(server.redeem(&wrong, "x").await.status, StatusCode::UNAUTHORIZED);
    }
    server.pass_secs(20);
    assert_eq!(server.redeem(&client, "x").await.field("retry-after"), Some("100"));
    server.pass_secs(99);
    assert_eq!(server.redeem(&client, "x").await.field("retry-after"), Some("1"));
    server.pass_secs(1);
    assert_eq!(server.redeem(&client, "x").await.refusal(), invalid_grant());
}

#[tokio::test]
async fn sec_053_a_post_is_read_from_its_body_alone() {
    let server = Server::new().await;
    let client = server.client_with("client_secret_post").await;
    let code = server.code(&client, OPAQUE).await;
    let mut form = redemption(&code).to_vec();
    form.push(("client_id", &client.id));
    form.push(("client_secret", client.secret.as_deref().unwrap()));
    for moved in ["grant_type", "code", "code_verifier", "client_id", "client_secret"] {
        let (in_query, in_body): (Vec<_>, Vec<_>) =
            form.iter().partition(|(name, _)| *name == moved);
        let path = format!("/token?{}", encode(&in_query));
        let (status, error) = server.post_form(&path, &[], &in_body).await.refusal();
        assert!(matches!(status, 400 | 401) && error.starts_with("invalid_"), "{moved}: {error}");
    }
    // Other values in the query change nothing.
    let path = "/token?grant_type=refresh_token&code=x&client_id=x&client_secret=x";
    assert_eq!(server.post_form(path, &[], &form).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sec_086_a_token_serves_one_purpose() {
    let server = Server::new().await;
    for resource in [OPAQUE, SIGNED] {
        let client = server.client_with("client_secret_post").await;
        let code = server.code(&client, resource).await;
        assert_eq!(server.refresh(&client, &code).await.refusal(), invalid_grant());
        let (access, refresh) = server.redeem(&client, &code).await.tokens();
        assert_eq!(server.refresh(&client, &access).await.refusal(), invalid_grant());
        for no_code in [&access, &refresh] {
            assert_eq!(server.redeem(&client, no_code).await.refusal(), invalid_grant());
        }
        for no_secret in [&access, &refresh, &code] {
            let posing = Client { secret: Some(no_secret.clone()), ..client.clone() };
            let refused = server.refresh(&posing, &refresh).await.refusal();
            assert_eq!(refused, (401, "invalid_client".into()));
        }
        let assertion = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.as_str()),
            ("client_id", client.id.as_str()),
            ("client_assertion", access.as_str()),
        ];
        let refused = server.post_form("/token", &[], &assertion).await.refusal();
        assert_eq!(refused, (401, "invalid_client".into()));
        let mut browser = Browser { cookie: Some(format!("portcullis={access}")) };
        let page = browser.get(&server, &format!("/authorize?{}", query(&client.id, &[]))).await;
        assert!(page.location().starts_with("/login?"), "a token is no session");
        // Nothing of it was spent on the way.
        assert!(server.is_active(resource, &access).await);
        assert_eq!(server.refresh(&client, &refresh).await.status, StatusCode::OK);
    }
}

/// Two weeks without use end a refresh token; a month from the consent ends it in any case.
#[tokio::test]
async fn as_94_sec_233_refresh_tokens_end_unused_and_at_last() {
    const DAY: u64 = 24 * 60 * 60;
    for database in TestDatabase::each() {
        let server = Server::with(settings().with_database(database.place())).await;
        let client = server.public_client().await;
        // One second before its end it counts, then it does not.
        let (_, kept) = server.tokens(&client, OPAQUE).await;
        let (_, unused) = server.tokens(&client, OPAQUE).await;
        server.pass_secs(14 * DAY - 1);
        let (_, kept) = server.refresh(&client, &kept).await.tokens();
        server.pass_secs(1);
        server.server.sweep().await;
        assert_eq!(server.refresh(&client, &unused).await.refusal(), invalid_grant());
        // Using it does not make the chain longer.
        server.pass_secs(14 * DAY - 2);
        let (_, kept) = server.refresh(&client, &kept).await.tokens();
        server.pass_secs(2 * DAY);
        server.server.sweep().await;
        let (_, kept) = server.refresh(&client, &kept).await.tokens();
        server.pass_secs(2);
        assert_eq!(server.refresh(&client, &kept).await.refusal(), invalid_grant());
    }
}

/// A used token is known as such for as long as its chain lives, longer than it could have waited.
#[tokio::test]
async fn as_92_reuse_is_noticed_after_the_idle_time() {
    const DAY: u64 = 24 * 60 * 60;
    for database in TestDatabase::each() {
        let server = Server::with(settings().with_database(database.place())).await;
        let client = server.public_client().await;
        let (_, spent) = server.tokens(&client, OPAQUE).await;
        let (_, next) = server.refresh(&client, &spent).await.tokens();
        server.pass_secs(10 * DAY);
        let (_, next) = server.refresh(&client, &next).await.tokens();
        server.pass_secs(10 * DAY);
        server.server.sweep().await;
        assert_eq!(server.refresh(&client, &spent).await.refusal(), invalid_grant());
        assert_eq!(server.refresh(&client, &next).await.refusal(), invalid_grant());
    }
}

/// Where a resource has the scope, a refresh token is for those who ask for it and are granted it.
#[tokio::test]
async fn as_95_offline_access_where_it_is_a_scope() {
    let resource = Resource::new("https://rs.example/mcp", "Files", TokenFormat::Opaque).unwrap();
    let resource = resource
        .with_scope("user", "read the time for you")
        .with_further_scope("offline_access", "stay signed in");
    let server = Server::with(settings().with_resource(resource)).await;
    let client = server.public_client().await;
    let issued = async |scope: &str| {
        let asked = query(&client.id, &[("resource", "https://rs.example/mcp"), ("scope", scope)]);
        let code = parameter(&server.authorize(&asked).await, "code").unwrap();
        server.redeem(&client, &code).await
    };
    let without = issued("user").await;
    assert_eq!(without.status, StatusCode::OK, "{}", without.body);
    assert!(without.json().get("refresh_token").is_none());
    let (_, refresh) = issued("user offline_access").await.tokens();
    // Once granted it lasts, though a token with less is asked for.
    let less = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("scope", "user")];
    let (_, refresh) = server.token(&client, &less).await.tokens();
    assert_eq!(server.refresh(&client, &refresh).await.status, StatusCode::OK);
}
