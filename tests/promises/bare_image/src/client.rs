//! The client's machines, from a bare 401 to tokens by the user's browser; `client_grants` has the other ways.
//!
//! What a machine begins with comes from nowhere, like the server. Nothing here is signed and no registration is
//! written: that is JSON by the other project's serializer, which has panic paths. So no request gets the
//! `Freshness` that a client with a key needs, and with it end at link time `write_jws`, `write_proof`, the client
//! assertion and what begins a dynamic registration; their answers are read like all others.

use core::hint::black_box;

use portcullis_core::{
    address::is_public,
    client::{
        step_up, Attempts, Authorization, Callback, Client, ClientAuthentication, Discovered,
        Discovery, Entropy, FetchFailure, Freshness, KnownScopes, Machine, Output, Pkce,
        Preferences, Proving, RandomText, RefreshToken, Registration, StoredTokens, TokenRequest,
        UrlPolicy, Wish,
    },
    encoding::scratch::Scratch,
};

use crate::{
    client_grants,
    concepts::scopes,
    inputs::{bytes, keep, response, show, text},
};

const LEN: usize = 4096;

/// What a signed request would need.
pub const UNSIGNED: Option<&Freshness> = None;

pub fn all() {
    places();
    answered_by_the_server();
    discovery();
    if let Some(mut registration) = black_box(None::<Registration<'static>>) {
        turn(&mut registration);
        keep(registration.error_response());
        keep(registration.finish().map_err(|error| show(&error)).is_ok());
    }
    let found = (black_box(None::<Discovered<'static>>), black_box(None::<Client<'static>>));
    let (Some(discovered), Some(client)) = found else { return };
    authorization(&discovered, &client);
    refresh(&discovered, &client);
    client_grants::all(&discovered, &client);
}

fn places() {
    keep(UrlPolicy::for_server(text()).admit(text()).map_err(|error| show(&error)).is_ok());
    keep(is_public(black_box([1_u8; 4]).into()));
    keep(is_public(black_box([1_u8; 16]).into()));
    keep(ClientAuthentication::from_name(text()));
    keep(Pkce::new(&black_box([1; 32])).map(|pkce| keep(pkce.challenge())).is_ok());
    let random = RandomText::new(&black_box([1; 32]));
    keep(random.is_ok_and(|random| random.is(random.expose()) || random.is(text())));
}

/// What the client makes of a refusal of the server that it is a client of.
fn answered_by_the_server() {
    let mut buffer = [0; LEN];
    let mut scratch = Scratch::new(black_box(&mut buffer[..]));
    let challenge = portcullis_core::challenge::parse::bearer([bytes()], &mut scratch);
    let challenge = challenge.ok().flatten();
    let mut attempts = Attempts::default();
    keep(attempts.react(black_box(401), challenge.as_ref(), black_box(true)));
    let known = black_box(KnownScopes::default());
    match step_up(&known, scopes(), &mut scratch) {
        Ok(scopes) => keep(scopes),
        Err(error) => show(&error),
    }
}

fn discovery() {
    let Some(mut scratch) = black_box(None::<Scratch<'static>>) else { return };
    let preferences: Preferences<'static> = black_box(Preferences::default());
    let challenge = black_box(None);
    match Discovery::new(text(), challenge.as_ref(), preferences, &mut scratch) {
        Ok(mut discovery) => {
            turn(&mut discovery);
            keep(discovery.finish().map_err(|error| show(&error)).is_ok());
        }
        Err(error) => show(&error),
    }
}

fn authorization(discovered: &Discovered<'static>, client: &Client<'static>) {
    let entropy = Entropy { verifier: black_box([1; 32]), state: black_box([2; 32]) };
    let mut buffer = [0; LEN];
    let mut scratch = Scratch::new(black_box(&mut buffer[..]));
    match Authorization::new(discovered, client, text(), &wish(), &entropy, &mut scratch) {
        Ok(mut authorization) => {
            keep(authorization.url());
            match authorization.handle_callback(text(), &mut scratch) {
                Callback::Granted(grant) => {
                    match TokenRequest::code(grant, UNSIGNED, &mut scratch) {
                        Ok(request) => tokens(request, &mut scratch),
                        Err(error) => show(&error),
                    }
                }
                Callback::Denied(error) => {
                    show(&error);
                    keep((error.is_about_scopes(), error.is_about_client()));
                }
                Callback::Refused(error) => show(&error),
                Callback::Ignored(why) => keep(why),
            }
        }
        Err(error) => show(&error),
    }
}

fn refresh(discovered: &Discovered<'static>, client: &Client<'static>) {
    let Some(refresh_token) = RefreshToken::new(text()) else { return };
    let stored = StoredTokens {
        issuer: text(),
        resource: text(),
        client_id: text(),
        asked_scope: scopes(),
        scope: scopes(),
        refresh_token,
    };
    let mut buffer = [0; LEN];
    let mut scratch = Scratch::new(black_box(&mut buffer[..]));
    match TokenRequest::refresh(discovered, client, &stored, UNSIGNED, &mut scratch) {
        Ok(request) => tokens(request, &mut scratch),
        Err(error) => show(&error),
    }
}

pub fn wish() -> Wish<'static> {
    Wish { scope: black_box(Some(scopes())), offline_access: black_box(true) }
}

/// Sends a request for tokens and looks at all of the answer.
pub fn tokens<'s>(request: TokenRequest<'s>, scratch: &mut Scratch<'s>) {
    let mut request = request.proving(black_box(Proving::IfBound));
    answer(&mut request, scratch);
    let words = request.error_response();
    match request.finish() {
        Ok(tokens) => {
            keep((tokens.access_token(), tokens.scope(), tokens.refresh_in_secs()));
        }
        Err(error) => {
            keep(error.after_refresh(words.as_ref()));
            show(&error);
        }
    }
}

/// What a machine asks, and any answer.
pub fn answer<'s>(machine: &mut impl Machine<'s>, scratch: &mut Scratch<'s>) {
    if let Output::Fetch(sent) = machine.poll() {
        keep((sent.url, sent.authorization, sent.body));
    }
    machine.handle_response(black_box(Ok(response())), scratch);
    machine.handle_response(Err(black_box(FetchFailure::TimedOut)), scratch);
}

fn turn(machine: &mut impl Machine<'static>) {
    let Some(mut scratch) = black_box(None::<Scratch<'static>>) else { return };
    answer(machine, &mut scratch);
}
