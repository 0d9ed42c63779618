//! Walking through the members of an object and the elements of an array.

use heapless::VecView;

use super::{JsonError, JsonStr, Reader};
use crate::limits::MEMBERS_MAX;

/// The members of one object, at most `N`, no name twice (SEC-020, LIM-7).
pub struct Members<'j, const N: usize = MEMBERS_MAX> {
    names: heapless::Vec<&'j str, N>,
    walk: Walk,
}

impl<'j, const N: usize> Members<'j, N> {
    pub(super) const fn new(depth: u8) -> Self {
        Self { names: heapless::Vec::new(), walk: Walk { fingerprints: 0, escaped: false, depth } }
    }

    /// The name of the next member, `None` behind the last one.
    ///
    /// After a name exactly one value must be read from `reader`. Whatever else happens to the
    /// reader in between (nothing read, an inner object left half-way) is [`JsonError::Syntax`].
    pub fn next(&mut self, reader: &mut Reader<'j>) -> Result<Option<JsonStr<'j>>, JsonError> {
        self.walk.next(&mut self.names, reader)
    }
}

/// Where in an object its walk is; the same code for every number of names.
struct Walk {
    /// One bit for each fingerprint among the names: an unused one spares the search.
    fingerprints: u64,
    /// Whether one of the names is spelled with escapes: then none is compared by its bytes.
    escaped: bool,
    depth: u8,
}

impl Walk {
    fn next<'j>(
        &mut self,
        names: &mut VecView<&'j str>,
        reader: &mut Reader<'j>,
    ) -> Result<Option<JsonStr<'j>>, JsonError> {
        let Some(name) = reader.next_member(self.depth, names.is_empty())? else {
            return Ok(None);
        };
        let fingerprint = fingerprint(name.raw());
        self.escaped |= name.plain().is_none();
        let is_known = if self.escaped {
            names.iter().any(|&raw| JsonStr::escaped(raw).eq_json(name))
        } else {
            self.fingerprints & fingerprint != 0 && names.contains(&name.raw())
        };
        if is_known {
            return Err(JsonError::Duplicate);
        }
        self.fingerprints |= fingerprint;
        names.push(name.raw()).map_err(|_| JsonError::Members)?;
        Ok(Some(name))
    }
}

/// One bit out of 64, the same for equal texts.
fn fingerprint(text: &str) -> u64 {
    let ends = match text.as_bytes() {
        [first, .., last] => u32::from(*first).wrapping_mul(7) ^ u32::from(*last).wrapping_mul(11),
        [only] => u32::from(*only),
        [] => 0,
    };
    let len = u32::try_from(text.len()).unwrap_or_default();
    1_u64.wrapping_shl(ends.wrapping_add(len.wrapping_mul(5)) & 63)
}

impl<const N: usize> core::fmt::Debug for Members<'_, N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Members").field("read", &self.names.len()).finish_non_exhaustive()
    }
}

/// The elements of one array. How many there may be is the caller's to count.
#[derive(Debug)]
pub struct Elements {
    first: bool,
    depth: u8,
}

impl Elements {
    pub(super) const fn new(depth: u8) -> Self {
        Self { first: true, depth }
    }

    /// Whether one more element follows, which must then be read from `reader`.
    pub fn next(&mut self, reader: &mut Reader<'_>) -> Result<bool, JsonError> {
        let first = core::mem::replace(&mut self.first, false);
        reader.next_element(self.depth, first)
    }
}
