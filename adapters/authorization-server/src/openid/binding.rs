//! What binds an answer of the provider to the browser and the request that asked for it.

use super::Secrets;
use crate::secrets::{EntropyError, FormTokens, random_text};

const STATE: &str = "openid state";
const NONCE: &str = "openid nonce";
const VERIFIER: &str = "openid verifier";

/// One attempt to sign in: a waiting request, and a number that no other attempt has.
pub(super) struct Attempt<'a> {
    pub(super) request: &'a str,
    number: String,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(request: &'a str) -> Result<Self, EntropyError> {
        Ok(Self { request, number: random_text()? })
    }

    /// The attempt that `state` is about, if this browser began it (SEC-470, SEC-215).
    pub(super) fn of(state: &'a str, browser: &str, macs: &FormTokens) -> Option<Self> {
        let (rest, mac) = state.rsplit_once('.')?;
        let (request, number) = rest.split_once('.')?;
        let attempt = Self { request, number: number.to_owned() };
        macs.accepts(STATE, &attempt.record(), browser, mac).then_some(attempt)
    }

    /// Each is a MAC of its own purpose: who learns one, as the provider learns state and nonce, learns
    /// nothing of the verifier.
    pub(super) fn secrets(&self, browser: &str, macs: &FormTokens) -> Secrets {
        let record = self.record();
        let made = |purpose| macs.issue(purpose, &record, browser);
        Secrets {
            state: format!("{record}.{}", made(STATE)),
            nonce: made(NONCE),
            verifier: made(VERIFIER),
        }
    }

    fn record(&self) -> String {
        format!("{}.{}", self.request, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_470_a_state_is_for_one_browser_one_request_one_attempt() {
        let macs = FormTokens::new(&[1; 32]).unwrap();
        let attempt = Attempt::new("request-1").unwrap();
        let secrets = attempt.secrets("browser", &macs);
        let again = Attempt::of(&secrets.state, "browser", &macs).unwrap();
        assert_eq!(again.request, "request-1");
        let same = again.secrets("browser", &macs);
        assert_eq!((&same.nonce, &same.verifier), (&secrets.nonce, &secrets.verifier));
        // RFC 7636 §4.1: 43 to 128 characters.
        assert_eq!(secrets.verifier.len(), 43);

        assert!(Attempt::of(&secrets.state, "another browser", &macs).is_none());
        let other_server = FormTokens::new(&[2; 32]).unwrap();
        assert!(Attempt::of(&secrets.state, "browser", &other_server).is_none());
        let swapped = secrets.state.replace("request-1", "request-2");
        for bad in [swapped.as_str(), "", ".", "..", "request-1", &secrets.nonce] {
            assert!(Attempt::of(bad, "browser", &macs).is_none(), "{bad}");
        }
        let other = Attempt::new("request-1").unwrap().secrets("browser", &macs);
        assert_ne!((other.state, other.nonce), (secrets.state, secrets.nonce));
        assert_ne!(other.verifier, secrets.verifier);
    }
}
