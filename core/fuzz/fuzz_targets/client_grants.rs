//! Tokens without a browser come only out of answers of the right kind, a code is shown and asked about as the
//! server said at most, and words of a stranger are printable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    client::{
        Assertion, Client, ClientSecret, DEVICE_EXPIRES_IN_SECS_MAX, DeviceGrant, DevicePoll,
        DeviceRequest, Discovered, ErrorResponse, Grant, IdJagRequest, IdentityProvider,
        KnownClient, Machine, Origin, Output, Revocation, SubjectToken, TokenKind, TokenRequest,
        USER_CODE_LEN_MAX, UrlPolicy, Wish,
    },
    encoding::scratch::Scratch,
};
use portcullis_fuzz::{json::Tree, site};

const SECRET: &str = "hush hush";
const ID_TOKEN: &str = "an.id.token";

/// An answer: its status and its body.
type Answer<'d> = (u16, &'d [u8]);

// The first byte: the way; then the answers, one a line, each behind the first digit of its status.
fuzz_target!(|data: &[u8]| {
    let Some((way, data)) = data.split_first() else { return };
    let answers = data.split(|byte| *byte == b'\n').filter_map(|line| {
        let (status, body) = line.split_first()?;
        let status = match status {
            b'3' => 302,
            b'4' => 400,
            b'5' => 503,
            _ => 200,
        };
        Some((status, body))
    });
    let mut buffer = vec![0; 32 * 1024 + data.len() * 4];
    let scratch = &mut Scratch::new(&mut buffer);
    match way {
        b'c' => answers.take(1).for_each(|answer| client_credentials(answer, scratch)),
        b'd' => device(answers, scratch),
        b'e' => enterprise(answers, scratch),
        b'r' => answers.take(1).for_each(|answer| revocation(answer, scratch)),
        b'w' => answers.take(1).for_each(|answer| workload(answer, scratch)),
        _ => {}
    }
});

fn known() -> KnownClient<'static> {
    KnownClient {
        issuer: site::ISSUER,
        id: "c1",
        secret: Some(ClientSecret::new(SECRET)),
        secret_expires_at: None,
        key: None,
        authentication: None,
        redirect_uri: None,
        origin: Origin::Configured,
    }
}

fn parties<'s>(grant: Grant, scratch: &mut Scratch<'s>) -> (Discovered<'s>, Client<'s>) {
    let discovered = site::discovered_for(grant, scratch);
    let client = Client::configured(&discovered, &[known()], None).expect("configured for it");
    (discovered, client)
}

/// Looks at what a machine sends: to the right place, for the right resource, with no secret in its body.
fn sent<'m, 's>(machine: &'m impl Machine<'s>, path: &str, names: &[(&str, &str)]) {
    let Output::Fetch(request) = machine.poll() else { panic!("not asked yet") };
    assert_eq!(request.url.strip_prefix(site::ISSUER), Some(path));
    let pairs: Vec<_> = form_urlencoded::parse(request.body).collect();
    for (name, value) in names {
        let values: Vec<_> = pairs.iter().filter(|(known, _)| known == name).collect();
        assert!(matches!(values.as_slice(), [(_, sent)] if sent == value), "{name}");
    }
    assert!(pairs.iter().all(|(_, value)| value != SECRET));
}

/// Hands over the one answer that a machine asks for.
fn answered<'s>(
    machine: &mut impl Machine<'s>,
    (status, body): Answer<'_>,
    scratch: &mut Scratch<'s>,
) {
    site::answer(machine, status, body, scratch);
    assert!(matches!(machine.poll(), Output::Done));
}

/// What a server says beside a refusal is its own text, and can be shown on a terminal.
fn words(words: Option<ErrorResponse<'_>>, (status, body): Answer<'_>) {
    let Some(words) = words else { return };
    assert!(matches!(status, 302 | 400), "{status}");
    let is_plain = |text: &str| {
        text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
    };
    assert!(!words.error.is_empty() && is_plain(words.error));
    assert!(words.description.is_none_or(is_plain));
    let Some(tree) = Tree::accepted(body) else { return };
    assert_eq!(tree.text_member("error"), Some(words.error));
}

/// Ends a request for tokens: no refresh token comes out of these.
fn tokens<'s>(mut request: TokenRequest<'s>, answer: Answer<'_>, scratch: &mut Scratch<'s>) {
    answered(&mut request, answer, scratch);
    words(request.error_response(), answer);
    if let Ok(tokens) = request.finish() {
        assert_eq!(answer.0, 200);
        site::are_of(&tokens, answer.1, false);
    }
}

fn client_credentials<'s>(answer: Answer<'_>, scratch: &mut Scratch<'s>) {
    let (discovered, client) = parties(Grant::ClientCredentials, scratch);
    let wish = Wish::default();
    let request = TokenRequest::client_credentials(&discovered, &client, &wish, None, scratch);
    let request = request.expect("room for it");
    sent(&request, "/token", &[("grant_type", "client_credentials"), ("resource", site::SERVER)]);
    tokens(request, answer, scratch);
}

fn workload<'s>(answer: Answer<'_>, scratch: &mut Scratch<'s>) {
    let discovered = site::discovered_for(Grant::JwtBearer, scratch);
    let assertion = Assertion::new("a.b.c").expect("in the form of a JWS");
    let wish = Wish::default();
    let (issuer, other) = (site::ISSUER, "https://as.example/");
    let request = |issuer, scratch: &mut Scratch<'s>| {
        TokenRequest::workload_identity(&discovered, issuer, assertion, &wish, scratch)
    };
    assert!(request(other, scratch).is_err());
    let request = request(issuer, scratch).expect("room for it");
    sent(&request, "/token", &[("assertion", "a.b.c"), ("resource", site::SERVER)]);
    tokens(request, answer, scratch);
}

fn enterprise<'s, 'd>(mut answers: impl Iterator<Item = Answer<'d>>, scratch: &mut Scratch<'s>) {
    let Some(first) = answers.next() else { return };
    let (discovered, client) = parties(Grant::JwtBearer, scratch);
    let endpoint = "https://as.example/exchange";
    let provider = IdentityProvider { token_endpoint: endpoint, client: known() };
    let (subject, wish) = (SubjectToken::IdToken(ID_TOKEN), Wish::default());
    let exchange =
        IdJagRequest::new(&provider, &discovered, &client, subject, &wish, None, scratch);
    let mut exchange = exchange.expect("room for it");
    sent(&exchange, "/exchange", &[("audience", site::ISSUER), ("subject_token", ID_TOKEN)]);
    answered(&mut exchange, first, scratch);
    words(exchange.error_response(), first);
    let Ok(id_jag) = exchange.finish() else { return };
    assert_eq!(first.0, 200);
    if let Some(tree) = Tree::accepted(first.1) {
        let text = |name| tree.text_member(name);
        assert_eq!(text("issued_token_type"), Some("urn:ietf:params:oauth:token-type:id-jag"));
        assert!(text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("N_A")));
        assert_eq!(text("access_token"), Some(id_jag.expose()));
    }
    let request = TokenRequest::id_jag(&discovered, &client, id_jag, &wish, None, scratch);
    // A long one may be too much for a form.
    let Ok(request) = request else { return };
    sent(&request, "/token", &[("assertion", id_jag.expose()), ("resource", site::SERVER)]);
    if let Some(answer) = answers.next() {
        tokens(request, answer, scratch);
    }
}

fn revocation<'s>(answer: Answer<'_>, scratch: &mut Scratch<'s>) {
    let (discovered, client) = parties(Grant::ClientCredentials, scratch);
    let (token, policy) = ((TokenKind::Access, "at"), UrlPolicy::HttpsOnly);
    let revocation = Revocation::new(&discovered, &client, token, policy, None, scratch);
    let mut revocation = revocation.expect("room for it");
    sent(&revocation, "/revoke", &[("token", "at"), ("token_type_hint", "access_token")]);
    answered(&mut revocation, answer, scratch);
    assert_eq!(revocation.finish().is_ok(), answer.0 == 200);
}

fn device<'s, 'd>(mut answers: impl Iterator<Item = Answer<'d>>, scratch: &mut Scratch<'s>) {
    let Some(first) = answers.next() else { return };
    let (discovered, client) = parties(Grant::DeviceCode, scratch);
    let request = DeviceRequest::new(&discovered, &client, &Wish::default(), None, scratch);
    let mut request = request.expect("room for it");
    sent(&request, "/device", &[("resource", site::SERVER), ("scope", "user")]);
    answered(&mut request, first, scratch);
    words(request.error_response(), first);
    let start = 1_000_000;
    let Ok(grant) = request.finish(start) else { return };
    assert_eq!(first.0, 200);
    shown(&grant, first.1);
    polls(grant, start, answers);
}

/// Whether what the user is shown is the server's, and a page of https.
fn shown(grant: &DeviceGrant<'_>, body: &[u8]) {
    let code = grant.user_code();
    assert!((1..=USER_CODE_LEN_MAX).contains(&code.len()));
    assert!(code.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    assert!((1..=DEVICE_EXPIRES_IN_SECS_MAX).contains(&grant.expires_in_secs()));
    for page in [Some(grant.verification_uri()), grant.verification_uri_complete()].iter().flatten()
    {
        assert!(page.starts_with("https://") && !page.contains('#'), "{page}");
        assert!(page.bytes().all(|byte| matches!(byte, b'!'..=b'~')), "{page}");
    }
    let Some(tree) = Tree::accepted(body) else { return };
    assert_eq!(tree.text_member("user_code"), Some(code));
    assert_eq!(tree.text_member("verification_uri"), Some(grant.verification_uri()));
    assert_eq!(tree.text_member("verification_uri_complete"), grant.verification_uri_complete());
}

/// Asks as often as it may: never faster than before, and not when the code is no longer good.
fn polls<'d>(
    mut grant: DeviceGrant<'_>,
    start: u64,
    mut answers: impl Iterator<Item = Answer<'d>>,
) {
    let end = start + u64::from(grant.expires_in_secs());
    let (mut now, mut waited) = (start, 0);
    loop {
        let before = now;
        loop {
            match grant.poll(now) {
                DevicePoll::Wait(secs) => {
                    assert!(secs > 0 && now + secs <= end);
                    now += secs;
                }
                DevicePoll::Ask => break,
                DevicePoll::Expired => return assert!(now >= end),
            }
        }
        assert!(now < end && now - before >= waited.max(1), "asked after {} s", now - before);
        waited = now - before;
        let Some((status, body)) = answers.next() else { return };
        let mut buffer = vec![0; 16 * 1024 + body.len() * 3];
        let scratch = &mut Scratch::new(&mut buffer);
        let mut request = grant.token_request(None, scratch).expect("room for it");
        answered(&mut request, (status, body), scratch);
        words(request.error_response(), (status, body));
        match grant.handle_answer(request, now) {
            Ok(Some(tokens)) => {
                assert_eq!(status, 200);
                return site::are_of(&tokens, body, true);
            }
            Ok(None) => {
                let said = Tree::by_serde(body).ok();
                let said = said.as_ref().and_then(|tree| tree.text_member("error"));
                let waits = matches!(said, Some("authorization_pending" | "slow_down"));
                assert!(status == 503 || waits, "{status}");
            }
            Err(_) => return,
        }
    }
}
