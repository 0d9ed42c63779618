//! The core without any adapter: httparse reads the bytes, each step of the core is called in turn.

use std::collections::BTreeMap;

use portcullis_core::{
    encoding::scratch::Scratch,
    limits,
    message::RequestHead,
    resource_server::{
        self, Decision, Introspection, Operation, Principal, ResourceServer, Verdict,
    },
};

use crate::{
    device::{
        introspection::ScriptedAnswer,
        service::{CONTENT_TYPE, Line},
    },
    driver::{Answer, Driver, Exchange, Later},
    server::Server,
    service, wire,
};

/// Memory for one decision, as much as a desktop takes.
const SCRATCH_LEN: usize = limits::SCRATCH_LEN + 4 * 1024;
/// Memory for what an introspection answer spells with escapes.
const INTROSPECTION_SCRATCH_LEN: usize = 4 * 1024;

/// The bare core. Has no connections: each request is a new one.
#[derive(Default)]
pub struct BareCore(BTreeMap<Server, &'static ResourceServer<'static>>);

impl Driver for BareCore {
    fn name(&self) -> &'static str {
        "core"
    }

    fn answer(&mut self, exchange: &Exchange) -> Answer {
        let server = self.0.entry(exchange.server).or_insert_with(|| exchange.server.bare());
        let one = |bytes: &[u8]| answer(server, exchange, bytes);
        let earlier = exchange.earlier.as_deref().map(one);
        let answer = one(&exchange.request);
        Answer {
            earlier: earlier.map(|answer| answer.status),
            later: match &exchange.later {
                None => Later::None,
                Some(later) => Later::Status(one(later).status),
            },
            ..answer
        }
    }
}

fn answer(server: &ResourceServer<'_>, exchange: &Exchange, bytes: &[u8]) -> Answer {
    let Some(received) = wire::received(bytes) else {
        return Answer { status: 400, ..Answer::default() };
    };
    let fields = received.fields.iter().copied();
    let head = RequestHead::new(received.method, received.target, fields);
    let mut buffer = vec![0; SCRATCH_LEN];
    let mut introspection_buffer = vec![0; INTROSPECTION_SCRATCH_LEN];
    let mut scratch = Scratch::new(&mut buffer);
    let decision = server.decide(&head, server.policy().base(), exchange.now, &mut scratch);
    tracing::trace!(?head, ?decision, "decided");
    match decision {
        Decision::Allow(principal) => {
            operate(server, &head, &received.body, &principal, &mut scratch)
        }
        Decision::NeedIntrospection(introspection) => {
            let mut scratch_2 = Scratch::new(&mut introspection_buffer);
            let answer = match resume(introspection, exchange, &mut scratch_2) {
                Verdict::Allow(principal) => {
                    operate(server, &head, &received.body, &principal, &mut scratch)
                }
                Verdict::Challenge(challenge) => {
                    rendered(&server.challenge_answer(challenge, &head), &head)
                }
            };
            Answer { asked: true, ..answer }
        }
        Decision::Challenge(challenge) => {
            rendered(&server.challenge_answer(challenge, &head), &head)
        }
        Decision::Metadata(_) => rendered(&server.metadata_answer(), &head),
        Decision::Preflight => rendered(&server.preflight_answer(&head), &head),
        Decision::Refuse(refusal) => rendered(&server.refusal_answer(refusal), &head),
    }
}

fn resume<'s>(
    introspection: Introspection<'s>,
    exchange: &'s Exchange,
    scratch: &mut Scratch<'s>,
) -> Verdict<'s> {
    tracing::trace!(?introspection, token = ?introspection.token(), "asks");
    let response = exchange.script.answer().map(ScriptedAnswer::response);
    let verdict = introspection.resume(response.as_ref(), exchange.now, scratch);
    tracing::trace!(?response, ?verdict, "answered");
    verdict
}

fn operate<'s>(
    server: &ResourceServer<'s>,
    head: &RequestHead<'s>,
    body: &'s [u8],
    principal: &Principal<'s>,
    scratch: &mut Scratch<'s>,
) -> Answer {
    let operation = server.operation(head, body, principal, scratch);
    tracing::trace!(?principal, ?operation, "judged");
    match operation {
        Operation::Proceed(_) | Operation::Session => {
            let cross_origin = server.cross_origin(head).fields();
            let fields = [("content-type", CONTENT_TYPE)].into_iter().chain(cross_origin);
            Answer {
                status: 200,
                fields: fields.map(|(name, value)| (name.into(), value.into())).collect(),
                body: service::answer(&Line(principal).to_string(), body),
                reached: true,
                ..Answer::default()
            }
        }
        Operation::Challenge(challenge) => {
            rendered(&server.challenge_answer(challenge, head), head)
        }
        Operation::Reject(error) => rendered(&server.envelope_answer(error, head), head),
    }
}

fn rendered(answer: &resource_server::Answer<'_>, head: &RequestHead<'_>) -> Answer {
    tracing::trace!(?answer, "answers");
    let fields = answer.fields().map(|(name, value)| (name.into(), value.to_string().into_bytes()));
    Answer {
        status: answer.status(),
        fields: fields.collect(),
        // RFC 9110 §9.3.2: the same fields, no content.
        body: if head.method == "HEAD" { Vec::new() } else { answer.body().to_string().into() },
        ..Answer::default()
    }
}
