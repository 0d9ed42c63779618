//! `portcullis user`: those who may sign in.

use std::{
    fmt,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use portcullis_authorization_server::{Account, Accounts};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Configured, Error, configuration::Configuration, in_runtime, start_quiet_log};
use crate::{
    files::{self, FileError},
    output::{self, Rows},
};

/// Fewest bytes of a password that a person chooses (NIST SP 800-63B §5.1.1.2).
const PASSWORD_LEN_MIN: usize = 8;
/// Most bytes of a password; the forms of the server take no more.
const PASSWORD_LEN_MAX: usize = 1024;

/// What `portcullis user` can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a user. The password is asked for, or is the first line of standard input.
    Add(Named),
    /// List all users.
    List(Listed),
    /// Set another password, and end all sign-ins of the user.
    Passwd(Named),
    /// End all sign-ins of a user, and give the user's clients no more tokens.
    Disable(Named),
    /// Let a disabled user sign in again.
    Enable(Named),
    /// Remove a user.
    Remove(Named),
}

/// Whom it is about.
#[derive(Args)]
pub(crate) struct Named {
    /// The name that the user signs in with: the subject of tokens.
    name: String,
    #[command(flatten)]
    configured: Configured,
}

/// How users are listed.
#[derive(Args)]
pub(crate) struct Listed {
    #[command(flatten)]
    configured: Configured,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct List {
    users: Vec<User>,
}

#[derive(Serialize)]
struct User {
    name: String,
    disabled: bool,
    created_at: u64,
}

impl Command {
    pub(crate) fn run(&self) -> Result<ExitCode, Error> {
        match self {
            Self::List(options) => in_runtime(list(options))?,
            Self::Add(named) | Self::Passwd(named) => {
                let configuration = named.configured.load()?;
                start_quiet_log(&configuration)?;
                let is_new = matches!(self, Self::Add(_));
                if is_new && configuration.names_client(&named.name) {
                    return Err(Error::UserIsClient);
                }
                let password = read_password()?;
                in_runtime(async {
                    let accounts = accounts(&configuration).await?;
                    match is_new {
                        true => accounts.add(&named.name, &password).await?,
                        false => accounts.set_password(&named.name, &password).await?,
                    }
                    Ok(())
                })?;
            }
            Self::Disable(named) | Self::Enable(named) | Self::Remove(named) => {
                let configuration = named.configured.load()?;
                start_quiet_log(&configuration)?;
                in_runtime(async {
                    let accounts = accounts(&configuration).await?;
                    match self {
                        Self::Disable(_) => accounts.disable(&named.name).await?,
                        Self::Enable(_) => accounts.enable(&named.name).await?,
                        _ => accounts.remove(&named.name).await?,
                    }
                    Ok(())
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(options: &Listed) -> Result<(), Error> {
    let configuration = options.configured.load()?;
    start_quiet_log(&configuration)?;
    let users = accounts(&configuration).await?.list().await?;
    let user = |account: Account| User {
        name: account.name().to_owned(),
        disabled: account.is_disabled(),
        created_at: account.created_at_secs(),
    };
    let users: Vec<User> = users.into_iter().map(user).collect();
    if options.json {
        return Ok(output::json(&List { users })?);
    }
    let mut rows = Rows::new(&["name", "state", "added"]);
    for user in users {
        let state = if user.disabled { "disabled" } else { "enabled" };
        rows.push(&[&user.name, state, &output::day(user.created_at)]);
    }
    Ok(rows.print()?)
}

/// The table of users of the configured database, which is made if there is none.
async fn accounts(configuration: &Configuration) -> Result<Accounts, Error> {
    Ok(Accounts::open(&configuration.ready_database()?).await?)
}

/// A password from the terminal, typed twice and not shown; else the first line of standard input.
fn read_password() -> Result<Zeroizing<String>, PasswordError> {
    let password = if io::stdin().is_terminal() {
        let ask = |prompt| {
            rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(PasswordError::Terminal)
        };
        let password = ask("Password: ")?;
        if password != ask("Again: ")? {
            return Err(PasswordError::Different);
        }
        password
    } else {
        files::read_stdin_first_line(PASSWORD_LEN_MAX).map_err(PasswordError::Input)?
    };
    match password.len() {
        PASSWORD_LEN_MIN..=PASSWORD_LEN_MAX => Ok(password),
        _ => Err(PasswordError::Length),
    }
}

/// Why there is no password.
#[derive(Debug)]
pub(crate) enum PasswordError {
    Terminal(io::Error),
    Input(FileError),
    /// It was typed in two ways.
    Different,
    Length,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal(error) => write!(f, "the terminal: {error}"),
            Self::Input(error) => error.fmt(f),
            Self::Different => f.write_str("the two passwords are not the same"),
            Self::Length => write!(
                f,
                "a password has {PASSWORD_LEN_MIN} to {PASSWORD_LEN_MAX} bytes; type it, or give it \
                 on standard input"
            ),
        }
    }
}

impl std::error::Error for PasswordError {}
