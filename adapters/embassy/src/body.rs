//! The body of a request, read once and whole into the caller's buffer.

use core::pin::pin;

use edge_nal::with_timeout;
use embedded_io_async::{Read, Write};

use crate::{
    chunked::{Chunks, Step},
    framing::Extent,
    link::{Link, LinkError},
};

/// Why there is no whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// More bytes than there is room for, announced or sent (LIM-10, SEC-443).
    TooLong,
    /// Not complete in time (LIM-14).
    Deadline,
    /// It broke off, or its chunks are wrong.
    Broken,
}

impl From<LinkError> for BodyError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Deadline => Self::Deadline,
            LinkError::Closed => Self::Broken,
        }
    }
}

/// Reads a body to its end.
pub(crate) async fn read<'b, T: Read + Write>(
    link: &mut Link<T>,
    extent: Extent,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], BodyError> {
    let deadline = link.deadlines().body_millis;
    let len = match extent {
        Extent::Length(len) => {
            let len = usize::try_from(len).map_err(|_| BodyError::TooLong)?;
            let room = buffer.get_mut(..len).ok_or(BodyError::TooLong)?;
            let read = with_timeout(deadline, pin!(link.read_exact(room))).await;
            read.map_err(LinkError::from)?;
            len
        }
        Extent::Chunked => {
            let read = async { Ok::<_, BodyError>(read_chunks(link, buffer).await) };
            with_timeout(deadline, pin!(read)).await.map_err(LinkError::from)??
        }
    };
    buffer.get(..len).ok_or(BodyError::TooLong)
}

async fn read_chunks<T: Read + Write>(
    link: &mut Link<T>,
    buffer: &mut [u8],
) -> Result<usize, BodyError> {
    let (mut chunks, mut len) = (Chunks::new(), 0_usize);
    loop {
        let byte = next(link).await?;
        match chunks.accept(byte).map_err(|_| BodyError::Broken)? {
            Step::Framing => {}
            Step::End => return Ok(len),
            Step::Data => {
                *buffer.get_mut(len).ok_or(BodyError::TooLong)? = byte;
                len = len.saturating_add(1);
            }
        }
    }
}

/// Passes over a body that nobody will look at, so that the connection can go on behind it.
pub(crate) async fn skip<T: Read + Write>(link: &mut Link<T>, len: u64) -> Result<(), BodyError> {
    let deadline = link.deadlines().body_millis;
    let pass = async {
        for _ in 0..len {
            next(link).await?;
        }
        Ok::<_, BodyError>(())
    };
    with_timeout(deadline, pin!(pass)).await.map_err(|error| LinkError::from(error).into())
}

async fn next<T: Read + Write>(link: &mut Link<T>) -> Result<u8, BodyError> {
    let mut byte = [0];
    match link.read(&mut byte).await {
        Ok(1..) => Ok(u8::from_ne_bytes(byte)),
        Ok(0) | Err(_) => Err(BodyError::Broken),
    }
}
