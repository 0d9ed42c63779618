//! Canonical only: what is decoded encodes to the same text, and another decoder agrees.
#![no_main]

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use libfuzzer_sys::fuzz_target;
use portcullis_core::encoding::{base64url, scratch::Scratch};

fuzz_target!(|data: &[u8]| {
    let mut buffer = vec![0; data.len() + 4];
    let decoded = base64url::decode(data, &mut Scratch::new(&mut buffer)).map(<[u8]>::to_vec);
    assert_eq!(decoded.as_deref().ok(), URL_SAFE_NO_PAD.decode(data).as_deref().ok());

    let mut out = vec![0; base64url::encoded_len(data.len()).expect("small")];
    let text = base64url::encode(data, &mut out).expect("room for it").to_owned();
    assert_eq!(text.len(), out.len());
    let mut again = vec![0; data.len()];
    assert_eq!(base64url::decode_into(text.as_bytes(), &mut again), Ok(data));
    if let Ok(bytes) = decoded {
        assert_eq!(
            base64url::encode(&bytes, &mut vec![0; data.len()]).map(str::as_bytes),
            Ok(data)
        );
    }

    let standard =
        base64url::decode_standard(data, &mut Scratch::new(&mut buffer)).map(<[u8]>::to_vec);
    assert_eq!(standard.ok(), STANDARD.decode(data).ok());
});
