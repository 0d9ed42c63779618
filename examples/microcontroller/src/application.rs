//! The application: what this device protects, and its answers.

use core::{fmt::Write as _, net::SocketAddr, ops::Range};

use edge_http::io::{
    Error,
    server::{Connection, Handler, Server},
};
use edge_nal::{TcpBind, TcpSplit};
use edge_nal_embassy::Tcp;
use embedded_io_async::{Read, Write};
use heapless::{String, Vec};
use microcontroller::provisioning::Provisioning;
use portcullis_core::{
    encoding::scratch::Scratch,
    jwt::KeyRing,
    limits::SCRATCH_LEN,
    message::RequestHead,
    resource_server::{
        Answer, Configuration, Decision, ResourceServer, TrustedIssuer, Verification,
    },
    scope::ScopeSet,
};
use static_cell::StaticCell;

use crate::{CONNECTIONS, board};

/// The port of HTTP.
const PORT: u16 = 80;
/// Longest request head in bytes.
const HEAD_LEN_MAX: usize = 2048;
/// Most fields of a request.
const FIELDS_MAX: usize = 32;
/// Longest answer in bytes, without its status line and its names.
const ANSWER_LEN_MAX: usize = 1536;
/// The identity's texts and the metadata.
const MEMORY_LEN: usize = 2048;

static MEMORY: StaticCell<[u8; MEMORY_LEN]> = StaticCell::new();
static KEYS: StaticCell<KeyRing> = StaticCell::new();
static ISSUERS: StaticCell<[TrustedIssuer<'static>; 1]> = StaticCell::new();

/// The protected device.
pub(crate) struct Application {
    server: ResourceServer<'static>,
}

/// Makes the device from its identity.
pub(crate) fn start(
    identity: impl FnOnce(&mut Scratch<'static>) -> Provisioning<'static>,
) -> Application {
    let mut memory = Scratch::new(MEMORY.init([0; MEMORY_LEN]));
    let Provisioning { resource, issuer, keys } = identity(&mut memory);
    let verification = Verification::Offline(KEYS.init(keys));
    let issuers = ISSUERS.init([TrustedIssuer { identifier: issuer, verification }]);

    let mut configuration = Configuration::new(resource, issuers);
    match ScopeSet::parse("device:read") {
        Ok(scopes) => configuration.policy.base = scopes,
        Err(error) => board::halt(format_args!("{error}")),
    }
    match ResourceServer::new(configuration, &mut memory) {
        Ok(server) => {
            board::log(format_args!("resource {resource}"));
            Application { server }
        }
        Err(error) => board::halt(format_args!("the provisioning cannot be used: {error}")),
    }
}

impl Application {
    /// Serves for ever.
    pub(crate) async fn serve(self, tcp: Tcp<'static>) -> ! {
        static SERVER: StaticCell<Server<CONNECTIONS, HEAD_LEN_MAX, FIELDS_MAX>> =
            StaticCell::new();
        let server = SERVER.init(Server::new());
        match tcp.bind(SocketAddr::from(([0; 4], PORT))).await {
            Ok(acceptor) => match server.run(None, acceptor, self).await {
                Ok(()) => board::halt(format_args!("the server ended")),
                Err(error) => board::halt(format_args!("the server ended: {error:?}")),
            },
            Err(error) => board::halt(format_args!("port {PORT}: {error:?}")),
        }
    }

    /// Decides, and renders the answer: it must not borrow the request it answers.
    fn answer(&self, head: &RequestHead<'_>) -> Option<Rendered> {
        let mut buffer = [0; SCRATCH_LEN];
        let mut scratch = Scratch::new(&mut buffer);
        let needed = self.server.policy().base();
        let answer = match self.server.decide(head, needed, board::now(), &mut scratch) {
            Decision::Allow(_) => return None,
            Decision::Challenge(challenge) => self.server.challenge_answer(challenge, head),
            Decision::Metadata(_) => self.server.metadata_answer(),
            Decision::NeedIntrospection(introspection) => {
                match introspection.resume(None, board::now(), &mut scratch) {
                    portcullis_core::resource_server::Verdict::Allow(_) => return None,
                    portcullis_core::resource_server::Verdict::Challenge(challenge) => {
                        self.server.challenge_answer(challenge, head)
                    }
                }
            }
            Decision::Refuse(refusal) => self.server.refusal_answer(refusal),
            Decision::Preflight => self.server.preflight_answer(head),
        };
        Rendered::new(&answer)
    }
}

/// An answer as text.
struct Rendered {
    status: u16,
    text: String<ANSWER_LEN_MAX>,
    fields: Vec<(&'static str, Range<usize>), 9>,
    body: Range<usize>,
}

impl Rendered {
    fn new(answer: &Answer<'_>) -> Option<Self> {
        let (mut text, mut fields) = (String::new(), Vec::new());
        for (name, value) in answer.fields() {
            let start = text.len();
            write!(text, "{value}").ok()?;
            fields.push((name, start..text.len())).ok()?;
        }
        let start = text.len();
        write!(text, "{}", answer.body()).ok()?;
        let body = start..text.len();
        write!(text, "{}", body.len()).ok()?;
        fields.push(("content-length", body.end..text.len())).ok()?;
        Some(Self { status: answer.status(), text, fields, body })
    }

    fn part(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }
}

impl Handler for Application {
    type Error<E: core::fmt::Debug> = Error<E>;

    async fn handle<T: Read + Write + TcpSplit, const N: usize>(
        &self,
        _task: impl core::fmt::Display + Copy,
        connection: &mut Connection<'_, T, N>,
    ) -> Result<(), Error<T::Error>> {
        let answer = {
            let headers = connection.headers()?;
            let mut method = String::<8>::new();
            let _ = write!(method, "{}", headers.method);
            self.answer(&RequestHead::new(&method, headers.path, headers.headers.iter_raw()))
        };
        let Some(answer) = answer else {
            return connection.initiate_response(204, None, &[]).await;
        };
        let fields: Vec<_, 9> =
            answer.fields.iter().map(|(name, range)| (*name, answer.part(range))).collect();
        connection.initiate_response(answer.status, None, &fields).await?;
        connection.write_all(answer.part(&answer.body).as_bytes()).await
    }
}
