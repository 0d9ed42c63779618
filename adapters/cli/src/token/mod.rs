//! `portcullis token`: access tokens (RFC 9068) made, looked into, and checked.

mod inspect;
mod mint;
mod times;
mod trust;
mod verify;

use std::{fmt, process::ExitCode};

use clap::{Args, Subcommand};
use portcullis_core::{
    jwt::{KeyError, MintError},
    limits::TOKEN_LEN_MAX,
    resource_server::{ConfigurationError, IdentifierError},
    scope::ScopeError,
    token::TokenError,
};
use zeroize::Zeroizing;

use crate::{
    device::DeviceError,
    errors::from_parts,
    files::{self, FileError},
    login,
    output::OutputError,
};

/// Exit status of `token verify` when there was no verdict.
const NO_VERDICT: u8 = 2;

/// What `portcullis token` can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print an access token of a login, refreshed if need be: exit status 0 there is one, 1 log in first, 2
    /// could not tell.
    Get(Box<login::TokenOptions>),
    /// Sign an access token, as the authorization server of a resource would.
    Mint(mint::Options),
    /// Show what a token says, without checking who says so.
    Inspect(inspect::Options),
    /// Check a token as the resource server would: exit status 0 admitted, 1 refused, 2 could not try.
    Verify(verify::Options),
}

impl Command {
    pub(crate) fn run(&self) -> Result<ExitCode, Error> {
        match self {
            Self::Get(options) => options.run().map_err(Error::Login),
            Self::Mint(options) => mint::run(options).map(|()| ExitCode::SUCCESS),
            Self::Inspect(options) => inspect::run(options).map(|()| ExitCode::SUCCESS),
            Self::Verify(options) => verify::run(options),
        }
    }

    /// The exit status when [`run`](Self::run) fails.
    pub(crate) fn trouble(&self) -> ExitCode {
        match self {
            Self::Get(_) => login::TROUBLE.into(),
            Self::Mint(_) | Self::Inspect(_) => ExitCode::FAILURE,
            Self::Verify(_) => NO_VERDICT.into(),
        }
    }
}

/// The token that a command is about.
#[derive(Args)]
struct TokenArgument {
    /// The token; `-` reads it from standard input, so that it is in no history of commands.
    #[arg(default_value = "-", hide_default_value = true)]
    token: Zeroizing<String>,
}

impl TokenArgument {
    fn read(&self) -> Result<Zeroizing<String>, Error> {
        if self.token.as_str() == "-" {
            Ok(files::read_stdin_line(TOKEN_LEN_MAX)?)
        } else {
            Ok(self.token.clone())
        }
    }
}

/// Why there is no token, or no verdict about one. None of them repeats a token or a key.
#[derive(Debug)]
pub(crate) enum Error {
    Login(login::Error),
    File(FileError),
    Output(OutputError),
    Device(DeviceError),
    /// The device asks its authorization server: there is no key to sign or verify with.
    NoKey,
    /// The document has no key of this id.
    UnknownKey,
    Resource(IdentifierError),
    Issuer(IdentifierError),
    Key(KeyError),
    Scope(ScopeError),
    Mint(MintError),
    /// The clock of this machine is before 1970.
    Clock,
    /// The operating system gave no randomness.
    Entropy,
    /// The token cannot be read.
    Token(TokenError),
    /// No resource server can be what the options say.
    Server(ConfigurationError),
    /// The resource server did not look at the token.
    NotDecided,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
            Self::Output(error) => error.fmt(f),
            Self::Device(error) => error.fmt(f),
            Self::NoKey => f.write_str(
                "this device asks its authorization server about tokens: there is no key here",
            ),
            Self::UnknownKey => f.write_str("the provisioning has no key of this id"),
            Self::Resource(error) => write!(f, "the resource {error}"),
            Self::Issuer(error) => write!(f, "the issuer {error}"),
            Self::Key(error) => error.fmt(f),
            Self::Scope(error) => error.fmt(f),
            Self::Mint(error) => error.fmt(f),
            Self::Clock => f.write_str("the clock of this machine is not set"),
            Self::Entropy => f.write_str("the operating system gave no randomness"),
            Self::Token(error) => write!(f, "no access token that can be read: {error}"),
            Self::Server(error) => error.fmt(f),
            Self::NotDecided => f.write_str("the token was not looked at"),
        }
    }
}

impl std::error::Error for Error {}

from_parts! {
    Error {
        File(FileError);
        Output(OutputError);
        Device(DeviceError);
        Key(KeyError);
        Scope(ScopeError);
        Token(TokenError);
    }
}
