//! Many requests for one code or one refresh token, at once.

use std::sync::Arc;

use crate::databases::{TestDatabase, durable};
use crate::harness::*;

/// Requests at once.
const RACERS: usize = 32;

/// Sends one request to all servers in turn, many times at once. Gives the one answer that granted;
/// all others must be refusals.
async fn race(servers: &[Arc<Server>], client: &Client, form: &[(&str, &str)]) -> Answer {
    let form: Vec<(String, String)> =
        form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let racers: Vec<_> = (0..RACERS)
        .map(|racer| {
            let server = Arc::clone(&servers[racer % servers.len()]);
            let (client, form) = (client.clone(), form.clone());
            tokio::spawn(async move {
                let form: Vec<(&str, &str)> =
                    form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                server.token(&client, &form).await
            })
        })
        .collect();
    let mut granted = Vec::new();
    for racer in racers {
        let answer = racer.await.unwrap();
        match answer.status.as_u16() {
            200 => granted.push(answer),
            _ => assert_eq!(answer.refusal(), (400, "invalid_grant".into()), "{}", answer.body),
        }
    }
    assert_eq!(granted.len(), 1, "of {RACERS} requests");
    granted.remove(0)
}

/// One code and one refresh token, each wanted by many.
pub(crate) async fn check(servers: &[Arc<Server>]) {
    let server = &servers[0];
    let client = server.public_client().await;
    for resource in [OPAQUE, SIGNED] {
        let code = server.code(&client, resource).await;
        let (access, refresh) = race(servers, &client, &redemption(&code)).await.tokens();
        // The others were replays: what the code gave has ended (AS-86).
        for server in servers {
            assert!(!server.is_active(resource, &access).await);
        }
        assert_eq!(server.refresh(&client, &refresh).await.refusal().1, "invalid_grant");

        let (_, refresh) = server.tokens(&client, resource).await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let (access, next) = race(servers, &client, &form).await.tokens();
        // The others were reuse: the family has ended (AS-92).
        for server in servers {
            assert!(!server.is_active(resource, &access).await);
            assert_eq!(server.refresh(&client, &next).await.refusal().1, "invalid_grant");
        }
        // Nothing of this touches another grant of the same client.
        let (access, _) = server.tokens(&client, resource).await;
        assert!(server.is_active(resource, &access).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sec_222_sec_229_one_of_many_wins_in_memory() {
    check(&[Arc::new(Server::new().await)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sec_222_sec_229_one_of_many_wins_on_each_database() {
    for database in TestDatabase::each() {
        check(&[Arc::new(Server::with(durable(database.place())).await)]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sec_564_one_of_many_wins_at_two_servers() {
    for database in TestDatabase::each() {
        let server = async || Arc::new(Server::with(durable(database.place())).await);
        check(&[server().await, server().await]).await;
    }
}

/// A revocation while tokens are refreshed: afterwards nothing of the family is left, whichever came
/// first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sec_560_revocation_ends_what_is_refreshed_meanwhile() {
    for database in TestDatabase::each() {
        let server = Arc::new(Server::with(durable(database.place())).await);
        let client = server.public_client().await;
        for _ in 0..8 {
            let (access, refresh) = server.tokens(&client, OPAQUE).await;
            let refreshing = {
                let (server, client, refresh) =
                    (Arc::clone(&server), client.clone(), refresh.clone());
                tokio::spawn(async move { server.refresh(&client, &refresh).await })
            };
            let revoked = server.as_client("/revoke", &client, &[("token", &refresh)]).await;
            assert_eq!(revoked.status, 200);
            let mut left = vec![access];
            let answer = refreshing.await.unwrap();
            if answer.status == 200 {
                let (access, next) = answer.tokens();
                left.push(access);
                assert_eq!(server.refresh(&client, &next).await.refusal().1, "invalid_grant");
            }
            for access in left {
                assert!(!server.is_active(OPAQUE, &access).await);
            }
        }
    }
}
