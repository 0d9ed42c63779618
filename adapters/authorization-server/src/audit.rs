//! Decisions of the protocol engine, as log events without secrets (SEC-326).

use oauth_as::events::{Event, EventSink};

/// Passes what the engine reports to `tracing`. Its events carry names and outcomes only.
pub(crate) struct Audit;

impl EventSink for Audit {
    fn on_event(&self, event: Event<'_>) {
        match event {
            // The engine says so before the tokens are kept; `/token` says it afterwards.
            Event::TokenIssued { .. } => {}
            Event::GrantRefused { client_id, grant_type, error } => {
                let client_id = printable(client_id);
                tracing::info!(%client_id, %grant_type, %error, "grant refused");
            }
            Event::ClientAuthenticationFailed { client_id, failure } => {
                let client_id = printable(client_id);
                tracing::warn!(%client_id, %failure, "client authentication failed");
            }
            Event::AuthorizationCodeReplayDetected { client_id, containment_failed, .. } => {
                tracing::warn!(%client_id, containment_failed, "authorization code replayed");
            }
            Event::RefreshTokenReuseDetected { client_id, records_revoked, .. } => {
                tracing::warn!(%client_id, records_revoked, "refresh token reused");
            }
            Event::TokenRevoked { client_id, token_type, cascade_failed } => {
                tracing::info!(%client_id, ?token_type, cascade_failed, "token revoked");
            }
            _ => tracing::info!("other event of the protocol engine"),
        }
    }
}

/// A text that a stranger chose, on one line and of bounded length (SEC-321).
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn sec_321_one_line_and_short() {
        assert_eq!(printable("client-1"), "client-1");
        assert_eq!(printable("a\r\nb\u{1b}[0m"), "a\\r\\nb\\u{1b}[0m");
        assert_eq!(printable(&"x".repeat(1_000)).len(), 64);
    }
}
