//! What the command line asks for.

use std::time::Duration;

use crate::load::Plan;

pub struct Options {
    pub plan: Plan,
    pub rounds: usize,
    /// The script that runs `oidc-provider`.
    pub oidc_provider: Option<String>,
    /// An interpreter that has the SDK.
    pub python: Option<String>,
    pub peers: bool,
    pub postgresql: bool,
    /// Registrations that are attempted; none when zero.
    pub registrations: u64,
}

impl Options {
    /// `[--rounds N] [--seconds N] [--codes N] [--connections N] [--registrations N]
    /// [--oidc-provider SCRIPT] [--python PROGRAM] [--only peers|postgresql|registrations]`
    pub fn read(words: &[String]) -> Self {
        let plan = Plan { connections: 16, codes: 800, time: Duration::from_secs(2) };
        let mut options = Self {
            plan,
            rounds: 7,
            oidc_provider: None,
            python: None,
            peers: true,
            postgresql: true,
            registrations: 1_000_000,
        };
        let mut only = None;
        for pair in words.chunks(2) {
            let [name, value] = pair else { panic!("{} wants a value", pair[0]) };
            let number = || value.parse::<u64>().expect("a number");
            match name.as_str() {
                "--rounds" => options.rounds = number() as usize,
                "--seconds" => options.plan.time = Duration::from_secs(number()),
                "--codes" => options.plan.codes = number() as usize,
                "--connections" => options.plan.connections = number() as usize,
                "--registrations" => options.registrations = number(),
                "--oidc-provider" => options.oidc_provider = Some(value.clone()),
                "--python" => options.python = Some(value.clone()),
                "--only" => only = Some(value.as_str()),
                other => panic!("unknown option {other}"),
            }
        }
        assert!(options.plan.codes >= options.plan.connections, "a code for each connection");
        if let Some(only) = only {
            options.peers = only == "peers";
            options.postgresql = only == "postgresql";
            options.registrations *= u64::from(only == "registrations");
        }
        options
    }
}
