//! The program as people and scripts run it: what it prints, what it writes, how it ends.

mod authorization_server;
mod demo;
mod doctor;
mod harness;
mod key;
mod login;
mod protect;
mod tls;
mod token;
