//! Step 7: the JSON, the envelope, and that there is one message only.

use super::*;
use crate::encoding::json::JsonError;

const NOT_JSON: [(&str, JsonError); 13] = [
    ("", JsonError::Syntax),
    ("  ", JsonError::Syntax),
    ("{", JsonError::Syntax),
    ("{\"a\":1,}", JsonError::Syntax),
    ("{'a':1}", JsonError::Syntax),
    ("{\"a\":1}/**/", JsonError::Trailing),
    ("{\"a\":1}{\"a\":1}", JsonError::Trailing),
    ("{\"a\":01}", JsonError::Number),
    ("{\"a\":NaN}", JsonError::Syntax),
    ("{\"a\":\"\\x\"}", JsonError::Character),
    ("{\"a\":\"\n\"}", JsonError::Character),
    ("{\"a\":\"\\ud800\"}", JsonError::Surrogate),
    ("\u{feff}{}", JsonError::Utf8),
];

#[test]
fn ts_26_what_is_no_json() {
    for (body, error) in NOT_JSON {
        Case::legacy().body(body).fails(Fault::Json(error), 400, -32700);
        // Nothing is passed over unread, however deep it lies.
        let inside = Case::legacy().swap("\"arguments\":{}", &format!("\"x\":[{{\"y\":{body}}}]"));
        inside.judge(|envelope| assert_eq!(envelope.unwrap_err().code(), -32700, "{body}"));
    }
    let mut case = Case::legacy();
    case.body.extend(b"\"\xff\"");
    case.fails(Fault::Json(JsonError::Utf8), 400, -32700);
}

#[test]
fn ts_26_no_json_is_worse_than_a_bad_envelope() {
    Case::legacy().body("{\"jsonrpc\":1,").fails(Fault::Json(JsonError::Syntax), 400, -32700);
    Case::legacy().body("[1] 2").fails(Fault::Json(JsonError::Trailing), 400, -32700);
}

#[test]
fn sec_025_lim_6_nesting_on_both_sides_of_the_limit() {
    let nested = |arrays: usize| {
        let value = format!("{}{}", "[".repeat(arrays), "]".repeat(arrays));
        Case::legacy().swap("\"arguments\":{}", &format!("\"arguments\":{value}"))
    };
    // The message and `params` are two levels.
    let max = usize::from(BodyLimits::SMALL.depth_max) - 2;
    nested(max - 1).is_accepted();
    nested(max).is_accepted();
    nested(max + 1).fails(Fault::Json(JsonError::Depth), 400, -32700);
    let mut case = nested(100_000);
    case.limits = BodyLimits::DESKTOP;
    case.fails(Fault::Json(JsonError::Depth), 400, -32700);
}

#[test]
fn sec_031_document_is_not_an_object() {
    for body in ["\"x\"", "1", "null", "true", "false"] {
        Case::legacy().body(body).fails(Fault::Envelope, 400, -32600);
    }
}

#[test]
fn ts_20_tl_13_batches() {
    for case in [Case::modern(), Case::legacy()] {
        let one = String::from_utf8(case.body.clone()).unwrap();
        for batch in ["[]".into(), format!("[{one}]"), format!("[{one},{one}]")] {
            case.clone().body(&batch).fails(Fault::Batch, 400, -32600);
        }
    }
}

#[test]
fn sec_020_sec_021_a_name_twice() {
    let duplicate = Fault::Json(JsonError::Duplicate);
    for (from, to) in [
        ("\"id\":1", "\"id\":1,\"id\":1"),
        ("\"id\":1", "\"id\":1,\"i\\u0064\":2"),
        ("\"jsonrpc\":\"2.0\"", "\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\""),
        ("\"method\":", "\"method\":\"tools/list\",\"method\":"),
        ("\"method\":", "\"\\u006dethod\":\"tools/list\",\"method\":"),
        ("\"params\":", "\"params\":{},\"params\":"),
        ("\"name\":", "\"name\":\"get_time\",\"name\":"),
        ("\"name\":", "\"n\\u0061me\":\"get_time\",\"name\":"),
        ("\"_meta\":", "\"_meta\":{},\"_meta\":"),
        ("\"arguments\":", "\"arguments\":{},\"arguments\":"),
        ("\"id\":1", "\"id\":1,\"other\":1,\"other\":1"),
    ] {
        Case::modern().swap(from, to).fails(duplicate, 400, -32600);
    }
    let key = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"";
    Case::modern().swap(key, &format!("{key},{key}")).fails(duplicate, 400, -32600);
}

#[test]
fn sec_022_sec_023_look_alikes_are_other_names() {
    for other in ["Method", "METHOD", "method\\u0000", "method ", "\u{ff4d}ethod", "metho\u{501}"] {
        // Beside the real one they change nothing; alone they are nothing.
        let extra = format!("\"{other}\":\"tools/list\",\"method\":");
        Case::modern().swap("\"method\":", &extra).is(Era::Modern, "tools/call", Some("led"));
        let instead = format!("\"{other}\":");
        Case::modern().swap("\"method\":", &instead).fails(Fault::Envelope, 400, -32600);
    }
    for other in ["Name", "name\\u0000", "na\u{2133}e"] {
        let extra = format!("\"{other}\":\"get_time\",\"name\":");
        Case::modern().swap("\"name\":", &extra).is(Era::Modern, "tools/call", Some("led"));
        let instead = format!("\"{other}\":");
        Case::modern().swap("\"name\":", &instead).fails(Fault::Params, 400, -32602);
    }
}

#[test]
fn sec_024_escapes_are_another_spelling_only() {
    let case = Case::modern()
        .swap("\"method\":", "\"\\u006d\\u0065\\u0074\\u0068\\u006f\\u0064\":")
        .swap("tools/call", "tools\\/c\\u0061ll")
        .swap("\"name\":\"led\"", "\"n\\u0061me\":\"l\\u0065d\"")
        .swap("\"jsonrpc\":\"2.0\"", "\"jsonrpc\":\"2\\u002e0\"");
    case.is(Era::Modern, "tools/call", Some("led"));
    case.set("Mcp-Name", "lad").fails(Fault::Header(MirroredHeader::Name), 400, -32020);
}

#[test]
fn sec_032_a_known_member_of_the_wrong_type() {
    for wrong in ["1", "null", "false", "[]", "{}"] {
        let to = |name: &str| format!("\"{name}\":{wrong}");
        let case = Case::modern().swap("\"method\":\"tools/call\"", &to("method"));
        case.fails(Fault::Envelope, 400, -32600);
        let case = Case::modern().swap("\"jsonrpc\":\"2.0\"", &to("jsonrpc"));
        case.fails(Fault::Envelope, 400, -32600);
        for case in [Case::modern(), Case::legacy()] {
            case.swap("\"name\":\"led\"", &to("name")).fails(Fault::Params, 400, -32602);
        }
    }
    for wrong in ["1", "null", "false", "[]", "\"x\""] {
        let params =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{wrong}}}");
        Case::legacy().body(&params).fails(Fault::Envelope, 400, -32600);
        let meta = format!("\"_meta\":{wrong},\"arguments\":");
        Case::legacy().swap("\"arguments\":", &meta).fails(Fault::Params, 400, -32602);
    }
    for version in ["1", "\"1.0\"", "\"2.0 \"", "\"2\"", "2.0"] {
        let to = format!("\"jsonrpc\":{version}");
        Case::modern().swap("\"jsonrpc\":\"2.0\"", &to).fails(Fault::Envelope, 400, -32600);
    }
    Case::modern().swap("\"jsonrpc\":\"2.0\",", "").fails(Fault::Envelope, 400, -32600);
}

#[test]
fn ts_21_an_id_is_a_string_or_an_integer() {
    for id in ["0", "-1", "\"\"", "\"a\"", "18446744073709551616"] {
        for case in [Case::modern(), Case::legacy()] {
            case.swap("\"id\":1", &format!("\"id\":{id}")).judge(|envelope| {
                let Message::Request { id: own } = envelope.unwrap().message() else { panic!() };
                assert_eq!(own.to_string(), id);
            });
        }
    }
    for id in ["null", "1.5", "1e1", "-0", "true", "[1]", "{}"] {
        for case in [Case::modern(), Case::legacy()] {
            let case = case.swap("\"id\":1", &format!("\"id\":{id}"));
            case.fails(Fault::Envelope, 400, -32600);
        }
    }
}

#[test]
fn ts_20_the_members_of_the_three_kinds() {
    for body in [
        "{}",
        "{\"jsonrpc\":\"2.0\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1}",
        "{\"jsonrpc\":\"2.0\",\"result\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"result\":{}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"error\":null}",
    ] {
        Case::legacy().body(body).fails(Fault::Envelope, 400, -32600);
    }
}

#[test]
fn sec_033_lim_7_members_on_both_sides_of_the_limit() {
    let check = |place: &str, there: usize, max: usize| {
        let with = |count: usize| {
            let added: String = (there..count).map(|index| format!("\"m{index}\":0,")).collect();
            Case::modern().swap(place, &format!("{added}{place}"))
        };
        with(max - 1).is_accepted();
        with(max).is_accepted();
        with(max + 1).fails(Fault::Json(JsonError::Members), 400, -32700);
    };
    check("\"jsonrpc\"", 4, limits::MESSAGE_MEMBERS_MAX);
    check("\"name\"", 3, limits::PARAMS_MEMBERS_MAX);
    check("\"io.modelcontextprotocol/protocolVersion\"", 2, limits::META_MEMBERS_MAX);
}

#[test]
fn sec_033_little_memory() {
    let named = |len: usize| Case::legacy().swap("led", &format!("\\u0061{}", "a".repeat(len - 1)));
    named(127).is_accepted();
    named(128).is_accepted();
    named(129).fails(Fault::Json(JsonError::BufferFull), 400, -32700);
}
