//! The error words of the wire, each with the section that defines it.

/// An OAuth error code as it stands in a challenge or an error response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// RFC 6750 §3.1, RFC 6749 §5.2: the request is malformed.
    InvalidRequest,
    /// RFC 6750 §3.1: the access token is expired, revoked, malformed or otherwise invalid.
    InvalidToken,
    /// RFC 6750 §3.1: the request needs more scope than the access token grants.
    InsufficientScope,
    /// RFC 9449 §5, §7.1: the proof is missing or does not pass.
    #[cfg(feature = "dpop")]
    InvalidDpopProof,
    /// RFC 9449 §8, §9: the proof lacks a nonce that the server gave out lately.
    #[cfg(feature = "dpop")]
    UseDpopNonce,
}

impl ErrorCode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            #[cfg(feature = "dpop")]
            Self::InvalidDpopProof => "invalid_dpop_proof",
            #[cfg(feature = "dpop")]
            Self::UseDpopNonce => "use_dpop_nonce",
        }
    }
}

impl core::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}
