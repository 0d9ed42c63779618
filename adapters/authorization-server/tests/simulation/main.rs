//! Authorization server, resource server and client on a simulated network with simulated clocks.
//!
//! Real: the routes of both servers, the resource server's introspection and key fetching, HTTP. Simulated
//! by `turmoil`: connections, their latency and loss, the timers. The records are in memory and outlive a
//! crash of their host, as a database does; disks and threads have no part in simulated time
//! (`tests/http/kills.rs` kills processes with databases).
//!
//! Every run prints its seed. `PORTCULLIS_SEED=…` runs that one alone.

mod clocks;
mod codes;
mod keys;
mod overload;
mod partitions;
mod restarts;
mod world;
