//! Where the body of a request ends, and the connection with it (RFC 9112 §6).
//!
//! Fields that contradict each other are refused, since two readers could take different ones.

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// So many bytes; 0 without any field.
    Length(u64),
    /// Chunks (RFC 9112 §7.1).
    Chunked,
}

/// What the head says of body and connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framing {
    pub(crate) extent: Extent,
    /// Whether the connection ends with this exchange.
    pub(crate) closes: bool,
    /// Whether the peer waits for word before it sends the body (RFC 9110 §10.1.1).
    pub(crate) expects_continue: bool,
}

/// Why the end of a body is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FramingError {
    /// `Content-Length` is repeated or no plain decimal (SEC-401).
    ContentLength,
    /// `Transfer-Encoding` is anything but one `chunked` on HTTP/1.1 (SEC-402).
    TransferEncoding,
    /// There are both (SEC-400).
    Both,
    /// An expectation that is not known (SEC-417).
    Expectation,
}

impl FramingError {
    /// The status to answer with, before the connection is closed.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::ContentLength | Self::TransferEncoding | Self::Both => 400,
            Self::Expectation => 417,
        }
    }
}

impl Framing {
    /// Reads the framing from all field lines of a head.
    pub(crate) fn read<'r>(
        is_http_1_1: bool,
        fields: impl Iterator<Item = (&'r str, &'r [u8])>,
    ) -> Result<Self, FramingError> {
        let mut length = None;
        let mut is_chunked = false;
        let mut framing =
            Self { extent: Extent::Length(0), closes: !is_http_1_1, expects_continue: false };
        for (name, value) in fields {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            let value = value.trim_ascii();
            if is("content-length") {
                let read = decimal(value).ok_or(FramingError::ContentLength)?;
                if length.replace(read).is_some() {
                    return Err(FramingError::ContentLength);
                }
            } else if is("transfer-encoding") {
                if is_chunked || !is_http_1_1 || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(FramingError::TransferEncoding);
                }
                is_chunked = true;
            } else if is("connection") {
                let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                framing.closes |= options.any(|option| option.eq_ignore_ascii_case(b"close"));
            } else if is("expect") {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(FramingError::Expectation);
                }
                framing.expects_continue = is_http_1_1;
            }
        }
        framing.extent = match (length, is_chunked) {
            (Some(_), true) => return Err(FramingError::Both),
            (None, true) => Extent::Chunked,
            (length, false) => Extent::Length(length.unwrap_or_default()),
        };
        Ok(framing)
    }

    /// Whether there are bytes behind the head.
    pub(crate) fn has_body(&self) -> bool {
        self.extent != Extent::Length(0)
    }
}

/// A plain decimal: digits only, no leading zero, within 64 bits.
fn decimal(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[track_caller]
    fn check(is_http_1_1: bool, fields: &[(&str, &str)], expected: Result<Extent, FramingError>) {
        let lines: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let framing = Framing::read(is_http_1_1, lines.into_iter());
        assert_eq!(framing.map(|framing| framing.extent), expected, "{fields:?}");
    }

    #[test]
    fn sec_400_both_kinds_of_framing() {
        let length = ("Content-Length", "5");
        let chunked = ("transfer-encoding", "chunked");
        check(true, &[length], Ok(Extent::Length(5)));
        check(true, &[chunked], Ok(Extent::Chunked));
        check(true, &[length, chunked], Err(FramingError::Both));
        check(true, &[chunked, ("content-length", "0")], Err(FramingError::Both));
        check(true, &[], Ok(Extent::Length(0)));
    }

    #[test]
    fn sec_401_only_one_plain_decimal_is_a_length() {
        for (value, len) in [("0", 0), ("5", 5), (" 5\t", 5), ("18446744073709551615", u64::MAX)] {
            check(true, &[("CONTENT-LENGTH", value)], Ok(Extent::Length(len)));
        }
        for value in [
            "",
            "+5",
            "-1",
            "0x5",
            "5_0",
            "5 x",
            "5, 5",
            "5,5",
            "5;",
            "05",
            "00",
            "5.0",
            "1e1",
            "٥",
            "18446744073709551616",
            "99999999999999999999",
            ",5",
            "5 5",
        ] {
            check(true, &[("Content-Length", value)], Err(FramingError::ContentLength));
        }
        for second in ["5", "6"] {
            let lines = [("Content-Length", "5"), ("content-length", second)];
            check(true, &lines, Err(FramingError::ContentLength));
        }
    }

    #[test]
    fn sec_402_only_one_chunked_is_a_transfer_encoding() {
        for value in ["chunked", "CHUNKED", " Chunked "] {
            check(true, &[("Transfer-Encoding", value)], Ok(Extent::Chunked));
            check(false, &[("Transfer-Encoding", value)], Err(FramingError::TransferEncoding));
        }
        for value in [
            "xchunked",
            "chunked, chunked",
            ",chunked",
            "chunked,",
            "chunked, identity",
            "identity",
            "gzip, chunked",
            "gzip",
            "",
            "chun\tked",
            "\u{b}chunked",
            "chunked;q=1",
            "\"chunked\"",
        ] {
            check(true, &[("Transfer-Encoding", value)], Err(FramingError::TransferEncoding));
        }
        let line = ("Transfer-Encoding", "chunked");
        check(true, &[line, line], Err(FramingError::TransferEncoding));
    }

    #[test]
    fn sec_417_expectations() {
        let read = |is_http_1_1, value: &str| {
            let lines = [("Expect", value.as_bytes())];
            Framing::read(is_http_1_1, lines.into_iter()).map(|framing| framing.expects_continue)
        };
        assert_eq!(read(true, "100-Continue"), Ok(true));
        // RFC 9110 §10.1.1: in HTTP/1.0 there is no such thing.
        assert_eq!(read(false, "100-continue"), Ok(false));
        for other in ["", "200-ok", "100-continue, x"] {
            assert_eq!(read(true, other), Err(FramingError::Expectation), "{other}");
        }
    }

    #[test]
    fn when_a_connection_ends() {
        let closes = |is_http_1_1, value: &str| {
            let lines = [("Connection", value.as_bytes())];
            Framing::read(is_http_1_1, lines.into_iter()).map(|framing| framing.closes)
        };
        for value in ["close", "Keep-Alive, CLOSE", "x ,close, y"] {
            assert_eq!(closes(true, value), Ok(true), "{value}");
        }
        for value in ["", "keep-alive", "closed", "upgrade"] {
            assert_eq!(closes(true, value), Ok(false), "{value}");
        }
        assert_eq!(closes(false, "keep-alive"), Ok(true));
    }
}
