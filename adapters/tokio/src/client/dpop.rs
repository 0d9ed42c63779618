//! Tokens that are bound to a key of this client, and the proofs of that key (DPoP, RFC 9449).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::{
    challenge::parse::Challenges,
    client::{
        Discovered, Proving, SignError, Signer, SigningAlgorithm,
        dpop::{self, ProofFor},
    },
    encoding::{scratch::Scratch, uri::Uri},
};
use zeroize::Zeroizing;

use super::{Login, Options, SigningKey, authorize::freshness};

const PROOF: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Room to write a proof in: two and a half times the longest one there is.
const PROOF_ROOM: usize = 16 * 1024;
/// Servers whose nonces are kept: the authorization server and the resource server, and some to spare.
const SERVERS_MAX: usize = 8;

/// Whether a client asks for tokens that are bound to a key of its own, so that nobody else can use them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dpop {
    /// No.
    #[default]
    Off,
    /// Where both servers say that they can: the authorization server in its metadata (RFC 9449 §5.1), and the
    /// MCP server in its own (RFC 9728 §2) or in the challenge that led to the login. Else bearer tokens.
    WhenOffered,
    /// Always: a bearer token is not taken (DP-01), nor is one of an earlier login sent any more; and where this client registers itself, it does so for bound
    /// tokens alone (RFC 9449 §5.2).
    Required,
}

/// A key, and what is needed to prove it: the newest nonce of each server (DP-04).
pub(super) struct Prover {
    key: Key,
    nonces: Mutex<HashMap<String, HeaderValue>>,
}

enum Key {
    /// Made for one login, and kept with it.
    Own(SigningKey),
    /// The application's.
    Given(Arc<dyn Signer + Send + Sync>),
}

impl Prover {
    fn new(key: Key) -> Arc<Self> {
        Arc::new(Self { key, nonces: Mutex::default() })
    }

    /// The key of a login that was stored.
    pub(super) fn from_text(text: &str) -> Option<Arc<Self>> {
        let der = Zeroizing::new(Base64UrlUnpadded::decode_vec(text).ok()?);
        SigningKey::from_pkcs8(&der).ok().map(|key| Self::new(Key::Own(key)))
    }

    /// The key as it is stored with its login; `None` for the application's own.
    pub(super) fn to_text(&self) -> Option<Zeroizing<String>> {
        let Key::Own(key) = &self.key else { return None };
        let der = key.to_pkcs8().ok()?;
        Some(Zeroizing::new(Base64UrlUnpadded::encode_string(&der)))
    }

    fn signer(&self) -> &dyn Signer {
        match &self.key {
            Key::Own(key) => key,
            Key::Given(key) => &**key,
        }
    }

    /// The proof for one request (DP-02): a new one each time.
    pub(super) fn field(
        &self,
        method: &str,
        url: &str,
        token: Option<&str>,
    ) -> Result<(HeaderName, HeaderValue), SignError> {
        let nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        let nonce = server_of(url).and_then(|server| nonces.get(&server));
        let nonce = nonce.and_then(|value| dpop::nonce(value.as_bytes()));
        let fresh = freshness().ok_or(SignError::NoTime)?;
        let mut room = Zeroizing::new(vec![0; PROOF_ROOM]);
        let request = ProofFor { method, url, token, nonce };
        let proof =
            dpop::write_proof(&request, self.signer(), &fresh, &mut Scratch::new(&mut room))?;
        Ok((PROOF, HeaderValue::from_str(proof).map_err(|_| SignError::Key)?))
    }

    /// Takes the nonce of an answer, if it has one; whether it has.
    pub(super) fn learn(&self, url: &str, fields: &HeaderMap) -> bool {
        let Some(value) = fields.get(NONCE).filter(|it| dpop::nonce(it.as_bytes()).is_some())
        else {
            return false;
        };
        let Some(server) = server_of(url) else { return false };
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= SERVERS_MAX && !nonces.contains_key(&server) {
            nonces.clear();
        }
        nonces.insert(server, value.clone());
        true
    }
}

/// Scheme, host and port: a nonce is for one server (DP-04).
fn server_of(url: &str) -> Option<String> {
    let origin = Uri::parse(url).ok()?.origin()?;
    Some(format!("{}://{}:{}", origin.scheme, origin.host, origin.port?))
}

/// Whether bearer tokens are not used.
pub(super) fn bound_tokens_alone(options: &Options) -> bool {
    options.dpop == Dpop::Required
}

/// The key that one login or refresh may prove.
pub(super) struct Wanted {
    prover: Option<Arc<Prover>>,
    wish: Dpop,
    is_offered: AtomicBool,
}

impl Wanted {
    /// For tokens that there are none of yet.
    pub(super) fn new(options: &Options) -> Self {
        let given = options.dpop_key.as_ref().map(|key| Key::Given(Arc::clone(key)));
        let make = || SigningKey::generate(SigningAlgorithm::Es256).ok().map(Key::Own);
        let prover = match options.dpop {
            Dpop::Off => None,
            Dpop::WhenOffered | Dpop::Required => given.or_else(make).map(Prover::new),
        };
        let is_offered = AtomicBool::new(bound_tokens_alone(options));
        Self { prover, wish: options.dpop, is_offered }
    }

    /// For the tokens of a login: with the same key (DP-06).
    pub(super) fn of(login: &Login, options: &Options) -> Self {
        match login.prover() {
            Some(prover) => Self {
                prover: Some(Arc::clone(prover)),
                wish: options.dpop,
                is_offered: AtomicBool::new(true),
            },
            None => Self::new(options),
        }
    }

    /// Notes whether the servers take proofs of this key.
    pub(super) fn look(&self, challenges: &[Vec<u8>], discovered: &Discovered<'_>) {
        let Some(prover) = &self.prover else { return };
        let algorithm = prover.signer().algorithm().as_str();
        let server = discovered.server_metadata();
        let resource = discovered.resource_metadata();
        let is_challenged = || {
            let lines = challenges.iter().map(Vec::as_slice);
            Challenges::parse(lines).any(|challenge| challenge.is("DPoP"))
        };
        // What the MCP server lists is the whole of it; a challenge need not name algorithms.
        let is_silent = resource.dpop_signing_alg_values_supported.is_none();
        let is_taken = resource.takes_proofs(algorithm) || (is_silent && is_challenged());
        if is_taken && server.dpop_signing_alg_values_supported.contains(algorithm) {
            self.is_offered.store(true, Ordering::Relaxed);
        }
    }

    /// The key to prove in a request for tokens.
    pub(super) fn prover(&self) -> Option<&Arc<Prover>> {
        self.prover.as_ref().filter(|_| self.is_offered.load(Ordering::Relaxed))
    }

    pub(super) fn proving(&self) -> Proving {
        match (self.wish, self.prover()) {
            (Dpop::Required, _) => Proving::OnlyBound,
            (_, Some(_)) => Proving::IfBound,
            (_, None) => Proving::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce_of(prover: &Prover, url: &str) -> Option<String> {
        let (_, proof) = prover.field("POST", url, None).unwrap();
        let claims = proof.to_str().unwrap().split('.').nth(1).unwrap().to_owned();
        let claims = Base64UrlUnpadded::decode_vec(&claims).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        claims.get("nonce").map(|nonce| nonce.as_str().unwrap().to_owned())
    }

    #[test]
    fn dp_04_a_nonce_is_for_the_server_that_gave_it() {
        let prover = Prover::new(Key::Own(SigningKey::generate(SigningAlgorithm::Es256).unwrap()));
        let gives = |url, nonce: &'static str| {
            let fields = HeaderMap::from_iter([(NONCE, HeaderValue::from_static(nonce))]);
            prover.learn(url, &fields)
        };
        assert!(gives("https://as.example/token", "a") && gives("https://rs.example/mcp", "b"));
        assert!(!gives("https://as.example/token", "no nonce"));
        assert!(!prover.learn("https://as.example/token", &HeaderMap::new()));
        for (url, expected) in [
            ("https://as.example/other", Some("a")),
            ("https://as.example:443/token", Some("a")),
            ("https://rs.example/mcp?a=b", Some("b")),
            ("https://as.example:8443/token", None),
            ("http://as.example/token", None),
            ("https://other.example/", None),
        ] {
            assert_eq!(nonce_of(&prover, url).as_deref(), expected, "{url}");
        }
        // The newest counts.
        assert!(gives("https://as.example/token", "c"));
        assert_eq!(nonce_of(&prover, "https://as.example/token").as_deref(), Some("c"));
    }
}
