//! Tokens that are bound to keys of clients (DPoP, RFC 9449).

use serde::Deserialize;

use super::{Secret, Settings};

/// Whether tokens that are bound to keys of clients are taken (RFC 9449 §7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dpop {
    /// No: bearer tokens only, and a bound token is refused.
    #[default]
    Off,
    /// A bound token with its proof, and bearer tokens.
    Accepted,
    /// Bound tokens only.
    Required,
}

/// Some 15 MB when it is full, and 160 calls in each second.
pub(super) const fn proofs_max() -> usize {
    100_000
}

/// With the feature `dpop`. In TOML, beside `plain_http`:
///
/// ```
/// # let settings = portcullis_tokio::resource_server::Settings::from_toml(r#"
/// # resource = "https://mcp.example.com/mcp"
/// dpop = "accepted"                            # or "required"; "off" unless it is said
/// dpop_nonces = true                           # ask for nonces of this server; false
/// dpop_nonce_key = { env = "MCP_NONCE_KEY" }   # where several processes serve one address
/// dpop_proofs_max = 100000                     # proofs that are remembered; 0 remembers none
/// # [[issuers]]
/// # identifier = "https://as.example.com"
/// # verification = { mode = "jwks" }
/// # "#).unwrap();
/// ```
impl Settings {
    /// Take tokens that are bound to keys of clients, beside bearer tokens or alone.
    ///
    /// A proof is good for five minutes before and after its time (DP-10), and once: it is remembered for
    /// that long.
    #[must_use]
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.dpop = dpop;
        self
    }

    /// Ask for nonces of this server in proofs (RFC 9449 §9): a proof cannot be made beforehand then. Each
    /// lives for five minutes, and every answer has a new one.
    #[must_use]
    pub fn dpop_nonces(mut self) -> Self {
        self.dpop_nonces = true;
        self
    }

    /// The key of the nonces, 32 to 64 bytes as base64url: for several processes behind one address, each
    /// of which has to know the nonces of the others. Without it each process makes a key of its own.
    #[must_use]
    pub fn dpop_nonce_key(mut self, key: Secret) -> Self {
        self.dpop_nonces = true;
        self.dpop_nonce_key = Some(key);
        self
    }

    /// How many used proofs are remembered, 100 000 unless set: what a proof can be used again for is
    /// never forgotten, so that beyond it further proofs get 503. One key may take a tenth of the room.
    /// Zero remembers none, and leaves it to the times and nonces (DP-10). Each process remembers for
    /// itself.
    #[must_use]
    pub fn dpop_proofs_max(mut self, proofs: usize) -> Self {
        self.dpop_proofs_max = proofs;
        self
    }
}
