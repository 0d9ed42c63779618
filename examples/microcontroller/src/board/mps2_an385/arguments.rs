//! What the emulator was started with: files of the machine around, by name.

use core::{ffi::CStr, mem::MaybeUninit};

use semihosting::sys::arm_compat::sys_get_cmdline_uninit;

/// Longest path of a file in bytes.
const PATH_LEN_MAX: usize = 256;
/// Longest command line in bytes: every argument with the longest path.
const LINE_LEN_MAX: usize = NAMES.len() * (PATH_LEN_MAX + 16);

/// The arguments there are. A path may have blanks in it: it ends where the next of these begins.
const NAMES: [&[u8]; 2] = [PROVISIONING, FLASH];
/// The file with the device's identity.
pub(super) const PROVISIONING: &[u8] = b"provisioning=";
/// The file that is the device's flash.
pub(super) const FLASH: &[u8] = b"flash=";

/// A path of the machine around.
pub(super) struct Path([u8; PATH_LEN_MAX]);

impl Path {
    /// The path behind an argument, one of [`NAMES`].
    pub(super) fn argument(name: &[u8]) -> Result<Self, &'static str> {
        let mut line = [MaybeUninit::uninit(); LINE_LEN_MAX];
        let line =
            sys_get_cmdline_uninit(&mut line).map_err(|_| "the command line cannot be read")?;
        let path = find(line, name)
            .and_then(|start| line.get(start + name.len()..))
            .ok_or("start with the arguments provisioning=FILE and flash=FILE")?;
        let end = NAMES.iter().filter_map(|next| find(path, next)).min();
        let path = end.map_or(path, |end| &path[..end.saturating_sub(1)]);
        let mut own = [0; PATH_LEN_MAX];
        own.iter_mut().zip(path).for_each(|(to, from)| *to = *from);
        Ok(Self(own))
    }

    /// The path as the machine around wants it.
    pub(super) fn as_c_str(&self) -> Result<&CStr, &'static str> {
        CStr::from_bytes_until_nul(&self.0).map_err(|_| "the path is too long")
    }
}

/// Where an argument begins: at the start, or behind a blank.
fn find(line: &[u8], name: &[u8]) -> Option<usize> {
    let is_start = |at: usize| at == 0 || line.get(at - 1) == Some(&b' ');
    (0..line.len()).find(|at| is_start(*at) && line[*at..].starts_with(name))
}
