//! What every host of the core looks like from the outside: bytes in, an answer out.

use portcullis_core::time::UnixTime;

use crate::{authorization_server::Script, server::Server};

/// One request and what happens around it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// How the protected server is configured.
    pub server: Server,
    /// The time; `None` where nobody knows it.
    pub now: Option<UnixTime>,
    /// What the introspection endpoint says, should it be asked.
    pub script: Script,
    /// A request before, on the same connection.
    pub earlier: Option<Vec<u8>>,
    /// The request in question, as it stands on the wire.
    pub request: Vec<u8>,
    /// A request after it, on the same connection.
    pub later: Option<Vec<u8>>,
}

/// What came back, without what framing adds (`Date`, `Content-Length`, `Connection`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Fields in the order in which they were sent, names in lower case.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// Whether the service behind ran.
    pub reached: bool,
    /// Whether the authorization server was asked, now or for the request before.
    pub asked: bool,
    /// The status of the request before.
    pub earlier: Option<u16>,
    /// What became of the request after.
    pub later: Later,
}

/// What became of a request on a connection that had a request before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Later {
    /// There was none.
    #[default]
    None,
    /// The connection was closed.
    Closed,
    /// Answered with this status.
    Status(u16),
}

impl Answer {
    /// Whether two drivers said the same to the peer.
    pub fn is_same_on_the_wire(&self, other: &Self) -> bool {
        self.status == other.status && self.fields == other.fields && self.body == other.body
    }

    /// The values of a field, by its name in lower case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_slice())
    }
}

/// One way to bring the bytes of a request to the core.
pub trait Driver {
    /// The name that a known gap is listed under.
    fn name(&self) -> &'static str;

    /// Sends the requests of an exchange over one connection and returns what came back.
    fn answer(&mut self, exchange: &Exchange) -> Answer;
}

impl<D: Driver + ?Sized> Driver for &mut D {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn answer(&mut self, exchange: &Exchange) -> Answer {
        (**self).answer(exchange)
    }
}
