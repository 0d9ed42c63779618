//! The part of the test image that the desktop has too.
#![no_std]

#[path = "../../src/device/mod.rs"]
pub mod device;
