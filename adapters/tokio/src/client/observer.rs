//! Watching a client at work: who said what to whom, without any secret.

use std::fmt;

use portcullis_core::client::{FetchFailure, Purpose};

/// Who takes part in a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// This program.
    Client,
    /// The user's browser.
    Browser,
    /// The MCP server.
    ResourceServer,
    /// Who gives the tokens.
    AuthorizationServer,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Client => "client",
            Self::Browser => "browser",
            Self::ResourceServer => "resource server",
            Self::AuthorizationServer => "authorization server",
        })
    }
}

impl Party {
    /// Who answers requests for this purpose.
    pub(super) const fn asked_for(purpose: Purpose) -> Self {
        match purpose {
            Purpose::ProtectedResourceMetadata => Self::ResourceServer,
            _ => Self::AuthorizationServer,
        }
    }
}

/// One HTTP request and what came of it.
///
/// Holds no secret: no query, no body, no header value of a request.
#[derive(Clone, Debug)]
pub struct Exchange<'e> {
    /// Who asked.
    pub from: Party,
    /// Who was asked.
    pub to: Party,
    /// `GET`, `POST`.
    pub method: &'e str,
    /// The URL without its query.
    pub url: &'e str,
    /// The status, or why there is none.
    pub status: Result<u16, FetchFailure>,
    /// What it means, in a few words.
    pub meaning: &'e str,
}

impl fmt::Display for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}  {} {}  ", self.from, self.to, self.method, self.url)?;
        match self.status {
            Ok(status) => write!(f, "{status}")?,
            Err(failure) => write!(f, "{failure}")?,
        }
        write!(f, "  {}", self.meaning)
    }
}

/// Is told of every exchange after it happened, and of what the user should know.
pub trait Observer: Send + Sync {
    /// One more exchange.
    fn exchange(&self, exchange: &Exchange<'_>);

    /// The server names another authorization server, `now`, than the one that gave the tokens there were, `before`:
    /// it is about to be asked for a login. Told before its page is shown, so that the user can think twice (CL-09,
    /// SEC-172). Both are a stranger's text: [`Printable`](super::Printable) is for showing it.
    fn issuer_changed(&self, before: &str, now: &str) {
        let _ = (before, now);
    }
}

impl<F: Fn(&Exchange<'_>) + Send + Sync> Observer for F {
    fn exchange(&self, exchange: &Exchange<'_>) {
        self(exchange);
    }
}

/// A URL without query and fragment.
pub(super) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// What an answer to a request of the core's machines means, by its status.
pub(super) const fn meaning_of(
    purpose: Purpose,
    status: Result<u16, FetchFailure>,
) -> &'static str {
    match (purpose, status) {
        (_, Err(_)) => "no answer",
        (_, Ok(429 | 500..)) => "in trouble",
        (Purpose::ProtectedResourceMetadata, Ok(200..=299)) => "who gives tokens for it",
        (Purpose::AuthorizationServerMetadata, Ok(200..=299)) => "its endpoints and what it can",
        (Purpose::Registration, Ok(200..=299)) => "this client is registered",
        (Purpose::CodeExchange, Ok(200..=299)) => "tokens for the code",
        (Purpose::Refresh, Ok(200..=299)) => "new tokens for the refresh token",
        (Purpose::Revocation, Ok(200..=299)) => "the tokens are in force no more",
        (Purpose::ClientCredentials, Ok(200..=299)) => "a token for the client itself",
        (Purpose::DeviceAuthorization, Ok(200..=299)) => "a code for the user to type",
        (Purpose::TokenExchange, Ok(200..=299)) => "what speaks for the user at one server",
        (Purpose::JwtBearer, Ok(200..=299)) => "a token for who was spoken for",
        (Purpose::DeviceToken, Ok(200..=299)) => "tokens: the user has logged in",
        (Purpose::DeviceToken, Ok(400)) => "no tokens yet, or none at all",
        (
            Purpose::ProtectedResourceMetadata | Purpose::AuthorizationServerMetadata,
            Ok(300..=399),
        ) => "redirect, not followed",
        (Purpose::ProtectedResourceMetadata | Purpose::AuthorizationServerMetadata, Ok(_)) => {
            "no metadata here"
        }
        (_, Ok(_)) => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_320_nothing_after_the_path_is_shown() {
        assert_eq!(without_query("https://h/p?code=hush#f"), "https://h/p");
        assert_eq!(without_query("https://h/p#access_token=hush"), "https://h/p");
        assert_eq!(without_query("https://h/p"), "https://h/p");
    }

    #[test]
    fn one_line_for_people() {
        let exchange = Exchange {
            from: Party::Client,
            to: Party::ResourceServer,
            method: "GET",
            url: "https://h/p",
            status: Ok(200),
            meaning: meaning_of(Purpose::ProtectedResourceMetadata, Ok(200)),
        };
        let expected = "client -> resource server  GET https://h/p  200  who gives tokens for it";
        assert_eq!(exchange.to_string(), expected);
        let failed = Exchange { status: Err(FetchFailure::TimedOut), ..exchange };
        assert!(failed.to_string().contains("no answer in time"));
    }
}
