//! What is printed: tables for people, one JSON object for scripts.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use zeroize::Zeroizing;

/// Standard output does not take what is printed.
#[derive(Debug)]
pub(crate) struct OutputError(io::Error);

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "standard output: {}", self.0)
    }
}

impl std::error::Error for OutputError {}

/// How a value is to be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default().bold(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// Names and values, one below the other.
///
/// Values may come from a stranger's token: whatever is not printable ASCII is escaped, so that it moves no
/// cursor and looks like nothing else. It may hold a key, so that it is wiped.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(String, Zeroizing<String>, Tone)>,
}

impl Table {
    pub(crate) fn row(self, name: &str, value: &str) -> Self {
        self.toned(name, value, Tone::Plain)
    }

    pub(crate) fn toned(mut self, name: &str, value: &str, tone: Tone) -> Self {
        self.rows.push((printable(name), Zeroizing::new(printable(value)), tone));
        self
    }

    /// A row, where there is a value.
    pub(crate) fn row_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.row(name, value),
            None => self,
        }
    }

    /// Prints it; in colour when standard output is a terminal and nothing asks for the contrary.
    pub(crate) fn print(&self) -> Result<(), OutputError> {
        styled(&self.render())
    }

    fn render(&self) -> Zeroizing<String> {
        let width = self.rows.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
        let dim = Style::new().dimmed();
        let mut text = Zeroizing::new(String::new());
        for (name, value, tone) in &self.rows {
            let style = tone.style();
            // Writing to a text cannot fail.
            let _ =
                writeln!(text, "{dim}{name:<width$}{dim:#}  {style}{}{style:#}", value.as_str());
        }
        text
    }
}

/// A list with a heading: one line for each entry, escaped as in a [`Table`].
pub(crate) struct Rows(comfy_table::Table);

impl Rows {
    pub(crate) fn new(heading: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING).set_header(heading);
        Self(table)
    }

    pub(crate) fn push(&mut self, entry: &[&str]) {
        self.0.add_row(entry.iter().map(|value| printable(value)));
    }

    pub(crate) fn print(&self) -> Result<(), OutputError> {
        self.0.lines().try_for_each(|text| line(text.trim()))
    }
}

/// The day of an instant in seconds since 1970, in UTC.
pub(crate) fn day(unix_secs: u64) -> String {
    let known = i64::try_from(unix_secs)
        .ok()
        .and_then(|secs| time::OffsetDateTime::from_unix_timestamp(secs).ok());
    known.map_or_else(|| "?".to_owned(), |instant| instant.date().to_string())
}

/// Prints one line to standard output.
pub(crate) fn line(text: &str) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")))
}

/// Prints a text with styles in it; in colour when standard output is a terminal and nothing asks for the contrary.
pub(crate) fn styled(text: &str) -> Result<(), OutputError> {
    written(anstream::stdout().write_all(text.as_bytes()))
}

/// Prints one JSON object on one line.
pub(crate) fn json(value: &impl Serialize) -> Result<(), OutputError> {
    line(&json_text(value).map_err(|error| OutputError(error.into()))?)
}

/// A value, which may hold a secret, as JSON.
pub(crate) fn json_text(value: &impl Serialize) -> serde_json::Result<Zeroizing<String>> {
    /// More than a token, a document or a key takes, so that no half of one is left where it grew.
    const ROOM: usize = 16 * 1024;
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    serde_json::to_writer(&mut *bytes, value)?;
    String::from_utf8(std::mem::take(&mut *bytes))
        .map(Zeroizing::new)
        .map_err(serde::ser::Error::custom)
}

/// A reader that went away, as `head` does, is no reason to fail.
fn written(result: io::Result<()>) -> Result<(), OutputError> {
    match result.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OutputError(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The text with everything that is not printable ASCII escaped, and the backslash too.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, character| {
        match character {
            ' '..='[' | ']'..='~' => shown.push(character),
            _ => shown.extend(character.escape_default()),
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let table = Table::default().row("a", "1").row_if("b", None).row_if("long", Some("2"));
        let plain = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(plain, "a     1\nlong  2\n");
    }

    #[test]
    fn sec_321_nothing_of_a_value_reaches_the_terminal_as_an_order() {
        assert_eq!(printable("a b~"), "a b~");
        assert_eq!(
            printable("\u{1b}[2J\n\\ \u{202e}é\u{7f}"),
            r"\u{1b}[2J\n\\ \u{202e}\u{e9}\u{7f}"
        );
    }
}
