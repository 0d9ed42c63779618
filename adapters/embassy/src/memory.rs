//! The memory that one connection works in.

use portcullis_core::limits;

/// Everything that is kept of one request, in constant sizes.
///
/// A device that needs less than the largest legal request gives less: what does not fit is refused
/// as if it were beyond the limit. For tokens of 300 bytes and calls of a few hundred, 1.5 KiB of head,
/// 1 KiB of body and 1 KiB of scratch do.
pub struct Memory<
    const HEAD: usize = HEAD_LEN,
    const FIELDS: usize = { limits::HEADER_FIELDS_MAX },
    const BODY: usize = { limits::BODY_LEN_MAX },
    const SCRATCH: usize = SCRATCH_LEN,
> {
    /// Request line and header section, as received.
    pub(crate) head: [u8; HEAD],
    /// The body, chunks joined.
    pub(crate) body: [u8; BODY],
    /// What is decoded: a token's claims, texts with escapes, a tool's result.
    pub(crate) scratch: [u8; SCRATCH],
}

/// Room for the largest head (LIM-1, LIM-2).
pub const HEAD_LEN: usize =
    limits::REQUEST_LINE_LEN_MAX.saturating_add(limits::HEADER_SECTION_LEN_MAX);
/// Room for the largest token, and for a tool's result.
pub const SCRATCH_LEN: usize = limits::SCRATCH_LEN.saturating_add(1024);

impl<const HEAD: usize, const FIELDS: usize, const BODY: usize, const SCRATCH: usize>
    Memory<HEAD, FIELDS, BODY, SCRATCH>
{
    /// Zeroes, so that a `static` of it takes no flash.
    pub const fn new() -> Self {
        Self { head: [0; HEAD], body: [0; BODY], scratch: [0; SCRATCH] }
    }
}

impl<const HEAD: usize, const FIELDS: usize, const BODY: usize, const SCRATCH: usize> Default
    for Memory<HEAD, FIELDS, BODY, SCRATCH>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<const HEAD: usize, const FIELDS: usize, const BODY: usize, const SCRATCH: usize>
    core::fmt::Debug for Memory<HEAD, FIELDS, BODY, SCRATCH>
{
    /// Without the bytes, among them credentials (INV-6).
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Memory(..)")
    }
}
