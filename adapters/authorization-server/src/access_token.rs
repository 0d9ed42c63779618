//! JWT access tokens around the opaque ones (RFC 9068).
//!
//! The engine issues an opaque token and keeps its record. For a resource that verifies by itself
//! the client gets a JWT instead, made from that record: `jti` is the name under which storage
//! knows the opaque token, so that introspection and revocation of the JWT find the same record.
//! The opaque token itself is then known to nobody.

use std::collections::HashMap;

use oauth_as::IssuedToken;
use portcullis_core::encoding::scratch::Scratch;
use portcullis_core::jwt::{
    Algorithm, HmacKey, KeyError, KeyId, KeyRing, MasterKey, MintClaims, UnverifiedJwt, derive_key,
    mint, mint_with,
};
use portcullis_core::limits::{SCRATCH_LEN, TOKEN_LEN_MAX};
use portcullis_core::scope::ScopeSet;
use portcullis_core::time::UnixTime;

use crate::clock::unix_secs;
use crate::settings::{Settings, TokenFormat};
use crate::signing_keys::SigningKeys;
use crate::storage::{stored_by_id, token_id};

/// The token could not be made: a claim is missing or the token would be too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotMinted;

/// Makes and recognises the JWTs of all resources that verify by themselves.
pub(crate) struct TokenMint {
    issuer: String,
    master: MasterKey,
    key_id: KeyId,
    /// One key for each resource (design: no device holds another device's key).
    rings: HashMap<String, KeyRing>,
    /// The resources whose tokens are signed with published keys, and how.
    public: HashMap<String, Algorithm>,
    signing_keys: SigningKeys,
}

impl TokenMint {
    pub(crate) fn new(settings: &Settings, signing_keys: SigningKeys) -> Result<Self, KeyError> {
        let master = MasterKey::new(settings.master_key.as_slice())?;
        let key_id = KeyId::new(&settings.key_id)?;
        let (mut rings, mut public) = (HashMap::new(), HashMap::new());
        for resource in &settings.resources {
            if let Some(algorithm) = resource.format.public_algorithm() {
                public.insert(resource.identifier.clone(), algorithm);
            }
            if resource.format == TokenFormat::Hs256 {
                let key = derive_key(&master, &resource.identifier, &key_id)?;
                rings.insert(resource.identifier.clone(), KeyRing::new(key_id.clone(), key));
            }
        }
        let issuer = settings.issuer.clone();
        Ok(Self { issuer, master, key_id, rings, public, signing_keys })
    }

    /// The keys that are published.
    pub(crate) fn signing_keys(&self) -> &SigningKeys {
        &self.signing_keys
    }

    /// The key that a resource server of an HS256 resource verifies with.
    pub(crate) fn resource_key(&self, resource: &str) -> Option<(KeyId, HmacKey)> {
        self.rings.get(resource)?;
        let key = derive_key(&self.master, resource, &self.key_id).ok()?;
        Some((self.key_id.clone(), key))
    }

    /// What the keys of all HS256 resources are derived from, and the id that is derived into them.
    pub(crate) fn master_key(&self) -> (&MasterKey, &KeyId) {
        (&self.master, &self.key_id)
    }

    /// Whether tokens for this resource are JWTs.
    pub(crate) fn mints_for(&self, resource: &str) -> bool {
        self.rings.contains_key(resource) || self.public.contains_key(resource)
    }

    /// The JWT for `record`, the record of the opaque token `opaque` (AS-110 to AS-112).
    pub(crate) fn mint(&self, opaque: &str, record: &IssuedToken) -> Result<String, NotMinted> {
        let [resource] = record.resource.as_slice() else { return Err(NotMinted) };
        let scope = record.scope.to_string();
        let id = token_id(opaque);
        let time = |instant| unix_secs(instant).map(UnixTime::from_secs).ok_or(NotMinted);
        let claims = MintClaims {
            issuer: &self.issuer,
            audience: &[resource],
            // A service acts for itself (AS-113).
            subject: record.subject.as_deref().unwrap_or(record.client_id.as_str()),
            client_id: record.client_id.as_str(),
            scope: ScopeSet::parse(&scope).map_err(|_| NotMinted)?,
            issued_at: time(record.issued_at)?,
            expires_at: time(record.expires_at)?,
            id: &id,
        };
        let mut room = [0; TOKEN_LEN_MAX];
        let minted = if let Some(ring) = self.rings.get(resource) {
            mint(&claims, ring.current(), &self.key_id, &mut room)
        } else {
            let algorithm = *self.public.get(resource).ok_or(NotMinted)?;
            let key = self.signing_keys.signing(algorithm, claims.issued_at.as_secs());
            let key = key.ok_or(NotMinted)?;
            mint_with(&claims, key.as_ref(), key.id(), &mut room)
        };
        minted.map(str::to_owned).map_err(|_| NotMinted)
    }

    /// The stored name of the record behind `token`, if it is a JWT that was made here.
    ///
    /// The signature is checked first: a `jti` alone, read from some log, opens nothing. Times are
    /// left to the record, which is what counts at introspection and revocation.
    pub(crate) fn record_name(&self, token: &str) -> Option<String> {
        let mut room = [0; SCRATCH_LEN];
        let mut scratch = Scratch::new(&mut room);
        let jwt = UnverifiedJwt::parse(token, &mut scratch).ok()?;
        let by_ring = self.rings.iter().find_map(|(resource, ring)| {
            jwt.verify(ring).ok().map(|verified| (Some(resource.as_str()), verified))
        });
        let (resource, verified) = match by_ring {
            Some(found) => found,
            // One key signs for many resources.
            None => (None, jwt.verify(self.signing_keys.current().verifier()).ok()?),
        };
        let facts = verified.claims(&mut scratch).ok()?;
        let [audience] = facts.audience.as_slice() else { return None };
        let is_for_it = match resource {
            Some(resource) => *audience == resource,
            None => self.public.get(*audience) == Some(&jwt.header().algorithm()),
        };
        if facts.issuer != self.issuer || !is_for_it {
            return None;
        }
        facts.id.map(stored_by_id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use oauth_as::{ClientId, ScopeSet as Scopes};

    use super::*;
    use crate::settings::{DEFAULT_KEY_ID, Resource};

    const A: &str = "https://a.example/mcp";
    const B: &str = "https://b.example/mcp";

    fn settings() -> Settings {
        let resource = |identifier, format| {
            Resource::new(identifier, "Name", format).unwrap().with_scope("user", "words")
        };
        Settings::new("https://as.example")
            .unwrap()
            .with_resource(resource(A, TokenFormat::Hs256))
            .with_resource(resource(B, TokenFormat::Hs256))
            .with_resource(resource("https://opaque.example", TokenFormat::Opaque))
    }

    fn new_mint(settings: &Settings) -> TokenMint {
        let algorithms = settings.public_algorithms();
        let keys = SigningKeys::new(algorithms, settings.lifetimes, None, 1_000).unwrap();
        TokenMint::new(settings, keys).unwrap()
    }

    fn record(resource: &str) -> IssuedToken {
        let mut record = IssuedToken::new(
            "stored",
            ClientId::new("client-1"),
            Some("alice".into()),
            Scopes::parse("user").unwrap(),
            UNIX_EPOCH + Duration::from_secs(1_000),
            UNIX_EPOCH + Duration::from_secs(1_600),
        );
        record.resource = vec![resource.to_owned()];
        record
    }

    #[test]
    fn as_111_claims_of_the_record() {
        let mint = new_mint(&settings());
        let token = mint.mint("opaque", &record(A)).unwrap();
        let (id, key) = mint.resource_key(A).unwrap();
        let ring = KeyRing::new(id, key);
        let mut room = [0; SCRATCH_LEN];
        let mut scratch = Scratch::new(&mut room);
        let jwt = UnverifiedJwt::parse(&token, &mut scratch).unwrap();
        let facts = jwt.verify(&ring).unwrap().claims(&mut scratch).unwrap();
        assert_eq!(facts.issuer, "https://as.example");
        assert_eq!(facts.audience.as_slice(), [A]);
        assert_eq!((facts.subject, facts.client_id), (Some("alice"), Some("client-1")));
        assert_eq!(facts.issued_at, Some(UnixTime::from_secs(1_000)));
        assert_eq!(facts.expires_at, UnixTime::from_secs(1_600));
        assert_eq!(facts.scope.as_str(), "user");
        assert_eq!(facts.id, Some(token_id("opaque").as_str()));
    }

    #[test]
    fn the_key_id_is_in_the_header_and_in_the_key() {
        let signed_with = |settings: Settings| {
            let settings = settings
                .with_master_key(
                    [7; 31].into_iter().chain([8]).collect::<Vec<_>>().try_into().unwrap(),
                )
                .unwrap();
            let mint = new_mint(&settings);
            let token = mint.mint("opaque", &record(A)).unwrap();
            let (id, _) = mint.resource_key(A).unwrap();
            let mut room = [0; SCRATCH_LEN];
            let jwt = UnverifiedJwt::parse(&token, &mut Scratch::new(&mut room)).unwrap();
            assert_eq!(jwt.header().key_id(), Some(id.as_str()));
            (id.as_str().to_owned(), token)
        };
        let (id, token) = signed_with(settings());
        assert_eq!(id, DEFAULT_KEY_ID);
        let (other_id, other_token) = signed_with(settings().with_key_id("2026-11").unwrap());
        assert_eq!(other_id, "2026-11");
        let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
        assert_ne!(signature(&token), signature(&other_token));
        assert!(settings().with_key_id("a b").is_err());
    }

    #[test]
    fn a_jwt_leads_to_its_record_and_a_flipped_one_nowhere() {
        let mint = new_mint(&settings());
        let token = mint.mint("opaque", &record(A)).unwrap();
        assert_eq!(mint.record_name(&token), Some(stored_by_id(&token_id("opaque"))));
        for at in [0, token.len() / 2, token.len() - 2] {
            let mut flipped = token.clone().into_bytes();
            flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(mint.record_name(&String::from_utf8(flipped).unwrap()), None, "{at}");
        }
        let foreign = new_mint(&settings());
        assert_eq!(foreign.record_name(&token), None, "another master key");
        assert_eq!(mint.record_name(&token_id("opaque")), None);
        assert_eq!(mint.record_name(""), None);
    }

    #[test]
    fn each_resource_has_its_own_key_and_opaque_ones_have_none() {
        let mint = new_mint(&settings());
        let verifies = |token: &str, resource: &str| {
            let (id, key) = mint.resource_key(resource).unwrap();
            let mut room = [0; SCRATCH_LEN];
            let jwt = UnverifiedJwt::parse(token, &mut Scratch::new(&mut room)).unwrap();
            jwt.verify(&KeyRing::new(id, key)).is_ok()
        };
        for (own, other) in [(A, B), (B, A)] {
            let token = mint.mint("opaque", &record(own)).unwrap();
            assert!(verifies(&token, own));
            assert!(!verifies(&token, other));
        }
        assert!(mint.resource_key("https://opaque.example").is_none());
        assert!(mint.mint("opaque", &record("https://opaque.example")).is_err());
        assert!(mint.mint("opaque", &record("https://unknown.example")).is_err());
    }
}
