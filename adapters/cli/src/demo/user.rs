//! The demo's user, who signs in by script, and what is shown of it.

use std::{io, sync::Arc};

use portcullis_authorization_server::testing::{self, User};
use portcullis_tokio::client::{Exchange, OpenBrowser, Party};

use super::journal::Journal;

/// The demo's user, whose every step is shown.
pub(crate) fn user(journal: &Arc<Journal>) -> User {
    let journal = Arc::clone(journal);
    User::demo().watched_by(move |exchange: &testing::Exchange<'_>| {
        journal.exchange(&Exchange {
            from: Party::Browser,
            to: Party::AuthorizationServer,
            method: exchange.method,
            url: exchange.url,
            status: Ok(exchange.status),
            meaning: meaning(exchange),
        });
    })
}

/// That user, as the browser of our own client: goes home to its listener, too.
pub(crate) fn browser(journal: &Arc<Journal>) -> impl OpenBrowser + 'static {
    let user = user(journal);
    move |url: String| {
        let user = user.clone();
        async move {
            let back = user.authorize(&url).await.map_err(io::Error::other)?;
            user.open(&back).await.map_err(io::Error::other)
        }
    }
}

/// What an answer of the authorization server's pages means.
fn meaning(exchange: &testing::Exchange<'_>) -> &'static str {
    match (exchange.method, exchange.status) {
        ("GET", 200..=299) => "a page with a form",
        ("POST", 300..=399) => "what was filled in is accepted",
        ("POST", 200..=299) => "the form once more",
        (_, 300..=399) => "sent on",
        _ => "refused",
    }
}
