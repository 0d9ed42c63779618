//! `portcullis protect`: a reverse proxy that makes any MCP server a protected resource.
//!
//! ```text
//! protect --upstream URL --resource URL --issuer URL    serve; tokens are checked with the issuer's published keys
//! protect --config FILE                                 serve as the file says
//! protect --check …                                     look for mistakes, and nothing else
//! protect --example-config                              every key of the configuration, with comments
//! ```

mod configuration;
mod flags;
mod serving;

use std::{fmt, io, path::PathBuf, process::ExitCode};

use clap::Args;

use configuration::{Configuration, EXAMPLE};

use crate::{
    errors::from_parts,
    output::{self, OutputError},
    serving::{ServingError, configuration::ConfigurationError, log},
};

/// How the proxy is run.
#[derive(Args)]
pub(crate) struct Options {
    /// The configuration file, in place of the flags below.
    #[arg(long, value_name = "FILE", conflicts_with = "Flags", required_unless_present_any = ["upstream", "example_config"])]
    config: Option<PathBuf>,
    /// Look for mistakes in the configuration and end: 0 when there is none, 1 with a list of them.
    #[arg(long)]
    check: bool,
    /// Print a configuration with every key and what it means, and end.
    #[arg(long, exclusive = true)]
    example_config: bool,
    #[command(flatten)]
    flags: flags::Flags,
}

/// Serves, or what was asked for instead.
pub(crate) fn run(options: Options) -> Result<ExitCode, Error> {
    if options.example_config {
        output::line(EXAMPLE.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let configuration = match &options.config {
        Some(path) => Configuration::read(path)?,
        None => options.flags.configuration()?,
    };
    if options.check {
        configuration.check()?;
        output::line("The configuration is good.")?;
        return Ok(ExitCode::SUCCESS);
    }
    log::start(configuration.log.format, configuration.log.level, None)
        .map_err(|error| Error::Problems(vec![error.to_string()]))?;
    let runtime = tokio::runtime::Runtime::new().map_err(Error::Runtime)?;
    runtime.block_on(serving::run(configuration))
}

/// Why the proxy does not serve.
#[derive(Debug)]
pub(crate) enum Error {
    Configuration(ConfigurationError),
    /// Everything that is wrong with the configuration.
    Problems(Vec<String>),
    Serving(ServingError),
    Output(OutputError),
    Runtime(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(error) => error.fmt(f),
            Self::Problems(problems) => {
                write!(f, "the configuration cannot be used:")?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
            Self::Serving(error) => error.fmt(f),
            Self::Output(error) => error.fmt(f),
            Self::Runtime(error) => write!(f, "the runtime does not start: {error}"),
        }
    }
}

impl std::error::Error for Error {}

from_parts! {
    Error {
        Configuration(ConfigurationError);
        Serving(ServingError);
        Output(OutputError);
    }
}
