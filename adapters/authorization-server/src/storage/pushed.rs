//! The redirect URI of a request that is being pushed (RFC 9126).
//!
//! The protocol engine judges a pushed request with the registered redirect URI that the requested one
//! matches, by our rule (AS-55), and hands its storage a record with that one. What is kept is the one
//! that the client asked for.

use std::future::Future;

tokio::task_local! {
    static REDIRECT_URI: String;
}

/// Runs `work`, in which the requests that are kept have this redirect URI.
pub(crate) async fn with_redirect_uri<T>(redirect_uri: String, work: impl Future<Output = T>) -> T {
    REDIRECT_URI.scope(redirect_uri, work).await
}

/// The redirect URI of the request that this task pushes.
pub(super) fn redirect_uri() -> Option<String> {
    REDIRECT_URI.try_with(String::clone).ok()
}
