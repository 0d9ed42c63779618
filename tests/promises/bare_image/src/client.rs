//! The client's machines. They come from nowhere, like the server: only what they decide is linked, not the
//! other project's serializer, which writes the registration request.

use core::hint::black_box;

use portcullis_core::{
    client::{
        Attempts, Authorization, Callback, Client, Discovered, Discovery, Entropy, FetchFailure,
        KnownScopes, Machine, Output, Registration, TokenRequest, UrlPolicy, Wish, step_up,
    },
    encoding::scratch::Scratch,
};

use crate::{
    concepts::scopes,
    inputs::{keep, response, show, text},
};

const LEN: usize = 4096;

pub fn all() {
    keep(UrlPolicy::for_server(text()).admit(text()).is_ok());
    let mut attempts = Attempts::default();
    keep(attempts.react(black_box(401), black_box(None), black_box(true)));
    let (mut buffer, known) = ([0; LEN], black_box(KnownScopes::default()));
    keep(step_up(&known, scopes(), &mut Scratch::new(black_box(&mut buffer[..]))).is_ok());
    if let Some(mut discovery) = black_box(None::<Discovery<'static, 'static>>) {
        turn(&mut discovery);
        keep(discovery.finish().map_err(|error| show(&error)).is_ok());
    }
    if let Some(mut registration) = black_box(None::<Registration<'static>>) {
        turn(&mut registration);
        keep(registration.finish().map_err(|error| show(&error)).is_ok());
    }
    authorization();
}

fn authorization() {
    let found = (black_box(None::<Discovered<'static>>), black_box(None::<Client<'static>>));
    let (Some(discovered), Some(client)) = found else { return };
    let entropy = Entropy { verifier: black_box([1; 32]), state: black_box([2; 32]) };
    let wish = Wish { scope: black_box(Some(scopes())), offline_access: black_box(true) };
    let mut buffer = [0; LEN];
    let mut scratch = Scratch::new(black_box(&mut buffer[..]));
    let request = Authorization::new(&discovered, &client, text(), &wish, &entropy, &mut scratch);
    match request {
        Ok(mut authorization) => {
            keep(authorization.url());
            match authorization.handle_callback(text(), &mut scratch) {
                Callback::Granted(grant) => match TokenRequest::code(grant, None, &mut scratch) {
                    Ok(request) => tokens(request, &mut scratch),
                    Err(error) => show(&error),
                },
                Callback::Denied(error) => keep(error),
                Callback::Refused(error) => show(&error),
                Callback::Ignored(why) => keep(why),
            }
        }
        Err(error) => show(&error),
    }
}

fn tokens<'s>(mut request: TokenRequest<'s>, scratch: &mut Scratch<'s>) {
    if let Output::Fetch(sent) = request.poll() {
        keep((sent.url, sent.body));
    }
    request.handle_response(black_box(Ok(response())), scratch);
    match request.finish() {
        Ok(tokens) => keep((tokens.access_token(), tokens.expires_in_secs())),
        Err(error) => show(&error),
    }
}

fn turn(machine: &mut impl Machine<'static>) {
    if let Output::Fetch(sent) = machine.poll() {
        keep((sent.url, sent.body));
    }
    let Some(mut scratch) = black_box(None::<Scratch<'static>>) else { return };
    machine.handle_response(black_box(Ok(response())), &mut scratch);
    machine.handle_response(Err(FetchFailure::TimedOut), &mut scratch);
}
