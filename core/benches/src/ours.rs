//! This project's path: from the head of a request to a principal whose scopes were checked.

use std::cell::RefCell;

use portcullis_core::{
    encoding::scratch::Scratch,
    jwt::{HmacKey, KeyId, KeyRing},
    limits::SCRATCH_LEN,
    message::RequestHead,
    resource_server::{
        Configuration, Decision, Policy, ResourceServer, TrustedIssuer, Verification,
    },
    scope::ScopeSet,
    time::UnixTime,
};

use crate::{
    Contender,
    token::{ISSUER, KEY, RESOURCE, SCOPE, now_secs},
};

/// The path of [`RESOURCE`].
const PATH: &str = "/mcp";

/// `ResourceServer::decide`: routing, the `Authorization` value, token, claims, scopes.
pub fn decide() -> Contender {
    let server = resource_server();
    // Lent by the caller once, as the core asks for; nothing in it outlives a decision.
    let buffer = RefCell::new(vec![0; SCRATCH_LEN]);
    Contender {
        name: "decide/allow",
        admits: Box::new(move |field| {
            let mut buffer = buffer.borrow_mut();
            let mut scratch = Scratch::new(&mut buffer);
            let fields = [("host", b"mcp.example".as_slice()), ("authorization", field)];
            let head = RequestHead::new("POST", PATH, fields);
            let now = Some(UnixTime::from_secs(now_secs()));
            let decision = server.decide(&head, server.policy().base(), now, &mut scratch);
            matches!(decision, Decision::Allow(_))
        }),
    }
}

/// Set up once for the life of the process, as a server is.
fn resource_server() -> ResourceServer<'static> {
    let issuers = Box::leak(Box::new([TrustedIssuer {
        identifier: ISSUER,
        verification: Verification::Offline(Box::leak(Box::new(key_ring()))),
    }]));
    let scope = ScopeSet::parse(SCOPE).expect("a good scope");
    let configuration = Configuration {
        policy: Policy { base: scope, ..Policy::default() },
        ..Configuration::new(RESOURCE, issuers)
    };
    let memory = Box::leak(Box::new([0; 1024]));
    ResourceServer::new(configuration, &mut Scratch::new(memory)).expect("a good configuration")
}

/// The keys that are verified with.
pub fn key_ring() -> KeyRing {
    let id = KeyId::new("k1").expect("a good id");
    KeyRing::new(id, HmacKey::new(KEY).expect("a good key"))
}
