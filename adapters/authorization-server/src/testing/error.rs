//! What goes wrong in a test's own equipment.

use std::{fmt, io};

use portcullis_tokio::resource_server::SettingsError as ResourceServerError;

use crate::settings::SettingsError;

/// Why the equipment did not do what a test asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum TestingError {
    /// The URL is not `http` on loopback.
    NotLoopback,
    /// No port could be had.
    Port(io::Error),
    /// A request got no answer.
    Http(String),
    /// An endpoint refused.
    Refused {
        /// Its status.
        status: u16,
        /// What it said.
        body: String,
    },
    /// The user met a page without a form.
    Page {
        /// Its status.
        status: u16,
    },
    /// The password was asked for once more.
    Password,
    /// The user met one form after the other.
    Endless,
    /// An answer lacks what it must have, or has it wrong.
    Answer(&'static str),
    /// Settings of the authorization server.
    Settings(SettingsError),
    /// Settings of the protected server.
    Protection(ResourceServerError),
    /// The authorization server knows no such resource.
    UnknownResource,
    /// There is no such token.
    Token(&'static str),
}

impl fmt::Display for TestingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback => f.write_str("the URL is not http on loopback"),
            Self::Port(error) => write!(f, "no port: {error}"),
            Self::Http(error) => write!(f, "no answer: {error}"),
            Self::Refused { status, body } => write!(f, "refused with status {status}: {body}"),
            Self::Page { status } => write!(f, "the user met a page without a form ({status})"),
            Self::Password => f.write_str("the password was not taken"),
            Self::Endless => f.write_str("the user met one form after the other"),
            Self::Answer(what) => write!(f, "an answer is not as it must be: {what}"),
            Self::Settings(error) => error.fmt(f),
            Self::Protection(error) => error.fmt(f),
            Self::UnknownResource => f.write_str("the server issues no tokens for this resource"),
            Self::Token(why) => write!(f, "no such token: {why}"),
        }
    }
}

impl std::error::Error for TestingError {}

impl From<SettingsError> for TestingError {
    fn from(error: SettingsError) -> Self {
        Self::Settings(error)
    }
}

impl From<ResourceServerError> for TestingError {
    fn from(error: ResourceServerError) -> Self {
        Self::Protection(error)
    }
}
