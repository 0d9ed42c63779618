//! The machines, and the documents they rest on.

use core::hint::black_box;

use portcullis_core::{
    encoding::{scratch::Scratch, text::TextWriter},
    introspection::{self, Introspected},
    limits::SCRATCH_LEN,
    metadata::{
        authorization_server::AuthorizationServer, protected_resource::ProtectedResource,
        well_known,
    },
    resource_server::{
        Answer, Body, Decision, FieldValue, Introspection, Operation, ResourceServer, Verdict,
    },
};

use crate::{
    concepts::required,
    inputs::{bytes, head, keep, response, show, text, time, with_buffer, with_scratch},
};

pub fn all() {
    metadata();
    introspection();
    resource_server();
}

fn metadata() {
    with_scratch(|scratch| match ProtectedResource::parse(bytes(), scratch) {
        Ok(resource) => keep((resource.matches(text()), resource.matches_exactly(text()))),
        Err(error) => show(&error),
    });
    with_scratch(|scratch| match AuthorizationServer::parse(bytes(), scratch) {
        Ok(server) => {
            keep(server.code_challenge_methods_supported.contains(text()));
            keep(server.validate_issuer(text()));
        }
        Err(error) => show(&error),
    });
    if let Ok(path) = well_known::protected_resource_path(text()) {
        keep(path.is(text()));
    }
    for candidates in
        [well_known::prm_candidates(text()), well_known::authorization_server_urls(text())]
    {
        for candidate in candidates.into_iter().flatten() {
            with_buffer(|buffer| {
                let mut writer = TextWriter::new(buffer);
                keep(candidate.write(&mut writer));
                keep(writer.finish());
            });
        }
    }
}

fn introspection() {
    with_scratch(|scratch| match introspection::parse(&response(), text(), scratch) {
        Ok(answer) => keep(matches!(answer, Introspected::Active(_))),
        Err(error) => show(&error),
    });
}

/// Made when a program starts, not while it decides: a server comes from nowhere here, so that only its
/// decisions are linked. What writes its metadata is another project's serializer, which has panic paths.
fn resource_server() {
    if let Some(server) = black_box(None::<ResourceServer<'static>>) {
        requests(&server);
    }
}

fn requests(server: &ResourceServer<'static>) {
    let head = head();
    let now = black_box(Some(time()));
    let mut buffer = [0; SCRATCH_LEN];
    let mut scratch = Scratch::new(black_box(&mut buffer[..]));
    match server.decide(&head, required(), now, &mut scratch) {
        Decision::Allow(principal) => {
            keep((
                principal.subject(),
                principal.client_id(),
                principal.issuer(),
                principal.token_id(),
            ));
            if let Err(challenge) = principal.require(required()) {
                answer(server.challenge_answer(challenge, &head));
            }
            match server.operation(&head, bytes(), &principal, &mut scratch) {
                Operation::Proceed(envelope) => keep(envelope),
                Operation::Challenge(challenge) => {
                    answer(server.challenge_answer(challenge, &head))
                }
                Operation::Reject(error) => answer(server.envelope_answer(error, &head)),
                Operation::Session => {}
            }
        }
        Decision::Challenge(challenge) => answer(server.challenge_answer(challenge, &head)),
        Decision::Metadata(document) => {
            keep(document);
            answer(server.metadata_answer());
        }
        Decision::NeedIntrospection(introspection) => asked(server, &introspection),
        Decision::Refuse(refusal) => answer(server.refusal_answer(refusal)),
        Decision::Preflight => answer(server.preflight_answer(&head)),
    }
    keep(server.cross_origin(&head).fields().count());
}

fn asked(server: &ResourceServer<'static>, introspection: &Introspection<'_>) {
    with_buffer(|buffer| keep(introspection::write_request(introspection.token(), buffer)));
    let (response, head) = (response(), head());
    let response = black_box(Some(&response));
    let mut buffer = [0; SCRATCH_LEN];
    let mut scratch = Scratch::new(black_box(&mut buffer[..]));
    // A verdict may borrow from the second buffer, so that it ends with this function.
    let introspection: Introspection<'_> = *introspection;
    match introspection.resume(response, black_box(Some(time())), &mut scratch) {
        Verdict::Allow(principal) => keep(principal),
        Verdict::Challenge(challenge) => answer(server.challenge_answer(challenge, &head)),
    };
}

/// Looks at every part of an answer, as an adapter does when it sends it.
fn answer(answer: Answer<'_>) {
    keep(answer.status());
    for (name, value) in answer.fields() {
        keep(name);
        field(value);
    }
    body(answer.body());
}

fn field(value: FieldValue<'_>) {
    show(&value);
}

fn body(body: Body<'_>) {
    show(&body);
}
