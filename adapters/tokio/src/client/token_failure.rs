//! Why a login or a refresh brought no tokens, and what that means for what is stored.

use portcullis_core::client::{AfterRefresh, DeviceError, ErrorResponse, TokenRequestError};

use super::{AuthorizeError, authorize::words};

#[derive(Debug)]
pub(super) struct TokenFailure {
    pub(super) error: AuthorizeError,
    pub(super) after: AfterRefresh,
}

impl TokenFailure {
    /// With the server's words, if it had any.
    pub(super) fn of(error: TokenRequestError, response: Option<ErrorResponse<'_>>) -> Self {
        let after = error.after_refresh(response.as_ref());
        Self { error: AuthorizeError::Token(error, words(response)), after }
    }

    pub(super) fn of_device(error: DeviceError, response: Option<ErrorResponse<'_>>) -> Self {
        let is_unknown = response.as_ref().is_some_and(ErrorResponse::is_about_client);
        let after = if is_unknown { AfterRefresh::ForgetClient } else { AfterRefresh::Keep };
        Self { error: AuthorizeError::Device(error, words(response)), after }
    }
}

/// A failure that says nothing of what is stored.
impl From<AuthorizeError> for TokenFailure {
    fn from(error: AuthorizeError) -> Self {
        Self { error, after: AfterRefresh::Keep }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl_39_a_device_whose_client_is_not_known_has_to_get_another() {
        for (words, after) in [
            (Some("invalid_client"), AfterRefresh::ForgetClient),
            (Some("access_denied"), AfterRefresh::Keep),
            (None, AfterRefresh::Keep),
        ] {
            let response = words.map(|error| ErrorResponse { error, description: None });
            let failure = TokenFailure::of_device(DeviceError::Refused, response);
            assert_eq!(failure.after, after, "{words:?}");
        }
    }
}
