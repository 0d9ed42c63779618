//! Everything that is logged in a whole flow, searched for every secret that it used.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::harness::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Sink {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// Runs code, refresh, replay and failures; gives every secret of it.
async fn flow(server: &Server) -> Vec<String> {
    let client = server.client_with("client_secret_post").await;
    let mut secrets = vec![client.secret.clone().unwrap(), VERIFIER.into()];
    for resource in [OPAQUE, SIGNED] {
        let mut browser = Browser::default();
        let page = browser.ask(server, &query(&client.id, &[("resource", resource)])).await;
        secrets.extend([page.hidden("request"), page.hidden("form_token")]);
        secrets.push(browser.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned());
        browser.log_in(server, &page, "wrong-password-typed").await;
        let page = browser.sign_in(server, &query(&client.id, &[("resource", resource)])).await;
        secrets.push(browser.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned());
        let location = browser.decide(server, &page, "approve").await.location();
        let code = parameter(&location, "code").unwrap();
        let (access, refresh) = server.redeem(&client, &code).await.tokens();
        let (renewed, next) = server.refresh(&client, &refresh).await.tokens();
        server.introspect(resource, &renewed).await;
        server.refresh(&client, &refresh).await.refusal();
        server.redeem(&client, &code).await.refusal();
        server.as_client("/revoke", &client, &[("token", &next)]).await;
        secrets.extend([code, access, refresh, renewed, next]);
        let credentials = server.server.introspection_credentials(resource).unwrap();
        secrets.push(credentials.client_secret.clone());
    }
    let wrong = Client { secret: Some("wrong-secret-sent".into()), ..client };
    server.redeem(&wrong, "guessed-code-sent").await.refusal();
    for text in ["demo_password", "wrong-password-typed", "wrong-secret-sent", "guessed-code-sent"]
    {
        secrets.push(text.to_owned());
    }
    secrets
}

#[tokio::test]
async fn sec_320_no_secret_in_the_logs() {
    let sink = Sink::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(sink.clone())
        .finish();
    // For the whole process: a subscriber of one thread misses what other threads made known first.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let server = Server::new().await;
    let secrets = flow(&server).await;
    let old = Server::with(settings().with_default_resource(OPAQUE)).await;
    let [old_client, client] = [old.public_client().await, old.public_client().await];
    Browser::default().ask(&old, &query(&old_client.id, &[("resource", "")])).await;
    Browser::default().ask(&old, &query(&client.id, &[])).await;
    let debug = format!("{:?}", server.server);
    let logged = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap() + &debug;
    // SEC-326: the decisions are there.
    for event in ["client registered", "user signed in", "user decided", "token issued"] {
        assert!(logged.contains(event), "{event}");
    }
    for event in ["sign-in failed", "refresh token reused", "client authentication failed"] {
        assert!(logged.contains(event), "{event}");
    }
    for (client, names_none) in [(old_client, true), (client, false)] {
        let mut lines = logged.lines().filter(|line| line.contains("resource assumed"));
        let told = lines.any(|line| line.contains(&client.id));
        assert_eq!(told, names_none, "LG-09: who would be left behind");
    }
    assert!(secrets.len() > 20);
    for secret in secrets {
        // Tokens of one kind may begin alike: the middle is what tells them apart.
        let middle = &secret[secret.len() / 2..];
        let probe = middle.get(..8).unwrap_or(middle);
        assert!(!logged.contains(probe), "a secret was logged:\n{logged}");
    }
}
