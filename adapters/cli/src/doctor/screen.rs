//! A report for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::report::{Finding, Report, Severity, Verdict};
use crate::output::{self, OutputError, printable};

/// Prints it; what strangers wrote is escaped, so that it moves no cursor (SEC-486).
pub(super) fn print(report: &Report) -> Result<(), OutputError> {
    output::styled(&render(report))
}

fn render(report: &Report) -> String {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{bold}{}{bold:#}\n", printable(&report.url));
    let width = report.facts.iter().map(|fact| fact.name.len()).max().unwrap_or_default();
    for fact in &report.facts {
        let _ = writeln!(text, "{dim}{:<width$}{dim:#}  {}", fact.name, printable(&fact.value));
    }
    if !report.facts.is_empty() {
        text.push('\n');
    }
    for finding in &report.findings {
        write_finding(&mut text, finding);
    }
    if let Some(reason) = &report.unchecked {
        let _ = writeln!(text, "The server could not be checked: {}", printable(reason));
    }
    let style = match report.verdict {
        Verdict::Sound => AnsiColor::Green.on_default().bold(),
        Verdict::Warnings => colour(Severity::Warning),
        Verdict::Errors | Verdict::Unchecked => colour(Severity::Error),
    };
    let counts = report.counts;
    let verdict = match report.verdict {
        Verdict::Sound => "sound",
        Verdict::Warnings => "works, with warnings",
        Verdict::Errors => "not sound",
        Verdict::Unchecked => "not checked",
    };
    let _ = writeln!(
        text,
        "{style}{verdict}{style:#}: errors {}, warnings {}, notes {}",
        counts.errors, counts.warnings, counts.notes
    );
    text
}

fn write_finding(text: &mut String, finding: &Finding) {
    let (style, dim) = (colour(finding.severity), Style::new().dimmed());
    let _ = writeln!(
        text,
        "{style}{}{style:#} {} {dim}[{}; {}]{dim:#}",
        finding.severity.name(),
        finding.what,
        finding.requirements.join(", "),
        finding.code,
    );
    let detail = printable(&finding.detail);
    for (name, value) in [
        ("at", printable(&finding.place).as_str()),
        ("seen", detail.as_str()),
        ("clients", finding.effect),
        ("mend", finding.remedy),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "  {dim}{name:<8}{dim:#}{value}");
        }
    }
    text.push('\n');
}

fn colour(severity: Severity) -> Style {
    match severity {
        Severity::Note => AnsiColor::Cyan.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
        Severity::Error => AnsiColor::Red.on_default().bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::rules;

    #[test]
    fn sec_486_a_strangers_text_is_no_order_to_the_terminal() {
        let mut report = Report::new("https://mcp.example/mcp");
        report.find(&rules::NO_PRM, "https://a\u{1b}[2J", "b\u{202e}\u{7}\nc");
        report.fact("server", "x\u{1b}]0;y\u{7}");
        let shown = anstream::adapter::strip_str(&render(&report.finish())).to_string();
        assert!(shown.contains(r"a\u{1b}[2J") && shown.contains(r"b\u{202e}\u{7}\nc"), "{shown}");
        assert!(shown.chars().all(|it| it == '\n' || (' '..='~').contains(&it)), "{shown}");
        assert!(shown.contains("not sound: errors 1, warnings 0, notes 0"), "{shown}");
    }
}
