//! The client's side: from a bare 401 to a token, as machines without I/O.
//!
//! ```text
//!  401, or only a URL
//!        │
//!    Discovery ──────► Discovered        whose server this is, checked (§4.1, §4.2)
//!        │
//!   Registration ────► Client            who we are there (§4.3)
//!        │
//!  Authorization ────► URL for the user's browser … callback ──► CodeGrant (§4.4, §4.5)
//!        │
//!   TokenRequest ────► Tokens            (§4.6)
//! ```
//!
//! Where no user has a browser here, other ways lead from `Discovered` and `Client` to `Tokens`:
//! [`DeviceRequest`] shows a code for another machine, [`TokenRequest::client_credentials`] is for the client
//! itself, and by features an enterprise's identity provider or the platform of a workload speaks for it.
//!
//! Each step needs the value that the step before it made, and nobody else can make one: there is no
//! authorization request without validated metadata, and no token request without a checked callback.
//! A machine says what to send ([`Machine::poll`]) and takes what arrived ([`Machine::handle_response`]);
//! texts that outlive a response are copied to the caller's buffer. Issuers, resource identifiers and
//! URLs stay the strings that were received: nothing is normalised.
//!
#![doc = include_str!("requirements.md")]

mod attempts;
mod authorization;
mod callback;
mod client_assertion;
mod client_authentication;
mod client_credentials;
mod device;
mod discovery;
#[cfg(feature = "dpop")]
pub mod dpop;
#[cfg(feature = "enterprise-managed")]
mod enterprise;
mod error_response;
mod fetch;
mod form_post;
mod grant;
mod identity;
#[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
mod jwt_bearer;
mod pkce;
mod random_text;
mod registration;
mod revocation;
mod scope_choice;
mod server_choice;
mod signer;
mod step_up;
#[cfg(test)]
mod testkit;
mod token_request;
mod tokens;
mod url_policy;
#[cfg(feature = "workload-identity")]
mod workload_identity;

pub use attempts::{Attempts, Reaction};
pub use authorization::{Authorization, AuthorizationError, Entropy, Wish};
pub use callback::{CODE_LEN_MAX, Callback, CallbackError, CodeGrant, Ignored};
pub use client_assertion::Freshness;
pub use client_authentication::ClientAuthentication;
pub use device::{
    DEVICE_ANSWER_LEN_MAX, DEVICE_EXPIRES_IN_SECS_MAX, DeviceError, DeviceGrant, DevicePoll,
    DeviceRequest, POLL_INTERVAL_SECS_MAX, USER_CODE_LEN_MAX,
};
pub use discovery::{Discovered, Discovery, DiscoveryError, LegacyResource};
#[cfg(feature = "enterprise-managed")]
pub use enterprise::{IdJagError, IdJagRequest, IdentityProvider, SubjectToken};
pub use error_response::ErrorResponse;
pub use fetch::{FetchFailure, Machine, Method, OutgoingRequest, Output, Purpose};
pub use grant::Grant;
pub use identity::{Client, ClientSecret, Identity, KnownClient, Origin};
#[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
pub use jwt_bearer::Assertion;
pub use pkce::Pkce;
pub use random_text::RandomText;
pub use registration::{
    CLIENT_ID_LEN_MAX, REGISTRATION_ANSWER_LEN_MAX, Registration, RegistrationError,
};
pub use revocation::{Revocation, RevocationError, TokenKind};
pub use server_choice::{ISSUERS_TRIED_MAX, Preferences, ResourceMatch};
pub use signer::{ClientKey, SignError, Signer, SigningAlgorithm, write_jws};
pub use step_up::{KnownScopes, StepUpError, step_up};
pub use token_request::{
    AfterRefresh, Proving, TOKEN_ANSWER_LEN_MAX, TokenRequest, TokenRequestError,
};
pub use tokens::{
    EXPIRES_IN_SECS_DEFAULT, EXPIRES_IN_SECS_MAX, RefreshToken, StoredTokens, Tokens,
};
pub use url_policy::{URL_LEN_MAX, UrlPolicy, UrlRefusal};

use crate::encoding::{
    scratch::{BufferFull, Scratch},
    text,
};

/// Keeps a copy of a body, so that its parts can be borrowed when the response is gone.
fn kept_body<'s>(body: &[u8], scratch: &mut Scratch<'s>) -> Result<&'s [u8], BufferFull> {
    let copy = scratch.take(body.len())?;
    copy.iter_mut().zip(body).for_each(|(to, from)| *to = *from);
    Ok(copy)
}

/// Keeps a copy of `text`.
fn kept<'s>(text: &str, scratch: &mut Scratch<'s>) -> Result<&'s str, BufferFull> {
    text::write_in(scratch, |copy| copy.push(text))
}
