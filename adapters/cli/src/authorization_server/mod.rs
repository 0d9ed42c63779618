//! `portcullis authorization-server`: the authorization server for production, and its administration.
//!
//! ```text
//! authorization-server                    serve; in an empty folder keys and database are made first
//! authorization-server --check            look for mistakes in the configuration, and nothing else
//! authorization-server --example-config   every key of the configuration, with comments
//! user add|list|passwd|disable|enable|remove
//! client add|list|remove
//! ```

mod client;
mod configuration;
mod database_url;
mod secret_files;
mod serving;
mod settings;
mod user;

use std::{fmt, future::Future, io, path::PathBuf, process::ExitCode};

use clap::Args;
use portcullis_authorization_server::{AccountError, ClientError, SettingsError};

pub(crate) use client::Command as ClientCommand;
use configuration::{Configuration, EXAMPLE};
use settings::Problem;
pub(crate) use user::Command as UserCommand;

use crate::{
    errors::from_parts,
    files::FileError,
    output::{self, OutputError},
    serving::{
        ServingError,
        configuration::ConfigurationError,
        log::{self, AuditFile, Level},
    },
};

/// How the server is run.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    configured: Configured,
    /// Look for mistakes in the configuration and end: 0 when there is none, 1 with a list of them.
    #[arg(long)]
    check: bool,
    /// Print a configuration with every key and what it means, and end.
    #[arg(long, exclusive = true)]
    example_config: bool,
}

/// Where the configuration is.
#[derive(Args)]
struct Configured {
    /// The configuration file. Without it `portcullis.toml` in the working folder is read, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Configured {
    fn load(&self) -> Result<Configuration, Error> {
        Ok(Configuration::load(self.config.as_deref())?)
    }
}

/// Serves, or what was asked for instead.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    if options.example_config {
        output::line(EXAMPLE.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let configuration = options.configured.load()?;
    if options.check {
        return in_runtime(check(&configuration));
    }
    let audit = start_log(&configuration, configuration.log.level)?;
    in_runtime(serving::run(&configuration, audit))
}

/// Starts the log of a server; gives the audit file, if there is one.
fn start_log(configuration: &Configuration, level: Level) -> Result<Option<AuditFile>, Error> {
    Ok(log::start(configuration.log.format, level, configuration.audit_file())?)
}

/// Starts the log of an administrator's command, which says nothing on the terminal as long as all is well.
fn start_quiet_log(configuration: &Configuration) -> Result<(), Error> {
    start_log(configuration, Level::Warn).map(drop)
}

/// Prints whether the configuration is one that would be served.
async fn check(configuration: &Configuration) -> Result<ExitCode, Error> {
    let mut problems = settings::problems(configuration);
    if let Ok(database) = configuration.database()
        && let Err(error) = database.check().await
    {
        problems.push(Problem::new(format!("database: {error}")));
    }
    if problems.is_empty() {
        output::line("The configuration is good.")?;
        return Ok(ExitCode::SUCCESS);
    }
    Err(Error::Problems(problems))
}

/// Runs to the end on a runtime of its own.
fn in_runtime<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::runtime::Runtime::new().map_err(Error::Runtime)?.block_on(work)
}

/// Why the server, or its administration, did not do what was asked.
#[derive(Debug)]
pub(crate) enum Error {
    Configuration(ConfigurationError),
    /// Everything that is wrong with the configuration.
    Problems(Vec<Problem>),
    File(FileError),
    Output(OutputError),
    Runtime(io::Error),
    /// The operating system gave no randomness.
    Entropy,
    Settings(SettingsError),
    Serving(ServingError),
    Account(AccountError),
    /// A user may not be named like a client.
    UserIsClient,
    Password(user::PasswordError),
    Client(ClientError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(error) => error.fmt(f),
            Self::Problems(problems) => {
                write!(f, "the configuration cannot be used:")?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
            Self::File(error) => error.fmt(f),
            Self::Output(error) => error.fmt(f),
            Self::Runtime(error) => write!(f, "the runtime does not start: {error}"),
            Self::Entropy => f.write_str("the operating system gave no randomness"),
            Self::Settings(error) => error.fmt(f),
            Self::Serving(error) => error.fmt(f),
            Self::Account(error) => error.fmt(f),
            Self::UserIsClient => f.write_str("a client of the configuration has this name"),
            Self::Password(error) => error.fmt(f),
            Self::Client(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

from_parts! {
    Error {
        Configuration(ConfigurationError);
        File(FileError);
        Output(OutputError);
        Settings(SettingsError);
        Serving(ServingError);
        Account(AccountError);
        Password(user::PasswordError);
        Client(ClientError);
    }
}
