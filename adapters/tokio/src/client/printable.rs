//! Showing a server's text on a terminal (SEC-486).

use std::fmt;

/// A text whose control and bidirectional characters are shown as escapes; line ends stay.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'t>(pub &'t str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if acts_on_terminal(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                fmt::Write::write_char(f, character)?;
            }
        }
        Ok(())
    }
}

/// Controls other than the line feed, and what changes the direction or hides text (Unicode TR 9).
fn acts_on_terminal(character: char) -> bool {
    match character {
        '\n' => false,
        '\u{061c}' | '\u{feff}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        _ => character.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Printable(text).to_string(), expected);
    }

    #[test]
    fn sec_486_controls_and_directions_are_escaped() {
        check("12:00\nÜber \"x\" \\ 時", "12:00\nÜber \"x\" \\ 時");
        check("\u{1b}[2Jx", "\\u{1b}[2Jx");
        check("a\rb\u{9b}c\u{7f}", "a\\u{d}b\\u{9b}c\\u{7f}");
        check("\u{202e}evil\u{2066}\u{200f}", "\\u{202e}evil\\u{2066}\\u{200f}");
    }
}
