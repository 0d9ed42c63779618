//! The authorization server over HTTP: whole flows, and each refusal beside what is accepted.

mod authorization;
mod client_data;
mod flow;
mod harness;
mod introspection;
mod logs;
mod pages;
mod registration;
mod serving;
mod signing_keys;
mod tls;
mod token;
