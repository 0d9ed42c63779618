//! The faults that are looked for, each with the requirements it breaks and what to do about it. Their codes are
//! part of the JSON output: they stay.

mod issuer;
mod resource;
mod server;

pub(crate) use issuer::*;
pub(crate) use resource::*;
pub(crate) use server::*;

use super::report::Severity;

/// One fault that can be found.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its name in the JSON output.
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    /// The requirements it breaks.
    pub(crate) requirements: &'static [&'static str],
    /// What is wrong.
    pub(crate) what: &'static str,
    /// What clients see of it.
    pub(crate) effect: &'static str,
    /// How it is mended.
    pub(crate) remedy: &'static str,
}
