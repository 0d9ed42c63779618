//! The `id` of a JSON-RPC request.

use crate::encoding::json::{JsonError, JsonStr, Kind, Reader};
use crate::limits::REQUEST_ID_LEN_MAX;
use core::fmt::Write;

/// A request's `id` as the client spelled it, to be echoed in the answer (TS-21).
///
/// `Display` gives the JSON text. An integer is never computed with, so that one beyond 64 bits
/// comes back unchanged; a fraction, an exponent, `-0` and `null` are no ids.
#[derive(Clone, Copy)]
pub enum Id<'b> {
    /// A string; its escapes are kept.
    Text(JsonStr<'b>),
    /// An integer's digits, with their sign.
    Integer(&'b str),
}

impl<'b> Id<'b> {
    /// Reads the next value, whatever it is; `None` when it is well-formed but no id.
    pub(super) fn read(reader: &mut Reader<'b>) -> Result<Option<Self>, JsonError> {
        let id = match reader.peek()? {
            Kind::String => Self::Text(reader.string()?),
            Kind::Number => {
                let text = reader.number()?;
                if text == "-0" || text.contains(['.', 'e', 'E']) {
                    return Ok(None);
                }
                Self::Integer(text)
            }
            Kind::Object | Kind::Array | Kind::Bool | Kind::Null => {
                reader.skip()?;
                return Ok(None);
            }
        };
        Ok((id.len() <= REQUEST_ID_LEN_MAX).then_some(id))
    }

    fn len(self) -> usize {
        match self {
            Self::Text(text) => text.raw().len(),
            Self::Integer(text) => text.len(),
        }
    }
}

impl core::fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Integer(text) => f.write_str(text),
            Self::Text(text) => {
                f.write_char('"')?;
                for character in text.raw().chars() {
                    match character {
                        // SEC-035: harmless where somebody takes the answer for a page or a script.
                        // None of these stands behind a backslash in valid JSON.
                        '<' => f.write_str("\\u003c")?,
                        '>' => f.write_str("\\u003e")?,
                        '&' => f.write_str("\\u0026")?,
                        '\u{2028}' => f.write_str("\\u2028")?,
                        '\u{2029}' => f.write_str("\\u2029")?,
                        other => f.write_char(other)?,
                    }
                }
                f.write_char('"')
            }
        }
    }
}

impl core::fmt::Debug for Id<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Id({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::ToString};

    #[track_caller]
    fn check(document: &str, expected: Option<&str>) {
        let mut reader = Reader::new(document.as_bytes(), 4).unwrap();
        let id = Id::read(&mut reader).unwrap();
        reader.end().unwrap();
        assert_eq!(id.map(|id| id.to_string()).as_deref(), expected);
    }

    #[test]
    fn ts_21_strings_and_integers_come_back_as_they_are() {
        for id in ["1", "0", "-7", "\"a\"", "\"\"", "\"\\u0061\\\"\\n\"", "\"1\"", "\"\u{e9}\""] {
            check(id, Some(id));
        }
        check("9223372036854775808", Some("9223372036854775808"));
        check(
            "-170141183460469231731687303715884105729",
            Some("-170141183460469231731687303715884105729"),
        );
    }

    #[test]
    fn sec_032_other_values_are_no_ids() {
        for other in ["null", "true", "false", "[]", "[1]", "{}", "1.0", "1e2", "1E2", "-0", "0.5"]
        {
            check(other, None);
        }
    }

    #[test]
    fn an_id_on_both_sides_of_the_limit() {
        for len in [REQUEST_ID_LEN_MAX - 1, REQUEST_ID_LEN_MAX] {
            let digits = "7".repeat(len);
            check(&digits, Some(&digits));
            let text = format!("\"{digits}\"");
            check(&text, Some(&text));
        }
        let digits = "7".repeat(REQUEST_ID_LEN_MAX + 1);
        check(&digits, None);
        check(&format!("\"{digits}\""), None);
    }

    #[test]
    fn sec_035_an_echoed_id_is_safe_in_html() {
        check(
            "\"</script>&\u{2028}\u{2029}\"",
            Some("\"\\u003c/script\\u003e\\u0026\\u2028\\u2029\""),
        );
        check("\"\\/\\\\\"", Some("\"\\/\\\\\""));
    }
}
