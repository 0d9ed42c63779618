//! Every limit of the core, by its id in the threat catalogue (LIM-*).
//!
//! A bound that an input reaches is an error of its own, never a truncation. Values are those of the
//! smallest host unless a name says otherwise; an adapter may lower a limit, and raise only those
//! that have a `_DESKTOP` twin.

/// LIM-1: longest request line in bytes, desktop, for a host that limits it apart from the whole head.
pub const REQUEST_LINE_LEN_MAX_DESKTOP: usize = 4 * 1024;
/// LIM-1: longest request line in bytes, microcontroller.
pub const REQUEST_LINE_LEN_MAX: usize = 1024;
/// LIM-2: longest header section in bytes, desktop.
pub const HEADER_SECTION_LEN_MAX_DESKTOP: usize = 16 * 1024;
/// LIM-2: longest header section in bytes, microcontroller.
pub const HEADER_SECTION_LEN_MAX: usize = 6 * 1024;
/// LIM-3: most header fields in one request, desktop.
pub const HEADER_FIELDS_MAX_DESKTOP: usize = 64;
/// LIM-3: most header fields in one request, microcontroller.
pub const HEADER_FIELDS_MAX: usize = 24;

/// LIM-4: longest bearer token in bytes.
pub const TOKEN_LEN_MAX: usize = 4 * 1024;

/// LIM-5: longest decoded JOSE header in bytes.
pub const JOSE_HEADER_LEN_MAX: usize = 512;
/// LIM-5: longest decoded claims set in bytes.
pub const CLAIMS_LEN_MAX: usize = 2 * 1024;

/// LIM-6: deepest nesting of a JOSE or OAuth document; the outermost object is depth 1.
pub const DOCUMENT_DEPTH_MAX: u8 = 8;
/// LIM-6: deepest nesting of an MCP body, microcontroller.
pub const BODY_DEPTH_MAX: u8 = 16;
/// LIM-6: deepest nesting of an MCP body, desktop.
pub const BODY_DEPTH_MAX_DESKTOP: u8 = 64;

/// LIM-7: most members of a JOSE header.
pub const JOSE_HEADER_MEMBERS_MAX: usize = 16;
/// LIM-7: most members of a claims set, and of every other object whose members are read.
pub const MEMBERS_MAX: usize = 64;
/// LIM-7: most entries of `aud`.
pub const AUDIENCES_MAX: usize = 8;
/// LIM-7: most scope tokens in one value.
pub const SCOPE_TOKENS_MAX: usize = 64;

/// LIM-8: longest form body in bytes.
pub const FORM_LEN_MAX: usize = 16 * 1024;
/// LIM-8: most parameters of a form.
pub const FORM_PARAMETERS_MAX: usize = 64;

/// LIM-10: longest MCP request body in bytes, desktop.
pub const BODY_LEN_MAX_DESKTOP: usize = 1024 * 1024;
/// LIM-10: longest MCP request body in bytes, microcontroller.
pub const BODY_LEN_MAX: usize = 4 * 1024;
/// LIM-7: most members of a JSON-RPC message, which defines six.
pub const MESSAGE_MEMBERS_MAX: usize = 16;
/// LIM-7: most members of a request's `params`; a method of MCP has a handful.
pub const PARAMS_MEMBERS_MAX: usize = 32;
/// LIM-7: most members of `_meta`, where extensions put theirs.
pub const META_MEMBERS_MAX: usize = 32;
/// Longest `id` of a JSON-RPC request in bytes, as spelled: an error answer repeats it.
pub const REQUEST_ID_LEN_MAX: usize = 256;

/// LIM-11: longest fetched metadata document or introspection answer in bytes, desktop.
pub const METADATA_LEN_MAX_DESKTOP: usize = 64 * 1024;
/// LIM-11: longest fetched metadata document or introspection answer in bytes, microcontroller.
pub const METADATA_LEN_MAX: usize = 2 * 1024;

/// LIM-12: most keys of a key set that are looked at, desktop.
pub const JWKS_KEYS_MAX_DESKTOP: usize = 32;
/// LIM-12: most keys of a key set that are looked at, microcontroller.
pub const JWKS_KEYS_MAX: usize = 4;

/// LIM-13: time for a whole header section from its first byte in milliseconds, microcontroller.
pub const HEAD_MILLIS_MAX: u32 = 5_000;
/// LIM-14: time for a body, and for sending an answer, in milliseconds, microcontroller.
pub const BODY_MILLIS_MAX: u32 = 10_000;
/// LIM-14: how long a connection may be idle in milliseconds, microcontroller.
pub const IDLE_MILLIS_MAX: u32 = 5_000;
/// LIM-15: connections of one peer at a time, microcontroller.
pub const CONNECTIONS_PER_PEER_MAX: usize = 2;

/// LIM-18: positive entries of the introspection cache, desktop.
pub const INTROSPECTION_CACHE_ACTIVE_MAX_DESKTOP: usize = 10_000;
/// LIM-18: positive entries of the introspection cache, microcontroller.
pub const INTROSPECTION_CACHE_ACTIVE_MAX: usize = 16;
/// LIM-18: negative entries of the introspection cache, desktop.
pub const INTROSPECTION_CACHE_INACTIVE_MAX_DESKTOP: usize = 1_000;
/// LIM-18: negative entries of the introspection cache, microcontroller.
pub const INTROSPECTION_CACHE_INACTIVE_MAX: usize = 8;

/// LIM-19: allowance for clock skew in seconds unless configured.
pub const LEEWAY_SECS_DEFAULT: u16 = 60;
/// SEC-097: largest allowance for clock skew that can be configured, in seconds.
pub const LEEWAY_SECS_MAX: u16 = 300;
/// LIM-19: longest accepted lifetime of a token in seconds, desktop.
pub const LIFETIME_SECS_MAX_DESKTOP: u32 = 24 * 60 * 60;
/// LIM-19: longest accepted lifetime of a token in seconds, microcontroller.
pub const LIFETIME_SECS_MAX: u32 = 60 * 60;

/// Longest resource identifier or issuer in bytes.
pub const IDENTIFIER_LEN_MAX: usize = 512;
/// Longest key id (`kid`) in bytes.
pub const KEY_ID_LEN_MAX: usize = 64;
/// RFC 7518 §3.2: shortest HS256 key in bytes.
pub const HMAC_KEY_LEN_MIN: usize = 32;
/// Longest HS256 key in bytes: one SHA-256 block, beyond which HMAC would hash it first.
pub const HMAC_KEY_LEN_MAX: usize = 64;

/// Longest DPoP proof in bytes: header and claims set at their limits, and the signature.
#[cfg(feature = "dpop")]
pub const PROOF_LEN_MAX: usize = 4 * 1024;
/// Longest decoded header of a DPoP proof in bytes: it holds a key, 4096 bits of RSA at most.
#[cfg(feature = "dpop")]
pub const PROOF_HEADER_LEN_MAX: usize = 1024;
/// Longest decoded claims set of a DPoP proof in bytes.
#[cfg(feature = "dpop")]
pub const PROOF_CLAIMS_LEN_MAX: usize = 1024;
/// Longest `jti` of a DPoP proof in bytes.
#[cfg(feature = "dpop")]
pub const PROOF_ID_LEN_MAX: usize = 256;
/// How far the time of a DPoP proof may be from the server's, in seconds, before and after (DP-10).
#[cfg(feature = "dpop")]
pub const PROOF_AGE_SECS_MAX: u64 = 300;
/// How long a server takes its own nonces, in seconds (RFC 9449 §8.2).
#[cfg(feature = "dpop")]
pub const NONCE_SECS_MAX: u64 = 300;

/// Longest modulus of an RSA key in bytes: 4096 bits.
pub const RSA_MODULUS_LEN_MAX: usize = 512;
/// Longest signature in bytes: that of the longest RSA key.
pub const SIGNATURE_LEN_MAX: usize = RSA_MODULUS_LEN_MAX;
/// Scratch that [`crate::resource_server::ResourceServer::decide`] needs at most, in bytes: a decoded
/// header and claims set (LIM-5), what of them has to be unescaped, and the signature.
pub const SCRATCH_LEN: usize = 2 * (JOSE_HEADER_LEN_MAX + CLAIMS_LEN_MAX) + SIGNATURE_LEN_MAX;
