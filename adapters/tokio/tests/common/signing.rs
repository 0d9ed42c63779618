//! An issuer with keys of its own: what it publishes, and tokens that it signs.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_core::{
    jwt::{Algorithm, KeyId, MintClaims, MintError, Signer, mint_with},
    limits::SIGNATURE_LEN_MAX,
    scope::ScopeSet,
    time::UnixTime,
};
use serde_json::{Value, json};

use super::Token;

/// A key pair, and the name that tokens call it by.
pub struct SigningKey {
    pub id: &'static str,
    pair: Pair,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

fn base64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

impl SigningKey {
    pub fn es256(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id, pair: Pair::Es256(pair) }
    }

    pub fn ed_dsa(id: &'static str) -> Self {
        Self { id, pair: Pair::EdDsa(Ed25519KeyPair::generate().unwrap()) }
    }

    pub fn rs256(id: &'static str) -> Self {
        Self { id, pair: Pair::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    /// The public half, as it is published.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Es256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": base64(&point[1..33]), "y": base64(&point[33..]) })
            }
            Pair::EdDsa(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref()) })
            }
            Pair::Rs256(pair) => {
                let public = pair.public_key();
                let [n, e] = [public.modulus(), public.exponent()]
                    .map(|number| base64(number.big_endian_without_leading_zero()));
                json!({ "kty": "RSA", "n": n, "e": e })
            }
        };
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm().as_str());
        jwk
    }

    /// Signs a token; its HMAC key has no say here.
    pub fn mint(&self, token: &Token<'_>) -> String {
        let claims = MintClaims {
            issuer: token.issuer,
            audience: token.audience,
            subject: token.subject,
            client_id: "client-1",
            scope: ScopeSet::parse(token.scope).unwrap(),
            issued_at: UnixTime::from_secs(token.expires_at - 600),
            expires_at: UnixTime::from_secs(token.expires_at),
            id: "token-1",
        };
        let mut out = [0; 4096];
        mint_with(&claims, self, &KeyId::new(self.id).unwrap(), &mut out).unwrap().to_owned()
    }

    /// A token whose claims are good, with this `cnf`.
    pub fn mint_confirmed(&self, token: &Token<'_>, confirmation: &Value) -> String {
        let good = self.mint(token);
        let mut parts = good.split('.');
        let (header, claims) = (parts.next().unwrap(), parts.next().unwrap());
        let claims = Base64UrlUnpadded::decode_vec(claims).unwrap();
        let mut claims: Value = serde_json::from_slice(&claims).unwrap();
        claims["cnf"] = confirmation.clone();
        let input = format!("{header}.{}", base64(claims.to_string().as_bytes()));
        let mut out = [0; SIGNATURE_LEN_MAX];
        let len = Signer::sign(self, input.as_bytes(), &mut out).unwrap();
        format!("{input}.{}", base64(&out[..len]))
    }

    /// A token that is good if the key is.
    pub fn token(&self) -> String {
        self.mint(&Token::default())
    }

    /// Signs a header and good claims as they stand, whatever the header says.
    pub fn sign(&self, header: &str) -> String {
        let good = self.token();
        let payload = good.split('.').nth(1).unwrap();
        let input = format!("{}.{payload}", base64(header.as_bytes()));
        let mut out = [0; SIGNATURE_LEN_MAX];
        let len = Signer::sign(self, input.as_bytes(), &mut out).unwrap();
        format!("{input}.{}", base64(&out[..len]))
    }
}

impl Signer for SigningKey {
    fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::EdDsa(_) => Algorithm::EdDsa,
            Pair::Rs256(_) => Algorithm::Rs256,
        }
    }

    fn sign(&self, message: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, MintError> {
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        };
        out[..signature.len()].copy_from_slice(&signature);
        Ok(signature.len())
    }
}

/// The key set of these keys.
pub fn key_set(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}
