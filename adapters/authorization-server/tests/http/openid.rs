//! Sign-in at an OpenID Connect provider: the whole way, and each answer that signs nobody in.

use http::StatusCode;
use portcullis_authorization_server::{AdmittedUsers, OpenIdProvider, Settings};
use serde_json::{Value, json};

use crate::harness::*;
use crate::openid_key::Key;
use crate::openid_provider::Provider;

/// A server, its provider, and the provider's key.
struct World {
    server: Server,
    provider: Provider,
    key: Key,
}

/// A browser that was sent to the provider, and what it carries there.
struct Sent {
    client: Client,
    browser: Browser,
    state: String,
    nonce: String,
    challenge: String,
}

impl World {
    async fn new() -> Self {
        Self::with(AdmittedUsers::all(), |settings| settings).await
    }

    async fn with(users: AdmittedUsers, change: impl FnOnce(Settings) -> Settings) -> Self {
        let key = Key::es256("k1");
        let provider = Provider::new(&[&key]).await;
        let mut openid = OpenIdProvider::new(&provider.issuer, "us", "the secret", users);
        openid.name = "Example Corp".to_owned();
        let server = Server::with(change(settings().with_openid_provider(openid))).await;
        Self { server, provider, key }
    }

    /// Opens the sign-in page, and follows its link.
    async fn send(&self) -> Sent {
        let client = self.server.public_client().await;
        let mut browser = Browser::default();
        let page = browser.ask(&self.server, &query(&client.id, &[])).await;
        let (_, rest) = page.body.split_once("href=\"/login/provider").unwrap();
        let (link, _) = rest.split_once('"').unwrap();
        let location =
            browser.get(&self.server, &format!("/login/provider{link}")).await.location();
        assert!(
            location.starts_with(&format!("{}/authorize?", self.provider.issuer)),
            "{location}"
        );
        let part = |name| parameter(&location, name).unwrap();
        assert_eq!((part("client_id"), part("response_type")), ("us".into(), "code".into()));
        assert_eq!(part("redirect_uri"), "http://localhost:9000/login/callback");
        assert_eq!(
            (part("scope"), part("code_challenge_method")),
            ("openid+profile+email".into(), "S256".into())
        );
        Sent {
            client,
            state: part("state"),
            nonce: part("nonce"),
            challenge: part("code_challenge"),
            browser,
        }
    }

    fn claims(&self, sent: &Sent) -> Value {
        let now = self.server.now_secs();
        json!({ "iss": self.provider.issuer, "aud": "us", "sub": "248289761001", "exp": now + 300,
                "iat": now, "nonce": sent.nonce, "name": "Jane Doe", "email": "jane@example.com",
                "email_verified": true })
    }

    /// What the browser comes back with, if the provider says this.
    fn answer(&self, sent: &Sent, claims: &Value) -> String {
        self.provider.answer(self.key.token(claims), &sent.challenge, &sent.state)
    }

    async fn come_back(&self, sent: &mut Sent, answer: &str) -> Answer {
        sent.browser.get(&self.server, &format!("/login/callback?{answer}")).await
    }

    /// A whole sign-in with these claims.
    async fn sign_in(&self, change: impl FnOnce(&mut Value)) -> (Sent, Answer) {
        let mut sent = self.send().await;
        let mut claims = self.claims(&sent);
        change(&mut claims);
        let answer = self.answer(&sent, &claims);
        let page = self.come_back(&mut sent, &answer).await;
        (sent, page)
    }
}

/// Nobody is signed in: a page says so, and the session stays what it was.
#[track_caller]
fn is_refused(page: &Answer, status: StatusCode) {
    assert_eq!(page.status, status, "{}", page.body);
    assert!(page.field("set-cookie").is_none() && page.field("location").is_none());
}

#[tokio::test]
async fn a_user_of_the_provider_signs_in_and_decides() {
    let world = World::new().await;
    let (mut sent, page) = world.sign_in(|_| {}).await;
    let location = page.location();
    assert!(location.starts_with("/consent?request="), "{location}");
    let consent = sent.browser.get(&world.server, &location).await;
    assert!(consent.body.contains("Jane Doe"), "{}", consent.body);
    let answer = sent.browser.decide(&world.server, &consent, "approve").await.location();
    assert!(parameter(&answer, "code").is_some(), "{answer}");
    assert_eq!(world.provider.state.lock().unwrap().credentials, ["Basic dXM6dGhlK3NlY3JldA=="]);

    // The user is issuer and subject, whatever the name and the address are.
    let accounts = world.server.server.accounts().list().await.unwrap();
    let subject = format!("openid:{}#248289761001", world.provider.issuer);
    assert_eq!(accounts.len(), 1);
    assert_eq!(
        (accounts[0].name(), accounts[0].shown_name()),
        (subject.as_str(), Some("Jane Doe"))
    );
}

#[tokio::test]
async fn sec_214_grants_of_a_disabled_user_end() {
    let world = World::new().await;
    let (mut sent, page) = world.sign_in(|_| {}).await;
    let consent = sent.browser.get(&world.server, &page.location()).await;
    let answer = sent.browser.decide(&world.server, &consent, "approve").await.location();
    let code = parameter(&answer, "code").unwrap();
    let (_, refresh_token) = world.server.redeem(&sent.client, &code).await.tokens();
    let answer = world.server.refresh(&sent.client, &refresh_token).await;
    let (access_token, refresh_token) = answer.tokens();
    assert!(world.server.is_active(OPAQUE, &access_token).await);
    let accounts = world.server.server.accounts();
    let subject = accounts.list().await.unwrap()[0].name().to_owned();
    assert_eq!(world.server.introspect(OPAQUE, &access_token).await["sub"], json!(subject));
    accounts.disable(&subject).await.unwrap();
    assert!(!world.server.is_active(OPAQUE, &access_token).await);
    let refused = world.server.refresh(&sent.client, &refresh_token).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn sec_202_signing_in_elsewhere_makes_a_new_session() {
    let world = World::new().await;
    let mut sent = world.send().await;
    let mut planted = Browser { cookie: sent.browser.cookie.clone() };
    let answer = world.answer(&sent, &world.claims(&sent));
    let location = world.come_back(&mut sent, &answer).await.location();
    assert_ne!(sent.browser.cookie, planted.cookie);
    let page = planted.get(&world.server, &location).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn sec_215_sec_470_an_answer_counts_in_the_browser_that_asked() {
    let world = World::new().await;
    let mut victim = world.send().await;
    let attacker = world.send().await;
    let answer = world.answer(&attacker, &world.claims(&attacker));
    is_refused(&world.come_back(&mut victim, &answer).await, StatusCode::BAD_REQUEST);
    // The attacker's own code under the victim's state: PKCE and nonce tell.
    let crossed = world.answer(&victim, &world.claims(&attacker));
    is_refused(&world.come_back(&mut victim, &crossed).await, StatusCode::BAD_GATEWAY);
    let token = world.key.token(&world.claims(&attacker));
    let crossed = world.provider.answer(token, &attacker.challenge, &victim.state);
    is_refused(&world.come_back(&mut victim, &crossed).await, StatusCode::FORBIDDEN);
    let bare = Browser::default().get(&world.server, &format!("/login/callback?{answer}")).await;
    is_refused(&bare, StatusCode::BAD_REQUEST);
    // The twin.
    let answer = world.answer(&victim, &world.claims(&victim));
    world.come_back(&mut victim, &answer).await.location();
}

#[tokio::test]
async fn sec_468_an_answer_of_another_provider_counts_for_nothing() {
    let world = World::new().await;
    let mut sent = world.send().await;
    let good = world.answer(&sent, &world.claims(&sent));
    let iss = encode(&[("iss", &world.provider.issuer)]);
    let other = encode(&[("iss", "https://evil.example")]);
    is_refused(
        &world.come_back(&mut sent, &good.replace(&iss, &other)).await,
        StatusCode::BAD_GATEWAY,
    );
    // The metadata says that answers name their issuer.
    let silent = good.replace(&format!("&{iss}"), "");
    is_refused(&world.come_back(&mut sent, &silent).await, StatusCode::BAD_GATEWAY);
    // The code is still good: nobody was asked about it.
    world.come_back(&mut sent, &good).await.location();
    // A metadata document of another issuer.
    let world = World::new().await;
    world.provider.state.lock().unwrap().metadata["issuer"] = json!("https://evil.example");
    let client = world.server.public_client().await;
    let mut browser = Browser::default();
    let page = browser.ask(&world.server, &query(&client.id, &[])).await;
    let (_, rest) = page.body.split_once("href=\"/login/provider").unwrap();
    let link = rest.split_once('"').unwrap().0;
    let page = browser.get(&world.server, &format!("/login/provider{link}")).await;
    is_refused(&page, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_id_token_that_is_not_right_signs_nobody_in() {
    let world = World::new().await;
    for (name, value) in [
        ("nonce", json!("another")),
        ("aud", json!("them")),
        ("iss", json!("https://evil.example")),
        ("exp", json!(world.server.now_secs() - 3600)),
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
    ] {
        let (_, page) = world.sign_in(|claims| claims[name] = value.clone()).await;
        is_refused(&page, StatusCode::BAD_GATEWAY);
        assert!(page.body.contains("/login?request="), "the way back: {}", page.body);
    }
    let (_, page) = world.sign_in(|_| {}).await;
    page.location();
}

#[tokio::test]
async fn a_code_is_redeemed_once() {
    let world = World::new().await;
    let (mut sent, page) = world.sign_in(|_| {}).await;
    page.location();
    // The session is another one now, which did not ask.
    let again = world.answer(&sent, &world.claims(&sent));
    is_refused(&world.come_back(&mut sent, &again).await, StatusCode::BAD_REQUEST);
    // A code that the provider does not take any more.
    let mut sent = world.send().await;
    let answer = world.answer(&sent, &world.claims(&sent));
    world.provider.state.lock().unwrap().id_token = None;
    is_refused(&world.come_back(&mut sent, &answer).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_provider_changes_its_keys() {
    let mut world = World::new().await;
    world.sign_in(|_| {}).await.1.location();
    let before = std::mem::replace(&mut world.key, Key::rs256("k2"));
    let (_, page) = world.sign_in(|_| {}).await;
    is_refused(&page, StatusCode::BAD_GATEWAY);
    world.provider.state.lock().unwrap().keys = vec![world.key.jwk()];
    world.sign_in(|_| {}).await.1.location();
    // What is not published any more counts no more.
    world.key = before;
    let (_, page) = world.sign_in(|_| {}).await;
    is_refused(&page, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn sec_471_errors_are_a_page_without_their_words() {
    let mut world = World::new().await;
    let mut sent = world.send().await;
    let refused = encode(&[
        ("error", "access_denied"),
        ("error_description", "<b>words of a stranger</b>"),
        ("state", &sent.state),
        ("iss", &world.provider.issuer),
    ]);
    let page = world.come_back(&mut sent, &refused).await;
    is_refused(&page, StatusCode::FORBIDDEN);
    assert!(!page.body.contains("stranger") && page.body.contains("did not sign you in"));
    let unavailable = world.answer(&sent, &world.claims(&sent));
    world.provider.stop().await;
    is_refused(&world.come_back(&mut sent, &unavailable).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn sec_214_who_may_come_in_and_who_may_stay() {
    let world = World::with(AdmittedUsers::of_domains(["example.com"]), |it| it).await;
    let (_, page) = world.sign_in(|claims| claims["email_verified"] = json!(false)).await;
    is_refused(&page, StatusCode::FORBIDDEN);
    assert!(world.server.server.accounts().list().await.unwrap().is_empty());
    world.sign_in(|_| {}).await.1.location();

    // SEC-214: an administrator's word counts more.
    let accounts = world.server.server.accounts();
    let subject = accounts.list().await.unwrap()[0].name().to_owned();
    accounts.disable(&subject).await.unwrap();
    is_refused(&world.sign_in(|_| {}).await.1, StatusCode::FORBIDDEN);
    accounts.enable(&subject).await.unwrap();
    world.sign_in(|_| {}).await.1.location();
    assert!(accounts.set_password(&subject, "password").await.is_err());
    assert!(accounts.add(&subject, "password").await.is_err());
}

#[tokio::test]
async fn what_the_id_token_does_not_say() {
    let world = World::with(AdmittedUsers::of_domains(["example.com"]), |it| it).await;
    let thin = |claims: &mut Value| {
        for name in ["name", "email", "email_verified"] {
            claims.as_object_mut().unwrap().remove(name);
        }
    };
    let told = |sub: &str, email: &str| {
        let told = json!({ "sub": sub, "email": email, "email_verified": true, "name": "Jane" });
        world.provider.state.lock().unwrap().userinfo = told;
    };
    told("248289761001", "jane@example.com");
    world.sign_in(thin).await.1.location();
    told("another", "jane@example.com");
    is_refused(&world.sign_in(thin).await.1, StatusCode::BAD_GATEWAY);
    told("248289761001", "jane@evil.example");
    is_refused(&world.sign_in(thin).await.1, StatusCode::FORBIDDEN);
    // The signed word counts more.
    told("248289761001", "jane@example.com");
    let signed = |claims: &mut Value| {
        thin(claims);
        claims["email"] = json!("jane@evil.example");
    };
    is_refused(&world.sign_in(signed).await.1, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn passwords_are_off_unless_both_are_wanted() {
    let world = World::new().await;
    let client = world.server.public_client().await;
    let mut browser = Browser::default();
    let page = browser.ask(&world.server, &query(&client.id, &[])).await;
    assert!(page.body.contains("Continue with Example Corp") && !page.body.contains("password"));

    let world = World::with(AdmittedUsers::all(), |mut settings| {
        settings.passwords = Some(true);
        settings
    })
    .await;
    world.sign_in(|_| {}).await.1.location();
    let client = world.server.public_client().await;
    let consent = Browser::default().sign_in(&world.server, &query(&client.id, &[])).await;
    assert!(consent.body.contains("demo_user"), "{}", consent.body);
}
