//! Values of the body repeated in header fields (`Mcp-Name`, TC-03).

use base64ct::{Base64, Encoding};

use super::{kept, text_in};
use crate::encoding::scratch::{BufferFull, Scratch};

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// `text` as a field value: itself, or inside the sentinel `=?base64?…?=` when a field could not
/// carry it unchanged (TS-43, SEC-485).
pub fn header_value<'s>(text: &str, scratch: &mut Scratch<'s>) -> Result<&'s str, BufferFull> {
    if is_plain(text) {
        return kept(text, scratch);
    }
    let encoded = scratch
        .fill(|free| Base64::encode(text.as_bytes(), free).map(str::len).map_err(|_| BufferFull))?;
    let encoded = core::str::from_utf8(encoded).map_err(|_| BufferFull)?;
    text_in(scratch, |value| {
        value.push(PREFIX)?;
        value.push(encoded)?;
        value.push(SUFFIX)
    })
}

/// Printable ASCII without blanks at the ends, and nothing that looks like a sentinel.
fn is_plain(text: &str) -> bool {
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let sentinel = text.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    printable && !sentinel && !text.is_empty() && text == text.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut buffer = [0; 96];
        assert_eq!(header_value(text, &mut Scratch::new(&mut buffer)), Ok(expected), "{text:?}");
    }

    #[test]
    fn sec_485_only_plain_text_goes_as_it_is() {
        check("get_time", "get_time");
        check("a b~!\"", "a b~!\"");
        check("a=?base64?YQ==?=", "a=?base64?YQ==?=");
        check("a\r\nX: y", "=?base64?YQ0KWDogeQ==?=");
        check(" a", "=?base64?IGE=?=");
        check("a\t", "=?base64?YQk=?=");
        check("é", "=?base64?w6k=?=");
        check("\u{7f}", "=?base64?fw==?=");
        check("=?BASE64?x", "=?base64?PT9CQVNFNjQ/eA==?=");
        check("", "=?base64??=");
    }

    #[test]
    fn no_room_is_an_error() {
        for len in 0..8 {
            let mut buffer = [0; 8];
            let mut scratch = Scratch::new(&mut buffer[..len]);
            assert_eq!(header_value("get_time", &mut scratch), Err(BufferFull));
        }
        let mut buffer = [0; 8];
        assert!(header_value("get_time", &mut Scratch::new(&mut buffer)).is_ok());
    }
}
