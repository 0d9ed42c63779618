//! Server-sent events, as far as an answer to one request needs them.

/// Collects the `data` of each event (WHATWG HTML §9.2.6); ids, names and comments are passed over.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    line: Vec<u8>,
    data: Vec<u8>,
    after_return: bool,
}

impl EventStream {
    /// Takes the next piece of the stream and shows every event's data that is complete with it.
    ///
    /// How long a stream may be is bounded by who reads it.
    pub(super) fn push(&mut self, piece: &[u8], mut event: impl FnMut(&[u8])) {
        for &byte in piece {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                // The second half of a line's end.
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.end_line(&mut event),
                byte => self.line.push(byte),
            }
        }
    }

    fn end_line(&mut self, event: &mut impl FnMut(&[u8])) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            if let Some((_, data)) = data.split_last() {
                event(data);
            }
            return;
        }
        let value = match line.strip_prefix(b"data") {
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
            Some([]) => &[],
            _ => return,
        };
        self.data.extend_from_slice(value);
        self.data.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: &[&str]) {
        // However the stream is cut, its events are the same.
        for size in 1..=stream.len().max(1) {
            let mut events = Vec::new();
            let mut parser = EventStream::default();
            for piece in stream.as_bytes().chunks(size) {
                parser.push(piece, |data| events.push(String::from_utf8(data.to_vec()).unwrap()));
            }
            assert_eq!(events, expected, "{stream:?} in pieces of {size}");
        }
    }

    #[test]
    fn events() {
        check("data: a\n\n", &["a"]);
        check("data:a\r\n\r\ndata: b\r\r", &["a", "b"]);
        check("event: message\nid: 1\ndata: {\"a\":\ndata: 1}\n\n", &["{\"a\":\n1}"]);
        check("data:  a\n\n", &[" a"]);
        check("data\n\n", &[""]);
    }

    #[test]
    fn what_is_no_event() {
        check(": ping\n\n", &[]);
        check("id: 1\n\n\n", &[]);
        check("data: a\n", &[]);
        check("datax: a\n\n", &[]);
        check(" data: a\n\n", &[]);
        check("", &[]);
    }
}
