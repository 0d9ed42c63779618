//! What is refused, case by case.

use super::*;
use crate::limits::{DOCUMENT_DEPTH_MAX, JOSE_HEADER_MEMBERS_MAX, MEMBERS_MAX};
use std::{format, thread};

#[track_caller]
fn check_read(document: &str, expected: Result<(), JsonError>) {
    assert_eq!(read(document.as_bytes(), 64).map(|_| ()), expected, "{document}");
}

/// Whether the first member of `{"<spelling>":0}` is the one called `name`.
fn is_named(spelling: &str, name: &str) -> bool {
    let document = format!("{{\"{spelling}\":0}}");
    let mut reader = Reader::new(document.as_bytes(), 1).unwrap();
    let first = reader.object().unwrap().next(&mut reader).unwrap().unwrap();
    first.eq_str(name)
}

#[test]
fn sec_020_member_twice() {
    for members in [
        r#""aud":"a","aud":"b""#,
        r#""aud":"a","aud":"a""#,
        r#""a":1,"b":2,"c":3,"a":4"#,
        r#""a":1,"b":2,"b":[]"#,
        r#""":1,"":1"#,
    ] {
        check_read(&format!("{{{members}}}"), Err(JsonError::Duplicate));
        check_read(&format!("{{\"x\":[0,{{\"y\":{{{members}}}}}]}}"), Err(JsonError::Duplicate));
    }
    check(r#"{"aud":"a","aue":"b","au":"c","":"d"}"#, Ok(()));
    check(r#"[{"a":{"a":1}},{"a":1}]"#, Ok(()));
}

#[test]
fn sec_021_member_twice_behind_escapes() {
    for members in [
        r#""aud":1,"a\u0075d":2"#,
        r#""a\u0075d":1,"aud":2"#,
        r#""\u0061ud":1,"a\u0075d":2"#,
        r#""x\"":1,"aud":2,"aud":3"#,
        r#""a\/b":1,"a/b":2"#,
        r#""\u00e9":1,"é":2"#,
        r#""\ud83d\ude00":1,"😀":2"#,
        r#""\n":1,"\u000A":2"#,
    ] {
        check_read(&format!("{{{members}}}"), Err(JsonError::Duplicate));
    }
    check(r#"{"aud":1,"a\u0075\u0064\u0000":2,"a\\u0075d":3}"#, Ok(()));
}

#[test]
fn sec_022_look_alikes_are_other_names() {
    for (spelling, name) in [
        ("Aud", "aud"),
        ("AUD", "aud"),
        ("\u{17f}ub", "sub"),
        ("\u{212a}id", "kid"),
        ("e\u{301}", "\u{e9}"),
        ("au\u{200b}d", "aud"),
        ("\\u017fub", "sub"),
    ] {
        assert!(!is_named(spelling, name), "{spelling}");
    }
    assert!(is_named("aud", "aud"));
}

#[test]
fn sec_023_a_nul_belongs_to_the_name() {
    assert!(!is_named("method\\u0000", "method"));
    assert!(!is_named("\\u0000method", "method"));
    assert!(is_named("method\\u0000", "method\0"));
}

#[test]
fn sec_024_a_name_in_escapes_is_the_name() {
    assert!(is_named("\\u0061\\u0075\\u0064", "aud"));
    assert!(is_named("\\ud83d\\uDE00\\/\\b\\f\\n\\r\\t\\\"\\\\", "😀/\u{8}\u{c}\n\r\t\"\\"));
    assert!(!is_named("\\u0061\\u0075\\u0065", "aud"));
    assert!(!is_named("\\u0061\\u0075\\u0064", "audi"));
    assert!(!is_named("\\u0061\\u0075\\u0064", "au"));
}

#[test]
fn sec_025_nesting() {
    let shapes = [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")];
    for depth_max in [1_u8, 2, DOCUMENT_DEPTH_MAX, 16, 63, 64] {
        let max = usize::from(depth_max);
        for depth in [max - 1, max, max + 1] {
            for (open, close) in shapes {
                let levels = open.matches(['[', '{']).count();
                let (repeats, rest) = (depth / levels, depth % levels);
                let document = "[".repeat(rest)
                    + &open.repeat(repeats)
                    + "0"
                    + &close.repeat(repeats)
                    + &"]".repeat(rest);
                let expected = if depth > max { Err(JsonError::Depth) } else { Ok(()) };
                assert_eq!(read(document.as_bytes(), depth_max).map(|_| ()), expected);
                assert_eq!(skip(document.as_bytes(), depth_max), expected);
            }
        }
    }
    assert_eq!(skip("[".repeat(65).as_bytes(), u8::MAX), Err(JsonError::Depth), "64 at most");
    assert_eq!(read(b"1", 0).map(|_| ()), Ok(()));
    assert_eq!(read(b"[]", 0).map(|_| ()), Err(JsonError::Depth));
}

#[test]
fn sec_025_a_small_stack_is_enough() {
    let work = || {
        for open in ["[", "{\"\":", "[{\"\":"] {
            let document = open.repeat(100_000);
            assert_eq!(skip(document.as_bytes(), 64), Err(JsonError::Depth));
        }
        let wide = "[".repeat(63) + &"[],".repeat(100_000) + "0" + &"]".repeat(63);
        assert_eq!(skip(wide.as_bytes(), 64), Ok(()));
    };
    thread::Builder::new().stack_size(32 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn sec_026_not_plain_utf_8() {
    for string in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xc1\x81",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf0\x80\x80\xaf",
        b"\xc3",
        b"\x80",
    ] {
        check([b"[\"", string, b"\"]"].concat(), Err(JsonError::Utf8));
    }
    check(b"\xef\xbb\xbf{}", Err(JsonError::Utf8));
    check(b"{}\xff", Err(JsonError::Utf8));
    check(b"\xff\xfe{\0}\0", Err(JsonError::Utf8));
    check(b"{\0}\0", Err(JsonError::Syntax));
    check(b"\0{\0}", Err(JsonError::Syntax));
    check("[\"\u{feff}\u{fffe}\u{10ffff}\"]", Ok(()));
}

#[test]
fn sec_026_half_a_surrogate_pair() {
    for string in [
        r"\ud800",
        r"\udbff",
        r"\udc00",
        r"\uDFFF",
        r"\ud800\ud800",
        r"\udc00\ud800",
        r"\ud800x",
        r"\ud800\n",
        r"\ud800\\udc00",
        r"\ud800\u0061",
        r"a\ud83d\ude00\ud83d",
    ] {
        check(format!("[\"{string}\"]"), Err(JsonError::Surrogate));
        check(format!("{{\"{string}\":0}}"), Err(JsonError::Surrogate));
    }
    check(r#"["\ud800\udc00\uDBFF\uDFFF\ud7ff\ue000"]"#, Ok(()));
}

#[test]
fn sec_027_control_characters_and_unknown_escapes() {
    for code in 0..0x20_u8 {
        for place in 0..20 {
            let text = "x".repeat(place) + core::str::from_utf8(&[code]).unwrap();
            check(format!("[\"{text}\"]"), Err(JsonError::Character));
            check(format!("{{\"{text}yyyyyyyy\":0}}"), Err(JsonError::Character));
        }
    }
    for code in 0x20..=0x7f_u8 {
        let known = b"\"\\/bfnrt".contains(&code);
        let expected = if known { Ok(()) } else { Err(JsonError::Character) };
        check(format!("[\"\\{}\"]", char::from(code)), expected);
    }
    for escape in
        ["u", "u0", "u00", "u006", "u006g", "u+061", "u-061", "u 061", "U0061", "x61", "u{61}"]
    {
        check(format!("[\"\\{escape}\"]"), Err(JsonError::Character));
    }
    check("[\"\u{7f}\u{80}\u{2028}\"]", Ok(()));
    check("[\"a", Err(JsonError::Syntax));
    check("[\"a\\\"]", Err(JsonError::Syntax));
}

#[test]
fn sec_028_what_is_not_json() {
    for document in [
        "[1,]",
        "[,1]",
        "[,]",
        "[1,,2]",
        "[1 2]",
        "{,}",
        "{\"a\":1,}",
        "{\"a\":1,,\"b\":2}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{1:1}",
        "{'a':1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1]",
        "[1}",
        "['a']",
        "[a]",
        "[NaN]",
        "[Infinity]",
        "[+1]",
        "[.5]",
        "[True]",
        "[nul]",
        "[nulll]",
        "[truefalse]",
        "[tru]",
        "// c\n[]",
        "[/* c */]",
        "[1]#",
        "[\u{a0}1]",
        "[\x0b1]",
        "[\x0c1]",
        "{",
        "[",
        "[1",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "]",
        "}",
        ":",
        ",",
        "undefined",
        "[\u{feff}]",
    ] {
        let outcome = read(document.as_bytes(), 64).map(|_| ());
        let is_refused = matches!(outcome, Err(JsonError::Syntax | JsonError::Trailing));
        assert!(is_refused, "{document}: {outcome:?}");
        assert_eq!(skip(document.as_bytes(), 64), outcome, "{document}");
    }
    for number in [
        "-Infinity",
        "01",
        "-01",
        "1.",
        "-",
        "1.e1",
        "0x10",
        "1e",
        "1e+",
        "1.2.3",
        "--1",
        "1_0",
        "1a",
        "00",
    ] {
        check(format!("[{number}]"), Err(JsonError::Number));
    }
    check("\t\r\n [ 1 , -0.5e+10 , { \"a\" : null } ] \n", Ok(()));
}

#[test]
fn sec_029_integers() {
    let integer = |text: &str| Reader::new(text.as_bytes(), 0).unwrap().integer();
    let unsigned = |text: &str| Reader::new(text.as_bytes(), 0).unwrap().unsigned();
    let digits = "9".repeat(400);
    for text in [
        "1e999",
        "1e-999",
        "-0",
        "1.5",
        "1.0",
        "1e0",
        "1E3",
        "0.0",
        "-0.0",
        "18446744073709551616",
        &digits,
    ] {
        assert_eq!(integer(text), Err(JsonError::Number), "{text}");
        assert_eq!(unsigned(text), Err(JsonError::Number), "{text}");
        check(text, Ok(()));
    }
    for (text, value) in [
        ("0", Ok(0)),
        ("-1", Ok(-1)),
        ("1700000000", Ok(1_700_000_000)),
        ("9223372036854775807", Ok(i64::MAX)),
        ("9223372036854775808", Err(JsonError::Number)),
        ("-9223372036854775808", Ok(i64::MIN)),
        ("-9223372036854775809", Err(JsonError::Number)),
    ] {
        assert_eq!(integer(text), value, "{text}");
    }
    assert_eq!(unsigned("0"), Ok(0));
    assert_eq!(unsigned("18446744073709551615"), Ok(u64::MAX));
    assert_eq!(unsigned("-1"), Err(JsonError::Number));
}

#[test]
fn sec_030_nothing_or_too_much() {
    for document in ["", " ", "\n\t "] {
        check(document, Err(JsonError::Syntax));
    }
    for document in ["{}{}", "{} x", "{},", "{}]", "[]\0", "1 2", "\"a\"\"b\"", "{}\u{a0}"] {
        check(document, Err(JsonError::Trailing));
    }
    check("{} \r\n\t", Ok(()));
    let mut reader = Reader::new(b"1 2", 1).unwrap();
    assert_eq!(reader.integer(), Ok(1));
    assert_eq!(reader.integer(), Err(JsonError::Syntax), "there is one value in a document");
    let mut reader = Reader::new(b"[1] ", 1).unwrap();
    reader.array().unwrap().next(&mut reader).unwrap();
    assert_eq!(reader.end(), Err(JsonError::Syntax), "not read to its end");
}

#[test]
fn sec_031_document_is_not_an_object() {
    for document in ["[]", "[{}]", "\"{}\"", "1", "null", "true"] {
        let mut reader = Reader::new(document.as_bytes(), 8).unwrap();
        assert_eq!(reader.object().err(), Some(JsonError::Type), "{document}");
    }
    assert!(Reader::new(b"{}", 8).unwrap().object().is_ok());
}

#[test]
fn sec_032_wrong_type_is_never_absent() {
    type Read = fn(&mut Reader<'_>) -> Result<(), JsonError>;
    let reads: [(Kind, Read); 6] = [
        (Kind::Object, |reader| reader.object().map(|_| ())),
        (Kind::Array, |reader| reader.array().map(|_| ())),
        (Kind::String, |reader| reader.string().map(|_| ())),
        (Kind::Number, |reader| reader.integer().map(|_| ())),
        (Kind::Bool, |reader| reader.boolean().map(|_| ())),
        (Kind::Null, |reader| reader.null()),
    ];
    let values = ["{}", "[]", "\"1\"", "1", "false", "null"];
    for (place, value) in values.into_iter().enumerate() {
        let document = format!("{{\"exp\":{value},\"b\":1}}");
        for (kind, read) in &reads {
            let mut reader = Reader::new(document.as_bytes(), 8).unwrap();
            let mut members = reader.object().unwrap();
            members.next(&mut reader).unwrap();
            let fits = reads[place].0 == *kind;
            assert_eq!(reader.peek() == Ok(*kind), fits);
            assert_eq!(read(&mut reader), if fits { Ok(()) } else { Err(JsonError::Type) });
            if !fits {
                // Who passes over that error gets no further.
                assert_eq!(members.next(&mut reader).err(), Some(JsonError::Syntax));
                assert_eq!(reader.end(), Err(JsonError::Syntax));
            }
        }
    }
    let mut reader = Reader::new(b"{\"exp\":1.5}", 8).unwrap();
    let mut members = reader.object().unwrap();
    members.next(&mut reader).unwrap();
    assert_eq!(reader.integer(), Err(JsonError::Number));
    assert_eq!(members.next(&mut reader).err(), Some(JsonError::Syntax));
}

#[test]
fn sec_032_an_object_left_half_way_stops_the_reader() {
    let mut reader = Reader::new(b"{\"a\":{\"b\":1,\"c\":2},\"d\":3}", 8).unwrap();
    let mut outer = reader.object().unwrap();
    outer.next(&mut reader).unwrap();
    let mut inner = reader.object().unwrap();
    inner.next(&mut reader).unwrap();
    reader.skip().unwrap();
    assert_eq!(outer.next(&mut reader).err(), Some(JsonError::Syntax));
    inner.next(&mut reader).unwrap();
    reader.skip().unwrap();
    assert!(inner.next(&mut reader).unwrap().is_none());
    assert!(outer.next(&mut reader).unwrap().is_some_and(|name| name.eq_str("d")));
}

/// Reads an object of so many members.
fn read_members<const N: usize>(count: usize) -> Result<(), JsonError> {
    let members: Vec<_> = (0..count).map(|i| format!("\"m{i}\":{i}")).collect();
    let document = format!("{{{}}}", members.join(","));
    let mut reader = Reader::new(document.as_bytes(), 1)?;
    let mut members = reader.object_bounded::<N>()?;
    while members.next(&mut reader)?.is_some() {
        reader.skip()?;
    }
    reader.end()
}

#[test]
fn sec_033_members_at_their_limit() {
    assert_eq!(read_members::<MEMBERS_MAX>(MEMBERS_MAX - 1), Ok(()));
    assert_eq!(read_members::<MEMBERS_MAX>(MEMBERS_MAX), Ok(()));
    assert_eq!(read_members::<MEMBERS_MAX>(MEMBERS_MAX + 1), Err(JsonError::Members));
    assert_eq!(read_members::<JOSE_HEADER_MEMBERS_MAX>(JOSE_HEADER_MEMBERS_MAX - 1), Ok(()));
    assert_eq!(read_members::<JOSE_HEADER_MEMBERS_MAX>(JOSE_HEADER_MEMBERS_MAX), Ok(()));
    let beyond = read_members::<JOSE_HEADER_MEMBERS_MAX>(JOSE_HEADER_MEMBERS_MAX + 1);
    assert_eq!(beyond, Err(JsonError::Members));
    assert_eq!(read_members::<0>(0), Ok(()));
}

#[test]
fn sec_033_long_strings() {
    let long = "é\\n".repeat(100_000);
    check(format!("{{\"{long}\":\"{long}\"}}"), Ok(()));
    check(format!("{{\"{long}\":\"{long}\n\"}}"), Err(JsonError::Character));
}

#[test]
fn raw_is_the_exact_text_of_a_value() {
    let mut reader = Reader::new(b" [ {\"a\": [1 , 2]} , \"\\u0061\" ] ", 8).unwrap();
    let mut elements = reader.array().unwrap();
    for expected in ["{\"a\": [1 , 2]}", "\"\\u0061\""] {
        assert_eq!(elements.next(&mut reader), Ok(true));
        assert_eq!(reader.raw(), Ok(expected));
    }
    assert_eq!(elements.next(&mut reader), Ok(false));
    assert_eq!(reader.end(), Ok(()));
    assert_eq!(Reader::new(b"[1,]", 8).unwrap().raw(), Err(JsonError::Syntax));
}

#[test]
fn sec_011_no_room_to_unescape() {
    let mut reader = Reader::new(br#""a\u00e9\n""#, 0).unwrap();
    let string = reader.string().unwrap();
    for len in 0..4 {
        let mut buffer = vec![0; len];
        let mut scratch = Scratch::new(&mut buffer);
        assert_eq!(string.read(&mut scratch), Err(JsonError::BufferFull), "{len}");
        assert_eq!(scratch.free_len(), len);
    }
    assert_eq!(string.read(&mut Scratch::new(&mut [0; 4])), Ok("aé\n"));
    let mut reader = Reader::new(b"\"plain\"", 0).unwrap();
    assert_eq!(reader.string().unwrap().read(&mut Scratch::new(&mut [])), Ok("plain"));
}

#[test]
fn sec_320_debug_shows_no_text() {
    let mut reader = Reader::new(b"{\"hush\":\"hush\"}", 1).unwrap();
    let mut members = reader.object().unwrap();
    let name = members.next(&mut reader).unwrap();
    assert!(!format!("{reader:?} {members:?} {name:?}").contains("hush"));
}
