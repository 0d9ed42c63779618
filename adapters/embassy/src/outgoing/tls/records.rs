//! A watch on the records of a server, before embedded-tls sees them (RFC 8446 §5).

use embedded_io_async::{ErrorType, Read, Write};

/// Length of a record's header.
const HEADER_LEN: usize = 5;
/// RFC 8446 §5.2: longest encrypted record.
const SEALED_LEN_MAX: u16 = 16384 + 256;
/// Shortest encrypted record that embedded-tls can take: one byte, its kind, and the tag behind.
const SEALED_LEN_MIN: u16 = 1 + 16;
/// A handshake message has a header of four bytes.
const HANDSHAKE_LEN_MIN: u16 = 4;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// A socket whose records are in order; behind one that is not, it is as if the peer were gone.
pub(super) struct Records<S> {
    socket: S,
    watch: Watch,
}

impl<S> Records<S> {
    pub(super) const fn new(socket: S) -> Self {
        Self { socket, watch: Watch::new() }
    }
}

impl<S: ErrorType> ErrorType for Records<S> {
    type Error = S::Error;
}

impl<S: Read> Read for Records<S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, S::Error> {
        if self.watch.is_refused {
            return Ok(0);
        }
        let len = self.socket.read(buffer).await?;
        for byte in buffer.iter().take(len) {
            self.watch.accept(*byte);
        }
        Ok(if self.watch.is_refused { 0 } else { len })
    }
}

impl<S: Write> Write for Records<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, S::Error> {
        self.socket.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        self.socket.flush().await
    }
}

/// What was seen of the records so far.
struct Watch {
    header: [u8; HEADER_LEN],
    header_len: usize,
    /// Bytes of the record that are still to come.
    left: u16,
    /// Whether the server's hello was there: from then on everything is encrypted.
    is_sealed: bool,
    /// Whether the one record was there that only looks like an older version (RFC 8446 §D.4).
    has_changed_cipher_spec: bool,
    is_refused: bool,
}

impl Watch {
    const fn new() -> Self {
        Self {
            header: [0; HEADER_LEN],
            header_len: 0,
            left: 0,
            is_sealed: false,
            has_changed_cipher_spec: false,
            is_refused: false,
        }
    }

    fn accept(&mut self, byte: u8) {
        if self.left > 0 {
            self.left = self.left.saturating_sub(1);
            return;
        }
        if let Some(place) = self.header.get_mut(self.header_len) {
            *place = byte;
        }
        self.header_len = self.header_len.saturating_add(1);
        if self.header_len >= HEADER_LEN {
            self.header_len = 0;
            self.is_refused |= !self.begin_record();
        }
    }

    fn begin_record(&mut self) -> bool {
        let [kind, major, _, high, low] = self.header;
        self.left = u16::from_be_bytes([high, low]);
        let is_in_order = match (kind, self.left) {
            (HANDSHAKE, HANDSHAKE_LEN_MIN..) if !self.is_sealed => {
                self.is_sealed = true;
                true
            }
            (ALERT, 2) => !self.is_sealed,
            (CHANGE_CIPHER_SPEC, 1) => {
                self.is_sealed && !core::mem::replace(&mut self.has_changed_cipher_spec, true)
            }
            (APPLICATION_DATA, SEALED_LEN_MIN..=SEALED_LEN_MAX) => self.is_sealed,
            _ => false,
        };
        is_in_order && major == 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn record(kind: u8, len: u16) -> Vec<u8> {
        let mut bytes = Vec::from([kind, 3, 3]);
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.resize(HEADER_LEN + usize::from(len), APPLICATION_DATA);
        bytes
    }

    #[track_caller]
    fn check(records: &[(u8, u16)], expected: bool) {
        let mut watch = Watch::new();
        let bytes = records.iter().flat_map(|(kind, len)| record(*kind, *len));
        bytes.for_each(|byte| watch.accept(byte));
        assert_eq!(!watch.is_refused, expected, "{records:?}");
    }

    const HELLO: (u8, u16) = (HANDSHAKE, 90);

    #[test]
    fn a_handshake_and_what_follows() {
        check(
            &[HELLO, (CHANGE_CIPHER_SPEC, 1), (APPLICATION_DATA, 900), (APPLICATION_DATA, 17)],
            true,
        );
        check(&[HELLO, (APPLICATION_DATA, SEALED_LEN_MAX)], true);
        check(&[(ALERT, 2)], true);
    }

    #[test]
    fn sec_522_records_out_of_order() {
        for records in [
            &[(HANDSHAKE, 3)][..],
            &[(HANDSHAKE, 0)],
            &[(APPLICATION_DATA, 100)],
            &[(CHANGE_CIPHER_SPEC, 1)],
            &[(ALERT, 1)],
            &[(0, 1)],
            &[(24, 1)],
            &[HELLO, HELLO],
            &[HELLO, (ALERT, 2)],
            &[HELLO, (APPLICATION_DATA, SEALED_LEN_MIN - 1)],
            &[HELLO, (APPLICATION_DATA, 0)],
            &[HELLO, (APPLICATION_DATA, SEALED_LEN_MAX + 1)],
            &[HELLO, (CHANGE_CIPHER_SPEC, 2)],
            &[HELLO, (CHANGE_CIPHER_SPEC, 0)],
            &[HELLO, (CHANGE_CIPHER_SPEC, 1), (CHANGE_CIPHER_SPEC, 1)],
        ] {
            check(records, false);
        }
        let mut watch = Watch::new();
        [HANDSHAKE, 2, 0, 0, 90].into_iter().for_each(|byte| watch.accept(byte));
        assert!(watch.is_refused, "SSL 2");
    }

    #[test]
    fn refused_once_is_refused_for_good() {
        check(&[(APPLICATION_DATA, 100), HELLO], false);
    }
}
