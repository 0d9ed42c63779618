//! What the firmware is made of: the board, and parts that a desktop can test.
#![no_std]

#[cfg(test)]
extern crate std;

#[cfg(target_os = "none")]
pub mod board;
pub mod entropy;
pub mod lan9118;
pub mod provisioning;
pub mod rp2040;
