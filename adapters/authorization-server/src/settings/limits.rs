//! How long things live, and how much of each there may be.

use std::time::Duration;

use super::SettingsError;

/// How long things live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetimes {
    /// An authorization code (AS-63).
    pub authorization_code: Duration,
    /// An access token, of either format (AS-91).
    pub access_token: Duration,
    /// A chain of refresh tokens, from the consent to its end (AS-94).
    pub refresh_token: Duration,
    /// One refresh token, until it is used (AS-94); not shorter than an access token.
    pub refresh_token_idle: Duration,
    /// A request that waits for the user to sign in and to decide.
    pub pending_authorization: Duration,
    /// A pushed authorization request, until a browser brings its name (RFC 9126 §2.2): 5 s to 10 min.
    pub pushed_request: Duration,
    /// A user's sign-in in one browser.
    pub session: Duration,
    /// A registered client that never obtained a token (LIM-16).
    pub unused_client: Duration,
    /// How old a key for ES256, EdDSA or RS256 becomes before there is a new one; a day at least.
    pub signing_key: Duration,
    /// How long a new key is published before it signs (AS-15); a minute at least. Resource servers read
    /// the key set more often than that.
    pub signing_key_publication: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            authorization_code: Duration::from_secs(60),
            access_token: Duration::from_secs(10 * 60),
            refresh_token: Duration::from_secs(30 * 24 * 60 * 60),
            refresh_token_idle: Duration::from_secs(14 * 24 * 60 * 60),
            pending_authorization: Duration::from_secs(10 * 60),
            pushed_request: Duration::from_secs(60),
            session: Duration::from_secs(60 * 60),
            unused_client: Duration::from_secs(24 * 60 * 60),
            signing_key: Duration::from_secs(90 * 24 * 60 * 60),
            signing_key_publication: Duration::from_secs(60 * 60),
        }
    }
}

impl Lifetimes {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let secs = Duration::from_secs;
        let is_good = self.access_token.as_secs() > 0
            && self.access_token <= secs(24 * 60 * 60)
            && self.authorization_code.as_secs() > 0
            && self.authorization_code <= secs(600)
            && self.refresh_token_idle >= self.access_token
            && self.pushed_request >= secs(5)
            && self.pushed_request <= secs(600)
            && self.signing_key >= secs(24 * 60 * 60)
            && self.signing_key_publication >= secs(60)
            && self.signing_key_publication <= self.signing_key;
        if is_good { Ok(()) } else { Err(SettingsError::Lifetime) }
    }
}

/// Bounds on input, on state and on attempts. Test suites raise those on attempts.
///
/// Forms are bounded by the core's own limits (LIM-8), which cannot be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a registration request (LIM-9).
    pub registration_bytes: usize,
    /// Redirect URIs of one client (LIM-9).
    pub redirect_uris: usize,
    /// Bytes of one redirect URI (LIM-9).
    pub redirect_uri_bytes: usize,
    /// Registered clients that never obtained a token (LIM-16).
    pub unused_clients: usize,
    /// Registrations from one peer in an hour (LIM-16).
    pub registrations_per_peer_per_hour: u32,
    /// Requests that wait for a user, in all (LIM-17).
    pub pending_authorizations: usize,
    /// Requests that wait for a user, from one peer (LIM-17).
    pub pending_authorizations_per_peer: usize,
    /// Pushed authorization requests that wait for a browser, in all (RFC 9126). Those that are being
    /// pushed at the same time may go beyond it.
    pub pushed_requests: usize,
    /// Authorization requests pushed from one peer in a minute (RFC 9126).
    pub pushed_requests_per_peer_per_minute: u32,
    /// Wrong secrets in a minute, for one account or client and from one peer (LIM-20).
    pub wrong_secrets_per_minute: u32,
    /// Client documents fetched for one peer in a minute (SEC-287).
    pub document_fetches_per_peer_per_minute: u32,
    /// Client documents fetched from one host in a minute, of clients that were not known (SEC-287).
    pub document_fetches_per_host_per_minute: u32,
    /// Devices that asked within the lifetime of a code, in all (RFC 8628). Those that ask at the same time
    /// may go beyond it.
    pub device_grants: usize,
    /// Devices that ask for a code, from one peer in a minute (RFC 8628).
    pub device_grants_per_peer_per_minute: u32,
    /// DPoP proofs of one peer in a minute, in bursts of as many (RFC 9449); zero sets no limit. Each is
    /// remembered for up to six minutes.
    pub dpop_proofs_per_peer_per_minute: u32,
    /// DPoP proofs of all peers in a minute that one process looks at; zero sets no limit. It bounds what is
    /// remembered: seven times as many.
    pub dpop_proofs_per_minute: u32,
    /// Requests of one peer in a second, in bursts of as many; zero sets no limit. Introspection, metadata
    /// and keys are not counted: resource servers ask as often as their callers do (SEC-445).
    pub requests_per_peer_per_second: u32,
    /// Connections that [`crate::AuthorizationServer::serve`] holds at once (LIM-15).
    pub connections: usize,
    /// Time for the head of a request, and for a TLS handshake (LIM-13, SEC-447).
    pub header_time: Duration,
    /// Longest time in which a peer takes nothing of an answer that waits for it (SEC-440, SEC-449).
    pub write_time: Duration,
    /// Time for the body of a request and its answer (LIM-14).
    pub request_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            registration_bytes: 16 * 1024,
            redirect_uris: 16,
            redirect_uri_bytes: 2 * 1024,
            unused_clients: 1_000,
            registrations_per_peer_per_hour: 10,
            pending_authorizations: 10_000,
            pending_authorizations_per_peer: 20,
            pushed_requests: 10_000,
            pushed_requests_per_peer_per_minute: 60,
            wrong_secrets_per_minute: 10,
            document_fetches_per_peer_per_minute: 20,
            document_fetches_per_host_per_minute: 60,
            device_grants: 10_000,
            device_grants_per_peer_per_minute: 20,
            dpop_proofs_per_peer_per_minute: 600,
            dpop_proofs_per_minute: 60_000,
            requests_per_peer_per_second: 100,
            connections: 1_024,
            header_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            request_time: Duration::from_secs(30),
        }
    }
}
