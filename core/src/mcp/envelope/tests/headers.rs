//! Step 10: the mirrored headers.

use super::*;

const METHOD: Fault = Fault::Header(MirroredHeader::Method);
const NAME: Fault = Fault::Header(MirroredHeader::Name);
const VERSION: Fault = Fault::Header(MirroredHeader::ProtocolVersion);

#[test]
fn ts_40_41_42_a_modern_request_has_them_all() {
    Case::modern().is_accepted();
    Case::modern().without("MCP-Protocol-Version").fails(VERSION, 400, -32020);
    Case::modern().without("Mcp-Method").fails(METHOD, 400, -32020);
    Case::modern().without("Mcp-Name").fails(NAME, 400, -32020);
    // A method without a name needs no name header.
    let list = Case::modern().swap("tools/call", "tools/list").set("Mcp-Method", "tools/list");
    list.without("Mcp-Name").is_accepted();
}

#[test]
fn ts_41_names_ignore_case_and_values_do_not() {
    Case::modern().without("Mcp-Method").line("mCP-mETHOD", "tools/call").is_accepted();
    for value in
        ["Tools/Call", "tools/list", "", "tools/call,tools/call", "=?base64?dG9vbHMvY2FsbA==?="]
    {
        Case::modern().set("Mcp-Method", value).fails(METHOD, 400, -32020);
    }
}

#[test]
fn sec_345_a_header_that_names_another_tool() {
    for value in [
        "get_time",
        "",
        "LED",
        "led\u{0}",
        "led, get_time",
        "%6ced",
        "=?base64?Z2V0X3RpbWU=?=",
        "=?BASE64?bGVk?=",
        "=?base64?bGVk",
        "=?base64?bGV\u{a0}k?=",
        "=?base64?bGVkAA==?=",
        "=?base64?bGVk====?=",
    ] {
        Case::modern().set("Mcp-Name", value).fails(NAME, 400, -32020);
    }
    Case::modern().set("Mcp-Name", "=?base64?bGVk?=").is(Era::Modern, "tools/call", Some("led"));
    let short = |value| Case::modern().swap("led", "l").set("Mcp-Name", value);
    short("=?base64?bA==?=").is_accepted();
    short("=?base64?bB==?=").fails(NAME, 400, -32020);
    short("=?base64?bA?=").fails(NAME, 400, -32020);
}

#[test]
fn sec_345_the_handshake_era_is_no_way_around() {
    let case = Case::legacy().line("Mcp-Method", "tools/call").line("Mcp-Name", "led");
    case.is(Era::Legacy, "tools/call", Some("led"));
    case.clone().set("Mcp-Name", "get_time").fails(NAME, 400, -32020);
    case.clone().line("Mcp-Name", "led").fails(NAME, 400, -32020);
    case.set("Mcp-Method", "tools/list").fails(METHOD, 400, -32020);
}

#[test]
fn ts_44_outer_blanks_do_not_count() {
    for (name, value) in
        [("Mcp-Name", "led"), ("Mcp-Method", "tools/call"), ("MCP-Protocol-Version", "2026-07-28")]
    {
        Case::modern().set(name, &format!(" \t{value}\t ")).is_accepted();
        let inside = value.replace(value.get(1..2).unwrap(), " ");
        Case::modern().set(name, &inside).judge(|envelope| {
            assert_eq!(envelope.unwrap_err().code(), -32020, "{name}: {inside}");
        });
    }
    Case::modern().set("Mcp-Name", "=?base64?bGVk?= ").is_accepted();
}

#[test]
fn ts_45_invalid_characters() {
    let named = Case::modern().swap("led", "l\u{e9}d");
    named.clone().set("Mcp-Name", "l\u{e9}d").fails(NAME, 400, -32020);
    named.set("Mcp-Name", "=?base64?bMOpZA==?=").is_accepted();
    let method = Case::modern().swap("tools/call", "m\u{e9}");
    method.set("Mcp-Method", "m\u{e9}").fails(METHOD, 400, -32020);
    let mut bytes = Case::modern().without("MCP-Protocol-Version");
    bytes.lines.push(("MCP-Protocol-Version".into(), b"2026-07-28\xff".into()));
    bytes.fails(VERSION, 400, -32020);
}

#[test]
fn ts_48_a_repeated_line_is_a_mismatch() {
    for (name, value, fault) in [
        ("MCP-Protocol-Version", "2026-07-28", VERSION),
        ("Mcp-Method", "tools/call", METHOD),
        ("Mcp-Name", "led", NAME),
    ] {
        Case::modern().line(name, value).fails(fault, 400, -32020);
        Case::modern().line(name, "other").fails(fault, 400, -32020);
    }
}
