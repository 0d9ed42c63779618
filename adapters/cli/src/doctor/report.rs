//! What was found: the value behind both outputs.

use std::process::ExitCode;

use serde::Serialize;

use super::rules::Rule;

/// The version of the JSON that `--json` prints. Members may be added to it; a change of meaning, or a
/// member that goes, is a new version.
const SCHEMA: u32 = 1;
/// Longest text of a stranger that is shown.
const QUOTED_LEN_MAX: usize = 300;
/// Findings of one rule; beyond it a hostile server would only fill the screen.
const FINDINGS_PER_RULE_MAX: usize = 8;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Worth knowing.
    Note,
    /// Some clients fail, or a recommendation is not followed.
    Warning,
    /// Clients cannot or must not use the server so.
    Error,
}

impl Severity {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One fault, at one place.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    pub(crate) requirements: &'static [&'static str],
    /// The URL it was found at.
    #[serde(rename = "where")]
    pub(crate) place: String,
    pub(crate) what: &'static str,
    /// What the server said, in its words; a stranger's text.
    pub(crate) detail: String,
    pub(crate) effect: &'static str,
    pub(crate) remedy: &'static str,
}

/// Something that was seen and is no fault.
#[derive(Debug, Serialize)]
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// The verdict on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Neither error nor warning.
    Sound,
    Warnings,
    Errors,
    /// The server could not be asked.
    Unchecked,
}

/// The outcome of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema: u32,
    pub(crate) url: String,
    pub(crate) verdict: Verdict,
    /// Why the server could not be asked.
    pub(crate) unchecked: Option<String>,
    pub(crate) counts: Counts,
    pub(crate) facts: Vec<Fact>,
    pub(crate) findings: Vec<Finding>,
}

/// Findings by severity.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) notes: usize,
}

impl Report {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            schema: SCHEMA,
            url: quoted(url),
            verdict: Verdict::Sound,
            unchecked: None,
            counts: Counts::default(),
            facts: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Records a fault once for each place.
    pub(crate) fn find(&mut self, rule: &'static Rule, place: &str, detail: impl AsRef<str>) {
        let of_rule = self.findings.iter().filter(|finding| finding.code == rule.code);
        let place = quoted(place);
        if of_rule.clone().count() >= FINDINGS_PER_RULE_MAX
            || of_rule.clone().any(|finding| finding.place == place)
        {
            return;
        }
        self.findings.push(Finding {
            code: rule.code,
            severity: rule.severity,
            requirements: rule.requirements,
            place,
            what: rule.what,
            detail: quoted(detail.as_ref()),
            effect: rule.effect,
            remedy: rule.remedy,
        });
    }

    pub(crate) fn fact(&mut self, name: &'static str, value: impl AsRef<str>) {
        self.facts.push(Fact { name, value: quoted(value.as_ref()) });
    }

    pub(crate) fn has(&self, rule: &Rule) -> bool {
        self.findings.iter().any(|finding| finding.code == rule.code)
    }

    /// The server could not be asked, so that nothing is known.
    pub(crate) fn give_up(&mut self, reason: impl AsRef<str>) {
        self.unchecked = Some(quoted(reason.as_ref()));
    }

    /// Sorts and counts, when all is said.
    pub(crate) fn finish(mut self) -> Self {
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let count = |severity| self.findings.iter().filter(|it| it.severity == severity).count();
        self.counts = Counts {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
        };
        self.verdict = match self.counts {
            Counts { errors: 1.., .. } => Verdict::Errors,
            _ if self.unchecked.is_some() => Verdict::Unchecked,
            Counts { warnings: 1.., .. } => Verdict::Warnings,
            Counts { .. } => Verdict::Sound,
        };
        self
    }

    /// The exit status: 0 without errors, 1 for warnings where they count, 2 for errors, 3 when the server
    /// could not be checked.
    pub(crate) fn status(&self, strict: bool) -> ExitCode {
        ExitCode::from(match self.verdict {
            Verdict::Errors => 2,
            Verdict::Unchecked => 3,
            Verdict::Warnings if strict => 1,
            Verdict::Warnings | Verdict::Sound => 0,
        })
    }
}

/// A stranger's text, cut to a length that does no harm.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_LEN_MAX).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::rules;

    #[test]
    fn a_long_text_is_cut_and_a_short_one_is_not() {
        assert_eq!(quoted(&"é".repeat(QUOTED_LEN_MAX)), "é".repeat(QUOTED_LEN_MAX));
        assert!(quoted(&"é".repeat(QUOTED_LEN_MAX + 1)).ends_with("é..."));
    }

    #[test]
    fn the_status_follows_the_worst_that_was_found() {
        let status = |rules: &[&'static Rule], strict| {
            let mut report = Report::new("https://mcp.example");
            rules.iter().for_each(|rule| report.find(rule, "", ""));
            report.finish().status(strict)
        };
        let (note, warning, error) = (&rules::NO_SCOPE, &rules::NO_POINTER, &rules::NO_PRM);
        assert_eq!(status(&[], true), ExitCode::from(0));
        assert_eq!(status(&[note], true), ExitCode::from(0));
        assert_eq!(status(&[note, warning], false), ExitCode::from(0));
        assert_eq!(status(&[note, warning], true), ExitCode::from(1));
        assert_eq!(status(&[note, warning, error], false), ExitCode::from(2));
    }

    #[test]
    fn one_rule_cannot_fill_the_screen() {
        let mut report = Report::new("https://mcp.example");
        for place in 0..20 {
            for _ in 0..2 {
                report.find(&rules::NO_PRM, &place.to_string(), "");
            }
        }
        assert_eq!(report.findings.len(), FINDINGS_PER_RULE_MAX);
    }
}
