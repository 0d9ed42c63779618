//! Servers in processes of their own, on one database.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use portcullis_authorization_server::{AuthorizationServer, Database};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::databases::{TestDatabase, durable};
use crate::harness::{Answer, Server};
use crate::races;

/// Tells a process which database it serves.
const DATABASE: &str = "PORTCULLIS_TEST_DATABASE";
/// What a process prints before its address.
const LISTENS: &str = "listens at ";
/// A request to a process; one that was killed answers nothing.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A server in another process, which ends when this value does.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The process ends when this closes, so also when this one dies.
    _lifeline: ChildStdin,
}

impl Process {
    pub(crate) fn start(database: &TestDatabase) -> Self {
        let told = match database.place() {
            Database::Sqlite(path) => path.display().to_string(),
            Database::Postgresql(url) => url,
            other => panic!("{other:?} is not for processes"),
        };
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::serves_until_its_input_ends", "--ignored", "--nocapture"])
            .env(DATABASE, told)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lifeline = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| line.unwrap().split_once(LISTENS).map(|(_, it)| it.parse().unwrap()))
            .expect("the process says where it listens");
        // What it prints later must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _lifeline: lifeline }
    }

    /// SIGKILL: nothing of the process runs any more.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The process for the harness.
    pub(crate) async fn server(&self) -> Server {
        Server::in_process(durable(Database::Memory), self.address).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request over a connection of its own. An error when no whole answer comes.
pub(crate) async fn send(address: SocketAddr, request: Request<Body>) -> io::Result<Answer> {
    let answer = async {
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let broken = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(stream).await.map_err(broken)?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.map_err(broken)?.to_bytes();
        driver.abort();
        let body = String::from_utf8(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    };
    timeout(ANSWER_MAX, answer).await?
}

/// The process that [`Process::start`] starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "other tests start it in a process of its own"]
async fn serves_until_its_input_ends() {
    let Ok(told) = env::var(DATABASE) else { return };
    let database = match told.starts_with("postgresql:") {
        true => Database::Postgresql(told),
        false => Database::Sqlite(PathBuf::from(told)),
    };
    let server = AuthorizationServer::new(durable(database)).await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    println!("{LISTENS}{}", listener.local_addr().unwrap());
    let (end, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = end.send(());
    });
    server.serve(listener, async { drop(ended.await) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sec_564_one_of_many_wins_at_two_processes() {
    for database in TestDatabase::each() {
        let processes = [Process::start(&database), Process::start(&database)];
        let servers =
            [Arc::new(processes[0].server().await), Arc::new(processes[1].server().await)];
        races::check(&servers).await;
    }
}
