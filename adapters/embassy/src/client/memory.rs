//! The memory of a client, owned by the application.

/// The memory of a [`Client`](super::Client): about 29 KiB as it stands.
///
/// - `SCRATCH`: what finding the authorization server takes, in bytes: challenge, both metadata documents, registration.
/// - `TOKENS`: one token request, and its answer with what is read from it, in bytes.
/// - `ANSWER`: longest head and longest body of an answer, in bytes (LIM-11). A longer one is refused.
/// - `LOGIN`: what is kept of a login, in bytes: issuer, resource, client id, scopes and tokens, one behind the other.
pub struct ClientMemory<
    const SCRATCH: usize = { 12 * 1024 },
    const TOKENS: usize = { 6 * 1024 },
    const ANSWER: usize = { 8 * 1024 },
    const LOGIN: usize = { 3 * 1024 },
> {
    pub(super) scratch: [u8; SCRATCH],
    pub(super) tokens: [u8; TOKENS],
    pub(super) answer: [u8; ANSWER],
    pub(super) login: [u8; LOGIN],
}

impl<const SCRATCH: usize, const TOKENS: usize, const ANSWER: usize, const LOGIN: usize>
    ClientMemory<SCRATCH, TOKENS, ANSWER, LOGIN>
{
    /// Zeroes, so that a `static` of it takes no flash.
    pub const fn new() -> Self {
        Self { scratch: [0; SCRATCH], tokens: [0; TOKENS], answer: [0; ANSWER], login: [0; LOGIN] }
    }
}

impl<const SCRATCH: usize, const TOKENS: usize, const ANSWER: usize, const LOGIN: usize> Default
    for ClientMemory<SCRATCH, TOKENS, ANSWER, LOGIN>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<const SCRATCH: usize, const TOKENS: usize, const ANSWER: usize, const LOGIN: usize>
    core::fmt::Debug for ClientMemory<SCRATCH, TOKENS, ANSWER, LOGIN>
{
    /// Without the bytes, among them tokens (INV-6).
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ClientMemory(..)")
    }
}
