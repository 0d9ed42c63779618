//! What the types of secrets cannot do, and what errors do not say.

use super::*;
use crate::{
    bearer::{BearerToken, Credentials},
    jwt::MasterKey,
    message::RequestHead,
};

/// Refuses to compile for a type that has `==`: the two implementations would be ambiguous.
macro_rules! has_no_eq {
    ($($secret:ty),*) => {$({
        trait Ambiguous<Why> {
            fn found() {}
        }
        struct Compared;
        impl<T: ?Sized> Ambiguous<()> for T {}
        impl<T: ?Sized + PartialEq> Ambiguous<Compared> for T {}
        <$secret as Ambiguous<_>>::found();
    })*};
}

#[test]
fn sec_546_no_secret_is_compared_with_equals() {
    has_no_eq!(HmacKey, MasterKey, KeyRing, UnverifiedJwt<'_>, VerifiedJwt<'_>);
    has_no_eq!(BearerToken<'_>, Credentials<'_>, RequestHead<'_>);
    #[cfg(feature = "client")]
    {
        use crate::client::{ClientSecret, Entropy, Pkce, RandomText, RefreshToken, Tokens};
        has_no_eq!(ClientSecret<'_>, RefreshToken<'_>, Tokens<'_>, Entropy, Pkce, RandomText);
    }
}

#[test]
fn sec_322_errors_do_not_repeat_the_token() {
    let marked = object(&CLAIMS).replace("user-1", "marker");
    let header = base64(r#"{"alg":"HS256","typ":"at+jwt","kid":"marker"}"#.as_bytes());
    let payload = base64(marked.as_bytes());
    for token in [
        "marker".to_string(),
        "marker.marker.marker".to_string(),
        sign_segments(&header, &payload, KEY),
        sign_segments(&base64(HEADER.as_bytes()), &payload, OTHER_KEY),
        sign(HEADER, &marked.replace("client-1", "")),
        sign(HEADER, &marked.replace("1800000600", "\"marker\"")),
        sign(HEADER, &marked.replace(ISSUER, "https://marker.example")),
        sign(HEADER, &marked.replace(RESOURCE, "https://marker.example")),
        "marker".repeat(1000),
    ] {
        let error = judge(&token).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.to_lowercase().contains("marker"), "{shown}");
        assert!(!shown.contains(&base64(b"marker")), "{shown}");
        assert!((5..100).contains(&shown.len()), "{shown}");
    }
    assert_eq!(judge(&sign(HEADER, &marked)), Ok(()));
}
