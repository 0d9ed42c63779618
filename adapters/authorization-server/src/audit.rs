//! Who was granted or refused what, and what administrators changed (SEC-326).
//!
//! One event for each decision, with the target `audit`, so that a subscriber can keep them apart: names
//! and outcomes, never a secret. Each is counted, too: `portcullis_audit_events_total{event}`.

use oauth_as::events::{Event, EventSink};

use crate::throttle::Peer;

/// Reports and counts one decision: level, event, fields.
macro_rules! audit {
    ($level:ident, $event:literal $(, $($fields:tt)+)?) => {{
        metrics::counter!("portcullis_audit_events_total", "event" => $event).increment(1);
        tracing::$level!(target: "audit", $($($fields)+,)? $event);
    }};
}
pub(crate) use audit;

/// Somebody asked for more than anybody may (LIM-16, LIM-17, LIM-20).
pub(crate) fn limited(what: &'static str, peer: Peer) {
    audit!(warn, "limit reached", limit = what, %peer);
}

/// Passes what the engine reports to `tracing`. Its events carry names and outcomes only.
pub(crate) struct Audit;

impl EventSink for Audit {
    fn on_event(&self, event: Event<'_>) {
        match event {
            // The engine says so before the tokens are kept; `/token` says it afterwards.
            Event::TokenIssued { .. } => {}
            Event::GrantRefused { client_id, grant_type, error } => {
                let client_id = printable(client_id);
                audit!(info, "grant refused", %client_id, %grant_type, %error);
            }
            Event::ClientAuthenticationFailed { client_id, failure } => {
                let client_id = printable(client_id);
                audit!(warn, "client authentication failed", %client_id, %failure);
            }
            Event::DpopProofRefused { failure } => audit!(warn, "DPoP proof refused", %failure),
            Event::AuthorizationCodeReplayDetected { client_id, containment_failed, .. } => {
                audit!(warn, "authorization code replayed", %client_id, containment_failed);
            }
            Event::RefreshTokenReuseDetected { client_id, records_revoked, .. } => {
                audit!(warn, "refresh token reused", %client_id, records_revoked);
            }
            Event::TokenRevoked { client_id, token_type, cascade_failed } => {
                audit!(info, "token revoked", %client_id, ?token_type, cascade_failed);
            }
            _ => audit!(info, "other event of the protocol engine"),
        }
    }
}

/// A text that a stranger chose, on one line and of bounded length (SEC-321).
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::printable;

    proptest! {
        /// Whatever a stranger sends, it stays on its line and inside of its quotes.
        #[test]
        fn sec_321_no_text_leaves_its_line(text in any::<String>()) {
            let printed = printable(&text);
            prop_assert!(printed.bytes().all(|b| (b' '..=b'~').contains(&b)), "{printed}");
            let longest = char::escape_default(char::MAX).len();
            prop_assert!(printed.len() <= 64 * longest, "{printed}");
            let unescaped = printed.replace("\\\\", "").replace("\\\"", "").replace("\\'", "");
            prop_assert!(!unescaped.contains(['"', '\'']), "{printed}");
        }
    }

    #[test]
    fn sec_321_one_line_and_short() {
        assert_eq!(printable("client-1"), "client-1");
        assert_eq!(printable("a\r\nb\u{1b}[0m"), "a\\r\\nb\\u{1b}[0m");
        assert_eq!(printable(&"x".repeat(1_000)).len(), 64);
    }
}
