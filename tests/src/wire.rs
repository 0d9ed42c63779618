//! Requests as text become bytes on the wire; heads are read back by httparse, whoever the driver is.

/// Most header lines that are read.
const FIELDS_MAX: usize = 100;

/// A request as it was received: what a host hands to the core.
pub struct Received<'b> {
    /// The method.
    pub method: &'b str,
    /// The request target.
    pub target: &'b str,
    /// All field lines.
    pub fields: Vec<(&'b str, &'b [u8])>,
    /// The whole body, chunks joined, trailers dropped.
    pub body: Vec<u8>,
}

/// Makes a request of a text with LF line ends: CRLF in the head, and the framing that the body needs.
///
/// A head that says `Transfer-Encoding: chunked` gets its body in chunks, with `trailer` behind.
pub fn request(text: &[u8], trailer: Option<&[u8]>, body_len: Option<usize>) -> Vec<u8> {
    let (head, body) = match find(text, b"\n\n") {
        Some(at) => (&text[..at], &text[at + 2..]),
        None => (text.strip_suffix(b"\n").unwrap_or(text), &b""[..]),
    };
    let mut body = body.to_vec();
    if let Some(len) = body_len {
        assert!(body.len() <= len, "the body is longer than it is to be padded to");
        body.resize(len, b' ');
    }
    let lower = head.to_ascii_lowercase();
    let is_chunked = find(&lower, b"\ntransfer-encoding: chunked").is_some();
    let is_framed = is_chunked || find(&lower, b"\ncontent-length:").is_some();
    let mut bytes = Vec::new();
    for line in head.split(|byte| *byte == b'\n') {
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    if !is_framed && !body.is_empty() {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    if is_chunked {
        // Two chunks, so that joining them is part of the test.
        let (first, second) = body.split_at(body.len() / 2);
        for chunk in [first, second].into_iter().filter(|chunk| !chunk.is_empty()) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n");
        for line in trailer.into_iter().flat_map(|lines| lines.split(|byte| *byte == b'\n')) {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
    } else {
        bytes.extend_from_slice(&body);
    }
    bytes
}

/// Reads a request; `None` when it is not HTTP/1.1, which every HTTP layer answers with a bare 400.
pub fn received(bytes: &[u8]) -> Option<Received<'_>> {
    let mut lines = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut lines);
    let httparse::Status::Complete(head_len) = request.parse(bytes).ok()? else { return None };
    let fields: Vec<_> = request.headers.iter().map(|line| (line.name, line.value)).collect();
    let rest = &bytes[head_len..];
    let is_chunked = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    let body = if is_chunked { joined(rest)? } else { rest.to_vec() };
    Some(Received { method: request.method?, target: request.path?, fields, body })
}

/// The chunks of a body in one piece (RFC 9112 §7.1).
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((start, len)) = httparse::parse_chunk_size(rest).ok()?
        else {
            return None;
        };
        let len = usize::try_from(len).ok()?;
        if len == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(start..start + len)?);
        rest = rest.get(start + len + 2..)?;
    }
}

/// The head of a response, and where its body begins; `None` when it is not complete.
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// Names in lower case, without what framing adds.
    pub fields: Vec<(String, Vec<u8>)>,
    /// `Content-Length`, 0 when absent.
    pub body_len: usize,
    /// Length of the head.
    pub head_len: usize,
}

impl ResponseHead {
    /// Reads the head of a response; panics when a server sends what is no HTTP.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut lines = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut lines);
        let httparse::Status::Complete(head_len) = response.parse(bytes).unwrap() else {
            return None;
        };
        let mut head =
            Self { status: response.code.unwrap(), fields: Vec::new(), body_len: 0, head_len };
        for line in response.headers.iter() {
            let name = line.name.to_ascii_lowercase();
            match name.as_str() {
                "content-length" => {
                    head.body_len = std::str::from_utf8(line.value).unwrap().parse().unwrap();
                }
                "date" | "connection" => {}
                "transfer-encoding" => panic!("every answer here has a length"),
                _ => head.fields.push((name, line.value.to_vec())),
            }
        }
        Some(head)
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, trailer: Option<&str>, expected: &str) {
        let bytes = request(text.as_bytes(), trailer.map(str::as_bytes), None);
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn line_ends_and_framing() {
        check("GET / HTTP/1.1\nHost: a\n", None, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        check("P / HTTP/1.1\n\na\nb", None, "P / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nb");
        check(
            "P / HTTP/1.1\nTransfer-Encoding: chunked\n\nabc",
            Some("X: y"),
            "P / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nX: y\r\n\r\n",
        );
        let padded = request(b"P / HTTP/1.1\n\na", None, Some(3));
        assert_eq!(padded, b"P / HTTP/1.1\r\nContent-Length: 3\r\n\r\na  ");
    }

    #[test]
    fn a_body_comes_back_in_one_piece() {
        let bytes =
            request(b"P / HTTP/1.1\nTransfer-Encoding: chunked\n\nabc", Some(b"X: y"), None);
        assert_eq!(received(&bytes).unwrap().body, b"abc");
        assert!(received(b"P / HTTP/1.1\r\n folded\r\n\r\n").is_none());
    }
}
