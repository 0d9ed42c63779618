//! The device asks an authorization server: one that behaves, and many that do not.

mod certificates;
mod device;
mod memory;
mod outage;
mod peer;
mod rogue;
mod sharing;
mod tls;
