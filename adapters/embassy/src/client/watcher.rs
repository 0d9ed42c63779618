//! Who is told what a user or an engineer has to know.

use portcullis_core::client::ErrorResponse;

/// A code that a user has to type on another machine (RFC 8628 §3.3).
#[derive(Clone, Copy, Debug)]
pub struct UserCode<'u> {
    /// The page that the user opens.
    pub page: &'u str,
    /// The same page with the code filled in, for a QR code.
    pub page_with_code: Option<&'u str>,
    /// What the user types there: printable ASCII.
    pub code: &'u str,
    /// How long it is good, in seconds.
    pub expires_in_secs: u32,
}

/// A display, a serial line, a log.
pub trait Watcher {
    /// Shows the code until it is [hidden](Self::hide_code).
    fn show_code(&mut self, code: &UserCode<'_>);

    /// The code is used, or of no more use.
    fn hide_code(&mut self) {}

    /// A server refused, in its own words: a stranger's text.
    fn refused(&mut self, _words: &ErrorResponse<'_>) {}
}
