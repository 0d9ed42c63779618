//! Writing JSON, safe inside HTML too.

use crate::encoding::scratch::BufferFull;

/// Writes `value` as one JSON document to the front of `buffer`.
///
/// All or nothing: after [`BufferFull`] the buffer holds no document, only scraps of one (SEC-036).
/// Besides what RFC 8259 §7 asks for, the characters that could end a script element or a line of
/// script (`<`, `>`, `&`, U+2028, U+2029) are written as escapes (SEC-035). Takes structs, maps with
/// text keys, sequences, texts, integers and booleans; not `char` and not byte strings.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::{string::String, vec, vec::Vec};

    #[derive(serde::Serialize)]
    struct Document<'d> {
        text: &'d str,
        list: &'d [&'d str],
        number: i64,
        absent: Option<u8>,
    }

    fn write(text: &str) -> Vec<u8> {
        let document = Document { text, list: &[text, "", text], number: i64::MIN, absent: None };
        let mut buffer = vec![0; 128 + text.len() * 18];
        to_slice(&document, &mut buffer).unwrap().to_vec()
    }

    #[track_caller]
    fn check(text: &str) {
        let written = write(text);
        let expected =
            json!({ "text": text, "list": [text, "", text], "number": i64::MIN, "absent": null });
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), expected);
        let written = String::from_utf8(written).unwrap();
        let unsafe_in_html =
            |c: char| c < ' ' || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        assert!(!written.contains(unsafe_in_html), "{written}");
    }

    #[test]
    fn sec_035_every_string_comes_back_and_is_safe_in_html() {
        for text in [
            "",
            "plain",
            "\"quoted\" \\ back",
            "</script><!-- & ]]>",
            "\u{2028}\u{2029}",
            "\u{2027}\u{202a}é\u{10ffff}",
            "<",
            "\u{7f}\u{80}",
        ] {
            check(text);
        }
        (0..0x3000_u32).filter_map(char::from_u32).for_each(|c| check(c.encode_utf8(&mut [0; 4])));
    }

    proptest! {
        #[test]
        fn sec_035_any_string(text in "[<>&\u{2028}\u{2029}\"\\\\a\u{e9}\\PC\\pC]{0,40}") {
            check(&text);
        }
    }

    #[test]
    fn sec_036_every_length_that_is_too_small() {
        let text = "<a href=\"&\u{2028}\">\n";
        let whole = write(text);
        let document = Document { text, list: &[text, "", text], number: i64::MIN, absent: None };
        for len in 0..whole.len() {
            let mut buffer = vec![b'!'; whole.len() + 8];
            let (room, behind) = buffer.split_at_mut(len);
            assert_eq!(to_slice(&document, room), Err(BufferFull), "{len}");
            assert!(behind.iter().all(|&byte| byte == b'!'), "{len}");
        }
        assert_eq!(to_slice(&document, &mut vec![0; whole.len()]), Ok(&whole[..]));
    }

    #[test]
    fn nothing_to_escape_is_left_alone() {
        assert_eq!(to_slice("a/b", &mut [0; 5]), Ok(&b"\"a/b\""[..]));
    }
}
