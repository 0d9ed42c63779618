//! Protocol revisions and the era that each belongs to.

/// How a client and a server agree on a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// 2026-07-28 and later: each request carries its own version and capabilities.
    Modern,
    /// Until 2025-11-25: one `initialize` handshake comes first.
    Legacy,
}

/// Why a list of revisions cannot be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionsError {
    /// No revision at all.
    Empty,
    /// A revision is empty, too long, or has a character that no revision has.
    Text,
    /// A revision is named twice.
    Repeated,
}

impl core::fmt::Display for VersionsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Empty => "no protocol version is supported",
            Self::Text => "a protocol version is malformed",
            Self::Repeated => "a protocol version is named twice",
        })
    }
}

impl core::error::Error for VersionsError {}

/// The revisions a server implements, newest first in each era.
///
/// Without legacy revisions every message is judged as a modern one, and the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions<'c> {
    /// Revisions without a handshake.
    pub modern: &'c [&'c str],
    /// Revisions that begin with `initialize`.
    pub legacy: &'c [&'c str],
}

impl<'c> Versions<'c> {
    /// Every revision without batches; 2025-03-26 obliges a server to take them (TL-13).
    pub const ALL: Versions<'static> =
        Versions { modern: &["2026-07-28"], legacy: &["2025-11-25", "2025-06-18"] };

    /// The current revision only: the smallest profile (transport §6).
    pub const MODERN: Versions<'static> = Versions { modern: Self::ALL.modern, legacy: &[] };

    /// Whether these lists can be configured: they go into error answers as they are (TS-32).
    pub fn check(self) -> Result<(), VersionsError> {
        if self.iter().next().is_none() {
            return Err(VersionsError::Empty);
        }
        if !self.iter().all(is_version) {
            return Err(VersionsError::Text);
        }
        if self.iter().any(|one| self.iter().filter(|other| *other == one).count() > 1) {
            return Err(VersionsError::Repeated);
        }
        Ok(())
    }

    /// All revisions, the modern ones first (TD-04).
    pub fn iter(self) -> impl Iterator<Item = &'c str> {
        self.modern.iter().chain(self.legacy).copied()
    }

    /// Whether revisions of this era are among them.
    pub const fn has(self, era: Era) -> bool {
        !self.of(era).is_empty()
    }

    /// Whether `version` is one of this era's revisions, compared whole.
    pub fn contains(self, era: Era, version: &str) -> bool {
        self.of(era).contains(&version)
    }

    const fn of(self, era: Era) -> &'c [&'c str] {
        match era {
            Era::Modern => self.modern,
            Era::Legacy => self.legacy,
        }
    }
}

/// Longest text that is taken for a revision.
const VERSION_LEN_MAX: usize = 64;

/// Whether `text` can be a revision: visible ASCII that needs no escape, neither in JSON nor in HTML.
///
/// So a revision can be repeated in an answer as it came (SEC-035).
pub(super) fn is_version(text: &str) -> bool {
    (1..=VERSION_LEN_MAX).contains(&text.len())
        && text.bytes().all(|byte| {
            byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_lists() {
        let check = |modern, legacy, expected| {
            assert_eq!(Versions { modern, legacy }.check(), expected);
        };
        check(&["2026-07-28"], &["2025-11-25", "2025-06-18"], Ok(()));
        check(&["2026-07-28"], &[], Ok(()));
        check(&[], &["2025-11-25"], Ok(()));
        check(&[], &[], Err(VersionsError::Empty));
        check(&[""], &[], Err(VersionsError::Text));
        check(&["2026-07-28"], &["a\"b"], Err(VersionsError::Text));
        check(&["2026-07-28"], &["2026-07-28"], Err(VersionsError::Repeated));
    }

    #[test]
    fn the_text_of_a_version() {
        let longest = std::string::String::from_utf8(std::vec![b'v'; VERSION_LEN_MAX + 1]).unwrap();
        assert!(is_version(&longest[..VERSION_LEN_MAX - 1]));
        assert!(is_version(&longest[..VERSION_LEN_MAX]));
        assert!(!is_version(&longest));
        for other in ["", " ", "2026-07-28 ", "2026\u{0}", "</script>", "\u{e9}", "a\\b"] {
            assert!(!is_version(other), "{other:?}");
        }
    }

    #[test]
    fn a_version_has_one_era() {
        assert!(Versions::ALL.contains(Era::Modern, "2026-07-28"));
        assert!(!Versions::ALL.contains(Era::Legacy, "2026-07-28"));
        assert!(!Versions::ALL.contains(Era::Modern, "2026-07-2"));
        assert!(!Versions::MODERN.has(Era::Legacy));
    }
}
