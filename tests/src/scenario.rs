//! Scenarios as they are written down, and as they are run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use portcullis_core::time::UnixTime;
use serde::Deserialize;

use crate::{
    authorization_server::Script,
    driver::Exchange,
    server::{Mode, NOW, Server, Setting},
    template::Template,
    token::Tokens,
    wire,
};

/// Every file of scenarios.
pub const TOPICS: [&str; 12] = [
    "audience",
    "credentials",
    "envelope",
    "eras",
    "headers_mirrored",
    "introspection",
    "metadata",
    "origins",
    "routing",
    "scopes",
    "token_claims",
    "token_headers",
];

/// One topic as it is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topic {
    /// What a case has that does not say otherwise.
    #[serde(default)]
    usually: Usually,
    /// Texts for this topic alone, beside those of `snippets.toml`.
    #[serde(default)]
    snippets: BTreeMap<String, String>,
    case: Vec<Case>,
}

/// What a case has that does not say otherwise.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Usually {
    server: Mode,
    settings: Vec<Setting>,
    request: Option<String>,
}

/// One case as it is written down, or several that differ in `{each}`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The requirements and threats it shows.
    id: Vec<String>,
    name: String,
    #[serde(default)]
    each: Vec<String>,
    server: Option<Mode>,
    settings: Option<Vec<Setting>>,
    #[serde(default)]
    clock: Clock,
    request: Option<String>,
    trailer: Option<String>,
    body_len: Option<usize>,
    earlier: Option<String>,
    #[serde(default)]
    introspection: Answers,
    #[serde(flatten)]
    expected: ExpectedText,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Clock {
    #[default]
    Known,
    Unknown,
}

/// What the introspection endpoint says; a good token's facts unless given.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Answers {
    unreachable: bool,
    silent: bool,
    status: Option<u16>,
    r#type: Option<String>,
    body: Option<String>,
}

/// The expected answer as it is written down.
#[derive(Clone, Deserialize)]
struct ExpectedText {
    #[serde(default)]
    reaches: bool,
    principal: Option<String>,
    status: Option<u16>,
    challenge: Option<String>,
    code: Option<i64>,
    body: Option<String>,
    #[serde(default)]
    present: Vec<String>,
    #[serde(default)]
    absent: Vec<String>,
    asked: Option<bool>,
}

/// What has to be seen.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The status code.
    pub status: u16,
    /// Whether the service behind runs, and whom it sees then.
    pub principal: Option<String>,
    /// The one `WWW-Authenticate`, or none.
    pub challenge: Option<String>,
    /// The JSON-RPC error code.
    pub code: Option<i64>,
    /// The whole body.
    pub body: Option<String>,
    /// Fields that are there, as `name` or `name: value`.
    pub present: Vec<String>,
    /// Fields that are not.
    pub absent: Vec<String>,
    /// Whether the authorization server is asked.
    pub asked: Option<bool>,
}

/// One case, ready to be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The requirements and threats it shows.
    pub id: Vec<String>,
    /// Its own name.
    pub name: String,
    /// What happens.
    pub exchange: Exchange,
    /// An honest request to the same server.
    pub honest: Exchange,
    /// What has to be seen.
    pub expected: Expected,
}

/// All scenarios, and what their texts were made of.
pub struct Scenarios {
    /// By topic.
    pub by_topic: BTreeMap<&'static str, Vec<Scenario>>,
    /// With all tokens in it.
    pub template: Template,
}

/// Where the scenarios are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// The text of one of their files.
pub fn read(name: &str) -> String {
    let path = folder().join(format!("{name}.toml"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Scenarios {
    /// Reads all of them.
    pub fn load() -> Self {
        let mut snippets: BTreeMap<String, String> = toml::from_str(&read("snippets")).unwrap();
        let topics = TOPICS.map(|name| {
            let topic = toml::from_str::<Topic>(&read(name));
            (name, topic.unwrap_or_else(|error| panic!("{name}.toml: {error}")))
        });
        for (name, topic) in &topics {
            for (snippet, text) in &topic.snippets {
                let other = snippets.insert(snippet.clone(), text.clone());
                assert!(other.is_none(), "{name}.toml: snippet {snippet} is there already");
            }
        }
        let template = Template::new(snippets, Tokens::from_toml(&read("tokens")));
        let by_topic = topics.map(|(name, topic)| {
            let cases = topic.case.iter().flat_map(unfold);
            (name, cases.map(|case| case.ready(&topic.usually, &template)).collect())
        });
        Self { by_topic: BTreeMap::from(by_topic), template }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Scenario> {
        self.by_topic.values().flatten()
    }
}

/// One case for each value of `each`.
fn unfold(case: &Case) -> Vec<Case> {
    if case.each.is_empty() {
        return vec![case.clone()];
    }
    let one = |value: &String| {
        let fill = |text: &Option<String>| text.as_ref().map(|text| text.replace("{each}", value));
        let mut one = case.clone();
        one.name = format!("{} [{}]", case.name, value.escape_debug());
        one.request = fill(&case.request);
        one.trailer = fill(&case.trailer);
        one.introspection.body = fill(&case.introspection.body);
        one.expected.principal = fill(&case.expected.principal);
        one.expected.challenge = fill(&case.expected.challenge);
        one.each = vec![value.clone()];
        one
    };
    case.each.iter().map(one).collect()
}

impl Case {
    fn ready(self, usually: &Usually, template: &Template) -> Scenario {
        let name = self.name.as_str();
        assert!(!self.id.is_empty(), "{name}: shows nothing");
        let settings = self.settings.as_ref().unwrap_or(&usually.settings);
        let server = Server {
            mode: self.server.unwrap_or(usually.server),
            settings: settings.iter().copied().collect(),
        };
        // The usual request is filled in by `each` here: `unfold` does not see it.
        let usual = usually.request.as_ref().map(|text| match self.each.first() {
            Some(value) => text.replace("{each}", value),
            None => text.clone(),
        });
        let request = self.request.as_ref().or(usual.as_ref());
        let request = request.unwrap_or_else(|| panic!("{name}: no request"));
        let trailer = self.trailer.as_ref().map(|text| template.fill(text, name));
        let bytes = |text: &str| wire::request(&template.fill(text, name), None, None);
        let honest = honest_text(&server);
        let exchange = Exchange {
            now: match self.clock {
                Clock::Known => Some(UnixTime::from_secs(NOW)),
                Clock::Unknown => None,
            },
            script: self.introspection.script(name, template),
            earlier: self.earlier.as_deref().map(bytes),
            request: wire::request(
                &template.fill(request, name),
                trailer.as_deref(),
                self.body_len,
            ),
            // Where it would have to be asked about, the script has only this case's answer.
            later: (self.expected.is_refused() && server.mode != Mode::Introspection)
                .then(|| bytes(honest)),
            server,
        };
        let fresh = format!("{name}, honestly");
        let honest = Exchange {
            server,
            now: Some(UnixTime::from_secs(NOW)),
            script: Answers::default().script(&fresh, template),
            earlier: None,
            request: wire::request(&template.fill(honest, &fresh), None, None),
            later: None,
        };
        let expected = self.expected.ready(name, template);
        Scenario { id: self.id, name: self.name, exchange, honest, expected }
    }
}

/// A request that the server takes whenever it works at all.
fn honest_text(server: &Server) -> &'static str {
    let is_legacy = server.settings.has(Setting::LegacyOnly);
    match (server.mode, is_legacy) {
        (Mode::Introspection, _) => "{post}\nAuthorization: Bearer {opaque}\n\n{get_time}",
        (_, false) => "{post}\nAuthorization: Bearer {good}\n\n{get_time}",
        (_, true) => "{post_legacy}\nAuthorization: Bearer {good}\n\n{get_time_legacy}",
    }
}

impl Answers {
    fn script(&self, case: &str, template: &Template) -> Script {
        if self.unreachable {
            return Script::Unreachable;
        }
        if self.silent {
            return Script::Silent;
        }
        let kind = self.r#type.as_deref().unwrap_or("application/json");
        Script::Answers {
            status: self.status.unwrap_or(200),
            content_type: (!kind.is_empty()).then(|| kind.to_owned()),
            body: template.fill(self.body.as_deref().unwrap_or("{active}"), case),
        }
    }
}

impl ExpectedText {
    const fn is_refused(&self) -> bool {
        !self.reaches
    }

    fn ready(&self, name: &str, template: &Template) -> Expected {
        let fill = |text: &Option<String>| text.as_ref().map(|it| template.fill_text(it, name));
        let status = match (self.reaches, self.status) {
            (true, None) => 200,
            (false, Some(status)) => status,
            _ => panic!("{name}: expects either a status, or that it reaches the service"),
        };
        let principal = self.principal.as_deref().unwrap_or("{principal}");
        Expected {
            status,
            principal: self.reaches.then(|| template.fill_text(principal, name)),
            challenge: fill(&self.challenge),
            code: self.code,
            body: fill(&self.body),
            present: self.present.clone(),
            absent: self.absent.clone(),
            asked: self.asked,
        }
    }
}
