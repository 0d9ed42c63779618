//! What servers say about themselves: where it stands, how it is written and read.
//!
//! Documents of others are read strictly: a member of the wrong type is an error and never counts
//! as absent, unknown members are passed over (RFC 9728 §3.2, RFC 8414 §3.2), and so is
//! `signed_metadata`, which is not implemented (RS-13, SEC-176). A list in which we only look for
//! something stays in the document ([`StringList`]), so that no length of it changes a decision.

pub mod authorization_server;
pub mod authorization_server_document;
pub mod protected_resource;
pub mod well_known;

use crate::{
    encoding::{
        json::{JsonError, JsonStr, Kind, Reader},
        scratch::{BufferFull, Scratch},
    },
    limits::{DOCUMENT_DEPTH_MAX, METADATA_LEN_MAX_DESKTOP},
    scope::ScopeError,
};

/// Why a metadata document is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataError {
    /// Longer than [`METADATA_LEN_MAX_DESKTOP`] (LIM-11); a smaller host fetches less.
    TooLong,
    /// Not one JSON object that can be read.
    Json(JsonError),
    /// A required member is missing, or a list that must name something is empty.
    Missing,
    /// A member's value is not what its definition allows.
    Member,
    /// More scopes than can be kept (LIM-7).
    TooManyScopes,
    /// The document is another issuer's (CL-24, RFC 8414 §3.3).
    Issuer,
}

impl core::fmt::Display for MetadataError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Json(error) => return error.fmt(f),
            Self::TooLong => "metadata document too long",
            Self::Missing => "metadata lacks a required member",
            Self::Member => "metadata has a member with a value that is not allowed",
            Self::TooManyScopes => "metadata names too many scopes",
            Self::Issuer => "metadata of another issuer",
        })
    }
}

impl core::error::Error for MetadataError {}

impl From<JsonError> for MetadataError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<BufferFull> for MetadataError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::Json(JsonError::BufferFull)
    }
}

impl From<ScopeError> for MetadataError {
    fn from(error: ScopeError) -> Self {
        match error {
            ScopeError::TooMany => Self::TooManyScopes,
            ScopeError::Character | ScopeError::Blank => Self::Member,
        }
    }
}

/// An array of strings, left where it stands in a document and read again when it is asked.
#[derive(Clone, Copy, Default)]
pub struct StringList<'m>(&'m str);

impl<'m> StringList<'m> {
    fn read(reader: &mut Reader<'m>) -> Result<Self, MetadataError> {
        if reader.peek()? != Kind::Array {
            return Err(JsonError::Type.into());
        }
        let list = Self(reader.raw()?);
        list.visit(|_| Ok(()))?;
        Ok(list)
    }

    /// Whether `text` is one of the entries, compared whole, however many there are.
    pub fn contains(&self, text: &str) -> bool {
        let mut found = false;
        let visited = self.visit(|entry| {
            found |= entry.eq_str(text);
            Ok(())
        });
        // All of it was read before: an error cannot come up now, and would find nothing.
        visited.is_ok() && found
    }

    /// Whether there is no entry. Absent and empty lists are alike, as a list without entries must
    /// not be written (RFC 8414 §3.2).
    pub fn is_empty(&self) -> bool {
        let mut is_empty = true;
        let visited = self.visit(|_| {
            is_empty = false;
            Ok(())
        });
        visited.is_err() || is_empty
    }

    fn visit(
        &self,
        entry: impl FnMut(JsonStr<'m>) -> Result<(), MetadataError>,
    ) -> Result<(), MetadataError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut reader = Reader::new(self.0.as_bytes(), 1)?;
        read_strings(&mut reader, entry)?;
        Ok(reader.end()?)
    }
}

impl core::fmt::Debug for StringList<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.0.is_empty() { "[]" } else { self.0 })
    }
}

/// Reads a document of one object, giving each member's name and the reader in front of its value.
fn read_members<'m>(
    document: &'m [u8],
    mut member: impl FnMut(JsonStr<'m>, &mut Reader<'m>) -> Result<(), MetadataError>,
) -> Result<(), MetadataError> {
    if document.len() > METADATA_LEN_MAX_DESKTOP {
        return Err(MetadataError::TooLong);
    }
    let mut reader = Reader::new(document, DOCUMENT_DEPTH_MAX)?;
    let mut members = reader.object()?;
    while let Some(name) = members.next(&mut reader)? {
        member(name, &mut reader)?;
    }
    Ok(reader.end()?)
}

/// Reads an array of strings one by one.
fn read_strings<'m>(
    reader: &mut Reader<'m>,
    mut string: impl FnMut(JsonStr<'m>) -> Result<(), MetadataError>,
) -> Result<(), MetadataError> {
    let mut elements = reader.array()?;
    while elements.next(reader)? {
        string(reader.string()?)?;
    }
    Ok(())
}

/// Reads a string that must not be empty.
fn read_text<'m>(
    reader: &mut Reader<'m>,
    scratch: &mut Scratch<'m>,
) -> Result<&'m str, MetadataError> {
    let text = reader.string()?.read(scratch)?;
    if text.is_empty() { Err(MetadataError::Member) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<StringList<'_>, MetadataError> {
        StringList::read(&mut Reader::new(text.as_bytes(), DOCUMENT_DEPTH_MAX).unwrap())
    }

    #[test]
    fn entries_are_compared_whole_and_unescaped() {
        let found = list(r#" [ "a" , "b\u0063" ] "#).unwrap();
        assert!(found.contains("a") && found.contains("bc") && !found.is_empty());
        for other in ["", "b", "A", "a ", "bcd", "\"a\"", "b\\u0063"] {
            assert!(!found.contains(other), "{other}");
        }
    }

    #[test]
    fn absent_and_empty_lists_are_alike() {
        for empty in [StringList::default(), list("[]").unwrap(), list("[ ]").unwrap()] {
            assert!(empty.is_empty() && !empty.contains(""));
        }
        assert!(!list("[\"\"]").unwrap().is_empty());
    }

    #[test]
    fn sec_032_only_an_array_of_strings_is_a_list() {
        for text in ["null", "\"a\"", "{}", "1", "[1]", "[\"a\",null]"] {
            assert_eq!(list(text).err(), Some(MetadataError::Json(JsonError::Type)), "{text}");
        }
        assert_eq!(list("[[\"a\"]]").err(), Some(MetadataError::Json(JsonError::Type)));
        assert_eq!(list("[\"a\"").err(), Some(MetadataError::Json(JsonError::Syntax)));
    }
}
