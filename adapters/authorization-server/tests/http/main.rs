//! The authorization server over HTTP: whole flows, and each refusal beside what is accepted.

mod authorization;
mod client_data;
mod client_documents;
mod databases;
mod devices;
mod dpop;
mod dpop_clients;
mod dpop_nonces;
mod enterprise;
mod enterprise_users;
mod flow;
mod grant_model;
mod harness;
mod introspection;
mod keys;
mod kills;
mod legacy;
mod logs;
mod management;
mod openid;
#[path = "../support/openid_key.rs"]
mod openid_key;
#[path = "../support/openid_provider.rs"]
mod openid_provider;
mod pages;
#[path = "../support/postgresql.rs"]
mod postgresql;
mod processes;
mod pushed;
mod races;
mod registration;
mod services;
mod serving;
mod signing_keys;
#[path = "../support/site.rs"]
mod site;
mod stored;
mod testing;
mod tls;
mod token;
mod users;
mod workloads;
