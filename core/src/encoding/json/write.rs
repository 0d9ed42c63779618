//! Writing JSON, safe inside HTML too.

use crate::encoding::scratch::BufferFull;

/// Writes `value` as one JSON document to the front of `buffer`.
///
/// All or nothing: after [`BufferFull`] the buffer holds no document, only scraps of one (SEC-036).
/// Besides what RFC 8259 §7 asks for, the characters that could end a script element or a line of
/// script (`<`, `>`, `&`, U+2028, U+2029) are written as escapes (SEC-035).
pub fn to_slice<'b, T: serde::Serialize + ?Sized>(
    value: &T,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], BufferFull> {
    let len = serde_json_core::to_slice(value, buffer).map_err(|_| BufferFull)?;
    let len = escape_in_place(buffer, len)?;
    buffer.get(..len).ok_or(BufferFull)
}

/// Turns the characters that mean something to HTML into `\uXXXX`, from the back to the front.
///
/// In a JSON document they can stand only inside of strings. Length before in `len`, after in the
/// result.
fn escape_in_place(buffer: &mut [u8], len: usize) -> Result<usize, BufferFull> {
    let (mut rest, mut growth) = (buffer.get(..len).ok_or(BufferFull)?, 0_usize);
    while let Some(last) = Last::of(rest) {
        growth = growth.saturating_add(last.written().len().saturating_sub(last.len()));
        rest = rest.get(..rest.len().saturating_sub(last.len())).ok_or(BufferFull)?;
    }
    if growth == 0 {
        return Ok(len);
    }
    let grown = len.checked_add(growth).ok_or(BufferFull)?;
    if grown > buffer.len() {
        return Err(BufferFull);
    }
    let (mut from, mut to) = (len, grown);
    // Equal again in front of the first character that is escaped.
    while from < to {
        let last = buffer.get(..from).and_then(Last::of).ok_or(BufferFull)?;
        from = from.checked_sub(last.len()).ok_or(BufferFull)?;
        let written = last.written();
        let start = to.checked_sub(written.len()).ok_or(BufferFull)?;
        let place = buffer.get_mut(start..to).ok_or(BufferFull)?;
        place.iter_mut().zip(written).for_each(|(to, from)| *to = *from);
        to = start;
    }
    Ok(grown)
}

/// The last part of a document.
enum Last {
    /// Written as it is.
    Byte([u8; 1]),
    /// A character of so many bytes, written as this escape.
    Escaped(&'static [u8; 6], usize),
}

impl Last {
    fn of(document: &[u8]) -> Option<Self> {
        Some(match document {
            [.., 0xe2, 0x80, 0xa8] => Self::Escaped(b"\\u2028", 3),
            [.., 0xe2, 0x80, 0xa9] => Self::Escaped(b"\\u2029", 3),
            [.., b'<'] => Self::Escaped(b"\\u003c", 1),
            [.., b'>'] => Self::Escaped(b"\\u003e", 1),
            [.., b'&'] => Self::Escaped(b"\\u0026", 1),
            [.., byte] => Self::Byte([*byte]),
            [] => return None,
        })
    }

    const fn len(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Escaped(_, len) => *len,
        }
    }

    const fn written(&self) -> &[u8] {
        match self {
            Self::Byte(byte) => byte,
            Self::Escaped(escape, _) => *escape,
        }
    }
}
