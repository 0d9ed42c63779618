//! Whether tokens can be bound to a key of the client.

/// Whether access tokens, and refresh tokens of public clients, can be bound to a key that the client
/// proves to have (RFC 9449).
///
/// Turn this on for resource servers that check proofs (RFC 9449 §7), and know that a client that sends proofs
/// gets bound tokens, whether the resource server can use them or not. Those of this project do so where their
/// setting `dpop` says so, whatever the format of the tokens; a microcontroller takes bearer tokens only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dpop {
    /// Every token is a bearer token; proofs are ignored.
    #[default]
    Off,
    /// A client that sends a proof gets bound tokens.
    Offered,
    /// A request for tokens without a proof is refused.
    Required,
}
