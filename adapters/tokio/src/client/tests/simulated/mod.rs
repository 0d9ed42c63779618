//! The client on a simulated network: packets that are late or lost, hosts that die, answers that break off.
//!
//! Real: all of the client. Simulated by `turmoil`: connections, their latency and loss, the timers. Only
//! what the user's browser brings back goes over the system's loopback.
//!
//! Every run prints its seed. `PORTCULLIS_SEED=…` runs that one alone.

mod hostile;
mod issuers;
mod net;
mod processes;
mod rebinding;
mod refreshing;
#[cfg(feature = "rmcp")]
mod streams;
