//! AS-110 to AS-112: what is minted is what is accepted.

use super::*;
use crate::scope::ScopeSet;

fn mint_claims() -> MintClaims<'static> {
    MintClaims {
        issuer: ISSUER,
        audience: &[RESOURCE],
        subject: "user-1",
        client_id: "client-1",
        scope: ScopeSet::parse("user files:read").unwrap(),
        issued_at: UnixTime::from_secs(NOW),
        expires_at: UnixTime::from_secs(NOW + 600),
        id: "token-1",
    }
}

fn minted(claims: &MintClaims<'_>, room: usize) -> Result<String, MintError> {
    let mut out = std::vec![b'!'; room + 8];
    let (room, behind) = out.split_at_mut(room);
    let key = HmacKey::new(KEY).unwrap();
    let token = mint(claims, &key, &key_id("k1"), room).map(ToString::to_string);
    assert!(behind.iter().all(|&byte| byte == b'!'));
    token
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut MintClaims<'static>), expected: MintError) {
    let mut claims = mint_claims();
    change(&mut claims);
    assert_eq!(minted(&claims, 4096), Err(expected));
}

#[test]
fn as_110_as_111_a_minted_token_is_accepted() {
    let token = minted(&mint_claims(), 4096).unwrap();
    assert_eq!(judge(&token), Ok(()));
    let mut segments = token.split('.').map(|segment| {
        let mut bytes = [0; 512];
        let text = base64url::decode_into(segment.as_bytes(), &mut bytes).unwrap();
        String::from_utf8_lossy(text).to_string()
    });
    assert_eq!(segments.next().unwrap(), r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#);
    let claims: serde_json::Value = serde_json::from_str(&segments.next().unwrap()).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&object(&CLAIMS)).unwrap();
    assert_eq!(claims, expected);
}

#[test]
fn as_111_several_audiences_and_no_scope() {
    let claims = MintClaims {
        audience: &["https://other.example.com", RESOURCE],
        scope: ScopeSet::EMPTY,
        ..mint_claims()
    };
    let token = minted(&claims, 4096).unwrap();
    let permitted = Expectations { several_audiences: true, ..expectations() };
    assert_eq!(judge_with(&token, &ring(), &permitted), Ok(()));
    assert_eq!(judge(&token), Err(TokenError::Audience));
}

#[test]
fn sec_035_texts_are_escaped() {
    let subject = "\"}\\</script>\n\u{2028}\u{1f600}\0";
    let token = minted(&MintClaims { subject, ..mint_claims() }, 4096).unwrap();
    let mut buffer = [0; 1024];
    let mut scratch = Scratch::new(&mut buffer);
    let verified = UnverifiedJwt::parse(&token, &mut scratch).unwrap().verify(&ring()).unwrap();
    assert_eq!(verified.claims(&mut scratch).unwrap().subject, Some(subject));
}

#[test]
fn sec_098_nothing_is_minted_that_would_be_refused() {
    check_refused(|claims| claims.issuer = "", MintError::Claim);
    check_refused(|claims| claims.subject = "", MintError::Claim);
    check_refused(|claims| claims.client_id = "", MintError::Claim);
    check_refused(|claims| claims.id = "", MintError::Claim);
    check_refused(|claims| claims.audience = &[], MintError::Claim);
    check_refused(|claims| claims.audience = &[""], MintError::Claim);
    check_refused(|claims| claims.audience = &["a"; 9], MintError::Claim);
    check_refused(|claims| claims.expires_at = claims.issued_at, MintError::Claim);
    let long = "x".repeat(2048);
    let claims = MintClaims { subject: &long, ..mint_claims() };
    assert_eq!(minted(&claims, 8192), Err(MintError::TooLong));
}

#[test]
fn sec_011_room_for_a_minted_token() {
    let len = minted(&mint_claims(), 4096).unwrap().len();
    for room in 0..len {
        assert_eq!(minted(&mint_claims(), room), Err(MintError::BufferFull), "{room}");
    }
    assert!(minted(&mint_claims(), len).is_ok());
}

#[test]
fn sec_009_minted_with_another_key() {
    let mut out = [0; 1024];
    let key = HmacKey::new(OTHER_KEY).unwrap();
    let token = mint(&mint_claims(), &key, &key_id("k1"), &mut out).unwrap();
    assert_eq!(judge(token), Err(TokenError::Signature));
}

#[test]
fn sec_113_a_bound_token_is_no_bearer_token() {
    const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"; // RFC 9449 §6.1
    let mut out = [0; 1024];
    let key = HmacKey::new(KEY).unwrap();
    let token = mint_bound(&mint_claims(), THUMBPRINT, &key, &key_id("k1"), &mut out).unwrap();
    let mut bytes = [0; 512];
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64url::decode_into(payload.as_bytes(), &mut bytes).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(payload).unwrap();
    assert_eq!(claims["cnf"], serde_json::json!({ "jkt": THUMBPRINT }));
    assert_eq!(judge(token), Err(TokenError::SenderConstrained));
    // Without the thumbprint it is the token that is accepted.
    assert_eq!(judge(&minted(&mint_claims(), 4096).unwrap()), Ok(()));
    let unnamed = mint_bound(&mint_claims(), "", &key, &key_id("k1"), &mut [0; 1024]).err();
    assert_eq!(unnamed, Some(MintError::Claim));
}
