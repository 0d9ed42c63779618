//! Other libraries, each used as its documentation says, with the checks that it leaves to the
//! caller added.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Deserialize;

use crate::{
    Contender,
    token::{ISSUER, KEY, RESOURCE, SCHEME, SCOPE},
};

/// All of them.
pub fn all() -> Vec<Contender> {
    vec![
        jsonwebtoken("jsonwebtoken 11, rust_crypto", false),
        jsonwebtoken("jsonwebtoken 11, aws_lc_rs", true),
        jwt_simple(),
        jwt_compact(),
    ]
}

fn token(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field.strip_prefix(SCHEME.as_bytes())?).ok()
}

fn has_scope(scope: &str) -> bool {
    scope.split(' ').any(|token| token == SCOPE)
}

fn is_access_token(media_type: Option<&str>) -> bool {
    media_type.is_some_and(|media_type| {
        media_type.eq_ignore_ascii_case("at+jwt")
            || media_type.eq_ignore_ascii_case("application/at+jwt")
    })
}

/// The required claims that no library looks at by itself. Absence is an error.
#[derive(Clone, Debug, Deserialize)]
struct Claims {
    client_id: String,
    scope: String,
}

/// What jsonwebtoken and jwt-compact hand over unread.
#[derive(Clone, Debug, Deserialize)]
struct AllClaims {
    iss: String,
    aud: String,
    sub: String,
    jti: String,
    #[serde(flatten)]
    more: Claims,
}

/// As [`AllClaims`], for the library that has checked `iss`, `aud` and `exp` by itself.
#[derive(Clone, Debug, Deserialize)]
struct RequiredClaims {
    sub: String,
    client_id: String,
    jti: String,
    iat: u64,
    scope: String,
}

/// Both back ends are linked; which one makes a verifier is looked up for each token.
fn jsonwebtoken(name: &'static str, aws: bool) -> Contender {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, crypto};

    static AWS: AtomicBool = AtomicBool::new(false);
    static PROVIDER: crypto::CryptoProvider = crypto::CryptoProvider {
        signer_factory: |algorithm, key| {
            (crypto::rust_crypto::DEFAULT_PROVIDER.signer_factory)(algorithm, key)
        },
        verifier_factory: |algorithm, key| {
            if AWS.load(Ordering::Relaxed) {
                (crypto::aws_lc::DEFAULT_PROVIDER.verifier_factory)(algorithm, key)
            } else {
                (crypto::rust_crypto::DEFAULT_PROVIDER.verifier_factory)(algorithm, key)
            }
        },
        key_utils: crypto::KeyUtils::new_unimplemented(),
    };
    // The second of the two finds it installed.
    let _ = PROVIDER.install_default();

    let key = DecodingKey::from_secret(KEY);
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[RESOURCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_nbf = true;
    Contender {
        name,
        admits: Box::new(move |field| {
            AWS.store(aws, Ordering::Relaxed);
            let Some(token) = token(field) else { return false };
            let Ok(data) = jsonwebtoken::decode::<RequiredClaims>(token, &key, &validation) else {
                return false;
            };
            let claims = data.claims;
            is_access_token(data.header.typ.as_deref())
                && data.header.kid.as_deref() == Some("k1")
                && ![&claims.sub, &claims.client_id, &claims.jti].iter().any(|text| text.is_empty())
                && claims.iat != 0
                && has_scope(&claims.scope)
        }),
    }
}

fn jwt_simple() -> Contender {
    use jwt_simple::prelude::{HS256Key, MACLike, VerificationOptions};

    let key = HS256Key::from_bytes(KEY);
    let options = VerificationOptions {
        allowed_issuers: Some(HashSet::from([ISSUER.to_owned()])),
        allowed_audiences: Some(HashSet::from([RESOURCE.to_owned()])),
        required_signature_type: Some("at+jwt".to_owned()),
        required_key_id: Some("k1".to_owned()),
        ..VerificationOptions::default()
    };
    Contender {
        name: "jwt-simple 0.15",
        admits: Box::new(move |field| {
            let Some(token) = token(field) else { return false };
            let verified = key.verify_token::<Claims>(token, Some(options.clone()));
            verified.is_ok_and(|claims| {
                claims.subject.is_some_and(|subject| !subject.is_empty())
                    && claims.jwt_id.is_some_and(|id| !id.is_empty())
                    && claims.issued_at.is_some()
                    && claims.expires_at.is_some()
                    && !claims.custom.client_id.is_empty()
                    && has_scope(&claims.custom.scope)
            })
        }),
    }
}

fn jwt_compact() -> Contender {
    use jwt_compact::{
        AlgorithmExt, TimeOptions, UntrustedToken,
        alg::{Hs256, Hs256Key},
    };

    let key = Hs256Key::new(KEY);
    let time = TimeOptions::default();
    Contender {
        name: "jwt-compact 0.8",
        admits: Box::new(move |field| {
            let Some(token) = token(field) else { return false };
            let Ok(token) = UntrustedToken::new(token) else { return false };
            if !is_access_token(token.header().token_type.as_deref())
                || token.header().key_id.as_deref() != Some("k1")
            {
                return false;
            }
            let Ok(token) = Hs256.validator::<AllClaims>(&key).validate(&token) else {
                return false;
            };
            let claims = token.claims();
            let custom = &claims.custom;
            claims.validate_expiration(&time).is_ok()
                && (claims.not_before.is_none() || claims.validate_maturity(&time).is_ok())
                && claims.issued_at.is_some()
                && custom.iss == ISSUER
                && custom.aud == RESOURCE
                && ![&custom.sub, &custom.more.client_id, &custom.jti]
                    .iter()
                    .any(|text| text.is_empty())
                && has_scope(&custom.more.scope)
        }),
    }
}
