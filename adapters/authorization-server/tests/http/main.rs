//! The authorization server over HTTP: whole flows, and each refusal beside what is accepted.

mod authorization;
mod client_data;
mod databases;
mod flow;
mod harness;
mod introspection;
mod kills;
mod logs;
mod pages;
#[path = "../support/postgresql.rs"]
mod postgresql;
mod processes;
mod races;
mod registration;
mod serving;
mod signing_keys;
mod stored;
mod tls;
mod token;
mod users;
