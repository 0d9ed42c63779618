use std::time::{Duration, UNIX_EPOCH};

use oauth_as::ScopeSet;

use super::super::{CodeProof, Database, claim_once};
use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 B
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn storage() -> HashedStorage {
    HashedStorage::new(Records::open(&Database::Memory).await.unwrap(), [])
}

fn code() -> AuthorizationCodeRecord {
    AuthorizationCodeRecord::new(
        "the-code",
        ClientId::new("client"),
        "http://localhost/cb",
        ScopeSet::empty(),
        "alice",
        CHALLENGE,
        UNIX_EPOCH + Duration::from_secs(60),
    )
}

#[tokio::test]
async fn sec_240_only_digests_reach_the_inner_storage() {
    let storage = storage().await;
    let token = IssuedToken::new(
        "the-token",
        ClientId::new("client"),
        None,
        ScopeSet::empty(),
        UNIX_EPOCH,
        UNIX_EPOCH + Duration::from_secs(60),
    );
    assert!(storage.put_token(token).await.unwrap().is_applied());
    storage.put_authorization_code(code()).await.unwrap();
    let inner = &storage.inner;
    assert!(inner.get_token("the-token").await.unwrap().is_none());
    assert!(inner.take_authorization_code("the-code").await.unwrap().is_none());
    let record = storage.get_token("the-token").await.unwrap().unwrap();
    assert_eq!(record.access_token, stored_by_id(&token_id("the-token")));
    // The stored form finds the record inside, and is kept out where requests come in.
    assert!(storage.get_token(&record.access_token).await.unwrap().is_some());
    assert_eq!(presented(&record.access_token), "");
    assert_eq!(presented("the-token"), "the-token");
}

#[tokio::test]
async fn records_written_back_keep_their_name() {
    let storage = storage().await;
    storage.put_authorization_code(code()).await.unwrap();
    let record = storage.take_authorization_code("the-code").await.unwrap().unwrap();
    storage.put_authorization_code(record).await.unwrap();
    assert!(storage.take_authorization_code("the-code").await.unwrap().is_some());
    assert!(storage.take_authorization_code("the-code").await.unwrap().is_none());
}

#[tokio::test]
async fn as_86_only_the_rightful_redeemer_fits_a_code() {
    let storage = storage().await;
    storage.put_authorization_code(code()).await.unwrap();
    let finds = async |code: &str, verifier: Option<&str>, uri: Option<&str>| {
        let redemption = Redemption::of_code(CodeProof::new(verifier, uri));
        redemption.scope(storage.take_authorization_code(code)).await.unwrap().is_some()
    };
    assert!(!finds("the-code", Some(VERIFIER), Some("http://localhost/other")).await);
    assert!(!finds("the-code", Some(CHALLENGE), None).await);
    assert!(!finds("the-code", None, None).await);
    assert!(!finds("other-code", Some(VERIFIER), None).await);
    // Looking at it does not take it.
    for _ in 0..2 {
        assert!(finds("the-code", Some(VERIFIER), None).await);
        assert!(finds("the-code", Some(VERIFIER), Some("http://localhost/cb")).await);
    }
}

#[tokio::test]
async fn sec_254_a_claim_counts_once_but_for_the_request_that_made_it() {
    let storage = storage().await;
    let ends = UNIX_EPOCH + Duration::from_secs(60);
    let claim = async |id: &str| storage.claim_replay_id(id, ends).await.unwrap();
    assert!(claim("a").await);
    assert!(!claim("a").await);
    claim_once(async {
        // Claimed by another request before.
        assert!(!claim("a").await);
        assert!(claim("b").await);
        assert!(claim("b").await);
    })
    .await;
    claim_once(async { assert!(!claim("b").await) }).await;
    assert!(!claim("b").await);
}
