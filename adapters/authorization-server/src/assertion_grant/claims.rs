//! What every assertion must say (RFC 7523 §3, ID-JAG §3.1).

use portcullis_core::limits::LIFETIME_SECS_MAX_DESKTOP;
use serde::Deserialize;
use serde_json::Value;

use super::error::AssertionError;
use crate::jws::{self, Audience, Others};

/// The claims of an assertion that a key of its issuer verified.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    aud: Audience,
    pub(super) exp: u64,
    iat: u64,
    nbf: Option<u64>,
    pub(super) jti: String,
    #[serde(flatten)]
    others: Others,
}

impl Claims {
    pub(super) fn read(payload: &[u8]) -> Result<Self, AssertionError> {
        serde_json::from_slice(payload).map_err(|_| AssertionError::Claims)
    }

    /// Checks issuer, audience, times and names.
    pub(super) fn check(
        &self,
        issuer: &str,
        is_own: impl Fn(&str) -> bool,
        now_secs: u64,
    ) -> Result<(), AssertionError> {
        if self.iss != issuer {
            return Err(AssertionError::Issuer);
        }
        if !self.aud.is_only(is_own) {
            return Err(AssertionError::Audience);
        }
        if jws::has_expired(self.exp, now_secs) {
            return Err(AssertionError::Expired);
        }
        if jws::is_ahead(self.iat, now_secs)
            || self.nbf.is_some_and(|nbf| jws::is_ahead(nbf, now_secs))
        {
            return Err(AssertionError::NotYet);
        }
        // What counts once is remembered for so long (SEC-254, LIM-19).
        let lifetime_max = u64::from(LIFETIME_SECS_MAX_DESKTOP);
        if self.exp.saturating_sub(self.iat) > lifetime_max || self.exp < self.iat {
            return Err(AssertionError::Lifetime);
        }
        if self.jti.is_empty() || !jws::is_subject(&self.sub) {
            return Err(AssertionError::Claims);
        }
        Ok(())
    }

    /// A claim that is not checked above.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.others.0.get(name)
    }

    /// The text of a claim, if it is there. One of another type is an error, never absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, AssertionError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(AssertionError::Claims),
        }
    }

    /// The thumbprint of the key that whoever presents the assertion must prove to have (RFC 7800, EM-13). Another
    /// way to bind it is none that can be checked here.
    pub(super) fn bound_to(&self) -> Result<Option<String>, AssertionError> {
        let Some(confirmation) = self.get("cnf") else { return Ok(None) };
        match confirmation.as_object().map(|it| (it.len(), it.get("jkt").and_then(Value::as_str))) {
            Some((1, Some(thumbprint))) => Ok(Some(thumbprint.to_owned())),
            _ => Err(AssertionError::Claims),
        }
    }
}
