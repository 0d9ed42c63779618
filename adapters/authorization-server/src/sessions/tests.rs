use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, UNIX_EPOCH};

use oauth_as::{ErrorCode, ErrorResponse};

use super::*;
use crate::storage::Database;

async fn sessions() -> Sessions {
    let limits = Limits {
        pending_authorizations: 3,
        pending_authorizations_per_peer: 2,
        ..Limits::default()
    };
    let records = Records::open(&Database::Memory).await.unwrap();
    Sessions::new(records, Lifetimes::default(), limits)
}

fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

fn peer(last: u8) -> Peer {
    Peer::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
}

fn new<'r>(browser: &str, from: u8, query: &'r str) -> NewPending<'r> {
    let refuse = AuthorizationErrorRedirect {
        redirect_uri: "http://localhost/cb".into(),
        error: ErrorResponse::new(ErrorCode::InvalidScope),
        state: None,
        iss: "http://localhost".into(),
    };
    NewPending {
        browser: Digest::of(browser),
        peer: peer(from),
        query,
        pending: Pending {
            client_id: "client-1".into(),
            client_name: None,
            redirect_uri: "http://localhost/cb".into(),
            outcome: Outcome::Refuse(refuse),
        },
    }
}

#[tokio::test]
async fn a_second_fetch_is_the_same_request() {
    let sessions = sessions().await;
    let first = sessions.wait(new("b", 1, "q"), at(0)).await.unwrap();
    assert_eq!(sessions.wait(new("b", 1, "q"), at(1)).await, Ok(first.clone()));
    assert_ne!(sessions.wait(new("b", 1, "other"), at(1)).await, Ok(first.clone()));
    assert_ne!(sessions.wait(new("c", 2, "q"), at(1)).await, Ok(first));
}

#[tokio::test]
async fn lim_17_requests_that_wait() {
    let sessions = sessions().await;
    assert!(sessions.wait(new("b", 1, "1"), at(0)).await.is_ok());
    assert!(sessions.wait(new("b", 1, "2"), at(0)).await.is_ok());
    assert_eq!(sessions.wait(new("b", 1, "3"), at(0)).await, Err(PendingError::TooMany));
    assert!(sessions.wait(new("c", 2, "1"), at(0)).await.is_ok(), "another peer");
    assert_eq!(sessions.wait(new("d", 3, "1"), at(0)).await, Err(PendingError::TooMany));
    assert!(sessions.wait(new("d", 3, "1"), at(600)).await.is_ok(), "the old ones ended");
}

#[tokio::test]
async fn sec_200_a_request_belongs_to_its_browser_and_is_decided_once() {
    let sessions = sessions().await;
    let id = sessions.wait(new("b", 1, "q"), at(0)).await.unwrap();
    let browser = Digest::of("b");
    assert!(sessions.find(&id, Digest::of("c"), at(1)).await.unwrap().is_none());
    assert!(sessions.take(&id, Digest::of("c"), at(1)).await.unwrap().is_none());
    assert!(sessions.find(&id, browser, at(599)).await.unwrap().is_some());
    assert!(sessions.find(&id, browser, at(600)).await.unwrap().is_none());
    assert!(sessions.take(&id, browser, at(600)).await.unwrap().is_none());
    assert!(sessions.take(&id, browser, at(599)).await.unwrap().is_some());
    assert!(sessions.take(&id, browser, at(599)).await.unwrap().is_none());
}

#[tokio::test]
async fn sec_202_signing_in_makes_a_new_session() {
    let sessions = sessions().await;
    let id = sessions.wait(new("planted", 1, "q"), at(0)).await.unwrap();
    let other = sessions.wait(new("planted", 1, "other"), at(0)).await.unwrap();
    let planted = Digest::of("planted");
    let secret = sessions.sign_in("alice", &id, planted, at(1)).await.unwrap();
    let browser = Digest::of(&secret);
    assert_eq!(sessions.subject(browser, at(2)).await.unwrap().as_deref(), Some("alice"));
    assert_eq!(sessions.subject(planted, at(2)).await, Ok(None));
    assert!(sessions.find(&id, browser, at(2)).await.unwrap().is_some());
    assert!(sessions.find(&id, planted, at(2)).await.unwrap().is_none());
    assert!(sessions.find(&other, browser, at(2)).await.unwrap().is_none());
    assert_eq!(sessions.subject(browser, at(3600)).await.unwrap().as_deref(), Some("alice"));
    assert_eq!(sessions.subject(browser, at(3601)).await, Ok(None));
}

#[tokio::test]
async fn sweeping_forgets_what_has_ended() {
    let sessions = sessions().await;
    let id = sessions.wait(new("b", 1, "q"), at(0)).await.unwrap();
    sessions.sweep(at(599)).await.unwrap();
    assert!(sessions.find(&id, Digest::of("b"), at(0)).await.unwrap().is_some());
    sessions.sweep(at(600)).await.unwrap();
    assert!(sessions.find(&id, Digest::of("b"), at(0)).await.unwrap().is_none());
}
