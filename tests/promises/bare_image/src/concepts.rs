//! One concept at a time: bearer, scope, challenge, token, JWT, MCP envelope.

use core::hint::black_box;

use portcullis_core::{
    bearer::{BearerToken, Credentials},
    challenge::{
        parse::{bearer, Challenges},
        Challenge, Reason, Unavailable,
    },
    jwk::{thumbprint, KeySet, Mismatch, PublicKey, PublicKeyRing, VerifyingKey},
    jwt::{derive_key, HmacKey, KeyId, KeyRing, MasterKey, SignatureVerifier, UnverifiedJwt},
    limits::JWKS_KEYS_MAX,
    mcp::{BodyLimits, Envelope, Versions},
    scope::{RequiredScopes, ScopeSet},
    time::Leeway,
    token::{Expectations, TokenError},
};

use crate::inputs::{bytes, field, head, keep, show, text, time, with_scratch};

pub fn all() {
    credentials();
    challenge_read();
    challenge_written(Reason::NoCredentials);
    challenge_written(Reason::Token(black_box(TokenError::Expired)));
    challenge_written(Reason::Scope);
    challenge_written(Reason::Unavailable(black_box(Unavailable::ClockUnknown)));
    jwt();
    keys();
    public_keys();
    envelope();
}

pub fn scopes() -> ScopeSet<'static> {
    match ScopeSet::parse(text()) {
        Ok(scopes) => {
            black_box((scopes.contains(text()), scopes.iter().count()));
            scopes
        }
        Err(error) => {
            show(&error);
            ScopeSet::EMPTY
        }
    }
}

pub fn required() -> RequiredScopes<'static> {
    RequiredScopes { base: scopes(), method: scopes(), tool: scopes() }
}

pub fn key_ring() -> Option<KeyRing> {
    let id = KeyId::new(text()).ok()?;
    let ring = KeyRing::new(id, HmacKey::new(bytes()).ok()?);
    let mut ring = ring.with_next(KeyId::new(text()).ok()?, HmacKey::new(bytes()).ok()?).ok()?;
    let _ = black_box(ring.rotate());
    Some(ring)
}

fn credentials() {
    match Credentials::parse(field()) {
        Ok(credentials) => keep(credentials),
        Err(error) => {
            show(&error);
            challenge_written(Reason::Request(error));
        }
    }
    let _ = black_box(BearerToken::new(bytes()));
}

fn challenge_read() {
    with_scratch(|scratch| {
        let _ = black_box(bearer(black_box([bytes(), bytes()]), scratch));
    });
    for challenge in Challenges::parse(black_box([bytes(), bytes()])) {
        black_box((challenge.scheme(), challenge.token68(), challenge.is(text())));
        for param in challenge.params() {
            black_box((param.name, param.value.bytes().count()));
        }
    }
}

fn challenge_written(reason: Reason) {
    let challenge = Challenge::new(reason, text(), required());
    black_box((
        challenge.status(),
        challenge.error(),
        challenge.body(),
        challenge.retry_after_secs(),
    ));
    show(&challenge.reason());
    if let Some(value) = challenge.www_authenticate() {
        show(&value);
    }
}

fn jwt() {
    let Some(keys) = key_ring() else { return };
    let expectations = Expectations {
        issuer: text(),
        resource: text(),
        leeway: black_box(Leeway::DEFAULT),
        lifetime_secs_max: black_box(1),
        several_audiences: black_box(false),
    };
    with_scratch(|scratch| {
        let verified = UnverifiedJwt::parse(text(), scratch).and_then(|jwt| jwt.verify(&keys));
        match verified.and_then(|verified| verified.validate(&expectations, time(), scratch)) {
            Ok(facts) => keep(&facts),
            Err(error) => show(&error),
        }
    });
    with_scratch(|scratch| {
        if let Ok(jwt) = UnverifiedJwt::parse(text(), scratch) {
            keep(
                keys.begin(jwt.header()).is_ok_and(|check| check.finish(bytes(), bytes()).is_ok()),
            );
        }
        let dynamic: &dyn SignatureVerifier = black_box(&keys);
        let verified = UnverifiedJwt::parse(text(), scratch).and_then(|jwt| jwt.verify(dynamic));
        keep(verified.and_then(|verified| verified.claims(scratch)).is_ok());
    });
}

fn keys() {
    let (Ok(id), Ok(master)) = (KeyId::new(text()), MasterKey::new(bytes())) else { return };
    keep(derive_key(&master, text(), &id).is_ok());
}

/// Arithmetic of unknown outcome.
struct Arithmetic;

impl VerifyingKey for Arithmetic {
    fn load(key: &PublicKey<'_>) -> Option<Self> {
        keep(*key);
        black_box(Some(Self))
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
        keep((message, signature));
        black_box(Err(Mismatch))
    }
}

fn public_keys() {
    with_scratch(|scratch| match KeySet::<JWKS_KEYS_MAX>::parse(bytes(), scratch) {
        Ok(set) => {
            let mut ring = PublicKeyRing::<Arithmetic, JWKS_KEYS_MAX>::new();
            for (id, key) in set.keys() {
                keep(thumbprint(&key).is_ok());
                if let Err(error) = ring.add(id, &key) {
                    show(&error);
                }
            }
            for skipped in set.skipped() {
                show(&skipped.reason);
            }
            keep((set.beyond(), ring.is_empty(), ring.key_ids().count()));
            with_scratch(|scratch| {
                let jwt = UnverifiedJwt::parse(text(), scratch);
                keep(jwt.and_then(|jwt| jwt.verify(&ring)).is_ok());
            });
        }
        Err(error) => show(&error),
    });
}

fn envelope() {
    let versions =
        Versions { modern: black_box(&["2026-07-28"]), legacy: black_box(&["2025-11-25"]) };
    with_scratch(|scratch| {
        match Envelope::read(&head(), bytes(), versions, black_box(BodyLimits::DESKTOP), scratch) {
            Ok(envelope) => keep(envelope),
            Err(error) => {
                black_box((error.status(), error.code()));
                show(&error.body());
            }
        }
    });
}
