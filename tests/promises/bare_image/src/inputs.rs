//! Values of unknown content, and sinks that keep results alive.

use core::{fmt::Write, hint::black_box};

use portcullis_core::{
    encoding::{scratch::Scratch, text::TextWriter},
    limits::{SCRATCH_LEN, TOKEN_LEN_MAX},
    message::{Field, IncomingResponse, RequestHead},
    time::UnixTime,
};

static BYTES: [u8; 64] = [0x41; 64];

/// Bytes of unknown content and length.
pub fn bytes() -> &'static [u8] {
    black_box(&BYTES)
}

/// Text of unknown content and length.
pub fn text() -> &'static str {
    black_box("text")
}

/// A header field that may be absent or repeated.
pub fn field() -> Field<'static> {
    black_box(Field::One(bytes()))
}

/// A time that may be any.
pub fn time() -> UnixTime {
    UnixTime::from_secs(black_box(1))
}

/// The head of any request.
pub fn head() -> RequestHead<'static> {
    let fields = black_box([(text(), bytes()), (text(), bytes())]);
    RequestHead::new(text(), text(), fields)
}

/// Any response.
pub fn response() -> IncomingResponse<'static> {
    IncomingResponse { status: black_box(200), content_type: field(), body: bytes() }
}

/// Scratch as large as any decision needs, for the time of one call.
pub fn with_scratch<R>(call: impl for<'s> FnOnce(&mut Scratch<'s>) -> R) -> R {
    let mut buffer = [0; SCRATCH_LEN];
    call(&mut Scratch::new(black_box(&mut buffer[..])))
}

/// A buffer to write to.
pub fn with_buffer<R>(call: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = [0; TOKEN_LEN_MAX];
    call(black_box(&mut buffer[..]))
}

/// Lets nobody know that a value is not used.
pub fn keep<T>(value: T) {
    let _ = black_box(value);
}

/// Writes a value's text, as an adapter does.
pub fn show(value: &impl core::fmt::Display) {
    with_buffer(|buffer| {
        let mut writer = TextWriter::new(buffer);
        let _ = black_box(write!(writer, "{value}"));
        black_box(writer.finish());
    });
}
