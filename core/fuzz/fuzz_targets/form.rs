//! An accepted form has no parameter twice and reads as another parser reads it; written, it is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    encoding::{
        form::{Form, FormWriter},
        scratch::Scratch,
    },
    limits::FORM_PARAMETERS_MAX,
};

fuzz_target!(|data: &[u8]| {
    let Ok(form) = Form::parse(data) else { return };
    let mut buffer = vec![0; data.len()];
    let mut scratch = Scratch::new(&mut buffer);
    let ours: Vec<(&str, &str)> = form
        .pairs()
        .map(|(name, value)| {
            let name = name.read(&mut scratch).expect("room for it");
            (name, value.read(&mut scratch).expect("room for it"))
        })
        .collect();
    let theirs: Vec<_> = form_urlencoded::parse(data).collect();
    assert!(ours.iter().copied().eq(theirs.iter().map(|(name, value)| (&**name, &**value))));
    assert!(ours.len() <= FORM_PARAMETERS_MAX);
    for (at, (name, value)) in ours.iter().enumerate() {
        assert!(ours[..at].iter().all(|(earlier, _)| earlier != name), "{name} twice");
        assert!(form.value(name).is_some_and(|found| found.eq_str(value)));
    }

    let mut out = vec![0; data.len() * 3 + ours.len() * 2];
    let mut writer = FormWriter::new(&mut out);
    for (name, value) in &ours {
        writer.pair(name, value).expect("room for it");
    }
    let written = writer.finish();
    let again: Vec<_> = form_urlencoded::parse(written.as_bytes()).collect();
    assert_eq!(again, theirs);
});
