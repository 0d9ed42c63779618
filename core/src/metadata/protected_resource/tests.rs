//! Writing, reading, and which resource a document may speak for.

use super::*;
use crate::encoding::json::JsonError;
use std::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

fn full() -> ProtectedResource<'static> {
    ProtectedResource {
        resource: "https://mcp.example.com/mcp",
        authorization_servers: AuthorizationServers::from_slice(&["https://as.example.com"])
            .unwrap(),
        scopes_supported: ScopeSet::parse("user files:read").unwrap(),
        bearer_methods_supported: BearerMethods::Header,
        resource_name: Some("Files \"&\" </script> \u{1f4c1}"),
        resource_documentation: Some("https://mcp.example.com/docs"),
        resource_policy_uri: Some("https://mcp.example.com/policy"),
        resource_tos_uri: Some("https://mcp.example.com/tos"),
        #[cfg(feature = "dpop")]
        dpop_signing_alg_values_supported: None,
        #[cfg(feature = "dpop")]
        dpop_bound_access_tokens_required: false,
    }
}

fn written(resource: &ProtectedResource<'_>) -> String {
    resource.write(&mut [0; 1024]).unwrap().to_string()
}

/// Parses, and gives the issuers, or why there are none.
fn issuers(document: &str) -> Result<Vec<String>, MetadataError> {
    let mut buffer = [0; 1024];
    let parsed = ProtectedResource::parse(document.as_bytes(), &mut Scratch::new(&mut buffer))?;
    Ok(parsed.authorization_servers.iter().map(ToString::to_string).collect())
}

/// A document with one issuer and what `member` adds.
fn with(member: &str) -> String {
    format!(r#"{{"resource":"https://h/mcp","authorization_servers":["https://as"]{member}}}"#)
}

#[track_caller]
fn check(member: &str, expected: Result<(), MetadataError>) {
    assert_eq!(issuers(&with(member)).map(drop), expected, "{member}");
}

#[test]
fn rs_08_the_document_as_json() {
    let json: serde_json::Value = serde_json::from_str(&written(&full())).unwrap();
    let expected = serde_json::json!({
        "resource": "https://mcp.example.com/mcp",
        "authorization_servers": ["https://as.example.com"],
        "scopes_supported": ["user", "files:read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Files \"&\" </script> \u{1f4c1}",
        "resource_documentation": "https://mcp.example.com/docs",
        "resource_policy_uri": "https://mcp.example.com/policy",
        "resource_tos_uri": "https://mcp.example.com/tos",
    });
    assert_eq!(json, expected);
}

#[test]
fn rs_08_empty_members_are_left_out() {
    let resource = ProtectedResource { resource: "https://h", ..ProtectedResource::default() };
    assert_eq!(written(&resource), r#"{"resource":"https://h"}"#);
}

#[test]
fn sec_035_what_is_written_is_read_back_and_safe_in_html() {
    let text = written(&full());
    assert!(!text.contains("</script>"));
    let mut buffer = [0; 256];
    let parsed = ProtectedResource::parse(text.as_bytes(), &mut Scratch::new(&mut buffer));
    assert_eq!(parsed, Ok(full()));
}

#[test]
fn sec_036_written_whole_or_not_at_all() {
    let text = written(&full());
    for len in 0..=text.len() {
        match full().write(&mut vec![0; len]) {
            Ok(whole) => assert_eq!(whole, text),
            Err(BufferFull) => assert!(len < text.len()),
        }
    }
}

#[test]
fn cl_05_unknown_members_are_passed_over() {
    check(r#","x":{"resource":[1,{"y":null}]},"dpop_bound_access_tokens_required":true"#, Ok(()));
    check(r#","signed_metadata":"a.b.c""#, Ok(())); // SEC-176
    check(r#","x":{"y":01}"#, Err(MetadataError::Json(JsonError::Number)));
}

#[test]
fn sec_176_signed_metadata_has_no_say() {
    // Whatever is in there, true or not: the plain members are what is read.
    for value in [r#""a.b.c""#, r#""""#, "null", r#"{"resource":"https://evil"}"#] {
        let document = with(&format!(",\"signed_metadata\":{value}"));
        let mut buffer = [0; 64];
        let parsed = ProtectedResource::parse(document.as_bytes(), &mut Scratch::new(&mut buffer));
        let parsed = parsed.unwrap();
        assert_eq!(
            (parsed.resource, &parsed.authorization_servers[..]),
            ("https://h/mcp", &["https://as"][..])
        );
    }
    check(
        r#","signed_metadata":"a","signed_metadata":"b""#,
        Err(MetadataError::Json(JsonError::Duplicate)),
    );
}

#[test]
fn sec_032_a_wrong_type_is_never_absent() {
    for member in [
        "resource_name",
        "resource_documentation",
        "resource_policy_uri",
        "resource_tos_uri",
        "scopes_supported",
        "bearer_methods_supported",
    ] {
        for value in ["null", "1", "false", "{}", "[1]", "[null]", "[[\"a\"]]"] {
            let member = format!(",\"{member}\":{value}");
            check(&member, Err(MetadataError::Json(JsonError::Type)));
        }
    }
    let document = r#"{"resource":["https://h"],"authorization_servers":["https://as"]}"#;
    assert_eq!(issuers(document), Err(MetadataError::Json(JsonError::Type)));
    check(r#","resource_name":"""#, Err(MetadataError::Member));
}

#[test]
fn sec_020_duplicate_members() {
    let duplicate = Err(MetadataError::Json(JsonError::Duplicate));
    check(r#","resource":"https://h/mcp""#, duplicate);
    check(r#","\u0072esource":"https://h/mcp""#, duplicate);
}

#[test]
fn sec_031_document_is_not_an_object() {
    for document in ["[]", "\"x\"", "1", "null", "true"] {
        assert_eq!(issuers(document), Err(MetadataError::Json(JsonError::Type)));
    }
    assert_eq!(issuers(&[&with(""), "x"].concat()), Err(MetadataError::Json(JsonError::Trailing)));
}

#[test]
fn sec_171_authorization_servers() {
    let of = |list: &str| {
        issuers(&format!(r#"{{"resource":"https://h/mcp","authorization_servers":{list}}}"#))
    };
    assert_eq!(of(r#"["https://a","https://b"]"#).unwrap(), ["https://a", "https://b"]);
    assert_eq!(
        of(r#"["https://a","https:\/\/a","https://b"]"#).unwrap(),
        ["https://a", "https://b"]
    );
    assert_eq!(of("[]"), Err(MetadataError::Missing));
    assert_eq!(issuers(r#"{"resource":"https://h/mcp"}"#), Err(MetadataError::Missing));
    assert_eq!(issuers(r#"{"authorization_servers":["https://a"]}"#), Err(MetadataError::Missing));
    assert_eq!(of(r#"["https://a",1]"#), Err(MetadataError::Json(JsonError::Type)));
    assert_eq!(of(r#"["https://a",null]"#), Err(MetadataError::Json(JsonError::Type)));
    assert_eq!(of(r#"[""]"#), Err(MetadataError::Member));
    assert_eq!(of(r#""https://a""#), Err(MetadataError::Json(JsonError::Type)));
}

#[test]
fn sec_171_tries_are_bounded() {
    for (count, kept) in [
        (AUTHORIZATION_SERVERS_MAX - 1, AUTHORIZATION_SERVERS_MAX - 1),
        (AUTHORIZATION_SERVERS_MAX, AUTHORIZATION_SERVERS_MAX),
        (AUTHORIZATION_SERVERS_MAX + 1, AUTHORIZATION_SERVERS_MAX),
        (1000, AUTHORIZATION_SERVERS_MAX),
    ] {
        let list: Vec<String> = (0..count).map(|index| format!("\"https://as{index}\"")).collect();
        let list = list.join(",");
        let document = format!(r#"{{"resource":"https://h","authorization_servers":[{list}]}}"#);
        let found = issuers(&document).unwrap();
        assert_eq!((found.len(), found[0].as_str()), (kept, "https://as0"));
        // An entry behind the last one kept is still checked.
        let document = document.replace("]}", ",1]}");
        assert_eq!(issuers(&document), Err(MetadataError::Json(JsonError::Type)));
    }
}

#[test]
fn lim_11_length_on_both_sides_of_the_limit() {
    let max = crate::limits::METADATA_LEN_MAX_DESKTOP;
    let document = with("");
    for (len, expected) in
        [(max - 1, Ok(())), (max, Ok(())), (max + 1, Err(MetadataError::TooLong))]
    {
        let blanks = " ".repeat(len - document.len());
        assert_eq!(issuers(&[document.as_str(), &blanks].concat()).map(drop), expected);
    }
}

#[test]
fn lim_6_depth_on_both_sides_of_the_limit() {
    for (depth, expected) in
        [(6, Ok(())), (7, Ok(())), (8, Err(MetadataError::Json(JsonError::Depth)))]
    {
        check(&format!(",\"x\":{}{}", "[".repeat(depth), "]".repeat(depth)), expected);
    }
}

#[test]
fn sec_056_scopes() {
    check(r#","scopes_supported":["a","b:c"]"#, Ok(()));
    check(r#","scopes_supported":[]"#, Ok(()));
    for list in
        [r#"["a b"]"#, r#"[""]"#, r#"["a",""]"#, r#"["a\"b"]"#, r#"["a\u0020b"]"#, r#"["é"]"#]
    {
        check(&format!(",\"scopes_supported\":{list}"), Err(MetadataError::Member));
    }
    let max = crate::limits::SCOPE_TOKENS_MAX;
    for (count, expected) in
        [(max - 1, Ok(())), (max, Ok(())), (max + 1, Err(MetadataError::TooManyScopes))]
    {
        let list = vec!["\"a\""; count].join(",");
        check(&format!(",\"scopes_supported\":[{list}]"), expected);
    }
}

#[test]
fn bearer_methods() {
    for (member, expected) in [
        ("", BearerMethods::Unstated),
        (r#","bearer_methods_supported":["body","header"]"#, BearerMethods::Header),
        (r#","bearer_methods_supported":["body","query"]"#, BearerMethods::WithoutHeader),
        (r#","bearer_methods_supported":[]"#, BearerMethods::WithoutHeader),
    ] {
        let document = with(member);
        let parsed = ProtectedResource::parse(document.as_bytes(), &mut Scratch::new(&mut []));
        assert_eq!(parsed.unwrap().bearer_methods_supported, expected);
    }
}

#[track_caller]
fn check_match(resource: &str, server_url: &str, expected: bool) {
    let document = ProtectedResource { resource, ..ProtectedResource::default() };
    assert_eq!(document.matches(server_url), expected, "{resource} for {server_url}");
    assert_eq!(document.matches_exactly(server_url), expected && resource == server_url);
}

#[test]
fn cl_04_the_resource_itself_or_one_above_it() {
    for resource in
        ["https://h/a/mcp", "https://h/a/mcp/", "https://h/a", "https://h/", "https://h"]
    {
        check_match(resource, "https://h/a/mcp", true);
        check_match(resource, "https://h/a/mcp/", true);
    }
    check_match("https://h:443/mcp", "https://h/mcp", true);
    check_match("https://h/mcp", "https://h/mcp?tenant=a", true);
    check_match("http://127.0.0.1:8001/mcp", "http://127.0.0.1:8001/mcp", true);
}

#[test]
fn sec_166_another_resource() {
    for resource in [
        "https://evil/mcp",
        "https://h.evil/api2",
        "https://x.h/api2",
        "https://h:8443/api2",
        "http://h/api2",
        "https://h/api",
        "https://h/api2/x",
        "https://h/other",
        "https://h/api2?x",
        "https://h/api2#x",
        "https://u@h/api2",
        "https://h/./",
        "https://h/%2e%2e/api2",
        "https://h/API2",
        "//h/api2",
        "h",
        "",
    ] {
        check_match(resource, "https://h/api2", false);
    }
    check_match("https://h/api", "https://h/api/../admin", false);
    check_match("https://h", "https://u@h/mcp", false);
    check_match("urn:a", "urn:a", false);
}

#[cfg(feature = "dpop")]
#[test]
fn dp_14_what_is_said_of_proofs_is_written_and_read() {
    let takes = |members: &str| {
        let document = with(members);
        let mut buffer = [0; 256];
        let parsed = ProtectedResource::parse(document.as_bytes(), &mut Scratch::new(&mut buffer));
        let parsed = parsed.unwrap();
        crate::dpop::ALGORITHMS.map(|algorithm| parsed.takes_proofs(algorithm))
    };
    let list = |names: &str| format!(r#","dpop_signing_alg_values_supported":[{names}]"#);
    let required = r#","dpop_bound_access_tokens_required":true"#;
    assert_eq!(takes(""), [false; 3]);
    assert_eq!(takes(required), [true; 3]);
    assert_eq!(takes(&required.replace("true", "false")), [false; 3]);
    assert_eq!(takes(&list(r#""PS256","RS256","ES256","RS256""#)), [true, false, true]);
    // A list is the whole of it, whatever else is said.
    for none in ["", r#""PS256""#, r#""ES256 ""#] {
        assert_eq!(takes(&(list(none) + required)), [false; 3], "{none}");
    }
    for malformed in [list("1"), required.replace("true", "\"true\"")] {
        assert!(issuers(&with(&malformed)).is_err(), "{malformed}");
    }

    let mut document = full();
    document.dpop_signing_alg_values_supported =
        Some(crate::dpop::ALGORITHMS.into_iter().collect());
    document.dpop_bound_access_tokens_required = true;
    let text = written(&document);
    let mut buffer = [0; 1024];
    let read = ProtectedResource::parse(text.as_bytes(), &mut Scratch::new(&mut buffer));
    assert_eq!(read.unwrap(), document);
}
