//! The question as bytes (RFC 7662 §2.1).

use embedded_io_async::Write;

use super::Endpoint;

/// Sends the question whose form is `body`, and everything that was written before.
pub(super) async fn send<W: Write>(
    output: &mut W,
    endpoint: &Endpoint<'_>,
    body: &[u8],
) -> Result<(), W::Error> {
    let url = endpoint.url();
    let (query_mark, query) = url.query().map_or(("", ""), |query| ("?", query));
    let mut digits = [0; 20];
    // Everything in it was checked to be of a URL, or is base64: no line can end early.
    let pieces = [
        b"POST ".as_slice(),
        if url.path().is_empty() { b"/" } else { url.path().as_bytes() },
        query_mark.as_bytes(),
        query.as_bytes(),
        b" HTTP/1.1\r\nHost: ",
        url.authority_text().unwrap_or_default().as_bytes(),
        b"\r\nAuthorization: Basic ",
        endpoint.credentials().expose(),
        b"\r\nContent-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\nContent-Length: ",
        decimal(body.len(), &mut digits),
        b"\r\n\r\n",
        body,
    ];
    for piece in pieces {
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
    use crate::introspection::Credentials;
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
    fn check(url: &str, body: &[u8], expected: &str) {
        let credentials = Credentials::new("s6BhdRkqt3", "gX1fBat3bV").unwrap();
        let address = "127.0.0.1:443".parse().unwrap();
        let endpoint = Endpoint::new("i", url, address, credentials).unwrap();
        let mut sink = Sink(Vec::new());
        block_on(send(&mut sink, &endpoint, body)).unwrap();
        assert_eq!(String::from_utf8(sink.0).unwrap(), expected);
    }

    #[test]
    fn rs_80_one_post_with_a_form_and_credentials() {
        check(
            "https://as.example.com:8443/oauth/introspect?tenant=a",
            b"token=t&token_type_hint=access_token",
            "POST /oauth/introspect?tenant=a HTTP/1.1\r\nHost: as.example.com:8443\r\n\
             Authorization: Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\n\
             Content-Length: 36\r\n\r\ntoken=t&token_type_hint=access_token",
        );
        check(
            "https://as.example.com",
            b"",
            "POST / HTTP/1.1\r\nHost: as.example.com\r\nAuthorization: Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\nContent-Length: 0\r\n\r\n",
        );
    }

    #[test]
    fn lengths_in_decimal() {
        for value in [0, 9, 10, 123, usize::MAX] {
            assert_eq!(decimal(value, &mut [0; 20]), std::format!("{value}").as_bytes());
        }
    }
}
