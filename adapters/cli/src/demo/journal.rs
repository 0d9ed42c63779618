//! What the demo prints: each HTTP exchange on one line.

use std::{
    io::{IsTerminal, Write},
    sync::atomic::{AtomicU32, Ordering},
};

use anstyle::{AnsiColor, Style};
use portcullis_tokio::client::{Exchange, Party};

use super::decisions::{Decisions, Overheard};

/// Longest path shown: that of the metadata of a resource at `/mcp`.
const PATH_WIDTH: usize = 41;

/// Prints to standard output, in colour when that is a terminal and `NO_COLOR` is not set.
pub(crate) struct Journal {
    colour: bool,
    exchanges: AtomicU32,
    decisions: Decisions,
}

impl Journal {
    pub(crate) fn new(decisions: Decisions) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colour, exchanges: AtomicU32::new(0), decisions }
    }

    /// Prints one exchange; before it the question that the protected server asked meanwhile.
    pub(crate) fn exchange(&self, exchange: &Exchange<'_>) {
        let Overheard { decision, introspection } = match exchange.to {
            Party::ResourceServer => self.decisions.take(),
            _ => Overheard::default(),
        };
        if let Some((endpoint, status)) = introspection {
            let question = Exchange {
                from: Party::ResourceServer,
                to: Party::AuthorizationServer,
                method: "POST",
                url: &endpoint,
                status: Ok(status),
                meaning: "what it knows of the token",
            };
            self.print(&render(self.next(), &question, None, self.colour));
        }
        self.print(&render(self.next(), exchange, decision.as_deref(), self.colour));
    }

    fn next(&self) -> u32 {
        self.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Prints a heading above what follows.
    pub(crate) fn heading(&self, text: &str) {
        let bold = if self.colour { Style::new().bold() } else { Style::new() };
        self.print(&format!("\n{bold}{text}{bold:#}"));
    }

    /// Prints a plain line.
    pub(crate) fn note(&self, text: &str) {
        self.print(text);
    }

    fn print(&self, line: &str) {
        // A reader that went away, as `head` does, is no reason to fail.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

fn render(number: u32, exchange: &Exchange<'_>, decision: Option<&str>, colour: bool) -> String {
    let colour_of = match exchange.status {
        Ok(200..=299) => AnsiColor::Green,
        Ok(300..=399) => AnsiColor::Cyan,
        Ok(400..=499) => AnsiColor::Yellow,
        Ok(_) | Err(_) => AnsiColor::Red,
    };
    let (status, dim) = if colour {
        (colour_of.on_default().bold(), Style::new().dimmed())
    } else {
        (Style::new(), Style::new())
    };
    let code = match exchange.status {
        Ok(code) => code.to_string(),
        Err(failure) => failure.to_string(),
    };
    let separator = if decision.is_some() { ": " } else { "" };
    format!(
        "{dim}{number:>2}{dim:#} {from:>15} → {to:<20} {method:<4} {path:<PATH_WIDTH$} {status}{code}{status:#}  {meaning}{separator}{decision}",
        from = exchange.from,
        to = exchange.to,
        method = exchange.method,
        path = shorten(path(exchange.url)),
        meaning = exchange.meaning,
        decision = decision.unwrap_or_default(),
    )
}

/// What follows the authority.
fn path(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    url[authority..].find('/').map_or("/", |at| &url[authority + at..])
}

/// The path, or its end where it is too long for the column.
fn shorten(path: &str) -> String {
    let length = path.chars().count();
    if length <= PATH_WIDTH {
        return path.to_owned();
    }
    let end: String = path.chars().skip(length + 1 - PATH_WIDTH).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: Exchange<'_> = Exchange {
        from: Party::Client,
        to: Party::ResourceServer,
        method: "POST",
        url: "http://localhost:8001/mcp",
        status: Ok(401),
        meaning: "no token",
    };

    #[test]
    fn a_line_is_plain_without_a_terminal() {
        let plain = render(1, &EXCHANGE, Some("why"), false);
        assert_eq!(
            plain,
            format!(
                " 1          client → resource server      POST {:<41} 401  no token: why",
                "/mcp"
            )
        );
        assert!(render(1, &EXCHANGE, None, true).contains('\u{1b}'));
    }

    #[test]
    fn the_widest_line_of_the_flow_fits_160_columns() {
        let exchange =
            Exchange { meaning: "tools/call set_time_zone with a token", ..EXCHANGE.clone() };
        let line = render(14, &exchange, Some("token lacks a needed scope"), false);
        assert!(line.chars().count() <= 160, "{line}");
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        let path = format!("/{}", "x".repeat(60));
        assert_eq!(shorten(&path).chars().count(), PATH_WIDTH);
        assert_eq!(shorten("/mcp"), "/mcp");
    }

    #[test]
    fn the_path_of_a_url() {
        assert_eq!(path("http://localhost:8001/mcp"), "/mcp");
        assert_eq!(path("http://localhost:8001"), "/");
    }
}
