//! The light `LED0` of the board.

use core::ptr;

/// The register of the two lights (Arm AN385, section 4.1): a bit each.
const LEDS: usize = 0x4002_8000;
/// The bit of the first light.
const LED0: u32 = 1;

/// Turns the light on or off; the other one is off.
pub fn set_led(on: bool) {
    let register = ptr::with_exposed_provenance_mut::<u32>(LEDS);
    #[expect(unsafe_code, reason = "registers are memory that Rust knows nothing of")]
    // SAFETY: an aligned word that the board maps for ever; writing it moves two lights.
    unsafe {
        register.write_volatile(if on { LED0 } else { 0 });
    }
}
