//! What servers say about themselves: where it stands, how it is written and read.
//!
//! Documents of others are read strictly: a member of the wrong type is an error and never counts
//! as absent, unknown members are passed over (RFC 9728 §3.2, RFC 8414 §3.2), and so is
//! `signed_metadata`, which is not implemented (RS-13, SEC-176). Of a list in which we only look for
//! something, the findings are kept and not the list, so that no length of it changes a decision.

pub mod authorization_server;
pub mod authorization_server_document;
pub mod protected_resource;
pub mod well_known;

use crate::{
    encoding::{
        json::{JsonError, JsonStr, Reader},
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
