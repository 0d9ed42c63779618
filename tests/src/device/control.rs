//! What a driver and the test image tell each other beside the requests.
//!
//! One connection, kept for the whole run: a [`Command`], then a [`Report`], and so on. Each is a frame:
//! its length in four bytes, most significant first, and as many bytes of postcard.

use serde::{Deserialize, Serialize};

use super::{configuration::Server, introspection::ScriptedAnswer};

/// Where the image expects the connection.
pub const CONTROL_PORT: u16 = 81;
/// Longest command in bytes: an answer of the authorization server that is longer than any body may be.
pub const COMMAND_LEN_MAX: usize = 1024 * 1024 + 4 * 1024;
/// Longest report in bytes.
pub const REPORT_LEN_MAX: usize = 16;
/// Bytes that say how long a frame is.
pub const LEN_LEN: usize = size_of::<u32>();

/// What the image is told to do.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Command<'b> {
    /// Gets ready for the exchange to come. No connection is open, and none stays open.
    Prepare {
        /// How the server is configured.
        server: Server,
        /// Seconds since 1970, where the clock knows them.
        now: Option<u64>,
        /// What comes back when the authorization server is asked.
        #[serde(borrow)]
        introspection: Option<ScriptedAnswer<'b>>,
    },
    /// Only reports.
    Report,
}

/// What happened since the image got ready.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How often the service behind ran.
    pub runs: usize,
    /// How often the authorization server was asked.
    pub questions: usize,
}
