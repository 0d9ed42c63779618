//! The protected resource metadata of the configured server, written once (RFC 9728 §2, §3).

use super::configuration::{Configuration, ConfigurationError};
use crate::{
    encoding::scratch::Scratch,
    metadata::{protected_resource::ProtectedResource, well_known},
};

/// The root form of the well-known path (RS-06).
pub(super) const ROOT_PATH: &str = "/.well-known/oauth-protected-resource";
