//! What the machine around the emulated one lends it (Arm semihosting): by trapping instructions that
//! a debugger, or QEMU, carries out.

use core::fmt;

use portcullis_core::time::UnixTime;
use semihosting::{fs::File, io::Read, process, sys::arm_compat::sys_time};

use super::arguments::{PROVISIONING, Path};

/// Writes a line to the log: the standard output of the emulator.
pub fn log(line: fmt::Arguments<'_>) {
    semihosting::println!("{line}");
}

/// Ends the emulator with a failure, and says why.
pub fn halt(reason: fmt::Arguments<'_>) -> ! {
    log(format_args!("halted: {reason}"));
    process::exit(1)
}

/// The time of the machine around, to the second; unknown where it has none.
pub fn rtc() -> Option<UnixTime> {
    let secs = sys_time().ok()?;
    if secs == 0 { None } else { Some(UnixTime::from_secs(u64::try_from(secs).ok()?)) }
}

/// Reads the device's identity: the file named on the emulator's command line.
pub fn provisioning(document: &mut [u8]) -> Result<&[u8], &'static str> {
    let path = Path::argument(PROVISIONING)?;
    let mut file =
        File::open(path.as_c_str()?).map_err(|_| "the provisioning file cannot be opened")?;
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

/// Fills the bytes from the source of randomness of the machine around.
pub fn entropy(bytes: &mut [u8]) -> Result<(), &'static str> {
    let mut file = File::open(c"/dev/urandom").map_err(|_| "no source of randomness")?;
    file.read_exact(bytes).map_err(|_| "no source of randomness")
}
