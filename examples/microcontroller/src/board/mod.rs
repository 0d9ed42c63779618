//! What a board gives to the application; each has one folder.
//!
//! The firmware needs of a board: [`Board::start`] with the network device and a random seed;
//! [`provisioning`]; [`now`]; [`millicelsius`] and [`set_led`]; [`log`] and [`halt`].

mod mps2_an385;

pub(crate) use mps2_an385::*;
