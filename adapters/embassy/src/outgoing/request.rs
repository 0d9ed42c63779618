//! A request as bytes (RFC 9112).

use embedded_io_async::Write;
use portcullis_core::encoding::uri::Uri;

/// A request, but for what every one has: `Host` and `Content-Length`.
#[derive(Clone, Copy)]
pub(crate) struct Request<'r> {
    pub(crate) method: &'static str,
    pub(crate) url: Uri<'r>,
    /// Names and values; neither may hold a line's end, which whoever gives them has checked.
    pub(crate) fields: &'r [(&'static str, &'r [u8])],
    pub(crate) body: &'r [u8],
}

/// Sends a request, and everything that was written before.
pub(crate) async fn send<W: Write>(output: &mut W, request: &Request<'_>) -> Result<(), W::Error> {
    let Request { method, url, fields, body } = request;
    let (query_mark, query) = url.query().map_or(("", ""), |query| ("?", query));
    // Everything of a URL was checked to be of a URL: no line can end early.
    let line = [
        method.as_bytes(),
        b" ",
        if url.path().is_empty() { b"/" } else { url.path().as_bytes() },
        query_mark.as_bytes(),
        query.as_bytes(),
        b" HTTP/1.1\r\nHost: ",
        url.authority_text().unwrap_or_default().as_bytes(),
        b"\r\n",
    ];
    for piece in line {
        output.write_all(piece).await?;
    }
    for (name, value) in *fields {
        for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
            output.write_all(piece).await?;
        }
    }
    // RFC 9110 §8.6: without a body there is none to be said of a GET.
    if *method != "GET" {
        let mut digits = [0; 20];
        for piece in [b"Content-Length: ", decimal(body.len(), &mut digits), b"\r\n"] {
            output.write_all(piece).await?;
        }
    }
    for piece in [b"\r\n", *body] {
        output.write_all(piece).await?;
    }
    output.flush().await
}

/// The digits of `value`.
fn decimal(mut value: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    for place in digits.iter_mut().rev() {
        let digit = u8::try_from(value % 10).unwrap_or_default();
        *place = b'0'.saturating_add(digit);
        start = start.saturating_sub(1);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use embassy_futures::block_on;
    use std::{string::String, vec::Vec};

    struct Sink(Vec<u8>);

    impl embedded_io_async::ErrorType for Sink {
        type Error = core::convert::Infallible;
    }

    impl Write for Sink {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        async fn flush(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    #[track_caller]
    fn check(method: &'static str, url: &str, body: &[u8], expected: &str) {
        let url = Uri::parse(url).unwrap();
        let fields = [("Authorization", b"Basic czZC".as_slice()), ("Accept", b"application/json")];
        let mut sink = Sink(Vec::new());
        block_on(send(&mut sink, &Request { method, url, fields: &fields, body })).unwrap();
        assert_eq!(String::from_utf8(sink.0).unwrap(), expected);
    }

    #[test]
    fn as_rfc_9112_writes_it() {
        check(
            "POST",
            "https://as.example.com:8443/oauth/introspect?tenant=a",
            b"token=t&token_type_hint=access_token",
            "POST /oauth/introspect?tenant=a HTTP/1.1\r\nHost: as.example.com:8443\r\n\
             Authorization: Basic czZC\r\nAccept: application/json\r\n\
             Content-Length: 36\r\n\r\ntoken=t&token_type_hint=access_token",
        );
        check(
            "POST",
            "https://as.example.com",
            b"",
            "POST / HTTP/1.1\r\nHost: as.example.com\r\nAuthorization: Basic czZC\r\n\
             Accept: application/json\r\nContent-Length: 0\r\n\r\n",
        );
        check(
            "GET",
            "https://as.example.com/.well-known/oauth-authorization-server",
            b"",
            "GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: as.example.com\r\n\
             Authorization: Basic czZC\r\nAccept: application/json\r\n\r\n",
        );
    }

    #[test]
    fn lengths_in_decimal() {
        for value in [0, 9, 10, 123, usize::MAX] {
            assert_eq!(decimal(value, &mut [0; 20]), std::format!("{value}").as_bytes());
        }
    }
}
