//! An image that calls every public function of the core which sees outside bytes, with inputs that the
//! optimiser knows nothing about. The test links it and looks for what a panic path would leave behind:
//! the panic handler below, its marker, and the panic functions of the core library.
#![no_std]
#![no_main]

mod client;
mod client_grants;
mod concepts;
mod encoding;
mod inputs;
mod machines;

use core::hint::black_box;

/// Found in the image if and only if the panic handler was linked.
static MARKER: [u8; 27] = *b"PORTCULLIS-PANIC-REACHABLE!";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        black_box(&MARKER);
    }
}

/// Where the image starts; nothing ever runs it.
#[no_mangle]
pub extern "C" fn _start() -> ! {
    loop {
        encoding::all();
        concepts::all();
        machines::all();
        client::all();
        #[cfg(feature = "planted")]
        planted();
    }
}

/// What the check must find: a slice index that may be out of bounds.
#[cfg(feature = "planted")]
fn planted() {
    black_box(inputs::bytes()[black_box(7)]);
}
