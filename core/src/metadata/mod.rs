//! What servers say about themselves: where it stands, how it is written and read.

pub mod well_known;
