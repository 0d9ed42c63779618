//! The honest request, and the ways to change it.

use portcullis_core::{
    jwt::{HmacKey, KeyId, MintClaims, mint},
    scope::ScopeSet,
    time::UnixTime,
};
use portcullis_tests::server::{ISSUER, NOW, RESOURCE, secret_bytes};

pub(crate) const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
pub(crate) const HOST: &str = "Host: mcp.example.com\r\n";

/// A message that calls a tool as before 2026-07-28, so that few fields are needed.
pub(crate) fn message(id: u8) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"now","arguments":{{}}}}}}"#
    )
}

/// Characters up to U+00FF as one byte each, so that a text can have every byte in it.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).expect("a byte")).collect()
}

/// The request of a case, and the one that is sent behind it.
pub(crate) struct Requests {
    pub(crate) token: String,
    /// The fields of both, without framing.
    fields: String,
}

impl Requests {
    pub(crate) fn new() -> Self {
        let claims = MintClaims {
            issuer: ISSUER,
            audience: &[RESOURCE],
            subject: "alice",
            client_id: "client-1",
            scope: ScopeSet::parse("user").unwrap(),
            issued_at: UnixTime::from_secs(NOW),
            expires_at: UnixTime::from_secs(NOW + 600),
            id: "token-1",
        };
        let key = HmacKey::new(&secret_bytes("k1")).unwrap();
        let mut out = [0; 4096];
        let token = mint(&claims, &key, &KeyId::new("k1").unwrap(), &mut out).unwrap().to_owned();
        let fields = format!(
            "{HOST}Authorization: Bearer {token}\r\nAccept: application/json, text/event-stream\r\n\
             Content-Type: application/json\r\n"
        );
        Self { token, fields }
    }

    /// A good call; `lines` are further fields.
    pub(crate) fn call(&self, id: u8, lines: &str) -> String {
        let message = message(id);
        self.framed(&format!("{lines}Content-Length: {}\r\n", message.len()), &message)
    }

    /// What is sent behind each case; the connection ends with it.
    pub(crate) fn honest(&self) -> String {
        self.call(2, "Connection: close\r\n")
    }

    /// A call with this framing.
    pub(crate) fn framed(&self, lines: &str, body: &str) -> String {
        format!("POST /mcp HTTP/1.1\r\n{}{lines}\r\n{body}", self.fields)
    }

    /// A call with its message in one chunk: its size as it is spelled, what stands behind its data, and
    /// what ends the body.
    pub(crate) fn chunk(&self, size: &str, after: &str, end: &str) -> String {
        self.framed(CHUNKED, &format!("{size}\r\n{}{after}{end}", message(1)))
    }

    /// A good call with another request line.
    pub(crate) fn with_line(&self, line: &str) -> String {
        self.call(1, "").replacen("POST /mcp HTTP/1.1", line, 1)
    }

    /// A good call with another line for the host.
    pub(crate) fn with_host(&self, line: &str) -> String {
        self.call(1, "").replacen(HOST, line, 1)
    }
}
