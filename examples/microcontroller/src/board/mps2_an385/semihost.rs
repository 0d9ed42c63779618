//! What the machine around the emulated one lends it (Arm semihosting): by trapping instructions that
//! a debugger, or QEMU, carries out.

use core::{ffi::CStr, fmt, mem::MaybeUninit, panic::PanicInfo};

use cortex_m_rt::ExceptionFrame;
use portcullis_core::time::UnixTime;
use semihosting::{
    fs::File,
    io::Read,
    process,
    sys::arm_compat::{sys_get_cmdline_uninit, sys_time},
};

/// Longest path of the provisioning file in bytes.
const PATH_LEN_MAX: usize = 256;
/// What the emulator has to be started with, before the path.
const ARGUMENT: &str = "provisioning=";

/// Writes a line to the log: the standard output of the emulator.
pub(crate) fn log(line: fmt::Arguments<'_>) {
    semihosting::println!("{line}");
}

/// Ends the emulator with a failure, and says why.
pub(crate) fn halt(reason: fmt::Arguments<'_>) -> ! {
    log(format_args!("halted: {reason}"));
    process::exit(1)
}

/// The time of the machine around, to the second; unknown where it has none.
pub(crate) fn now() -> Option<UnixTime> {
    let secs = sys_time().ok()?;
    if secs == 0 { None } else { Some(UnixTime::from_secs(u64::try_from(secs).ok()?)) }
}

/// Reads the device's identity: the file named on the emulator's command line.
pub(crate) fn provisioning(document: &mut [u8]) -> Result<&[u8], &'static str> {
    let mut line = [MaybeUninit::uninit(); PATH_LEN_MAX];
    let line = sys_get_cmdline_uninit(&mut line).map_err(|_| "the command line cannot be read")?;
    let path = line
        .strip_prefix(ARGUMENT.as_bytes())
        .ok_or("not provisioned: start with the argument provisioning=FILE")?;
    let mut name = [0; PATH_LEN_MAX];
    name.iter_mut().zip(path).for_each(|(to, from)| *to = *from);
    let path = CStr::from_bytes_until_nul(&name).map_err(|_| "the path is too long")?;
    let mut file = File::open(path).map_err(|_| "the provisioning file cannot be opened")?;
    let unreadable = |_| "the provisioning file cannot be read";
    let mut len = 0;
    while let Some(free) = document.get_mut(len..).filter(|free| !free.is_empty()) {
        match file.read(free).map_err(unreadable)? {
            0 => return document.get(..len).ok_or("the provisioning file cannot be read"),
            more => len += more,
        }
    }
    Err("the provisioning file is too long")
}

/// Eight bytes from the source of randomness of the machine around.
pub(super) fn random() -> Option<u64> {
    let mut bytes = [0; 8];
    let mut file = File::open(c"/dev/urandom").ok()?;
    (file.read(&mut bytes).ok()? == bytes.len()).then_some(u64::from_le_bytes(bytes))
}

/// A defect. On a real board this would start over; here it is shown.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    halt(format_args!("{info}"))
}

#[cortex_m_rt::exception]
#[allow(unsafe_code, reason = "the signature that cortex-m-rt asks for")]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    halt(format_args!("fault at {:#010x}", frame.pc()))
}
