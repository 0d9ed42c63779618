//! A code is taken only from a callback that has our `state`, once, and the right issuer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    client::{Callback, Ignored},
    encoding::scratch::Scratch,
};
use portcullis_fuzz::site;

// The first byte: whether `iss` is promised; then the query, in which `$` stands for our `state`.
fuzz_target!(|data: &[u8]| {
    let Some((first, query)) = data.split_first() else { return };
    let Ok(query) = core::str::from_utf8(query) else { return };
    let promised = *first == b'1';
    let mut buffer = vec![0; 16 * 1024 + data.len() * 256];
    let mut scratch = Scratch::new(&mut buffer);
    let mut authorization = site::authorization(promised, &mut scratch);
    let state = site::state_of(&authorization);
    let query = query.replace('$', &state);
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let values = |wanted: &str| -> Vec<&str> {
        pairs.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &**value).collect()
    };
    let ours = values("state") == [state.as_str()];
    let issuer_fits = match values("iss").as_slice() {
        [] => !promised,
        [issuer] => *issuer == site::ISSUER,
        _ => false,
    };
    match authorization.handle_callback(&query, &mut scratch) {
        Callback::Granted(grant) => {
            assert!(ours && issuer_fits && values("error").is_empty(), "{query}");
            assert!(matches!(values("code").as_slice(), [code] if !code.is_empty()));
            assert!(!format!("{grant:?}").contains(&state));
            let again = authorization.handle_callback(&query, &mut scratch);
            assert!(matches!(again, Callback::Ignored(Ignored::Spent)), "{again:?}");
        }
        Callback::Denied(_) => {
            assert!(ours && issuer_fits && values("error").len() == 1 && values("code").is_empty());
        }
        Callback::Refused(_) => assert!(ours),
        Callback::Ignored(_) => {
            // A stranger's call took nothing away from the honest answer.
            let honest = format!("code=c&state={state}&iss=https%3A%2F%2Fas.example");
            let answer = authorization.handle_callback(&honest, &mut scratch);
            assert!(matches!(answer, Callback::Granted(_)), "{answer:?}");
        }
    }
});
