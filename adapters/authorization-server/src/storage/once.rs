//! What counts once, within one request.
//!
//! A request for tokens may be put to the protocol engine again, when another one was faster. The
//! engine then sees the same client assertion or DPoP proof a second time, and claims its id a second
//! time. Within one request that is the same use.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

tokio::task_local! {
    /// The ids that this request has claimed.
    static CLAIMED: Mutex<Vec<String>>;
}

/// Runs `work`, the answering of one request: what it claimed, it may claim again.
pub(crate) async fn claim_once<T>(work: impl Future<Output = T>) -> T {
    CLAIMED.scope(Mutex::default(), work).await
}

/// Whether this request has claimed `id`.
pub(super) fn is_claimed(id: &str) -> bool {
    let find = |claimed: &Mutex<Vec<String>>| {
        claimed.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known == id)
    };
    CLAIMED.try_with(find).unwrap_or(false)
}

/// Remembers that this request was the first to claim `id`.
pub(super) fn note(id: String) {
    let keep = |claimed: &Mutex<Vec<String>>| {
        claimed.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    };
    // Outside of a request for tokens nothing is claimed twice.
    let _ = CLAIMED.try_with(keep);
}
