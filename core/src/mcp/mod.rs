//! What the Model Context Protocol itself asks of a request: the JSON-RPC envelope, the headers that
//! mirror it, and the two eras of the protocol.
//!
//! [`Envelope::read`] judges a body once, whatever its era, and gives the method and the name that
//! the scope check rests on. What a method does is the business of the server behind; [`server`] is one
//! with tools only, for hosts that have no library for it.

mod body;
mod envelope;
mod error;
mod header_value;
mod id;
mod media_type;
mod mirror;
mod param_header;
pub mod server;
mod version;

pub use envelope::{BodyLimits, Envelope, Message};
pub use error::{EnvelopeError, ErrorBody, Fault, MirroredHeader};
pub use header_value::{HeaderValue, header_value};
pub use id::Id;
pub use param_header::{Argument, param_header};
pub use version::{Era, Versions, VersionsError};
