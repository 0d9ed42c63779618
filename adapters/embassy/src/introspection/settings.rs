//! How long things may take and last.

/// The settings of an [`IntrospectionClient`](super::IntrospectionClient).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// For one question in milliseconds, from the moment a request needs it: waiting for earlier questions,
    /// connecting and the handshake included.
    pub deadline_millis: u32,
    /// How long an active answer may be used again, in seconds; never beyond the token's `exp` (RS-83). 0: never.
    pub active_secs_max: u32,
    /// How long `{"active":false}` may be used again, in seconds. 0: never.
    pub inactive_secs_max: u32,
    /// How long the connection is kept open without a question, in milliseconds.
    pub idle_millis: u32,
}

impl Default for IntrospectionSettings {
    /// 5 seconds for a question; answers are used for 30 and 10 seconds, an idle connection for 30.
    fn default() -> Self {
        Self {
            deadline_millis: 5_000,
            active_secs_max: 30,
            inactive_secs_max: 10,
            idle_millis: 30_000,
        }
    }
}
