//! The demo's user and browser in one: signs in, agrees, and follows the redirect home.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use portcullis_tokio::client::{Exchange, Party};

use super::journal::Journal;

/// Longest page read, in bytes.
const PAGE_LEN_MAX: usize = 256 * 1024;
/// More pages than any flow has.
const PAGES_MAX: usize = 8;

/// Why the user did not get home.
#[derive(Debug)]
pub(crate) enum UserError {
    /// The request failed.
    Http(String),
    /// A page that is neither form nor redirect.
    Page(StatusCode),
    /// More pages than [`PAGES_MAX`].
    Endless,
}

impl std::fmt::Display for UserError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(error) => write!(f, "the browser could not ask: {error}"),
            Self::Page(status) => write!(f, "the browser met a page without a form ({status})"),
            Self::Endless => f.write_str("the browser met one form after the other"),
        }
    }
}

impl std::error::Error for UserError {}

/// A form as a page shows it: where it goes and what is filled in already.
#[derive(Debug, Default, PartialEq)]
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

/// Someone with a browser and a password.
pub(crate) struct User {
    client: Client<HttpConnector, Full<Bytes>>,
    cookies: BTreeMap<String, String>,
    username: &'static str,
    password: &'static str,
    journal: Arc<Journal>,
    /// Whether the browser has left the authorization server for the client's redirect URI.
    home: bool,
}

impl User {
    pub(crate) fn new(
        (username, password): (&'static str, &'static str),
        journal: Arc<Journal>,
    ) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, cookies: BTreeMap::new(), username, password, journal, home: false }
    }

    /// Opens the authorization URL and does what a person does until the browser is sent to another
    /// origin, that of the client; then goes there.
    pub(crate) async fn authorize(mut self, authorization_url: String) -> Result<(), UserError> {
        let mut url = authorization_url.clone();
        let mut form = None;
        for _ in 0..PAGES_MAX {
            self.home = origin(&url) != origin(&authorization_url);
            let response = self.send(&url, form.take()).await?;
            let status = response.status();
            if self.home {
                return if status.is_success() { Ok(()) } else { Err(UserError::Page(status)) };
            }
            if let Some(location) = response.headers().get(header::LOCATION) {
                let location = location.to_str().map_err(|_| UserError::Page(status))?;
                url = resolve(&url, location);
                continue;
            }
            let page = read(response).await?;
            let mut next = parse_form(&page).ok_or(UserError::Page(status))?;
            url = resolve(&url, &next.action);
            self.fill_in(&mut next);
            form = Some(next);
        }
        Err(UserError::Endless)
    }

    fn report(&self, method: &Method, url: &str, status: StatusCode) {
        self.journal.exchange(&Exchange {
            from: Party::Browser,
            to: Party::AuthorizationServer,
            method: method.as_str(),
            // Codes, states and challenges are not for the screen.
            url: url.split('?').next().unwrap_or_default(),
            status: Ok(status.as_u16()),
            meaning: meaning(method, status),
        });
    }

    /// Types name and password where they are asked for; agrees to everything else.
    fn fill_in(&self, form: &mut Form) {
        for (name, value) in &mut form.fields {
            match name.as_str() {
                "username" => self.username.clone_into(value),
                "password" => self.password.clone_into(value),
                _ => {}
            }
        }
    }

    async fn send(
        &mut self,
        url: &str,
        form: Option<Form>,
    ) -> Result<Response<hyper::body::Incoming>, UserError> {
        let error = |error: &dyn std::fmt::Display| UserError::Http(error.to_string());
        let method = if form.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::builder().method(&method).uri(url);
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let body = match form {
            Some(form) => {
                request = request
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header(header::ORIGIN, origin(url));
                form_urlencoded::Serializer::new(String::new()).extend_pairs(form.fields).finish()
            }
            None => String::new(),
        };
        let request = request.body(Full::from(body)).map_err(|e| error(&e))?;
        let response = self.client.request(request).await.map_err(|e| error(&e))?;
        // The client itself tells of what reaches its own page.
        if !self.home {
            self.report(&method, url, response.status());
        }
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
        Ok(response)
    }
}

/// What an answer of the authorization server's pages means.
fn meaning(method: &Method, status: StatusCode) -> &'static str {
    match (method, status.as_u16()) {
        (&Method::GET, 200..=299) => "a page with a form",
        (&Method::POST, 300..=399) => "what was filled in is accepted",
        (&Method::POST, 200..=299) => "the form once more",
        (_, 300..=399) => "sent on",
        _ => "refused",
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<String, UserError> {
    let body = Limited::new(response.into_body(), PAGE_LEN_MAX).collect().await;
    let body = body.map_err(|error| UserError::Http(error.to_string()))?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

/// The first form of the page; of several submit buttons the one that agrees.
fn parse_form(page: &str) -> Option<Form> {
    let page = tl::parse(page, tl::ParserOptions::default()).ok()?;
    let parser = page.parser();
    let attribute = |tag: &tl::HTMLTag<'_>, name: &str| -> Option<String> {
        let value = tag.attributes().get(name)??;
        Some(html_escape::decode_html_entities(&value.as_utf8_str()).into_owned())
    };
    let form = page.query_selector("form")?.next()?.get(parser)?.as_tag()?;
    let mut parsed = Form { action: attribute(form, "action").unwrap_or_default(), fields: vec![] };
    let mut agreed = false;
    for node in form.children().all(parser) {
        let Some(tag) = node.as_tag() else { continue };
        let Some(name) = attribute(tag, "name") else { continue };
        let value = attribute(tag, "value").unwrap_or_default();
        let is_button =
            tag.name() == "button" || attribute(tag, "type").as_deref() == Some("submit");
        if is_button && agreed {
            continue;
        }
        agreed |= is_button;
        parsed.fields.push((name, value));
    }
    Some(parsed)
}

/// `scheme://authority` of a URL.
fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
    &url[..end]
}

/// A `Location` or form action as browsers read it: a URL, a path, or nothing for the page itself.
fn resolve(page: &str, target: &str) -> String {
    if target.is_empty() {
        page.to_owned()
    } else if target.starts_with('/') {
        format!("{}{target}", origin(page))
    } else {
        target.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_what_is_filled_in() {
        let form = parse_form(
            r#"<p><form method="post" action="/login?a=1&amp;b=2"><label>Name <input name="username"></label>
            <input type="hidden" name="request" value="r&quot;1"><button name="decision" value="approve">Yes</button>
            <button name="decision" value="deny">No</button></form>"#,
        )
        .unwrap();
        assert_eq!(form.action, "/login?a=1&b=2");
        let fields: Vec<_> = form.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(fields, [("username", ""), ("request", "r\"1"), ("decision", "approve")]);
        assert_eq!(parse_form("<p>no form</p>"), None);
    }

    #[test]
    fn targets_are_resolved_against_their_page() {
        let page = "http://127.0.0.1:9000/authorize?x=1";
        assert_eq!(resolve(page, "/login"), "http://127.0.0.1:9000/login");
        assert_eq!(resolve(page, ""), page);
        assert_eq!(resolve(page, "http://localhost:3030/"), "http://localhost:3030/");
    }
}
