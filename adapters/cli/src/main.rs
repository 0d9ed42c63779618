//! `portcullis`: OAuth 2.1 for MCP servers, as a program.
#![forbid(unsafe_code)]

mod authorization_server;
mod demo;
mod device;
mod doctor;
mod errors;
mod files;
mod key;
mod login;
mod output;
mod protect;
mod serving;
mod token;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// OAuth 2.1 for Model Context Protocol servers.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Authorization server, protected MCP server and one whole flow, step by step, on this machine.
    Demo(Box<demo::Options>),
    /// The authorization server: in an empty folder it makes its keys and database, and serves.
    AuthorizationServer(Box<authorization_server::Options>),
    /// A reverse proxy that makes any MCP server a protected resource.
    Protect(Box<protect::Options>),
    /// Users of the authorization server: those who may sign in.
    #[command(subcommand)]
    User(Box<authorization_server::UserCommand>),
    /// Clients of the authorization server that do not register themselves.
    #[command(subcommand)]
    Client(Box<authorization_server::ClientCommand>),
    /// Keys: a master key, the key of one resource server, what one device is provisioned with.
    #[command(subcommand)]
    Key(Box<key::Command>),
    /// Log in to an MCP server, in the browser; the tokens are kept for `token get`.
    Login(Box<login::Options>),
    /// End a login: the tokens are revoked, where the authorization server does that, and forgotten.
    Logout(Box<login::LogoutOptions>),
    /// Access tokens: get one of a login, sign one, look into one, check one as a server would.
    #[command(subcommand)]
    Token(Box<token::Command>),
    /// What a remote MCP server and its authorization servers get wrong, and how to mend it.
    Doctor(Box<doctor::Options>),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let (result, trouble) = match command {
        Command::Demo(options) => (run_demo(&options), ExitCode::FAILURE),
        Command::AuthorizationServer(options) => {
            (authorization_server::run(&options).map_err(Into::into), ExitCode::FAILURE)
        }
        Command::Protect(options) => {
            (protect::run(*options).map_err(Into::into), ExitCode::FAILURE)
        }
        Command::User(command) => (command.run().map_err(Into::into), ExitCode::FAILURE),
        Command::Client(command) => (command.run().map_err(Into::into), ExitCode::FAILURE),
        Command::Key(command) => (command.run().map_err(Into::into), ExitCode::FAILURE),
        Command::Login(options) => (options.run().map_err(Into::into), ExitCode::FAILURE),
        Command::Logout(options) => (options.run().map_err(Into::into), login::TROUBLE.into()),
        Command::Token(command) => (command.run().map_err(Into::into), command.trouble()),
        Command::Doctor(options) => {
            (doctor::run(&options).map_err(Into::into), doctor::NOT_CHECKED.into())
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("portcullis: {error}");
        trouble
    })
}

fn run_demo(options: &demo::Options) -> Result<ExitCode, Box<dyn Error>> {
    let decisions = demo::Decisions::default();
    let shown = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(shown))
        .with(decisions.clone())
        .init();
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| format!("the runtime does not start: {error}"))?;
    runtime.block_on(demo::run(options, decisions))?;
    Ok(ExitCode::SUCCESS)
}
