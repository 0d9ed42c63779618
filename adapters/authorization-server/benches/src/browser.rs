//! A browser whose user agrees to everything: it obtains authorization codes.

use std::net::SocketAddr;

use crate::connection::{Answer, Connection, encode};
use crate::target::{REDIRECT, Target};

/// Redirects and pages on the way to one code.
const STEPS_MAX: usize = 12;
// RFC 7636 Appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub struct Browser {
    connection: Connection,
    cookies: Vec<(String, String)>,
}

impl Browser {
    pub async fn new(address: SocketAddr) -> Self {
        Self { connection: Connection::open(address).await, cookies: Vec::new() }
    }

    /// One more code.
    pub async fn code(&mut self, target: &Target, resource: &str) -> String {
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", &target.client_id),
            ("redirect_uri", REDIRECT),
            ("state", "s"),
            ("scope", &target.scope),
            ("resource", resource),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let mut answer = self.get(&format!("{}?{query}", target.authorization)).await;
        for _ in 0..STEPS_MAX {
            let location = answer.field("location").to_owned();
            if let Some(query) = location.strip_prefix(REDIRECT) {
                let mut pairs = query.split(['?', '&']);
                let code = pairs.find_map(|pair| pair.strip_prefix("code="));
                return code.unwrap_or_else(|| panic!("no code: {location}")).to_owned();
            }
            answer = match answer.status.is_redirection() {
                true => self.get(&path(&location)).await,
                false => self.submit(&answer).await,
            };
        }
        panic!("no code after {STEPS_MAX} steps: {}", answer.text());
    }

    /// Sends the form of a page back, signing in or agreeing as it asks.
    async fn submit(&mut self, page: &Answer) -> Answer {
        let text = page.text();
        let hidden = |name: &str| {
            let (_, rest) = text.split_once(&format!("name=\"{name}\" value=\"")).expect(&text);
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let (request, token) = (hidden("request"), hidden("form_token"));
        let is_login = text.contains("name=\"password\"");
        let own: &[(&str, &str)] = match is_login {
            true => &[("username", "demo_user"), ("password", "demo_password")],
            false => &[("decision", "approve")],
        };
        let form = [&[("request", request.as_str()), ("form_token", &token)], own].concat();
        let cookie = self.cookie();
        let fields = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
        let path = if is_login { "/login" } else { "/consent" };
        let answer = self.connection.post_form(path, &fields, encode(&form)).await;
        self.keep_cookies(&answer);
        answer
    }

    async fn get(&mut self, path: &str) -> Answer {
        let cookie = self.cookie();
        let answer = self.connection.get(path, &[("cookie", &cookie)]).await;
        self.keep_cookies(&answer);
        answer
    }

    fn cookie(&self) -> String {
        let pairs: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for field in answer.headers.get_all("set-cookie") {
            let pair = field.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else { continue };
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

/// The path of a URL of the same server.
fn path(location: &str) -> String {
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]).to_owned(),
        None => location.to_owned(),
    }
}
