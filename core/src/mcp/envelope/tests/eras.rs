//! Steps 8, 9 and 11: era, `_meta`, and which versions are supported.

use super::*;

const VERSION_KEY: &str = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"";
const CAPABILITIES_KEY: &str = "\"io.modelcontextprotocol/clientCapabilities\":{}";
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const RESPONSE: &str = r#"{"jsonrpc":"2.0","id":"s1","result":{}}"#;
const LEGACY_ONLY: Versions<'static> =
    Versions { modern: &[], legacy: &["2025-11-25", "2025-06-18"] };

#[test]
fn td_01_the_body_decides_the_era() {
    Case::modern().is(Era::Modern, "tools/call", Some("led"));
    Case::legacy().is(Era::Legacy, "tools/call", Some("led"));
    Case::legacy().line("MCP-Protocol-Version", "2025-11-25").is(
        Era::Legacy,
        "tools/call",
        Some("led"),
    );
    // A modern header does not make a modern body.
    Case::legacy().line("MCP-Protocol-Version", "2026-07-28").fails(Fault::Meta, 400, -32602);
    // A legacy header does not make a modern body legacy.
    let case = Case::modern().set("MCP-Protocol-Version", "2025-11-25");
    case.fails(Fault::Header(MirroredHeader::ProtocolVersion), 400, -32020);
    // A version of the wrong type is there all the same.
    let case = Case::modern().swap(VERSION_KEY, &VERSION_KEY.replace("\"2026-07-28\"", "null"));
    case.without("MCP-Protocol-Version").fails(Fault::Meta, 400, -32602);
}

#[test]
fn sec_344_the_name_is_the_bodys_in_every_era() {
    for (method, params, name) in [
        ("tools/call", "\"name\":\"led\",\"uri\":\"x:y\"", Some("led")),
        ("prompts/get", "\"name\":\"p\"", Some("p")),
        ("resources/read", "\"uri\":\"file:///a\",\"name\":\"led\"", Some("file:///a")),
        ("tools/list", "\"name\":\"led\"", None),
        ("Tools/Call", "\"name\":\"led\"", None),
        ("tools/call\\u0000", "\"name\":\"led\"", None),
    ] {
        let body = |meta: &str| {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{{{params}{meta}}}}}"
            )
        };
        let method = method.replace("\\u0000", "\0");
        Case::legacy().body(&body("")).is(Era::Legacy, &method, name);
        if !method.contains('\0') {
            let modern = Case::modern().body(&body(&format!(",{META}"))).set("Mcp-Method", &method);
            modern.set("Mcp-Name", name.unwrap_or("x")).is(Era::Modern, &method, name);
        }
    }
    // A tool called without an id is called all the same.
    let notified = Case::legacy().swap("\"id\":1,", "");
    notified.is(Era::Legacy, "tools/call", Some("led"));
    for case in [Case::legacy(), Case::modern(), notified] {
        case.swap("\"name\":\"led\",", "").fails(Fault::Params, 400, -32602);
    }
}

#[test]
fn ts_30_version_and_capabilities_are_required() {
    let without_version = || Case::modern().swap(&format!("{VERSION_KEY},"), "");
    without_version().fails(Fault::Meta, 400, -32602);
    let without_capabilities = || Case::modern().swap(&format!(",{CAPABILITIES_KEY}"), "");
    without_capabilities().fails(Fault::Meta, 400, -32602);
    for wrong in ["1", "null", "\"\"", "[]", "true"] {
        let key = CAPABILITIES_KEY.replace("{}", wrong);
        Case::modern().swap(CAPABILITIES_KEY, &key).fails(Fault::Meta, 400, -32602);
        let key = VERSION_KEY.replace("\"2026-07-28\"", wrong);
        Case::modern().swap(VERSION_KEY, &key).fails(Fault::Meta, 400, -32602);
    }
    let case = Case::modern().swap(CAPABILITIES_KEY, &CAPABILITIES_KEY.replace("{}", "{\"x\":{}}"));
    case.judge(|envelope| {
        assert_eq!(envelope.unwrap().client_capabilities(), Some("{\"x\":{}}"));
    });
    // Step 9 comes before step 10.
    without_capabilities().without("Mcp-Method").fails(Fault::Meta, 400, -32602);
}

#[test]
fn ts_32_a_modern_version_that_is_not_supported() {
    let of = |version: &str| {
        Case::modern().swap("2026-07-28", version).set("MCP-Protocol-Version", version)
    };
    of("2026-07-28").is_accepted();
    for version in ["2027-01-01", "2025-11-25", "2026-07-2", "DRAFT", "v"] {
        of(version).fails(Fault::Version, 400, -32022);
        // Step 10 comes before step 11.
        let case = of(version).set("Mcp-Name", "x");
        case.fails(Fault::Header(MirroredHeader::Name), 400, -32020);
    }
}

#[test]
fn tl_07_a_legacy_version_that_is_not_supported() {
    for version in ["2025-11-25", "2025-06-18"] {
        let case = Case::legacy().line("MCP-Protocol-Version", version);
        case.judge(|envelope| assert_eq!(envelope.unwrap().protocol_version(), Some(version)));
    }
    Case::legacy().judge(|envelope| assert_eq!(envelope.unwrap().protocol_version(), None));
    for version in ["2025-03-26", "2024-11-05", "2099-01-01", "1"] {
        for case in [Case::legacy(), Case::legacy().body(INITIALIZE), Case::legacy().body(RESPONSE)]
        {
            let case = case.line("MCP-Protocol-Version", version);
            case.fails(Fault::Version, 400, -32022);
        }
    }
    for version in ["", "2025-11-25, 2025-06-18", "\u{e9}"] {
        let case = Case::legacy().line("MCP-Protocol-Version", version);
        case.fails(Fault::Header(MirroredHeader::ProtocolVersion), 400, -32020);
    }
}

#[test]
fn td_06_initialize_bears_no_header() {
    let case = Case::legacy().body(INITIALIZE);
    case.is(Era::Legacy, "initialize", None);
    case.judge(|envelope| {
        assert_eq!(envelope.unwrap().protocol_version(), Some("2025-06-18"));
    });
    // What it asks for is negotiated (TL-01).
    case.clone().swap("2025-06-18", "1999-01-01").is_accepted();
    case.clone().swap("\"2025-06-18\"", "1").fails(Fault::Params, 400, -32602);
    case.clone().line("MCP-Protocol-Version", "2025-11-25").is_accepted();
    let disagreement = case.line("MCP-Protocol-Version", "2026-07-28");
    disagreement.fails(Fault::Header(MirroredHeader::ProtocolVersion), 400, -32020);
}

#[test]
fn ts_35_initialize_at_a_modern_server() {
    let case = Case::legacy().body(INITIALIZE).versions(Versions::MODERN);
    case.fails(Fault::Meta, 400, -32602);
    // With all that a modern request has it is a method like any other, and unknown (step 12).
    let case = Case::modern().swap("tools/call", "initialize").set("Mcp-Method", "initialize");
    case.versions(Versions::MODERN).is(Era::Modern, "initialize", None);
}

#[test]
fn ts_22_ts_49_notifications() {
    let case = Case::legacy().body(INITIALIZED);
    case.is(Era::Legacy, "notifications/initialized", None);
    case.clone().versions(Versions::MODERN).is(Era::Modern, "notifications/initialized", None);
    let named = case.clone().line("MCP-Protocol-Version", "2026-07-28");
    named.is(Era::Modern, "notifications/initialized", None);
    // Other mirrored headers are not looked at; the version is.
    named.clone().line("Mcp-Method", "x").is(Era::Modern, "notifications/initialized", None);
    let unknown = case.clone().line("MCP-Protocol-Version", "2027-01-01");
    unknown.clone().fails(Fault::Version, 400, -32022);
    unknown.versions(Versions::MODERN).fails(Fault::Version, 400, -32022);
    named.line("MCP-Protocol-Version", "2026-07-28").fails(
        Fault::Header(MirroredHeader::ProtocolVersion),
        400,
        -32020,
    );

    let with_meta = Case::modern().swap("\"id\":1,", "");
    with_meta.is(Era::Modern, "tools/call", Some("led"));
    with_meta.clone().without("MCP-Protocol-Version").without("Mcp-Method").is_accepted();
    with_meta.set("MCP-Protocol-Version", "2025-11-25").fails(
        Fault::Header(MirroredHeader::ProtocolVersion),
        400,
        -32020,
    );
}

#[test]
fn ts_20_tl_02_posted_responses() {
    let case = Case::legacy().body(RESPONSE);
    case.judge(|envelope| {
        assert!(matches!(envelope.unwrap().message(), Message::Response));
    });
    case.is(Era::Legacy, "", None);
    case.clone().versions(LEGACY_ONLY).is(Era::Legacy, "", None);
    case.clone().line("MCP-Protocol-Version", "2025-11-25").is_accepted();
    let errors = r#"{"jsonrpc":"2.0","error":{"code":1,"message":"x"}}"#;
    case.clone().body(errors).is_accepted();
    case.clone().versions(Versions::MODERN).fails(Fault::Response, 400, -32600);
    case.line("MCP-Protocol-Version", "2026-07-28").fails(Fault::Response, 400, -32600);
}

#[test]
fn tc_12_a_legacy_server_gives_no_modern_error() {
    let modern = Case::modern().versions(LEGACY_ONLY);
    modern.fails(Fault::Version, 400, -32600);
    modern.line("Mcp-Method", "x").set("MCP-Protocol-Version", "2025-11-25").fails(
        Fault::Header(MirroredHeader::Method),
        400,
        -32600,
    );
    Case::legacy().versions(LEGACY_ONLY).is(Era::Legacy, "tools/call", Some("led"));
}
