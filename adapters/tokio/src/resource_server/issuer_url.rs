//! Which URLs of an issuer are asked.

use http::Uri;
use portcullis_core::encoding::uri;

/// TLS is required, plain text only on loopback unless permitted by name: whoever can change the answer
/// can make tokens (SEC-372). What is permitted by name is written to the log (INV-9).
pub(super) fn permitted(url: &str, plain_http: bool) -> Option<Uri> {
    let parsed = uri::Uri::parse(url).ok()?;
    let is_plain = plain_http && parsed.scheme().eq_ignore_ascii_case("http");
    let safe = parsed.is_https() || parsed.is_loopback_http() || is_plain;
    if !safe || parsed.userinfo().is_some() || parsed.fragment().is_some() {
        return None;
    }
    if is_plain && !parsed.is_loopback_http() {
        tracing::warn!(url, "asked over plain http");
    }
    url.parse().ok()
}
