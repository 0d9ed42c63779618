//! The machines.

pub fn all() {}
