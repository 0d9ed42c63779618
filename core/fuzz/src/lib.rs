//! What several fuzz targets need: JSON as another parser sees it, and tokens signed by other code.

pub mod json;
pub mod site;
pub mod token;

/// Splits the input at the first line break; the second part is empty without one.
pub fn split_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// The input as text, split at every line break: at least `N` parts, missing ones empty.
pub fn lines<const N: usize>(data: &[u8]) -> Option<[&str; N]> {
    let mut lines = core::str::from_utf8(data).ok()?.splitn(N, '\n');
    Some(core::array::from_fn(|_| lines.next().unwrap_or_default()))
}
