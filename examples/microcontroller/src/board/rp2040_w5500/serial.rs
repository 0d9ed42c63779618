//! The log: the serial port on GP0, 115200 baud, 8 bits, no parity, one stop bit.

use core::fmt::{self, Write};

use embassy_rp::{
    Peri,
    peripherals::{PIN_0, UART0},
    uart::{Blocking, Config, UartTx},
};

use super::shared::Shared;

static SERIAL: Shared<UartTx<'static, Blocking>> = Shared::new();

pub(super) fn start(uart: Peri<'static, UART0>, pin: Peri<'static, PIN_0>) {
    SERIAL.put(UartTx::new_blocking(uart, pin, Config::default()));
}

/// Writes a line to the log, and waits for it: 87 microseconds for each character. A line that comes
/// out of an interrupt while another is written is lost.
pub fn log(line: fmt::Arguments<'_>) {
    if let Some(serial) = SERIAL.take() {
        let mut lines = Lines(serial);
        // The port has no errors, and nobody to tell them.
        let _ = write!(lines, "{line}\r\n");
        let _ = lines.0.blocking_flush();
        SERIAL.put(lines.0);
    }
}

struct Lines(UartTx<'static, Blocking>);

impl Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.blocking_write(text.as_bytes()).map_err(|_| fmt::Error)
    }
}
