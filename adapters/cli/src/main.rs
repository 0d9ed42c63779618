//! `portcullis`: OAuth 2.1 for MCP servers, as a program.
#![forbid(unsafe_code)]

mod demo;

use std::process::ExitCode;

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
    Demo(demo::Options),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let decisions = demo::Decisions::default();
    let shown = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(shown))
        .with(decisions.clone())
        .init();
    let result = tokio::runtime::Runtime::new()
        .map_err(|error| format!("the runtime does not start: {error}"))
        .and_then(|runtime| match command {
            Command::Demo(options) => {
                runtime.block_on(demo::run(&options, decisions)).map_err(|error| error.to_string())
            }
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portcullis: {error}");
            ExitCode::FAILURE
        }
    }
}
