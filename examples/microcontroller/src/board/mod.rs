//! What a board gives to the application; each has one folder.
//!
//! The application needs of a board: [`Board::start`] with the network device and a random seed,
//! [`provisioning`], [`now`], [`log!`] and [`halt`].

mod mps2_an385;

pub(crate) use mps2_an385::*;
