//! What the firmware is made of and a desktop can test: no hardware is touched here.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod lan9118;
pub mod provisioning;
