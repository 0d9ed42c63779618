//! The program as a server, and the people who use it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{harness::*, tls};

pub(crate) const REDIRECT: &str = "http://127.0.0.1:3030/callback";
pub(crate) const PASSWORD: &str = "correct horse battery";
// RFC 7636 Appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A server that is up; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    /// Whose certificate it shows; it speaks plain HTTP without.
    authority: Option<PathBuf>,
    shown: Reader,
    logged: Reader,
}

/// What comes out of a pipe, read on as long as something comes, whoever looks at it.
struct Reader {
    text: Arc<Mutex<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn new(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&text);
        let thread = thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                *written.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { text, thread: Some(thread) }
    }

    fn so_far(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// All of it, once the program has ended.
    fn rest(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.so_far()
    }
}

impl Server {
    /// Starts the program in the folder and waits until it says where it is.
    pub(crate) fn start(folder: &Folder, port: u16, arguments: &[&str]) -> Self {
        Self::run(folder, port, &[&["authorization-server"], arguments].concat(), "\ndata ")
    }

    /// Starts a command that serves, and waits until it prints `sign`.
    pub(crate) fn run(folder: &Folder, port: u16, arguments: &[&str], sign: &str) -> Self {
        Self::spawn(folder.command(arguments), port, sign)
    }

    /// Starts what serves, with its outputs piped, and waits until it prints `sign`.
    pub(crate) fn spawn(mut command: Command, port: u16, sign: &str) -> Self {
        let mut child = command.spawn().unwrap();
        let shown = Reader::new(child.stdout.take().unwrap());
        let logged = Reader::new(child.stderr.take().unwrap());
        let mut server = Self { child, port, authority: None, shown, logged };
        let deadline = Instant::now() + DEADLINE;
        while !server.shown.so_far().contains(sign) {
            let ended = server.child.try_wait().unwrap().is_some();
            assert!(!ended && Instant::now() < deadline, "{}", server.logged.so_far());
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    /// The same server, which shows certificates of this authority.
    pub(crate) fn behind_tls(mut self, authority: PathBuf) -> Self {
        self.authority = Some(authority);
        self
    }

    fn connect(&self) -> Box<dyn tls::Stream> {
        match &self.authority {
            Some(authority) => Box::new(tls::connect(authority, self.port).expect("trusted")),
            None => Box::new(connect(self.port)),
        }
    }

    /// Asks for the end, as whoever runs services does.
    pub(crate) fn ask_to_end(&self) {
        self.signal("TERM");
    }

    /// Of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until these words have been logged.
    pub(crate) fn wait_for_log(&self, words: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.logged.so_far().contains(words) {
            assert!(Instant::now() < deadline, "{}", self.logged.so_far());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks for the end, and waits for it.
    pub(crate) fn terminate(mut self) -> Ended {
        self.ask_to_end();
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code().unwrap_or(-1),
                None if Instant::now() > deadline => panic!("{}", self.logged.so_far()),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let (stdout, stderr) = (self.shown.rest(), self.logged.rest());
        Ended { status, stdout, stderr }
    }

    /// SIGKILL: nothing of it runs any more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        exchange(self.connect(), "GET", path, &[], "")
    }

    pub(crate) fn post(
        &self,
        path: &str,
        form: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Answer {
        let body = encoded(form);
        let form = ("content-type", "application/x-www-form-urlencoded");
        exchange(self.connect(), "POST", path, &[&[form], fields].concat(), &body)
    }

    /// Registers a public client; gives its id.
    pub(crate) fn register(&self) -> String {
        let body = serde_json::json!({
            "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let fields = [("content-type", "application/json")];
        let answer = exchange(self.connect(), "POST", "/register", &fields, &body.to_string());
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["client_id"].as_str().unwrap().to_owned()
    }

    /// The browser of `user`, up to the answer to the login form.
    pub(crate) fn sign_in(&self, client: &str, user: &str, password: &str) -> (Browser, Answer) {
        let query = encoded(&[
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", REDIRECT),
            ("state", "s"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("scope", "user"),
            ("resource", RESOURCE),
        ]);
        self.sign_in_at(&format!("/authorize?{query}"), user, password)
    }

    /// The same with a request of somebody's.
    fn sign_in_at(&self, request: &str, user: &str, password: &str) -> (Browser, Answer) {
        let mut browser = Browser::default();
        let answer = browser.keep(self.get(request));
        let page = browser.get(self, answer.location());
        assert_eq!(page.status, 200, "{page:?}");
        let typed = [("username", user), ("password", password)];
        let answer = browser.post(self, "/login", &page, &typed);
        (browser, answer)
    }

    /// A code for `client`, agreed to by `user`.
    pub(crate) fn code(&self, client: &str, user: &str, secrets: &mut Vec<String>) -> String {
        let (browser, answer) = self.sign_in(client, user, PASSWORD);
        let back = self.agree(browser, &answer, secrets);
        let (_, query) = back.split_once('?').unwrap();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == "code").unwrap().1.into_owned()
    }

    /// Has `user` sign in and agree to a request; where the browser is sent back to.
    pub(crate) fn visit(&self, request: &str, user: &str) -> String {
        let (browser, answer) = self.sign_in_at(request, user, PASSWORD);
        self.agree(browser, &answer, &mut Vec::new())
    }

    fn agree(&self, mut browser: Browser, answer: &Answer, secrets: &mut Vec<String>) -> String {
        let page = browser.get(self, answer.location());
        assert_eq!(page.status, 200, "{page:?}");
        secrets.extend([page.hidden("request"), page.hidden("form_token")]);
        secrets.push(browser.cookie.split_once('=').unwrap().1.to_owned());
        let answer = browser.post(self, "/consent", &page, &[("decision", "approve")]);
        answer.location().to_owned()
    }

    pub(crate) fn redeem(&self, client: &str, code: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", &form, &[])
    }

    pub(crate) fn refresh(&self, client: &str, refresh_token: &str) -> Answer {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", refresh_token),
        ];
        self.post("/token", &form, &[])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    #[track_caller]
    pub(crate) fn location(&self) -> &str {
        self.field("location").unwrap_or_else(|| panic!("{self:?}"))
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Access and refresh token.
    #[track_caller]
    pub(crate) fn tokens(&self) -> (String, String) {
        assert_eq!(self.status, 200, "{self:?}");
        let text = |name: &str| self.json()[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    #[track_caller]
    fn hidden(&self, name: &str) -> String {
        let marker = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&marker).unwrap_or_else(|| panic!("{self:?}"));
        rest.split_once('"').unwrap().0.to_owned()
    }
}

/// A user agent with one cookie.
#[derive(Default)]
pub(crate) struct Browser {
    cookie: String,
}

impl Browser {
    fn keep(&mut self, answer: Answer) -> Answer {
        if let Some(field) = answer.field("set-cookie") {
            self.cookie = field.split(';').next().unwrap().to_owned();
        }
        answer
    }

    fn get(&mut self, server: &Server, path: &str) -> Answer {
        let fields = [("cookie", self.cookie.as_str())];
        let answer = exchange(server.connect(), "GET", path, &fields, "");
        self.keep(answer)
    }

    /// Sends the form of `page` with what was typed.
    fn post(
        &mut self,
        server: &Server,
        path: &str,
        page: &Answer,
        typed: &[(&str, &str)],
    ) -> Answer {
        let (request, token) = (page.hidden("request"), page.hidden("form_token"));
        let hidden = [("request", request.as_str()), ("form_token", &token)];
        let answer =
            server.post(path, &[&hidden, typed].concat(), &[("cookie", self.cookie.as_str())]);
        self.keep(answer)
    }
}

/// A port that was free a moment ago: the issuer has to be known before the program listens.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A connection to a server that listens.
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// One request, and its answer read to the end.
pub(crate) fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in fields {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Whoever closes without a word of TLS after a whole answer has answered.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
        read => drop(read.unwrap()),
    }
    Answer::parse(&String::from_utf8(answer).unwrap())
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
