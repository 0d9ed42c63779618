//! The target signs its own input: a good signature opens any claims to the reader, and no token with one
//! bit changed verifies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    encoding::scratch::Scratch,
    jwt::UnverifiedJwt,
    limits::TOKEN_LEN_MAX,
    time::{Leeway, UnixTime},
    token::{Expectations, TokenError},
};
use portcullis_fuzz::{json::Tree, split_line, token};

// First line: the bit to change and the header, empty for a good one; then the payload.
fuzz_target!(|data: &[u8]| {
    let (header, payload) = split_line(data);
    let (bit, header) = header.split_at(header.len().min(2));
    let bit = bit.iter().fold(0_usize, |bit, byte| bit << 8 | usize::from(*byte));
    let header = if header.is_empty() { token::HEADER } else { header };
    let signed = token::sign(header, payload);

    if let Ok(subject) = verify(&signed) {
        let (Some(claims), Some(header)) = (Tree::accepted(payload), Tree::accepted(header)) else {
            return;
        };
        assert!(!claims.has_duplicate());
        assert_eq!(claims.text_member("iss"), Some(token::ISSUER));
        assert_eq!(claims.text_member("sub"), subject.as_deref());
        let audience = claims.member("aud").expect("required");
        let one = audience.text().or_else(|| {
            audience.texts().filter(|entries| entries.len() == 1).map(|entries| entries[0])
        });
        // Scheme and host in another case are the same identifier (authorization §8.7).
        assert!(one.is_some_and(|one| {
            one.eq_ignore_ascii_case(token::RESOURCE) && one.ends_with("/mcp")
        }));
        assert!(
            matches!(claims.member("exp"), Some(Tree::Number(exp)) if *exp > token::NOW as f64)
        );
        assert_eq!(header.text_member("alg"), Some("HS256"));
    }
    if signed.len() <= TOKEN_LEN_MAX {
        let mut changed = signed.into_bytes();
        let at = bit / 8 % changed.len();
        changed[at] ^= 1 << (bit % 8);
        if let Ok(changed) = core::str::from_utf8(&changed) {
            assert!(verify(changed).is_err(), "{changed}");
        }
    }
});

fn verify(text: &str) -> Result<Option<String>, TokenError> {
    let expectations = Expectations {
        issuer: token::ISSUER,
        resource: token::RESOURCE,
        leeway: Leeway::from_secs(0).expect("none"),
        lifetime_secs_max: u32::MAX,
        several_audiences: false,
    };
    let mut buffer = [0; TOKEN_LEN_MAX * 2];
    let mut scratch = Scratch::new(&mut buffer);
    let verified = UnverifiedJwt::parse(text, &mut scratch)?.verify(&token::key_ring())?;
    let accepted =
        verified.validate(&expectations, UnixTime::from_secs(token::NOW), &mut scratch)?;
    Ok(accepted.subject.map(str::to_owned))
}
