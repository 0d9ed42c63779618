//! SEC-001 to SEC-011: base64url and the compact serialization.

use super::*;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Three segments, of which the first two are signed as they stand.
#[track_caller]
fn check_segments(header: &str, payload: &str, expected: Result<(), TokenError>) {
    let token = sign_segments(header, payload, KEY);
    assert_eq!(judge(&token), expected, "{token}");
}

fn header() -> String {
    base64(HEADER.as_bytes())
}

fn payload() -> String {
    base64(object(&CLAIMS).as_bytes())
}

/// Inserts `piece` at the start, inside, and at the end of each segment in turn.
fn check_inserted_everywhere(piece: &str) {
    check_segments(&header(), &payload(), Ok(()));
    for cut in [0, 5, usize::MAX] {
        let insert = |segment: &str| {
            let (before, behind) = segment.split_at(cut.min(segment.len()));
            format!("{before}{piece}{behind}")
        };
        check_segments(&insert(&header()), &payload(), Err(TokenError::Malformed));
        check_segments(&header(), &insert(&payload()), Err(TokenError::Malformed));
        let token = good_token();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let token = format!("{input}.{}", insert(signature));
        assert_eq!(judge(&token), Err(TokenError::Malformed), "{token}");
    }
}

#[test]
fn sec_001_padding() {
    for piece in ["=", "=="] {
        check_inserted_everywhere(piece);
    }
}

#[test]
fn sec_002_bytes_outside_the_alphabet() {
    for piece in
        ["+", "/", " ", "\t", "\r\n", "\n", "\0", "\u{7f}", "\u{e9}", "\u{ff21}", "%41", ","]
    {
        check_inserted_everywhere(piece);
    }
}

#[test]
fn sec_003_one_spelling_for_each_byte_string() {
    // The MAC has 32 bytes, so that the last character has two bits to spare.
    let token = good_token();
    let stem = &token[..token.len() - 1];
    let accepted =
        ALPHABET.iter().filter(|&&last| judge(&format!("{stem}{}", char::from(last))).is_ok());
    assert_eq!(accepted.count(), 1);
    // Header and payload, with one and two bytes in the last group and signed in every spelling.
    for blanks in 0..3 {
        let blanks = " ".repeat(blanks);
        let header = base64(format!("{HEADER}{blanks}").as_bytes());
        let payload = base64(format!("{}{blanks}", object(&CLAIMS)).as_bytes());
        for position in 0..64_usize {
            let respell = |segment: &str| {
                let (stem, last) = segment.split_at(segment.len() - 1);
                // Only bits that are not part of any byte.
                let spare = match segment.len() % 4 {
                    2 => 16,
                    3 => 4,
                    _ => 1,
                };
                let value = ALPHABET.iter().position(|&byte| byte == last.as_bytes()[0]).unwrap();
                let value = value / spare * spare + position % spare;
                format!("{stem}{}", char::from(ALPHABET[value]))
            };
            let expected = |text: &str| {
                if respell(text) == *text { Ok(()) } else { Err(TokenError::Malformed) }
            };
            check_segments(&respell(&header), &payload, expected(&header));
            check_segments(&header, &respell(&payload), expected(&payload));
        }
    }
}

#[test]
fn sec_004_impossible_lengths() {
    for text in ["A", "AAAAA"] {
        check_segments(text, &payload(), Err(TokenError::Malformed));
        check_segments(&header(), text, Err(TokenError::Malformed));
    }
    let token = good_token();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let longer = format!("{input}.{signature}AA");
    assert_eq!(judge(&longer), Err(TokenError::Malformed));
}

#[test]
fn sec_005_dots() {
    let token = good_token();
    assert_eq!(judge(&token), Ok(()));
    let [header, payload, signature]: [&str; 3] =
        token.split('.').collect::<Vec<_>>().try_into().unwrap();
    for other in [
        String::new(),
        header.to_string(),
        format!("{header}{payload}{signature}"),
        format!("{header}.{payload}"),
        format!("{payload}.{signature}"),
        format!(".{token}"),
        format!("{token}."),
        format!("{header}..{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{payload}.{payload}.{signature}"),
        ".".to_string(),
        "..".to_string(),
        "...".to_string(),
    ] {
        assert_eq!(judge(&other), Err(TokenError::Malformed), "{other}");
    }
}

#[test]
fn sec_005_segments_are_counted_before_anything_is_decoded() {
    let mut buffer = [b'!'; 1024];
    let token = good_token().replacen('.', "..", 1);
    assert!(UnverifiedJwt::parse(&token, &mut Scratch::new(&mut buffer)).is_err());
    assert!(buffer.iter().all(|&byte| byte == b'!'));
}

#[test]
fn sec_006_a_million_dots_and_one_huge_segment() {
    for text in [".".repeat(1_000_000), "A".repeat(1_000_000)] {
        assert_eq!(judge(&text), Err(TokenError::TooLong));
    }
    assert_eq!(judge(&".".repeat(crate::limits::TOKEN_LEN_MAX)), Err(TokenError::Malformed));
}

#[test]
fn sec_007_empty_segments() {
    check_segments("", &payload(), Err(TokenError::Malformed));
    check_segments(&header(), "", Err(TokenError::Malformed));
    assert_eq!(judge(&format!("{}.{}.", header(), payload())), Err(TokenError::Malformed));
}

#[test]
fn sec_008_json_serialization() {
    let token = good_token();
    let [header, payload, signature]: [&str; 3] =
        token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let part = format!(r#""protected":"{header}","signature":"{signature}""#);
    for text in [
        format!(r#"{{"payload":"{payload}",{part}}}"#),
        format!(r#"{{"payload":"{payload}","signatures":[{{{part}}}]}}"#),
    ] {
        assert_eq!(judge(&text), Err(TokenError::Malformed));
    }
}

#[test]
fn sec_009_every_changed_byte() {
    let (token, keys, expectations) = (good_token(), ring(), expectations());
    assert_eq!(judge(&token), Ok(()));
    for position in 0..token.len() {
        for byte in 0..=127 {
            let mut changed = token.clone().into_bytes();
            if changed[position] != byte {
                changed[position] = byte;
                let changed = String::from_utf8(changed).unwrap();
                assert!(judge_with(&changed, &keys, &expectations).is_err(), "{changed}");
            }
        }
    }
}

#[test]
fn sec_009_every_truncation() {
    let token = good_token();
    for len in 0..token.len() {
        assert!(judge(&token[..len]).is_err(), "{len}");
        assert!(judge(&token[token.len() - len..]).is_err(), "{len}");
    }
}

#[test]
fn sec_010_something_behind_the_token() {
    let token = good_token();
    for more in [" ", "  ", "\0", "\n", ",", ", ", "=", "A", "AAAA", &format!(",{token}"), &token] {
        assert!(judge(&format!("{token}{more}")).is_err(), "{more:?}");
    }
}

#[test]
fn sec_011_a_scratch_that_is_too_small() {
    let token = good_token();
    let run = |room: &mut [u8]| {
        let mut scratch = Scratch::new(room);
        UnverifiedJwt::parse(&token, &mut scratch)?
            .verify(&ring())?
            .claims(&mut scratch)
            .map(|_| ())
    };
    // Header, MAC and claims are all that is kept when nothing is escaped.
    let needed = HEADER.len() + 32 + object(&CLAIMS).len();
    for len in 0..=needed {
        let mut buffer = [b'!'; 512];
        let (room, behind) = buffer.split_at_mut(len);
        let expected = if len < needed { Err(TokenError::TooLong) } else { Ok(()) };
        assert_eq!(run(room), expected, "{len}");
        assert!(behind.iter().all(|&byte| byte == b'!'));
    }
}

#[test]
fn sec_105_a_mac_counts_only_as_a_whole() {
    let token = good_token();
    let (input, _) = token.rsplit_once('.').unwrap();
    let mac = HmacKey::new(KEY).unwrap().sign(input.as_bytes());
    let judge_mac = |mac: &[u8]| judge(&format!("{input}.{}", base64(mac)));
    assert_eq!(judge_mac(&mac), Ok(()));
    for len in 1..32 {
        assert_eq!(judge_mac(&mac[..len]), Err(TokenError::Signature), "{len}");
        assert_eq!(judge_mac(&mac[32 - len..]), Err(TokenError::Signature), "{len}");
    }
    assert_eq!(judge_mac(&[&mac[..], &[0]].concat()), Err(TokenError::Signature));
    assert_eq!(judge_mac(&[mac, mac].concat()), Err(TokenError::Signature));
    for bit in 0..256_usize {
        let mut flipped = mac;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(judge_mac(&flipped), Err(TokenError::Signature), "{bit}");
    }
}
