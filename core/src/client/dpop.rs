//! Proofs that a client makes of its key (RFC 9449 §4.2), and when a server wants a nonce in them.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Freshness, SignError, Signer, error_response::ErrorResponse, random_text::RandomText, write_jws,
};
use crate::{
    challenge::parse::BearerChallenge,
    encoding::{
        base64url,
        scratch::{BufferFull, Scratch},
    },
    error::ErrorCode,
    jwk::PublicKey,
    message::IncomingResponse,
};

/// Longest nonce of a server that is taken, in bytes.
pub const NONCE_LEN_MAX: usize = 512;

/// The request that a proof is for.
#[derive(Clone, Copy)]
pub struct ProofFor<'r> {
    /// Its method.
    pub method: &'r str,
    /// Its URL; query and fragment are left out (DP-03).
    pub url: &'r str,
    /// The access token beside it; none at the token endpoint.
    pub token: Option<&'r str>,
    /// The newest nonce of the same server, if it gave one.
    pub nonce: Option<&'r str>,
}

#[derive(Serialize)]
struct Header<'h> {
    typ: &'static str,
    alg: &'static str,
    jwk: PublicKey<'h>,
}

#[derive(Serialize)]
struct Claims<'c> {
    jti: &'c str,
    htm: &'c str,
    htu: &'c str,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'c str>,
}

/// Writes a proof for one request and no other (DP-02, DP-03): the value of its `DPoP` field.
///
/// # Errors
/// The key did not sign, the octets are not random, or there is no room.
pub fn write_proof<'s>(
    request: &ProofFor<'_>,
    signer: &dyn Signer,
    fresh: &Freshness,
    scratch: &mut Scratch<'s>,
) -> Result<&'s str, SignError> {
    if fresh.octets == [0; 32] {
        return Err(SignError::Entropy);
    }
    let id = RandomText::new(&fresh.octets)?;
    let mut room = [0; 43];
    let ath = request.token.map(|token| hash_of(token, &mut room)).transpose()?;
    let header =
        Header { typ: "dpop+jwt", alg: signer.algorithm().as_str(), jwk: signer.public_key()? };
    let claims = Claims {
        jti: id.expose(),
        htm: request.method,
        htu: request.url.split(['?', '#']).next().unwrap_or_default(),
        iat: fresh.now.as_secs(),
        ath,
        nonce: request.nonce,
    };
    write_jws(&header, &claims, signer, scratch)
}

fn hash_of<'b>(token: &str, room: &'b mut [u8; 43]) -> Result<&'b str, BufferFull> {
    base64url::encode(&Sha256::digest(token), room)
}

/// The value of a `DPoP-Nonce` field, if it can be one (RFC 9449 §8.1).
pub fn nonce(value: &[u8]) -> Option<&str> {
    let is_one = (1..=NONCE_LEN_MAX).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E));
    core::str::from_utf8(value).ok().filter(|_| is_one)
}

/// Whether a token endpoint refused for want of a nonce (RFC 9449 §8; DP-04). The request may be sent once
/// more, with the nonce that the same answer gave.
pub fn token_endpoint_wants_nonce(
    response: &IncomingResponse<'_>,
    scratch: &mut Scratch<'_>,
) -> bool {
    if response.status != 400 || !response.is_json() || response.body.len() > scratch.free_len() {
        return false;
    }
    let Ok(body) = super::kept_body(response.body, scratch) else { return false };
    let words = ErrorResponse::from_json(body, scratch);
    words.is_some_and(|words| words.error == ErrorCode::UseDpopNonce.as_str())
}

/// Whether a resource server refused for want of a nonce (RFC 9449 §9; DP-04). The request may be sent once
/// more, with the nonce that the same answer gave.
pub fn resource_server_wants_nonce(status: u16, challenge: Option<&BearerChallenge<'_>>) -> bool {
    let error = challenge.and_then(|challenge| challenge.error);
    status == 401 && error == Some(ErrorCode::UseDpopNonce.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::testkit::TestKey, message::Field, time::UnixTime};
    use std::{string::String, vec::Vec};

    fn claims_of(request: &ProofFor<'_>) -> (serde_json::Value, serde_json::Value) {
        let fresh = Freshness { now: UnixTime::from_secs(1_562_262_616), octets: [7; 32] };
        let mut buffer = [0; 4096];
        let key = TestKey::default();
        let proof = write_proof(request, &key, &fresh, &mut Scratch::new(&mut buffer)).unwrap();
        let (input, signature) = proof.rsplit_once('.').unwrap();
        assert_eq!(signature, key.signature_text(input));
        let part = |text: &str| {
            let mut room = [0; 1024];
            let bytes = base64url::decode_into(text.as_bytes(), &mut room).unwrap();
            serde_json::from_slice(bytes).unwrap()
        };
        let (header, claims) = input.split_once('.').unwrap();
        (part(header), part(claims))
    }

    #[test]
    fn dp_03_what_a_proof_says() {
        // The token and its hash of RFC 9449 §7.1.
        let token = Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        let url = "https://mcp.example.com/mcp?a=b#c";
        let request = ProofFor { method: "POST", url, token, nonce: Some("n-1") };
        let (header, claims) = claims_of(&request);
        assert_eq!((&header["typ"], &header["alg"]), (&"dpop+jwt".into(), &"ES256".into()));
        let names: Vec<String> = header["jwk"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["crv", "kty", "x", "y"]);
        let ath = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";
        assert_eq!(claims["ath"], ath);
        assert_eq!(claims["htu"], "https://mcp.example.com/mcp");
        assert_eq!((&claims["htm"], &claims["nonce"]), (&"POST".into(), &"n-1".into()));
        assert_eq!(
            (&claims["iat"], claims["jti"].as_str().unwrap().len()),
            (&1_562_262_616.into(), 43)
        );
        let fragment = ProofFor { url: "https://mcp.example.com/mcp#c?d", ..request };
        assert_eq!(claims_of(&fragment).1["htu"], "https://mcp.example.com/mcp");
        let (_, plain) = claims_of(&ProofFor { token: None, nonce: None, ..request });
        assert_eq!((plain.get("ath"), plain.get("nonce")), (None, None));
    }

    #[test]
    fn dp_02_without_randomness_there_is_no_proof() {
        let fresh = Freshness { now: UnixTime::from_secs(1), octets: [0; 32] };
        let request = ProofFor { method: "POST", url: "https://h/", token: None, nonce: None };
        let mut buffer = [0; 4096];
        let written =
            write_proof(&request, &TestKey::default(), &fresh, &mut Scratch::new(&mut buffer));
        assert_eq!(written, Err(SignError::Entropy));
    }

    #[test]
    fn dp_04_what_is_a_nonce() {
        let longest = [b'a'; NONCE_LEN_MAX + 1];
        assert_eq!(nonce(b"eyJ7S_zG.eyJH0-Z.HX4w-7v"), Some("eyJ7S_zG.eyJH0-Z.HX4w-7v"));
        assert!(nonce(&longest[1..]).is_some());
        for other in [b"".as_slice(), b"a b", b"a\"", b"a\\", b"\xe4", &longest] {
            assert_eq!(nonce(other), None);
        }
    }

    #[test]
    fn dp_04_who_wants_a_nonce() {
        let wants = |status, body: &str, content_type: &str| {
            let content_type = Field::One(content_type.as_bytes());
            let response = IncomingResponse { status, content_type, body: body.as_bytes() };
            token_endpoint_wants_nonce(&response, &mut Scratch::new(&mut [0; 256]))
        };
        let (json, body) = ("application/json", r#"{"error":"use_dpop_nonce"}"#);
        assert!(wants(400, body, json));
        assert!(
            !wants(401, body, json) && !wants(200, body, json) && !wants(400, body, "text/html")
        );
        assert!(!wants(400, r#"{"error":"invalid_dpop_proof"}"#, json));
        let challenge = |error| BearerChallenge {
            realm: None,
            scope: None,
            error: Some(error),
            error_description: None,
            resource_metadata: None,
        };
        assert!(resource_server_wants_nonce(401, Some(&challenge("use_dpop_nonce"))));
        assert!(!resource_server_wants_nonce(403, Some(&challenge("use_dpop_nonce"))));
        assert!(!resource_server_wants_nonce(401, Some(&challenge("invalid_token"))));
        assert!(!resource_server_wants_nonce(401, None));
    }
}
