//! The tokens: 300 bytes, with the claims of RFC 9068 and short names, and 1 KiB, as identity
//! providers make them.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The shared key.
pub const KEY: &[u8; 32] = b"thirty-two bytes for all of them";
/// Who issues.
pub const ISSUER: &str = "https://as.example";
/// Who is asked.
pub const RESOURCE: &str = "https://mcp.example/mcp";
/// What is needed.
pub const SCOPE: &str = "user";
/// What comes before the token.
pub const SCHEME: &str = "Bearer ";

const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#;

/// Seconds since the epoch; read by everyone for every token.
pub fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The two lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 300 bytes.
    Small,
    /// 1024 bytes.
    Large,
}

impl Size {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// Length of the token.
    pub const fn token_len(self) -> usize {
        match self {
            Self::Small => 300,
            Self::Large => 1024,
        }
    }

    /// Length of the field value.
    pub const fn field_len(self) -> usize {
        SCHEME.len() + self.token_len()
    }

    /// For reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "300 B",
            Self::Large => "1 KiB",
        }
    }

    /// The value of the `Authorization` field.
    pub fn field(self) -> Vec<u8> {
        format!("{SCHEME}{}", self.token()).into_bytes()
    }

    /// The token, the same one for all of this process.
    pub fn token(self) -> String {
        static ISSUED_AT: OnceLock<u64> = OnceLock::new();
        let issued_at = *ISSUED_AT.get_or_init(now_secs);
        let expires_at = issued_at + 3600;
        let times = format!(r#""iat":{issued_at},"exp":{expires_at}"#);
        let claims = match self {
            Self::Small => format!(
                r#"{{"iss":"{ISSUER}","aud":"{RESOURCE}","sub":"u1","client_id":"c1","jti":"1",{times},"scope":"user"}}"#
            ),
            Self::Large => format!(
                r#"{{"iss":"{ISSUER}","aud":"{RESOURCE}","sub":"5f0f6c1e-6c0a-4a63-9a1d-0b9d3c1e7a55","client_id":"https://client.example/oauth/client-metadata.json","jti":"HqJUEcPVuP2ZCmUA3Zc0kQ7q3PzyA6F5kpV6Zs1m4dE",{times},"auth_time":{issued_at},"acr":"urn:example:loa:2","amr":["pwd","otp"],"name":"Zoë Example","email":"zoe@example.com","email_verified":true,"groups":["engineering","on-call","release-managers"],"tenant":{{"id":"t-2041","name":"Example","plan":"team"}},"sid":"0b9d3c1e-7a55-4a63-9a1d-5f0f6c1e6c0a","scope":"openid profile email user files:read files:write calendar:read"}}"#
            ),
        };
        sign(&pad(claims, self.token_len()))
    }
}

/// Appends blanks, which JSON permits, until the token has its length.
fn pad(claims: String, token_len: usize) -> String {
    let room = token_len - encoded_len(HEADER.len()) - encoded_len(32) - 2;
    let missing = room * 3 / 4 - claims.len();
    let padded = format!("{claims}{}", " ".repeat(missing));
    assert_eq!(encoded_len(padded.len()), room, "a length that base64 cannot have");
    padded
}

fn encoded_len(len: usize) -> usize {
    (len * 4).div_ceil(3)
}

fn sign(claims: &str) -> String {
    let [header, claims] =
        [HEADER, claims].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes()));
    let input = format!("{header}.{claims}");
    let mac =
        Hmac::<Sha256>::new_from_slice(KEY).expect("any length").chain_update(&input).finalize();
    format!("{input}.{}", Base64UrlUnpadded::encode_string(&mac.into_bytes()))
}

/// Signing input and signature of the token in a field value.
pub fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let token = field.strip_prefix(SCHEME.as_bytes())?;
    let (input, signature) = token.split_at_checked(token.len().checked_sub(44)?)?;
    Some((input, signature.get(1..)?))
}

/// The decoded signature of a token.
pub fn signature(token: &str) -> Vec<u8> {
    let (_, signature) = token.rsplit_once('.').expect("three segments");
    Base64UrlUnpadded::decode_vec(signature).expect("just encoded")
}
