//! The connection to the driver.

use core::fmt;

use embedded_io_async::{Read, Write};
use heapless::Vec;

use test_image::device::control::{LEN_LEN, REPORT_LEN_MAX, Report};

/// The image's end of it.
pub(crate) struct Control<T>(T);

/// Why there is nothing more to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The driver is gone.
    Gone,
    /// The driver says what is not understood.
    Command,
    /// The server does not start.
    Configuration,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the driver is gone",
            Self::Command => "the driver's command is not understood",
            Self::Configuration => "the server does not start",
        })
    }
}

impl<T: Read + Write> Control<T> {
    pub(crate) const fn new(io: T) -> Self {
        Self(io)
    }

    /// Receives the bytes of a command.
    pub(crate) async fn receive<const N: usize>(
        &mut self,
        command: &mut Vec<u8, N>,
    ) -> Result<(), End> {
        let mut len = [0; LEN_LEN];
        self.0.read_exact(&mut len).await.map_err(|_| End::Gone)?;
        let len = usize::try_from(u32::from_be_bytes(len)).map_err(|_| End::Command)?;
        command.resize(len, 0).map_err(|_| End::Command)?;
        self.0.read_exact(command).await.map_err(|_| End::Gone)
    }

    /// Sends a report.
    pub(crate) async fn report(&mut self, report: Report) -> Result<(), End> {
        let mut frame = [0; LEN_LEN + REPORT_LEN_MAX];
        let (len, rest) = frame.split_at_mut(LEN_LEN);
        let written = postcard::to_slice(&report, rest).map_err(|_| End::Command)?.len();
        len.copy_from_slice(&u32::try_from(written).map_err(|_| End::Command)?.to_be_bytes());
        self.0.write_all(&frame[..LEN_LEN + written]).await.map_err(|_| End::Gone)?;
        self.0.flush().await.map_err(|_| End::Gone)
    }
}
