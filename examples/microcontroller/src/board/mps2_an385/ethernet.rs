//! Where the LAN9118 is on this board: its addresses and its interrupt.

use core::ptr;

use crate::lan9118::{
    Frames, Interrupt, Lan9118, StartError,
    registers::{Register, Registers},
};
use cortex_m::{interrupt::InterruptNumber, peripheral::NVIC};
use static_cell::ConstStaticCell;

/// The network device of this board.
pub type Ethernet = Lan9118<'static, Mapped>;

/// The chip's first address (Arm AN385, section 3.1).
const BASE: usize = 0x4020_0000;
/// The chip's interrupt (Arm AN385, section 3.6).
const INTERRUPT: u16 = 13;

static RAISED: Interrupt = Interrupt::new();

/// The chip's registers in the processor's address space.
pub struct Mapped(());

impl Registers for Mapped {
    fn read(&self, register: Register) -> u32 {
        let address = ptr::with_exposed_provenance::<u32>(BASE + register.offset());
        #[expect(unsafe_code, reason = "registers are memory that Rust knows nothing of")]
        // SAFETY: every `Register` is an aligned word inside the chip's window, which the board maps
        // for ever; reading has effects on the chip only.
        unsafe {
            address.read_volatile()
        }
    }

    fn write(&self, register: Register, value: u32) {
        let address = ptr::with_exposed_provenance_mut::<u32>(BASE + register.offset());
        #[expect(unsafe_code, reason = "registers are memory that Rust knows nothing of")]
        // SAFETY: as for reading; the chip does not write to memory by itself.
        unsafe {
            address.write_volatile(value);
        }
    }
}

#[derive(Clone, Copy)]
struct Line;

#[expect(unsafe_code, reason = "the trait asks for a promise")]
// SAFETY: the number is always the same, and the processor has it.
unsafe impl InterruptNumber for Line {
    fn number(self) -> u16 {
        INTERRUPT
    }
}

/// Starts the chip and lets its interrupt through. A second driver for the one chip is refused.
pub(super) fn start() -> Result<Ethernet, StartError> {
    static FRAMES: ConstStaticCell<Frames> = ConstStaticCell::new(Frames::new());
    let frames = FRAMES.try_take().ok_or(StartError::NotFound)?;
    let driver = Lan9118::start(Mapped(()), &RAISED, frames)?;
    #[expect(unsafe_code, reason = "an interrupt may break a critical section made by masking it")]
    // SAFETY: nothing here relies on this interrupt being masked; its handler only uses what is made
    // for interrupts.
    unsafe {
        NVIC::unmask(Line);
    }
    Ok(driver)
}

/// All interrupts that have no handler of their own come here; only this one is ever let through.
#[cortex_m_rt::exception]
#[allow(unsafe_code, reason = "the signature that cortex-m-rt asks for")]
unsafe fn DefaultHandler(number: i16) {
    if u16::try_from(number) == Ok(INTERRUPT) {
        RAISED.raised(&Mapped(()));
    } else {
        super::halt(format_args!("unexpected interrupt {number}"));
    }
}
