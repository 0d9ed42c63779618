//! What is decoded is what another decoder gets; what is encoded decodes to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use portcullis_core::encoding::{
    percent::{Encoded, encode_form, encode_unreserved},
    scratch::Scratch,
    text::TextWriter,
};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let mut buffer = vec![0; text.len()];
    for (encoded, spelled) in
        [(Encoded::uri(text), text.to_owned()), (Encoded::form(text), text.replace('+', " "))]
    {
        let Ok(encoded) = encoded else { continue };
        let read = encoded.read(&mut Scratch::new(&mut buffer)).expect("room for it").to_owned();
        let theirs = percent_decode_str(&spelled).decode_utf8().expect("it was checked");
        assert_eq!(read, theirs);
        assert!(encoded.eq_str(&read) && !read.contains('\0'));
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    if text.contains('\0') {
        return;
    }
    let mut out = vec![0; text.len() * 3];
    let mut writer = TextWriter::new(&mut out);
    encode_unreserved(text, &mut writer).expect("room for it");
    let written = writer.finish().to_owned();
    assert!(Encoded::uri(&written).is_ok_and(|encoded| encoded.eq_str(text)));
    let mut writer = TextWriter::new(&mut out);
    encode_form(text, &mut writer).expect("room for it");
    let written = writer.finish();
    assert!(Encoded::form(written).is_ok_and(|encoded| encoded.eq_str(text)));
});
