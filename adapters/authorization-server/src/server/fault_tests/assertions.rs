//! The same for assertions, which stand for a grant once.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::json;

use super::*;
use crate::assertion_grant::enterprise::IdentityProvider;
use crate::assertion_grant::{GRANT_TYPE, IssuerKeys};
use crate::settings::ServiceAuthentication;

const SECRET: &str = "a-secret-that-a-machine-made-for-a-machine";

fn text(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

fn key_set(key: &EcdsaKeyPair) -> String {
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) }] }).to_string()
}

fn id_jag(key: &EcdsaKeyPair, at: usize) -> String {
    let now = unix_secs(std::time::SystemTime::now()).unwrap();
    let header = json!({ "alg": "ES256", "typ": "oauth-id-jag+jwt" });
    // A user of its own each time, so that each is met for the first time.
    let claims = json!({ "iss": "https://id.example", "sub": format!("u-{at}"), "jti": format!("{at}"),
        "aud": "http://localhost:9000", "client_id": "service-agent", "exp": now + 300, "iat": now,
        "resource": OPAQUE, "scope": "user" });
    let input = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
    let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    format!("{input}.{}", text(signature))
}

async fn trusting(key: &EcdsaKeyPair, database: Database) -> AuthorizationServer {
    let resource = Resource::new(OPAQUE, "Clock", TokenFormat::Opaque).unwrap();
    let secret = ServiceAuthentication::secret(SECRET).unwrap();
    let settings = Settings::demo("http://localhost:9000")
        .unwrap()
        .with_resource(resource.with_scope("user", "words"))
        .with_service("service-agent", "Agent", secret, ["user"])
        .unwrap()
        .with_identity_provider(IdentityProvider::new(
            "https://id.example",
            IssuerKeys::set(key_set(key)),
        ))
        .with_database(database);
    AuthorizationServer::new(settings).await.unwrap()
}

#[tokio::test]
async fn sec_238_a_failing_storage_grants_nothing_for_an_assertion() {
    let folder = TempDir::new().unwrap();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let mut presented = 0;
    for database in [Database::Memory, Database::Sqlite(folder.path().join("records.db"))] {
        let server = trusting(&key, database).await;
        for fault in [Fault::Refused, Fault::Applied] {
            for at in 0.. {
                presented += 1;
                let form = format!(
                    "grant_type={GRANT_TYPE}&client_id=service-agent&client_secret={SECRET}\
                     &assertion={}",
                    id_jag(&key, presented)
                );
                faults(&server).fail_after(at, fault);
                let (status, answer) = post(&server, "/token", &form).await;
                let struck = !faults(&server).heal();
                if !judge(struck, at, status, &answer) {
                    // The user is met, the assertion used up, and the token kept.
                    assert!(at >= 3, "only {at} calls");
                    break;
                }
                // One more try succeeds, unless it is used up already; then there is no other.
                let (status, answer) = post(&server, "/token", &form).await;
                assert!(status == StatusCode::OK || status == StatusCode::BAD_REQUEST, "{answer}");
                assert_eq!(status == StatusCode::OK, issued(&answer), "call {at}");
                let (status, answer) = post(&server, "/token", &form).await;
                assert_eq!(
                    (status, issued(&answer)),
                    (StatusCode::BAD_REQUEST, false),
                    "call {at}"
                );
            }
        }
    }
}
