//! Cases are requests as data: [`Case`] changes one thing and says what must come of it.

use super::*;
use std::{
    format,
    string::{String, ToString},
    vec::Vec,
};

mod answers;
mod differential;
mod eras;
mod framing;
mod headers;
mod json;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// One POST and the server that it goes to.
#[derive(Clone)]
struct Case {
    versions: Versions<'static>,
    limits: BodyLimits,
    lines: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Case {
    /// A modern `tools/call` of `led` that is right in every respect.
    fn modern() -> Self {
        Self::legacy()
            .body(&format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"led","arguments":{{}},{META}}}}}"#
            ))
            .line("MCP-Protocol-Version", "2026-07-28")
            .line("Mcp-Method", "tools/call")
            .line("Mcp-Name", "led")
    }

    /// The same call in the handshake era, without any header of that era.
    fn legacy() -> Self {
        Self {
            versions: Versions::ALL,
            limits: BodyLimits::SMALL,
            lines: Vec::new(),
            body: Vec::new(),
        }
        .line("Content-Type", "application/json")
        .line("Accept", "application/json, text/event-stream")
        .body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"led","arguments":{}}}"#)
    }

    fn versions(self, versions: Versions<'static>) -> Self {
        Self { versions, ..self }
    }

    fn body(self, body: &str) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Replaces one piece of the body, which must be there.
    #[track_caller]
    fn swap(self, from: &str, to: &str) -> Self {
        let body = str::from_utf8(&self.body).unwrap();
        assert!(body.contains(from), "{body} has no {from}");
        let body = body.replacen(from, to, 1);
        self.body(&body)
    }

    fn line(mut self, name: &str, value: &str) -> Self {
        self.lines.push((name.into(), value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.lines.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        self
    }

    /// The header once, with this value.
    fn set(self, name: &str, value: &str) -> Self {
        self.without(name).line(name, value)
    }

    fn judge<R>(&self, look: impl FnOnce(Result<Envelope<'_>, EnvelopeError<'_>>) -> R) -> R {
        let mut buffer = [0; 128];
        let lines = self.lines.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let head = RequestHead::new("POST", "/mcp", lines);
        let mut scratch = Scratch::new(&mut buffer);
        look(Envelope::read(&head, &self.body, self.versions, self.limits, &mut scratch))
    }

    /// Accepted with this era, method and name.
    #[track_caller]
    fn is(&self, era: Era, method: &str, name: Option<&str>) {
        self.judge(|envelope| {
            let envelope = envelope.unwrap();
            assert_eq!((envelope.era(), envelope.method(), envelope.name()), (era, method, name));
        });
    }

    #[track_caller]
    fn is_accepted(&self) {
        self.judge(|envelope| assert!(envelope.is_ok(), "{:?}", envelope.unwrap_err()));
    }

    /// Refused with this fault, status and code.
    #[track_caller]
    fn fails(&self, fault: Fault, status: u16, code: i32) {
        self.judge(|envelope| {
            let error = envelope.unwrap_err();
            assert_eq!((error.fault(), error.status(), error.code()), (fault, status, code));
        });
    }

    /// Refused with this answer.
    #[track_caller]
    fn answers(&self, body: &str) {
        let answer = self.judge(|envelope| envelope.unwrap_err().body().to_string());
        assert_eq!(answer, body);
    }
}
