//! The keys of a device: changed while it serves.

mod live_ring;
#[cfg(feature = "storage")]
pub mod storage;

pub use live_ring::LiveKeyRing;
