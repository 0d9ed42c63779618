//! Comparing the path of `htu` after normalisation (RFC 9449 §4.3; RFC 3986 §6.2.2).

use crate::{encoding::percent, limits::IDENTIFIER_LEN_MAX};

/// Whether two paths of URIs are the same after normalisation: escapes of unreserved characters are
/// decoded and the others spelled in capitals, dot segments removed, and nothing is `/`.
///
/// A path longer than [`IDENTIFIER_LEN_MAX`] is the same as none.
pub fn same_path(one: &str, other: &str) -> bool {
    let (mut one_room, mut other_room) = ([0; IDENTIFIER_LEN_MAX], [0; IDENTIFIER_LEN_MAX]);
    let one = normalised(one, &mut one_room);
    one.is_some() && one == normalised(other, &mut other_room)
}

/// Each segment is written behind those before it, and what `..` undoes is taken back
/// (RFC 3986 §5.2.4).
fn normalised<'b>(path: &str, buffer: &'b mut [u8; IDENTIFIER_LEN_MAX]) -> Option<&'b [u8]> {
    let mut len = 0_usize;
    let mut segments = path.strip_prefix('/').unwrap_or(path).split(['/']).peekable();
    while let Some(segment) = segments.next() {
        let start = len;
        push(buffer, &mut len, b'/')?;
        push_segment(buffer, &mut len, segment)?;
        let is_last = segments.peek().is_none();
        match buffer.get(start..len)? {
            b"/." => len = start,
            b"/.." => {
                let before = buffer.get(..start)?;
                len = before.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            }
            _ => continue,
        }
        // A dot segment at the end leaves the slash before it.
        if is_last {
            push(buffer, &mut len, b'/')?;
        }
    }
    buffer.get(..len)
}

fn push(buffer: &mut [u8; IDENTIFIER_LEN_MAX], len: &mut usize, byte: u8) -> Option<()> {
    *buffer.get_mut(*len)? = byte;
    *len = len.checked_add(1)?;
    Some(())
}

/// Appends a segment with its escapes normalised (RFC 3986 §6.2.2.1, §6.2.2.2).
fn push_segment(
    buffer: &mut [u8; IDENTIFIER_LEN_MAX],
    len: &mut usize,
    segment: &str,
) -> Option<()> {
    let mut rest = segment.as_bytes();
    loop {
        rest = match rest {
            [] => return Some(()),
            [b'%', high, low, behind @ ..] => {
                let byte = percent::hex(*high, *low)?;
                if is_unreserved(byte) {
                    push(buffer, len, byte)?;
                } else {
                    for byte in [b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()] {
                        push(buffer, len, byte)?;
                    }
                }
                behind
            }
            [byte, behind @ ..] => {
                push(buffer, len, *byte)?;
                behind
            }
        };
    }
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let mut room = [0; IDENTIFIER_LEN_MAX];
        let found = normalised(path, &mut room).map(|path| String::from_utf8_lossy(path).into());
        assert_eq!(found, Some(String::from(expected)), "{path}");
    }

    #[test]
    fn dp_09_paths_are_normalised() {
        check("", "/");
        check("/", "/");
        check("/mcp", "/mcp");
        check("/%6Dc%70", "/mcp");
        check("/a%2fb%c3", "/a%2Fb%C3");
        check("/./mcp", "/mcp");
        check("/x/../mcp", "/mcp");
        check("/x/%2e%2E/mcp", "/mcp");
        check("/../mcp", "/mcp");
        check("/a/b/..", "/a/");
        check("/a/.", "/a/");
        // RFC 3986 §5.2.4
        check("/a/b/c/./../../g", "/a/g");
    }

    #[test]
    fn dp_09_what_normalisation_keeps_apart() {
        for (one, other) in [
            ("/mcp", "/mcp/"),
            ("/mcp", "/MCP"),
            ("/mcp", "//mcp"),
            ("/a/b", "/a%2Fb"),
            ("/mcp", "/mcp;x"),
            ("/mcp", "/...mcp"),
        ] {
            assert!(!same_path(one, other), "{one} {other}");
            assert!(same_path(one, one) && same_path(other, other), "{one} {other}");
        }
    }

    #[test]
    fn dp_09_lengths_on_both_sides_of_the_limit() {
        let path = |len: usize| String::from("/") + &"a".repeat(len - 1);
        for (len, is_same) in [
            (IDENTIFIER_LEN_MAX - 1, true),
            (IDENTIFIER_LEN_MAX, true),
            (IDENTIFIER_LEN_MAX + 1, false),
        ] {
            assert_eq!(same_path(&path(len), &path(len)), is_same, "{len}");
        }
    }
}
