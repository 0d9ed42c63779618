//! Someone with a browser and a password, who needs neither screen nor hands.

use http::header;

use super::agent::{self, Agent, Answer, Exchange, Observer};
use super::page::{self, Form};
use super::{DEMO_USER, TestingError};

/// More pages than any sign-in has.
const PAGES_MAX: usize = 8;

/// A user who signs in and decides without a browser, on the pages of an authorization server on
/// loopback.
#[derive(Clone)]
pub struct User {
    name: String,
    password: String,
    agrees: bool,
    observer: Observer,
}

impl User {
    /// The user of every server here: `demo_user`.
    #[must_use]
    pub fn demo() -> Self {
        let (name, password) = DEMO_USER;
        Self::new(name, password)
    }

    /// A user with this name and password, who agrees to everything.
    #[must_use]
    pub fn new(name: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            password: password.into(),
            agrees: true,
            observer: agent::nobody(),
        }
    }

    /// Signs in, too, but agrees to nothing.
    #[must_use]
    pub fn who_denies(mut self) -> Self {
        self.agrees = false;
        self
    }

    /// Tells `observer` of each request of the browser.
    #[must_use]
    pub fn watched_by(mut self, observer: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        self.observer = std::sync::Arc::new(observer);
        self
    }

    /// Opens an authorization URL in a fresh browser, signs in and decides. Gives the URL on another
    /// origin that the browser is sent to then, which is the client's; it is not opened.
    ///
    /// # Errors
    /// A page without a form, which is how an authorization server says that something is wrong; the
    /// login form once more, after a wrong password; a server that is not there, or not on loopback.
    pub async fn authorize(&self, authorization_url: &str) -> Result<String, TestingError> {
        let mut browser = Agent::new(std::sync::Arc::clone(&self.observer));
        let mut url = authorization_url.to_owned();
        let mut form: Option<Form> = None;
        let mut signed_in = false;
        for _ in 0..PAGES_MAX {
            if page::origin(&url) != page::origin(authorization_url) {
                return Ok(url);
            }
            let answer = send(&mut browser, &url, form.take()).await?;
            if let Some(location) = answer.field("location") {
                url = page::resolve(&url, location);
                continue;
            }
            let mut next = page::form(&answer.text(), self.decision())
                .ok_or(TestingError::Page { status: answer.status() })?;
            if self.fill_in(&mut next, "") && std::mem::replace(&mut signed_in, true) {
                return Err(TestingError::Password);
            }
            url = page::resolve(&url, &next.action);
            form = Some(next);
        }
        Err(TestingError::Endless)
    }

    /// Opens the page that a device shows in a fresh browser, types in its code, signs in and decides (RFC 8628
    /// §3.3).
    ///
    /// # Errors
    /// A page that says that something is wrong, as of a code that is not known; the login form once more,
    /// after a wrong password; a server that is not there, or not on loopback.
    pub async fn enter_code(&self, page: &str, code: &str) -> Result<(), TestingError> {
        let mut browser = Agent::new(std::sync::Arc::clone(&self.observer));
        let mut url = page.to_owned();
        let mut form: Option<Form> = None;
        let mut signed_in = false;
        for _ in 0..PAGES_MAX {
            let answer = send(&mut browser, &url, form.take()).await?;
            if let Some(location) = answer.field("location") {
                url = page::resolve(&url, location);
                continue;
            }
            let status = answer.status();
            let Some(mut next) = page::form(&answer.text(), self.decision()) else {
                return answer.success().map(drop);
            };
            if status >= 400 {
                return Err(TestingError::Page { status });
            }
            if self.fill_in(&mut next, code) && std::mem::replace(&mut signed_in, true) {
                return Err(TestingError::Password);
            }
            url = page::resolve(&url, &next.action);
            form = Some(next);
        }
        Err(TestingError::Endless)
    }

    const fn decision(&self) -> &'static str {
        if self.agrees { "approve" } else { "deny" }
    }

    /// Opens a URL, as a browser does that an authorization server sent on to a client's own listener.
    ///
    /// # Errors
    /// Anything but an answer of success.
    pub async fn open(&self, url: &str) -> Result<(), TestingError> {
        Agent::new(agent::nobody()).get(url).await?.success().map(drop)
    }

    /// Types name, password and code where they are asked for, and says whether the password was.
    fn fill_in(&self, form: &mut Form, code: &str) -> bool {
        let mut asked = false;
        for (name, value) in &mut form.fields {
            match name.as_str() {
                "username" => self.name.clone_into(value),
                "user_code" => code.clone_into(value),
                "password" => {
                    self.password.clone_into(value);
                    asked = true;
                }
                _ => {}
            }
        }
        asked
    }
}

/// Opens a URL, or sends its form there.
async fn send(browser: &mut Agent, url: &str, form: Option<Form>) -> Result<Answer, TestingError> {
    let Some(form) = form else { return browser.get(url).await };
    let fields = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let own = [(header::ORIGIN, page::origin(url))];
    browser.post_form(url, &own, fields).await
}

/// Without the password.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}
