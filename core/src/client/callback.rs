//! The authorization response (RFC 6749 §4.1.2, RFC 9207).

use super::{Authorization, Client, ErrorResponse, Pkce, authorization::Pending};
use crate::{
    encoding::{form::Form, scratch::Scratch},
    scope::ScopeSet,
};

/// Longest authorization code in bytes.
pub const CODE_LEN_MAX: usize = 2 * 1024;

/// What a request to the redirect URI means.
#[derive(Debug)]
#[must_use = "an unread callback leaves the flow hanging"]
pub enum Callback<'s> {
    /// Not the answer to this request: anybody can send one. Wait on (SEC-466, SEC-473).
    Ignored(Ignored),
    /// The authorization server granted access.
    Granted(CodeGrant<'s>),
    /// The authorization server, or the user, refused.
    Denied(ErrorResponse<'s>),
    /// The answer carries our `state` but must not be used. The flow is over, no code was sent
    /// anywhere, and no text of the answer is to be shown (CL-52).
    Refused(CallbackError),
}

/// Why a callback is not the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// Not a form, or a parameter stands twice (CL-54).
    Malformed,
    /// `state` is missing or not ours (CL-46).
    State,
    /// The answer came before (SEC-465).
    Spent,
}

/// Why the answer must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackError {
    /// `iss` is missing though promised, or is another issuer: a mix-up (RFC 9207 §2.4).
    Issuer,
    /// Neither a code nor an error, or both, or one that cannot be read.
    Content,
    /// No room in the caller's buffer.
    BufferFull,
}

impl core::fmt::Display for CallbackError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Issuer => "answer comes from another authorization server",
            Self::Content => "answer has neither a code nor an error",
            Self::BufferFull => "no room for the answer",
        })
    }
}

impl core::error::Error for CallbackError {}

/// A code with everything its exchange needs: proof of a checked callback.
pub struct CodeGrant<'s> {
    pub(super) code: &'s str,
    pub(super) pkce: Pkce,
    pub(super) client: Client<'s>,
    pub(super) token_endpoint: &'s str,
    pub(super) redirect_uri: &'s str,
    pub(super) resource: &'s str,
    pub(super) resource_parameter: Option<&'s str>,
    pub(super) scope: ScopeSet<'s>,
}

impl core::fmt::Debug for CodeGrant<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CodeGrant")
            .field("token_endpoint", &self.token_endpoint)
            .finish_non_exhaustive()
    }
}

impl<'s> Authorization<'s> {
    /// Checks what came to the redirect URI: `query` is what followed the `?`.
    ///
    /// `state` first (constant time, single use), then `iss` by the table of RFC 9207, and only
    /// then is anything else looked at. A callback that is ignored takes no room in `scratch`.
    pub fn handle_callback(&mut self, query: &str, scratch: &mut Scratch<'s>) -> Callback<'s> {
        let pending = match self.take_pending(query, scratch) {
            Ok(pending) => pending,
            Err(ignored) => return Callback::Ignored(ignored),
        };
        match self.read_answer(query, pending, scratch) {
            Ok(callback) => callback,
            Err(error) => Callback::Refused(error),
        }
    }

    fn take_pending(&mut self, query: &str, scratch: &mut Scratch<'s>) -> Result<Pending, Ignored> {
        let pending = self.pending.take().ok_or(Ignored::Spent)?;
        let verdict = match Form::parse(query.as_bytes()) {
            Ok(form) if has_state(form, &pending, scratch) => return Ok(pending),
            Ok(_) => Ignored::State,
            Err(_) => Ignored::Malformed,
        };
        self.pending = Some(pending);
        Err(verdict)
    }

    fn read_answer(
        &self,
        query: &str,
        pending: Pending,
        scratch: &mut Scratch<'s>,
    ) -> Result<Callback<'s>, CallbackError> {
        let query = super::kept(query, scratch).map_err(|_| CallbackError::BufferFull)?;
        let form = Form::parse(query.as_bytes()).map_err(|_| CallbackError::Content)?;
        // RFC 9207 §2.4, on errors too (CL-52). Form-decoded and compared as it is (CL-51).
        let issuer_fits = match form.value("iss") {
            Some(issuer) => issuer.eq_str(self.client.issuer),
            None => !self.iss_promised,
        };
        if !issuer_fits {
            return Err(CallbackError::Issuer);
        }
        match (form.value("code"), form.value("error")) {
            (Some(code), None) => {
                let code = code.read(scratch).map_err(|_| CallbackError::BufferFull)?;
                if code.is_empty() || code.len() > CODE_LEN_MAX || !code.bytes().all(is_vschar) {
                    return Err(CallbackError::Content);
                }
                Ok(Callback::Granted(CodeGrant {
                    code,
                    pkce: pending.pkce,
                    client: self.client,
                    token_endpoint: self.token_endpoint,
                    redirect_uri: self.redirect_uri,
                    resource: self.resource,
                    resource_parameter: self.resource_parameter,
                    scope: self.scope,
                }))
            }
            (None, Some(_)) => ErrorResponse::from_form(form, scratch)
                .map(Callback::Denied)
                .ok_or(CallbackError::Content),
            (Some(_), Some(_)) | (None, None) => Err(CallbackError::Content),
        }
    }
}

/// Whether the form has the pending `state`; decoded in free memory that is not kept.
fn has_state(form: Form<'_>, pending: &Pending, scratch: &mut Scratch<'_>) -> bool {
    let Some(received) = form.value("state") else {
        return false;
    };
    let mut same = false;
    let nothing_kept = scratch.fill(|free| {
        let received = received.read(&mut Scratch::new(free));
        same = received.is_ok_and(|received| pending.state.is(received));
        Ok::<usize, crate::encoding::scratch::BufferFull>(0)
    });
    nothing_kept.is_ok() && same
}

/// `VSCHAR` (RFC 6749 Appendix A.11).
const fn is_vschar(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E)
}

#[cfg(test)]
mod tests;
