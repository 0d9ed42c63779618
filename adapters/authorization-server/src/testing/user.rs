//! Someone with a browser and a password, who needs neither screen nor hands.

use http::header;

use super::agent::{self, Agent, Exchange, Observer};
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
        match self.walk(authorization_url, None).await? {
            End::Elsewhere(url) => Ok(url),
            End::Page(status) => Err(TestingError::Page { status }),
        }
    }

    /// Opens the page of a device authorization (RFC 8628 §3.3) in a fresh browser, types in the code, signs
    /// in and decides.
    ///
    /// # Errors
    /// The last page is not one of success; the login form once more, after a wrong password; a server that is
    /// not there, or not on loopback.
    pub async fn enter_code(&self, page: &str, user_code: &str) -> Result<(), TestingError> {
        match self.walk(page, Some(user_code)).await? {
            End::Page(200) => Ok(()),
            End::Page(status) => Err(TestingError::Page { status }),
            End::Elsewhere(_) => Err(TestingError::Endless),
        }
    }

    /// From page to page, until there is none with a form on this origin.
    async fn walk(&self, first: &str, user_code: Option<&str>) -> Result<End, TestingError> {
        let mut browser = Agent::new(std::sync::Arc::clone(&self.observer));
        let mut url = first.to_owned();
        let mut form: Option<Form> = None;
        let mut signed_in = false;
        for _ in 0..PAGES_MAX {
            if page::origin(&url) != page::origin(first) {
                return Ok(End::Elsewhere(url));
            }
            let answer = match form.take() {
                None => browser.get(&url).await?,
                Some(form) => {
                    let fields = form.fields.iter().map(|(k, v)| (k.as_str(), v.as_str()));
                    let own = [(header::ORIGIN, page::origin(&url))];
                    browser.post_form(&url, &own, fields).await?
                }
            };
            if let Some(location) = answer.field("location") {
                url = page::resolve(&url, location);
                continue;
            }
            let decision = if self.agrees { "approve" } else { "deny" };
            let Some(mut next) = page::form(&answer.text(), decision) else {
                return Ok(End::Page(answer.status()));
            };
            if self.fill_in(&mut next, user_code) && std::mem::replace(&mut signed_in, true) {
                return Err(TestingError::Password);
            }
            url = page::resolve(&url, &next.action);
            form = Some(next);
        }
        Err(TestingError::Endless)
    }

    /// Opens a URL, as a browser does that an authorization server sent on to a client's own listener.
    ///
    /// # Errors
    /// Anything but an answer of success.
    pub async fn open(&self, url: &str) -> Result<(), TestingError> {
        Agent::new(agent::nobody()).get(url).await?.success().map(drop)
    }

    /// Types name, password and code where they are asked for, and says whether the password was.
    fn fill_in(&self, form: &mut Form, user_code: Option<&str>) -> bool {
        let mut asked = false;
        for (name, value) in &mut form.fields {
            match name.as_str() {
                "user_code" => user_code.unwrap_or_default().clone_into(value),
                "username" => self.name.clone_into(value),
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

/// Where a browser ends up.
enum End {
    /// On another origin, whose page was not opened.
    Elsewhere(String),
    /// On a page without a form, with this status.
    Page(u16),
}

/// Without the password.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}
