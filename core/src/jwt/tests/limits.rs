//! LIM-4 to LIM-7: one below, at, and one above each limit.

use super::*;
use crate::limits::{
    AUDIENCES_MAX, CLAIMS_LEN_MAX, DOCUMENT_DEPTH_MAX, JOSE_HEADER_LEN_MAX,
    JOSE_HEADER_MEMBERS_MAX, MEMBERS_MAX, TOKEN_LEN_MAX,
};

/// `document` made `len` bytes long by one more member.
fn padded(document: &str, len: usize) -> String {
    let filler = len - document.len() - r#","x":"""#.len();
    let padded = document.replacen('}', &format!(",\"x\":\"{}\"}}", "y".repeat(filler)), 1);
    assert_eq!(padded.len(), len);
    padded
}

/// `document` with so many members in all, each new one with a name of its own.
fn crowded(document: &str, present: usize, members: usize) -> String {
    let more: String = (present..members).map(|index| format!(",\"x{index}\":0")).collect();
    document.replacen('}', &format!("{more}}}"), 1)
}

/// An array so deep that the document around it has `depth` levels.
fn nested(depth: u8) -> String {
    let levels = usize::from(depth - 1);
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

/// Runs `case` just below, at, and just above `limit`.
#[track_caller]
fn check_limit(limit: usize, above: TokenError, case: impl Fn(usize) -> Result<(), TokenError>) {
    for (size, expected) in [(limit - 1, Ok(())), (limit, Ok(())), (limit + 1, Err(above))] {
        assert_eq!(case(size), expected, "{size}");
    }
}

#[test]
fn lim_4_token() {
    // A token this long cannot have claims within LIM-5: what is looked at is the first step alone.
    check_limit(TOKEN_LEN_MAX, TokenError::TooLong, |len| {
        let header = base64(HEADER.as_bytes());
        let payload = "A".repeat(len - header.len() - 45);
        let token = sign_segments(&header, &payload, KEY);
        assert_eq!(token.len(), len);
        let mut buffer = [0; 1024];
        UnverifiedJwt::parse(&token, &mut Scratch::new(&mut buffer))?.verify(&ring()).map(|_| ())
    });
}

#[test]
fn lim_5_sec_033_header() {
    check_limit(JOSE_HEADER_LEN_MAX, TokenError::TooLong, |len| {
        judge(&sign(&padded(HEADER, len), &object(&CLAIMS)))
    });
}

#[test]
fn lim_5_sec_033_claims() {
    check_limit(CLAIMS_LEN_MAX, TokenError::TooLong, |len| {
        judge(&sign(HEADER, &padded(&object(&CLAIMS), len)))
    });
}

#[test]
fn lim_6_sec_025_depth() {
    check_limit(usize::from(DOCUMENT_DEPTH_MAX), TokenError::Malformed, |depth| {
        let value = nested(u8::try_from(depth).unwrap());
        let header = HEADER.replacen('}', &format!(",\"x\":{value}}}"), 1);
        let in_header = judge(&sign(&header, &object(&CLAIMS)));
        assert_eq!(judge(&sign(HEADER, &with("x", &value))), in_header);
        in_header
    });
}

#[test]
fn lim_7_sec_033_header_members() {
    check_limit(JOSE_HEADER_MEMBERS_MAX, TokenError::TooLong, |members| {
        judge(&sign(&crowded(HEADER, 3, members), &object(&CLAIMS)))
    });
}

#[test]
fn lim_7_sec_033_claims() {
    check_limit(MEMBERS_MAX, TokenError::TooLong, |members| {
        judge(&sign(HEADER, &crowded(&object(&CLAIMS), CLAIMS.len(), members)))
    });
}

#[test]
fn lim_7_audiences() {
    let permitted = Expectations { several_audiences: true, ..expectations() };
    check_limit(AUDIENCES_MAX, TokenError::TooLong, |count| {
        let mut entries = std::vec![r#""https://other.example.com""#; count - 1];
        entries.push(r#""https://mcp.example.com/mcp""#);
        let claims = with("aud", &format!("[{}]", entries.join(",")));
        judge_with(&sign(HEADER, &claims), &ring(), &permitted)
    });
}

#[test]
fn lim_7_scope_tokens() {
    check_limit(crate::limits::SCOPE_TOKENS_MAX, TokenError::Claim, |count| {
        judge(&sign(HEADER, &with("scope", &format!("\"{}\"", std::vec!["a"; count].join(" ")))))
    });
}
