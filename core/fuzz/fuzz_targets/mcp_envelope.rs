//! An accepted message says the same method, name and id to another parser, and its headers agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    encoding::scratch::Scratch,
    mcp::{BodyLimits, Envelope, Era, Message, Versions},
    message::RequestHead,
};
use portcullis_fuzz::json::Tree;

// Three lines: MCP-Protocol-Version, Mcp-Method, Mcp-Name, each left out when empty; then the body.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let [version, method, name, body] = core::array::from_fn(|_| parts.next().unwrap_or_default());
    let fields = [
        ("content-type", &b"application/json"[..]),
        ("accept", b"application/json, text/event-stream"),
        ("mcp-protocol-version", version),
        ("mcp-method", method),
        ("mcp-name", name),
    ];
    let present = fields.into_iter().filter(|(_, value)| !value.is_empty());
    let head = RequestHead::new("POST", "/mcp", present);
    let mut buffer = vec![0; data.len() * 2];
    let mut scratch = Scratch::new(&mut buffer);
    let envelope =
        match Envelope::read(&head, body, Versions::ALL, BodyLimits::DESKTOP, &mut scratch) {
            Ok(envelope) => envelope,
            Err(error) => {
                assert!((400..500).contains(&error.status()), "{error:?}");
                let answer = error.body().to_string();
                assert!(answer.is_empty() || Tree::by_serde(answer.as_bytes()).is_ok(), "{answer}");
                return;
            }
        };
    let Some(tree) = Tree::accepted(body) else { return };
    assert!(!matches!(&tree, Tree::Object(members) if repeats(members)), "a member twice");
    assert_eq!(tree.text_member("jsonrpc"), Some("2.0"));
    assert_eq!(tree.text_member("method").unwrap_or_default(), envelope.method());
    let member = match envelope.method() {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        _ => None,
    };
    let params = tree.member("params");
    let named = member.and_then(|member| params?.text_member(member));
    assert_eq!(named, envelope.name());
    match envelope.message() {
        Message::Request { id } => {
            let spelled = Tree::by_serde(id.to_string().as_bytes()).expect("an id is JSON");
            assert!(matches!(spelled, Tree::String(_) | Tree::Number(_)));
            assert_eq!(tree.member("id"), Some(&spelled));
        }
        Message::Notification => assert_eq!(tree.member("id"), None),
        Message::Response => assert!(tree.member("method").is_none()),
    }
    if envelope.era() == Era::Modern && matches!(envelope.message(), Message::Request { .. }) {
        assert_eq!(method.trim_ascii(), envelope.method().as_bytes());
        let declared = params.and_then(|params| params.member("_meta"));
        let declared =
            declared.and_then(|meta| meta.text_member("io.modelcontextprotocol/protocolVersion"));
        assert_eq!(declared.map(str::as_bytes), Some(version.trim_ascii()));
        assert_eq!(declared, envelope.protocol_version());
    }
});

fn repeats(members: &[(String, Tree)]) -> bool {
    members.iter().enumerate().any(|(at, (name, _))| members[..at].iter().any(|(n, _)| n == name))
}
