//! Requests that two readers could take for different ones: the desktop never takes one for more than the
//! strict readers of the device do, and what the proxy sends on is one plain request.
#![forbid(unsafe_code)]

mod bench;
mod catalogue;
mod connections;
mod generated;
mod requests;
mod servers;
mod upstream;
