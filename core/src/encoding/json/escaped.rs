//! Text on its way into a JSON string.

use core::fmt::{Display, Formatter, Result, Write};

/// What stands between the quotes of a JSON string that means this text.
///
/// Besides what RFC 8259 §7 asks for, the characters that mean something to HTML are escaped (SEC-035).
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'f, 'a>(&'f mut Formatter<'a>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, piece: &str) -> Result {
        piece.chars().try_for_each(|character| self.write_char(character))
    }

    fn write_char(&mut self, character: char) -> Result {
        match character {
            '"' => self.0.write_str("\\\""),
            '\\' => self.0.write_str("\\\\"),
            '\n' => self.0.write_str("\\n"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(self.0, "\\u{:04x}", u32::from(character))
            }
            other => self.0.write_char(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String};

    #[test]
    fn sec_035_every_character_comes_back_and_is_safe_in_html() {
        for character in (0..0x3000_u32).filter_map(char::from_u32) {
            let text = format!("a{character}b");
            let document = format!("\"{}\"", Escaped(&text));
            assert_eq!(serde_json::from_str::<String>(&document).unwrap(), text);
            assert!(!document.contains(['<', '>', '&', '\u{2028}', '\n']), "{document}");
        }
    }
}
