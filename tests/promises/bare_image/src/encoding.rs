//! Bytes to plain values.

use core::hint::black_box;

use portcullis_core::encoding::{
    base64url,
    form::{Form, FormWriter},
    json::{Elements, JsonError, Members, Reader},
    percent::{encode_form, encode_unreserved, Encoded},
    text::TextWriter,
    uri::Uri,
};

use crate::inputs::{bytes, keep, show, text, with_buffer, with_scratch};

pub fn all() {
    base64();
    json();
    percent();
    form();
    uri();
}

fn base64() {
    with_scratch(|scratch| {
        let _ = black_box(base64url::decode(bytes(), scratch));
        let _ = black_box(base64url::decode_standard(bytes(), scratch));
    });
    with_buffer(|buffer| {
        let _ = black_box(base64url::decode_into(bytes(), buffer));
        let _ = black_box(base64url::encode(bytes(), buffer));
    });
    black_box(base64url::encoded_len(black_box(1)));
}

fn json() {
    if let Ok(mut reader) = Reader::new(bytes(), black_box(64)) {
        black_box(steps(&mut reader)).unwrap_or_else(|error| show(&error));
        let _ = black_box(reader.end());
    }
}

/// Every kind of step, in an order that is not known.
fn steps(reader: &mut Reader<'static>) -> Result<(), JsonError> {
    let mut members: Option<Members<'static>> = None;
    let mut elements: Option<Elements> = None;
    loop {
        match black_box(0) {
            0 => keep(reader.peek()?),
            1 => members = Some(reader.object()?),
            2 => elements = Some(reader.array()?),
            3 => {
                let string = reader.string()?;
                black_box((string.eq_str(text()), string.eq_json(string), string.plain()));
                black_box(string.chars().count());
                let _ = with_scratch(|scratch| string.read(scratch).map(str::len));
            }
            4 => keep(reader.integer()?),
            5 => keep(reader.unsigned()?),
            6 => keep(reader.number()?),
            7 => keep(reader.boolean()?),
            8 => reader.null()?,
            9 => reader.skip()?,
            10 => keep(reader.raw()?),
            11 => {
                if let Some(members) = &mut members {
                    black_box(members.next(reader)?);
                }
            }
            12 => {
                if let Some(elements) = &mut elements {
                    black_box(elements.next(reader)?);
                }
            }
            _ => return Ok(()),
        }
    }
}

fn percent() {
    for encoded in [Encoded::form(text()), Encoded::uri(text())] {
        match encoded {
            Ok(encoded) => {
                black_box((encoded.eq_str(text()), encoded.eq_encoded(encoded), encoded.plain()));
                let _ = black_box(with_scratch(|scratch| encoded.read(scratch).map(str::len)));
            }
            Err(error) => show(&error),
        }
    }
    with_buffer(|buffer| {
        let mut writer = TextWriter::new(buffer);
        let _ = black_box(encode_form(text(), &mut writer));
        let _ = black_box(encode_unreserved(text(), &mut writer));
        let _ = black_box((writer.push(text()), writer.push_byte(black_box(1)), writer.len()));
        black_box(writer.finish());
    });
}

fn form() {
    match Form::parse_with_repeats(bytes(), black_box(&["resource"])) {
        Ok(form) => {
            for (name, value) in form.pairs() {
                black_box((name.raw(), value.raw()));
            }
            black_box((form.values(text()).count(), form.value(text())));
        }
        Err(error) => show(&error),
    }
    let _ = black_box(Form::parse(bytes()));
    with_buffer(|buffer| {
        let mut writer = FormWriter::new(buffer);
        let _ = black_box(writer.pair(text(), text()));
        black_box(writer.finish());
    });
}

fn uri() {
    match Uri::parse(text()) {
        Ok(uri) => {
            black_box((uri.origin(), uri.has_dot_segments(), uri.has_trailing_dot()));
            black_box((uri.is_https(), uri.is_loopback_http(), uri.port(), uri.userinfo()));
            with_buffer(|buffer| black_box(uri.with_path(text(), buffer)).is_ok());
        }
        Err(error) => show(&error),
    }
}
