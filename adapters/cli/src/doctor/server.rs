//! The MCP endpoint: what it answers without a token, and with one that nobody issued.

use http::{HeaderName, Method, header};
use portcullis_core::{
    challenge::parse::{BearerChallenge, Challenges, bearer},
    encoding::scratch::Scratch,
    error::ErrorCode,
};

use super::{
    examination::Examination,
    net::{Answer, Ask, Failure},
    rules,
};

/// The one token that is ever sent. Nobody issued it.
const GARBAGE: &str = "portcullis-doctor-sends-no-real-token";
/// Where a page in a browser would come from; the name cannot exist (RFC 2606 §2).
pub(super) const ORIGIN: &str = "https://portcullis-doctor.invalid";
const MODERN: &str = "2026-07-28";
const HANDSHAKE: &str = "2025-11-25";

/// What the 401 said that the metadata is checked against.
#[derive(Debug, Default)]
pub(super) struct Challenge {
    pub(super) resource_metadata: Option<String>,
    pub(super) has_scope: bool,
}

/// A request that needs a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Probe {
    ListTools,
    Initialize,
    Discover,
}

impl Probe {
    const ALL: [Self; 3] = [Self::ListTools, Self::Initialize, Self::Discover];

    const fn method(self) -> &'static str {
        match self {
            Self::ListTools => "tools/list",
            Self::Initialize => "initialize",
            Self::Discover => "server/discover",
        }
    }

    const fn version(self) -> &'static str {
        match self {
            Self::ListTools | Self::Discover => MODERN,
            Self::Initialize => HANDSHAKE,
        }
    }

    fn body(self) -> String {
        let client =
            serde_json::json!({"name": "portcullis doctor", "version": env!("CARGO_PKG_VERSION")});
        let params = match self {
            Self::ListTools | Self::Discover => serde_json::json!({"_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": client,
            }}),
            Self::Initialize => serde_json::json!({
                "protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": client,
            }),
        };
        serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": self.method(), "params": params})
            .to_string()
    }

    async fn send(
        self,
        examination: &Examination,
        url: &str,
        more: &[(HeaderName, &str)],
    ) -> Result<Answer, Failure> {
        let mut fields = vec![
            (header::CONTENT_TYPE, "application/json"),
            (header::ACCEPT, "application/json, text/event-stream"),
            (HeaderName::from_static("mcp-protocol-version"), self.version()),
            (HeaderName::from_static("mcp-method"), self.method()),
        ];
        fields.extend_from_slice(more);
        let body = self.body();
        examination.net.ask(Ask { method: Method::POST, url, fields: &fields, body: &body }).await
    }
}

/// All that can be seen at the endpoint; `None` when it cannot be asked, or is none.
pub(super) async fn check(examination: &mut Examination) -> Option<Challenge> {
    let url = examination.url.clone();
    let mut answers = Vec::new();
    for probe in Probe::ALL {
        match probe.send(examination, &url, &[]).await {
            Ok(answer) => answers.push((probe, answer)),
            Err(failure) if answers.is_empty() => {
                if let Failure::Tls(error) = &failure {
                    examination.report.find(&rules::TLS_INVALID, &url, error);
                }
                examination.report.give_up(failure.to_string());
                return None;
            }
            Err(_) => {}
        }
    }
    protocol(examination, &answers);
    if answers.iter().all(|(_, answer)| is_elsewhere(answer)) {
        // A site without MCP lacks all that is looked for: more would be said of it than there is to say.
        let seen = answers.first().map(|(_, answer)| format!("status {}", answer.status));
        examination.report.find(&rules::NOT_MCP, &url, seen.unwrap_or_default());
        return None;
    }
    without_token(examination, &answers);
    let Some((probe, refused)) = answers.iter().find(|(_, answer)| answer.status == 401) else {
        return Some(Challenge::default());
    };
    let challenge = challenge(examination, &url, refused);
    garbage(examination, *probe, &url).await;
    query(examination, *probe, &url).await;
    malformed(examination, *probe, &url).await;
    browser(examination, *probe, &url).await;
    Some(challenge)
}

/// Which revisions can be seen.
fn protocol(examination: &mut Examination, answers: &[(Probe, Answer)]) {
    for (probe, answer) in answers {
        let value = format!("status {} without a token", answer.status);
        examination.report.fact(probe.method(), value);
    }
}

fn without_token(examination: &mut Examination, answers: &[(Probe, Answer)]) {
    let (report, url) = (&mut examination.report, &examination.url);
    let challenged = answers.iter().any(|(_, answer)| answer.status == 401);
    for (probe, answer) in answers {
        if let Some(target) = answer.redirect() {
            report.find(&rules::SERVER_REDIRECTS, url, format!("{} to {target}", answer.status));
        } else if is_result(answer) {
            let open = *probe == Probe::ListTools || !challenged;
            let rule = if open { &rules::OPEN_SERVER } else { &rules::OPEN_HANDSHAKE };
            report.find(rule, url, probe.method());
        }
    }
    let told = report.has(&rules::SERVER_REDIRECTS) || report.has(&rules::OPEN_SERVER);
    if let (false, false, Some((_, answer))) = (challenged, told, answers.first()) {
        report.find(&rules::NO_401, url, format!("status {}", answer.status));
    }
}

fn is_result(answer: &Answer) -> bool {
    (200..300).contains(&answer.status) && has(answer, b"\"result\"")
}

/// Whether the answer is that of a site where there is no MCP endpoint.
fn is_elsewhere(answer: &Answer) -> bool {
    let media_type = answer.field(&header::CONTENT_TYPE).unwrap_or_default();
    let speaks = media_type.starts_with("text/event-stream") || has(answer, b"\"jsonrpc\"");
    matches!(answer.status, 200..300 | 404 | 405 | 410 | 501) && !speaks
}

fn has(answer: &Answer, text: &[u8]) -> bool {
    answer.body.windows(text.len()).any(|piece| piece == text)
}

/// The challenge of a request without a token (RS-20 to RS-31).
fn challenge(examination: &mut Examination, url: &str, refused: &Answer) -> Challenge {
    let report = &mut examination.report;
    let lines: Vec<&[u8]> = lines(refused).collect();
    let shown = String::from_utf8_lossy(&lines.join(&b", "[..])).into_owned();
    if lines.is_empty() {
        report.find(&rules::NO_CHALLENGE, url, "");
        return Challenge::default();
    }
    report.fact("challenge", &shown);
    let mut memory = vec![0; shown.len().saturating_mul(4)];
    let read = bearer(lines.iter().copied(), &mut Scratch::new(&mut memory)).ok().flatten();
    let ours = |it: &portcullis_core::challenge::parse::ParsedChallenge<'_>| it.is("Bearer");
    let count = Challenges::parse(lines.iter().copied()).filter(ours).count();
    // A fault behind a sound challenge costs what comes after it: what is named must also be read.
    let named = shown.to_ascii_lowercase();
    let Some(found) = read else {
        let says_bearer = named.split([',', ' ']).any(|word| word == "bearer");
        let rule = if says_bearer { &rules::UNREADABLE_CHALLENGE } else { &rules::NO_BEARER };
        report.find(rule, url, &shown);
        return Challenge::default();
    };
    if named.contains("resource_metadata") && found.resource_metadata.is_none() {
        report.find(&rules::UNREADABLE_CHALLENGE, url, &shown);
        return Challenge::default();
    }
    if count > 1 {
        report.find(&rules::SEVERAL_BEARER, url, &shown);
    }
    read_challenge(examination, url, &found, &shown)
}

fn read_challenge(
    examination: &mut Examination,
    url: &str,
    found: &BearerChallenge<'_>,
    shown: &str,
) -> Challenge {
    let report = &mut examination.report;
    let is_empty = found.realm.is_none()
        && found.scope.is_none()
        && found.error.is_none()
        && found.resource_metadata.is_none();
    if is_empty {
        report.find(&rules::EMPTY_CHALLENGE, url, shown);
    } else if found.resource_metadata.is_none() {
        report.find(&rules::NO_POINTER, url, shown);
    }
    if found.error.is_some() || found.error_description.is_some() {
        report.find(&rules::ERROR_WITHOUT_TOKEN, url, shown);
    }
    if found.scope.is_some_and(|scope| scope.contains("offline_access")) {
        report.find(&rules::OFFLINE_IN_CHALLENGE, url, shown);
    }
    Challenge {
        resource_metadata: found.resource_metadata.map(str::to_owned),
        has_scope: found.scope.is_some(),
    }
}

/// What a token gets that nobody issued.
async fn garbage(examination: &mut Examination, probe: Probe, url: &str) {
    let credentials = format!("Bearer {GARBAGE}");
    let fields = [(header::AUTHORIZATION, credentials.as_str())];
    let Ok(answer) = probe.send(examination, url, &fields).await else { return };
    let report = &mut examination.report;
    let seen = format!("status {}", answer.status);
    match answer.status {
        401 => {}
        503 => return report.find(&rules::GARBAGE_UNDECIDED, url, seen),
        200..300 => return report.find(&rules::GARBAGE_ADMITTED, url, seen),
        _ => return report.find(&rules::GARBAGE_STATUS, url, seen),
    }
    match error_of(&answer) {
        None => {
            // Told already where it is so without a token, too.
            let told = [&rules::NO_CHALLENGE, &rules::NO_BEARER, &rules::UNREADABLE_CHALLENGE];
            if !told.into_iter().any(|rule| report.has(rule)) {
                report.find(&rules::GARBAGE_NO_CHALLENGE, url, seen);
            }
        }
        Some(error) if error == ErrorCode::InvalidToken.as_str() => {}
        Some(error) => report.find(&rules::GARBAGE_NO_ERROR, url, error),
    }
}

/// Whether a token in the query counts for anything (RS-33).
async fn query(examination: &mut Examination, probe: Probe, url: &str) {
    let mark = if url.contains('?') { '&' } else { '?' };
    let with_query = format!("{url}{mark}access_token={GARBAGE}");
    let Ok(answer) = probe.send(examination, &with_query, &[]).await else { return };
    let judged = error_of(&answer).is_some_and(|error| error == ErrorCode::InvalidToken.as_str());
    let told = examination.report.has(&rules::ERROR_WITHOUT_TOKEN);
    if is_result(&answer) || (judged && !told) {
        let seen = format!("status {}, as for a token", answer.status);
        examination.report.find(&rules::QUERY_TOKEN, url, seen);
    }
}

/// Credentials that are no token at all (RS-24). Many servers answer 401, which does no harm.
async fn malformed(examination: &mut Examination, probe: Probe, url: &str) {
    let fields = [(header::AUTHORIZATION, "Bearer no token at all")];
    let Ok(answer) = probe.send(examination, url, &fields).await else { return };
    let told = examination.report.has(&rules::GARBAGE_ADMITTED)
        || examination.report.has(&rules::GARBAGE_STATUS);
    let failed = answer.status >= 500 && answer.status != 503;
    if !told && (is_result(&answer) || failed) {
        let seen = format!("status {}", answer.status);
        examination.report.find(&rules::MALFORMED_CREDENTIALS, url, seen);
    }
}

/// What a page in a browser meets (RS-36).
async fn browser(examination: &mut Examination, probe: Probe, url: &str) {
    let fields = [
        (header::ORIGIN, ORIGIN),
        (header::ACCESS_CONTROL_REQUEST_METHOD, "POST"),
        (header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization, content-type"),
    ];
    let ask = Ask { method: Method::OPTIONS, url, fields: &fields, body: "" };
    let Ok(preflight) = examination.net.ask(ask).await else { return };
    if preflight.status == 401 {
        return examination.report.find(&rules::PREFLIGHT_TOKEN, url, "status 401");
    }
    let admitted = preflight.fields.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    let value = if admitted { "any origin may call" } else { "not from any origin" };
    examination.report.fact("browsers", value);
    if !admitted {
        return;
    }
    let fields = [(header::ORIGIN, ORIGIN)];
    let Ok(answer) = probe.send(examination, url, &fields).await else { return };
    let exposed = answer.fields.get_all(header::ACCESS_CONTROL_EXPOSE_HEADERS);
    let names = exposed.iter().filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','));
    let shows = |name: &str| {
        matches!(name.trim(), "*") || name.trim().eq_ignore_ascii_case("www-authenticate")
    };
    if answer.status == 401 && !names.into_iter().any(shows) {
        examination.report.find(&rules::CHALLENGE_HIDDEN, url, "");
    }
}

fn lines(answer: &Answer) -> impl Iterator<Item = &[u8]> {
    answer.fields.get_all(header::WWW_AUTHENTICATE).iter().map(|value| value.as_bytes())
}

/// The error of the Bearer challenge, empty when it names none; `None` without a readable challenge.
fn error_of(answer: &Answer) -> Option<String> {
    let len: usize = lines(answer).map(<[u8]>::len).sum();
    let mut memory = vec![0; len.saturating_mul(4)];
    let found = bearer(lines(answer), &mut Scratch::new(&mut memory)).ok().flatten()?;
    Some(found.error.unwrap_or_default().to_owned())
}
