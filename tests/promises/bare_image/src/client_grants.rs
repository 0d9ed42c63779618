//! The ways to tokens without a browser on the same machine, the way back, and proofs.

use core::hint::black_box;

use portcullis_core::{
    client::{
        dpop::{nonce, resource_server_wants_nonce, token_endpoint_wants_nonce},
        Assertion, Client, DeviceGrant, DevicePoll, DeviceRequest, Discovered, IdJagRequest,
        IdentityProvider, KnownClient, Origin, Revocation, SubjectToken, TokenKind, TokenRequest,
        UrlPolicy,
    },
    dpop::{same_path, Nonces, ProofSignatures, Request, UnverifiedProof},
    encoding::scratch::Scratch,
    jwk::{Mismatch, PublicKey, Thumbprint},
};

use crate::{
    client::{answer, tokens, wish, UNSIGNED},
    inputs::{bytes, field, keep, response, show, text, time, with_scratch},
};

const LEN: usize = 4096;

pub fn all(discovered: &Discovered<'static>, client: &Client<'static>) {
    let mut buffer = [0; LEN];
    let mut scratch = Scratch::new(black_box(&mut buffer[..]));
    device(discovered, client, &mut scratch);
    itself(discovered, client, &mut scratch);
    enterprise(discovered, client, &mut scratch);
    workload(discovered, &mut scratch);
    revocation(discovered, client, &mut scratch);
    with_scratch(|scratch| proof(scratch));
    keep((nonce(bytes()), token_endpoint_wants_nonce(&response(), &mut scratch)));
    keep(resource_server_wants_nonce(black_box(401), black_box(None)));
}

fn device<'s>(discovered: &Discovered<'s>, client: &Client<'s>, scratch: &mut Scratch<'s>)
where
    'static: 's,
{
    let request = DeviceRequest::new(discovered, client, &wish(), UNSIGNED, scratch);
    let mut request = match request {
        Ok(request) => request,
        Err(error) => return show(&error),
    };
    answer(&mut request, scratch);
    keep(request.error_response());
    match request.finish(black_box(1)) {
        Ok(grant) => polls(grant, scratch),
        Err(error) => show(&error),
    }
}

fn polls<'s>(mut grant: DeviceGrant<'s>, scratch: &mut Scratch<'s>) {
    keep((grant.user_code(), grant.verification_uri(), grant.verification_uri_complete()));
    while grant.poll(black_box(1)) != DevicePoll::Expired {
        let mut request = match grant.token_request(UNSIGNED, scratch) {
            Ok(request) => request,
            Err(error) => return show(&error),
        };
        answer(&mut request, scratch);
        match grant.handle_answer(request, black_box(1)) {
            Ok(tokens) => keep(tokens.map(|tokens| tokens.access_token())),
            Err(error) => show(&error),
        }
    }
}

fn known() -> KnownClient<'static> {
    KnownClient {
        issuer: text(),
        id: text(),
        secret: black_box(None),
        secret_expires_at: black_box(Some(time())),
        key: black_box(None),
        authentication: black_box(None),
        redirect_uri: black_box(Some(text())),
        origin: black_box(Origin::Configured),
    }
}

fn itself(discovered: &Discovered<'static>, client: &Client<'static>, scratch: &mut Scratch<'_>) {
    match Client::configured(discovered, &[known(), known()], black_box(Some(time()))) {
        Ok(client) => keep((client.id(), client.authentication())),
        Err(error) => show(&error),
    }
    match TokenRequest::client_credentials(discovered, client, &wish(), UNSIGNED, scratch) {
        Ok(request) => tokens(request, scratch),
        Err(error) => show(&error),
    }
}

fn enterprise<'s>(discovered: &Discovered<'s>, client: &Client<'s>, scratch: &mut Scratch<'s>)
where
    'static: 's,
{
    let provider = IdentityProvider { token_endpoint: text(), client: known() };
    let subject = black_box(SubjectToken::IdToken(text()));
    let request =
        IdJagRequest::new(&provider, discovered, client, subject, &wish(), UNSIGNED, scratch);
    let mut request = match request {
        Ok(request) => request,
        Err(error) => return show(&error),
    };
    answer(&mut request, scratch);
    keep(request.error_response());
    let id_jag = match request.finish() {
        Ok(id_jag) => id_jag,
        Err(error) => return show(&error),
    };
    match TokenRequest::id_jag(discovered, client, id_jag, &wish(), UNSIGNED, scratch) {
        Ok(request) => tokens(request, scratch),
        Err(error) => show(&error),
    }
}

fn workload<'s>(discovered: &Discovered<'s>, scratch: &mut Scratch<'s>)
where
    'static: 's,
{
    keep(Client::unnamed(discovered).authentication());
    let Some(assertion) = Assertion::new(text()) else { return };
    match TokenRequest::workload_identity(discovered, text(), assertion, &wish(), scratch) {
        Ok(request) => tokens(request, scratch),
        Err(error) => show(&error),
    }
}

fn revocation<'s>(discovered: &Discovered<'s>, client: &Client<'s>, scratch: &mut Scratch<'s>) {
    let token = (black_box(TokenKind::Refresh), text());
    let policy = black_box(UrlPolicy::HttpsOnly);
    match Revocation::new(discovered, client, token, policy, UNSIGNED, scratch) {
        Ok(mut revocation) => {
            answer(&mut revocation, scratch);
            keep(revocation.finish().map_err(|error| show(&error)).is_ok());
        }
        Err(error) => show(&error),
    }
}

/// Arithmetic of unknown outcome.
struct Signatures;

impl ProofSignatures for Signatures {
    fn verify(
        &self,
        key: &PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Mismatch> {
        keep((*key, message, signature));
        black_box(Err(Mismatch))
    }
}

/// A client's proof, as the server checks it.
fn proof<'s>(scratch: &mut Scratch<'s>)
where
    'static: 's,
{
    let nonces = Nonces::new(bytes());
    if let Some(nonces) = &nonces {
        show(&nonces.issue(time()));
        keep(nonces.accept(text(), time()));
    }
    let request = Request { method: text(), token: text(), nonces: nonces.as_ref(), now: time() };
    let verified = UnverifiedProof::parse(field(), scratch).and_then(|it| it.verify(&Signatures));
    let is_here = |uri: portcullis_core::encoding::uri::Uri<'_>| same_path(uri.path(), text());
    match verified.and_then(|proof| proof.check(&request, is_here, scratch)) {
        Ok(proof) => keep((proof.key(), *proof.id(), proof.until())),
        Err(error) => show(&error),
    }
    keep(Thumbprint::from_text(text()));
}
