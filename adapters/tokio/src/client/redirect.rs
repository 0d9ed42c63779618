//! Where the browser comes back to: a listener on loopback, open only during a login (CL-38).

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::{self, JoinHandle},
};

/// The one path that is answered.
const PATH: &str = "/callback";
/// Longest head of a request in bytes: a code and a `state` have room many times over.
const HEAD_LEN_MAX: usize = 16 * 1024;
/// For the whole head of a request.
const HEAD_TIME_LIMIT: Duration = Duration::from_secs(5);
/// Connections at one time; a further one ends the oldest, so that idle ones keep nobody out.
const CONNECTIONS_MAX: usize = 16;
/// For the browser to get its last page.
const PAGE_TIME_LIMIT: Duration = Duration::from_secs(2);

/// What the browser is shown. No text of a request is ever part of it (SEC-471).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    LoggedIn,
    NotLoggedIn,
    NotTheAnswer,
    NotHere,
    OnlyGet,
}

/// What a request to the redirect URI did.
pub(super) enum Judged<T> {
    /// Not the answer: wait on.
    WaitOn,
    /// The end, and what to show.
    Over(T, Page),
}

/// A query that waits for its page.
struct Question {
    query: String,
    answer: oneshot::Sender<Page>,
    connection: task::Id,
}

/// The listener; it is closed when its login is over.
pub(super) struct Redirect {
    listener: TcpListener,
    head_time_limit: Duration,
}

impl Redirect {
    /// Listens on 127.0.0.1 only, and says at which redirect URI; port 0 is any free one.
    pub(super) async fn bind(port: u16) -> io::Result<(Self, String)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let uri = format!("http://{}{PATH}", listener.local_addr()?);
        Ok((Self { listener, head_time_limit: HEAD_TIME_LIMIT }, uri))
    }

    /// Listens at an earlier redirect URI, where the client is registered already; at any free port if that
    /// is not to be had.
    pub(super) async fn bind_again(earlier: &str) -> io::Result<(Self, String)> {
        let port =
            earlier.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.strip_suffix(PATH));
        let port = port.and_then(|port| port.parse().ok()).unwrap_or(0);
        match Self::bind(port).await {
            Err(_) if port != 0 => Self::bind(0).await,
            bound => bound,
        }
    }

    /// Shows every GET of the exact path to `judge` until it says that the login is over.
    ///
    /// Requests that are not the answer change nothing (SEC-473). Does not end by itself: the
    /// caller sets the time limit. When it ends, so do the listener and all connections.
    pub(super) async fn wait<T>(self, mut judge: impl FnMut(&str) -> Judged<T>) -> io::Result<T> {
        let (ask, mut questions) = mpsc::channel::<Question>(CONNECTIONS_MAX);
        let mut connections = Connections(VecDeque::new());
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let Some(stream) = connected(accepted)? else { continue };
                    connections.add(tokio::spawn(serve(stream, self.head_time_limit, ask.clone())));
                }
                Some(question) = questions.recv() => match judge(&question.query) {
                    Judged::WaitOn => {
                        let _ = question.answer.send(Page::NotTheAnswer);
                    }
                    Judged::Over(outcome, page) => {
                        let _ = question.answer.send(page);
                        connections.finish(question.connection).await;
                        return Ok(outcome);
                    }
                },
            }
        }
    }
}

/// Connections that end with the login.
struct Connections(VecDeque<JoinHandle<()>>);

impl Connections {
    fn add(&mut self, connection: JoinHandle<()>) {
        self.0.retain(|connection| !connection.is_finished());
        if self.0.len() >= CONNECTIONS_MAX
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(connection);
    }

    /// Lets the last page get through; whoever else is connected is not waited for.
    async fn finish(&mut self, last: task::Id) {
        if let Some(connection) = self.0.iter_mut().find(|connection| connection.id() == last) {
            let _ = tokio::time::timeout(PAGE_TIME_LIMIT, connection).await;
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// A connection that broke before it was accepted is no reason to stop.
fn connected(accepted: io::Result<(TcpStream, SocketAddr)>) -> io::Result<Option<TcpStream>> {
    match accepted {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if is_of_one_connection(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

async fn serve(stream: TcpStream, head_time_limit: Duration, ask: mpsc::Sender<Question>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let ask = ask.clone();
        async move { Ok::<_, Infallible>(answer(&request, &ask).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time_limit)
        .max_buf_size(HEAD_LEN_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "callback connection ended");
    }
}

async fn answer(
    request: &Request<Incoming>,
    ask: &mpsc::Sender<Question>,
) -> Response<Full<Bytes>> {
    if request.uri().path() != PATH {
        return page(Page::NotHere);
    }
    if request.method() != Method::GET {
        return page(Page::OnlyGet);
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (answer, judged) = oneshot::channel();
    // When the login is over meanwhile, nobody is there to ask.
    let asked = ask.send(Question { query, answer, connection: task::id() }).await.is_ok();
    page(if asked { judged.await.unwrap_or(Page::NotTheAnswer) } else { Page::NotTheAnswer })
}

fn page(page: Page) -> Response<Full<Bytes>> {
    let (status, text) = match page {
        Page::LoggedIn => (StatusCode::OK, "You are logged in. You can close this window."),
        Page::NotLoggedIn => {
            (StatusCode::OK, "You are not logged in. The application can tell you more.")
        }
        Page::NotTheAnswer => (StatusCode::BAD_REQUEST, "This is not the answer that is awaited."),
        Page::NotHere => (StatusCode::NOT_FOUND, "There is nothing here."),
        Page::OnlyGet => (StatusCode::METHOD_NOT_ALLOWED, "This page can only be read."),
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Login</title><p>{text}</p></html>\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if page == Page::OnlyGet {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    }
    response
}

#[cfg(test)]
mod tests;
