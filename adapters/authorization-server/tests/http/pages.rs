//! Sign-in and consent: sessions, forms, framing, escaping.

use serde_json::json;
use tower::ServiceExt as _;

use crate::harness::*;

/// Every HTML answer, pages of errors included (SEC-203, SEC-204, SEC-209, SEC-156).
#[track_caller]
fn is_protected(answer: &Answer) {
    let policy = answer.field("content-security-policy").unwrap();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(answer.field("x-frame-options"), Some("DENY"));
    assert_eq!(answer.field("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    let html = answer.body.to_lowercase();
    for active in ["<script", "<img", "<iframe", "style=", "onclick", "onload", "http-equiv"] {
        assert!(!html.contains(active), "{active}");
    }
}

#[tokio::test]
async fn sec_203_every_page_is_protected() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let mut browser = Browser::default();
    let login = browser.ask(&server, &query(&client.id, &[])).await;
    is_protected(&login);
    let policy = login.field("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' http://localhost:3030;"), "{policy}");
    let consent = {
        let location = browser.log_in(&server, &login, "demo_password").await.location();
        browser.get(&server, &location).await
    };
    is_protected(&consent);
    is_protected(&server.get("/authorize").await);
    is_protected(&server.get("/login?request=x").await);
    is_protected(&server.get("/consent").await);
}

#[tokio::test]
async fn as_41_the_consent_page_says_who_asks_for_what() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let page = Browser::default().sign_in(&server, &query(&client.id, &[])).await;
    for shown in [
        "Simple Auth Client",
        client.id.as_str(),
        "localhost:3030",
        OPAQUE,
        "Clock",
        "read the time for you",
        "demo_user",
        "nobody has checked it",
        "program on your own machine",
    ] {
        assert!(page.body.contains(shown), "{shown}");
    }
    assert!(!page.body.contains("set the clock"), "a scope that was not asked for");
}

#[tokio::test]
async fn sec_204_hostile_names_are_text() {
    let server = Server::new().await;
    let name = "<script>alert(1)</script>\"'&\u{202e}\u{200b}";
    let answer = server
        .register(json!({ "redirect_uris": [REDIRECT], "client_name": name,
                          "token_endpoint_auth_method": "none" }))
        .await;
    let client_id = answer.json()["client_id"].as_str().unwrap().to_owned();
    let query = query(&client_id, &[("state", "\"><script>x</script>"), ("scope", "user")]);
    let mut browser = Browser::default();
    let login = browser.ask(&server, &query).await;
    let consent = browser.sign_in(&server, &query).await;
    for page in [&login, &consent] {
        is_protected(page);
        assert!(page.body.contains("&#60;script&#62;alert(1)"), "{}", page.body);
        assert!(!page.body.contains('\u{202e}') && !page.body.contains('\u{200b}'));
    }
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_get_the_same_answer() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &query(&client.id, &[])).await;
    let (id, token) = (page.hidden("request"), page.hidden("form_token"));
    let failed = format!("/login?request={id}&failed=1");
    for (name, password) in
        [("demo_user", "wrong"), ("nobody", "demo_password"), ("demo_user", ""), ("", "")]
    {
        let form = [
            ("request", id.as_str()),
            ("form_token", &token),
            ("username", name),
            ("password", password),
        ];
        let answer = browser.post(&server, "/login", &[], &form).await;
        assert_eq!(answer.location(), failed);
    }
    let page = browser.get(&server, &failed).await;
    assert!(page.body.contains("User name or password is wrong."));
    let location = browser.log_in(&server, &page, "demo_password").await.location();
    assert!(location.starts_with("/consent?request="));
}

#[tokio::test]
async fn sec_210_guessing_is_throttled() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &query(&client.id, &[])).await;
    for _ in 0..10 {
        browser.log_in(&server, &page, "wrong").await.location();
    }
    browser.log_in(&server, &page, "demo_password").await.is_page(429);
    server.pass_secs(60);
    let location = browser.log_in(&server, &page, "demo_password").await.location();
    assert!(location.starts_with("/consent?"));
}

#[tokio::test]
async fn sec_210_guesses_sent_at_once_are_counted_too() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &query(&client.id, &[])).await;
    let form = encode(&[
        ("request", &page.hidden("request")),
        ("form_token", &page.hidden("form_token")),
        ("username", "demo_user"),
        ("password", "wrong"),
    ]);
    let cookie = browser.cookie.clone().unwrap();
    let fields =
        [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie.as_str())];
    let mut guesses = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let guess = request(http::Method::POST, "/login", &fields, form.clone().into());
        guesses.spawn(server.server.router().oneshot(guess));
    }
    let answers = guesses.join_all().await;
    let throttled = answers.into_iter().map(Result::unwrap).filter(|it| it.status() == 429).count();
    assert_eq!(throttled, 2);
}

#[tokio::test]
async fn sec_200_a_decision_is_about_its_record_and_made_once() {
    let server = Server::new().await;
    let (client, other) = (server.public_client().await, server.public_client().await);
    let mut browser = Browser::default();
    let page = browser.sign_in(&server, &query(&client.id, &[])).await;
    let (id, token) = (page.hidden("request"), page.hidden("form_token"));
    // Added or edited fields have no effect.
    let form = [
        ("request", id.as_str()),
        ("form_token", &token),
        ("decision", "approve"),
        ("client_id", &other.id),
        ("redirect_uri", "https://evil.example/"),
        ("scope", "admin"),
        ("resource", SIGNED),
        ("subject", "somebody"),
    ];
    let location = browser.post(&server, "/consent", &[], &form).await.location();
    assert!(location.starts_with("http://localhost:3030/callback?code="), "{location}");
    let code = parameter(&location, "code").unwrap();
    assert_eq!(server.redeem(&other, &code).await.refusal(), (400, "invalid_grant".into()));
    let answer = server.redeem(&client, &code).await;
    assert_eq!(answer.json()["scope"], "user");
    // The form again: there is nothing left to decide.
    browser.post(&server, "/consent", &[], &form).await.is_page(400);
}

#[tokio::test]
async fn sec_200_another_browser_cannot_decide() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let (mut alice, mut mallory) = (Browser::default(), Browser::default());
    let page = alice.sign_in(&server, &query(&client.id, &[])).await;
    let own = mallory.sign_in(&server, &query(&client.id, &[])).await;
    // Her record with his form token, his record with hers, and without any session.
    let (hers, his) = (page.hidden("request"), own.hidden("request"));
    for (id, token) in [
        (&hers, page.hidden("form_token")),
        (&hers, own.hidden("form_token")),
        (&his, page.hidden("form_token")),
    ] {
        let form = [("request", id.as_str()), ("form_token", &token), ("decision", "approve")];
        mallory.post(&server, "/consent", &[], &form).await.is_page(403);
        Browser::default().post(&server, "/consent", &[], &form).await.is_page(400);
    }
    assert!(mallory.get(&server, &format!("/consent?request={hers}")).await.status == 400);
    assert!(alice.decide(&server, &page, "approve").await.location().contains("?code="));
}

#[tokio::test]
async fn sec_201_forms_from_elsewhere() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let mut browser = Browser::default();
    let login = browser.ask(&server, &query(&client.id, &[])).await;
    let form_token = login.hidden("form_token");
    let id = login.hidden("request");
    let good = [
        ("request", id.as_str()),
        ("form_token", &form_token),
        ("username", "demo_user"),
        ("password", "demo_password"),
    ];
    let without_token = [good[0], good[2], good[3]];
    browser.post(&server, "/login", &[], &without_token).await.is_page(403);
    let consent = browser.sign_in(&server, &query(&client.id, &[("state", "2")])).await;
    let (id, form_token) = (consent.hidden("request"), consent.hidden("form_token"));
    let form = [("request", id.as_str()), ("form_token", &form_token), ("decision", "approve")];
    for fields in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "http://localhost:9000.evil")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
    ] {
        browser.post(&server, "/consent", fields, &form).await.is_page(403);
    }
    browser.post(&server, "/consent", &[], &[form[0], form[2]]).await.is_page(403);
    browser.post(&server, "/consent", &[], &[form[0], form[1]]).await.is_page(400);
    // A GET decides nothing, whatever its query says.
    let path = format!("/consent?{}", encode(&form));
    browser.get(&server, &path).await.is_page(200);
    // Our own page: browsers say `null` because of the page's referrer policy.
    let own = [("sec-fetch-site", "same-origin"), ("origin", "null")];
    let location = browser.post(&server, "/consent", &own, &form).await.location();
    assert!(location.contains("?code="));
}

#[tokio::test]
async fn sec_202_a_planted_session_is_worthless_after_sign_in() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let mut victim = Browser::default();
    let login = victim.ask(&server, &query(&client.id, &[])).await;
    let mut attacker = victim.clone(); // knows the cookie from before the sign-in
    let location = victim.log_in(&server, &login, "demo_password").await.location();
    assert_ne!(victim.cookie, attacker.cookie);
    attacker.get(&server, &location).await.is_page(400);
    let again = attacker.get(&server, &format!("/authorize?{}", query(&client.id, &[]))).await;
    assert!(again.location().starts_with("/login?"), "not signed in");
    victim.get(&server, &location).await.is_page(200);
    // Two cookies of the name: one of them was planted.
    let both = format!("{}; portcullis=planted", victim.cookie.clone().unwrap());
    let mut confused = Browser { cookie: Some(both) };
    confused.get(&server, &location).await.is_page(400);
}

#[tokio::test]
async fn cookies_are_out_of_reach_for_scripts_and_other_sites() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let answer = server.get(&format!("/authorize?{}", query(&client.id, &[]))).await;
    let cookie = answer.field("set-cookie").unwrap();
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{cookie}");
    assert!(cookie.contains("; Path=/") && !cookie.contains("Domain"), "{cookie}");
}

#[tokio::test]
async fn over_https_the_cookie_stays_on_https_and_on_this_host() {
    let resource = portcullis_authorization_server::Resource::new(
        OPAQUE,
        "Clock",
        portcullis_authorization_server::TokenFormat::Opaque,
    );
    let settings = portcullis_authorization_server::Settings::new("https://as.example")
        .unwrap()
        .with_resource(resource.unwrap().with_scope("user", "words"));
    let server = Server::with(settings).await;
    let client = server.public_client().await;
    let answer = server.get(&format!("/authorize?{}", query(&client.id, &[]))).await;
    let cookie = answer.field("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-portcullis=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn sec_194_denial_goes_to_the_client() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let mut browser = Browser::default();
    let page = browser.sign_in(&server, &query(&client.id, &[])).await;
    let location = browser.decide(&server, &page, "deny").await.location();
    assert!(location.starts_with("http://localhost:3030/callback?error=access_denied"));
    assert_eq!(parameter(&location, "state").as_deref(), Some("st&te=1"));
    assert_eq!(parameter(&location, "iss").as_deref(), Some(ISSUER));
    assert_eq!(parameter(&location, "code"), None);
}

#[tokio::test]
async fn sec_206_consent_is_asked_every_time() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let mut browser = Browser::default();
    let page = browser.sign_in(&server, &query(&client.id, &[])).await;
    browser.decide(&server, &page, "approve").await.location();
    let path = format!("/authorize?{}", query(&client.id, &[]));
    let location = browser.get(&server, &path).await.location();
    assert!(location.starts_with("/consent?request="), "{location}");
    let page = browser.get(&server, &location).await;
    page.is_page(200);
    assert!(browser.decide(&server, &page, "approve").await.location().contains("?code="));
}

#[tokio::test]
async fn waiting_requests_and_sign_ins_end() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let mut browser = Browser::default();
    let page = browser.sign_in(&server, &query(&client.id, &[])).await;
    server.pass_secs(600);
    browser.decide(&server, &page, "approve").await.is_page(400);
    server.pass_secs(3_000);
    let path = format!("/authorize?{}", query(&client.id, &[]));
    assert!(browser.get(&server, &path).await.location().starts_with("/login?"));
}
