//! One question and its answer as packets.
//!
//! sntpc writes the one and judges the other: origin, mode, kiss-o'-death, leap, version, stratum, transmit time,
//! and which era of 2^32 seconds is meant (SEC-503). It is given packets in memory in place of sockets: who
//! answered, how long it took, and that one forged datagram must not end the wait for the honest
//! one, is seen to by [`ask`](super::ask).

use core::{
    cell::Cell,
    net::{Ipv4Addr, SocketAddr},
};

use portcullis_core::time::UnixTime;
use sntpc::{
    Error, KissOfDeathCode, NtpContext, NtpResult, NtpTimestampGenerator, NtpUdpSocket,
    SendRequestResult,
};

use super::AskError;

/// RFC 5905 §7.3: the header, all that is sent, and all that is read.
pub(super) const PACKET_LEN: usize = 48;
/// RFC 5905 §A.5.5.2: a server further away from its own clock is not fit to be asked. In 2^-16 seconds: 1.5 s.
const ROOT_DISTANCE_MAX: u32 = 0x0001_8000;
/// Millionths: sntpc takes the fraction of a second so.
const MICROS: u32 = 1_000_000;

/// What was sent.
pub(super) struct Question {
    pub(super) packet: [u8; PACKET_LEN],
    sent: SendRequestResult,
}

/// What an answer says: milliseconds since the Unix epoch, when it was sent.
pub(super) struct Answer {
    pub(super) unix_millis: u64,
}

impl Question {
    /// A question that only who sees it can answer (SEC-501).
    ///
    /// The server sends our transmit time back, and needs it for nothing else: an unpredictable one, 52 bits
    /// in sntpc's units, tells nobody what time it is here, and cannot be guessed off the path.
    pub(super) async fn new(unpredictable: u64) -> Result<Self, AskError> {
        let [high, low] = halves(unpredictable);
        let origin = Stamp { secs: u64::from(high), micros: low % MICROS };
        let socket = PacketSocket(Cell::new([0; PACKET_LEN]));
        let sent = sntpc::sntp_send_request(NOBODY, &socket, NtpContext::new(origin)).await;
        Ok(Self { sent: sent.map_err(AskError::from)?, packet: socket.0.get() })
    }

    /// Judges an answer; `None` when it is not one to this question.
    ///
    /// `pivot` chooses the era: the time is less than 68 years away from it.
    pub(super) async fn answer(
        &self,
        packet: [u8; PACKET_LEN],
        pivot: UnixTime,
    ) -> Option<Result<Answer, AskError>> {
        let socket = PacketSocket(Cell::new(packet));
        let context = NtpContext::new(Stamp { secs: pivot.as_secs(), micros: 0 });
        match sntpc::sntp_process_response(NOBODY, &socket, context, self.sent).await {
            Err(Error::IncorrectOriginTimestamp) => None,
            Err(error) => Some(Err(error.into())),
            Ok(result) if root_distance(&result) > ROOT_DISTANCE_MAX => {
                Some(Err(AskError::Unsynchronized))
            }
            Ok(result) => {
                let fraction = u64::from(sntpc::fraction_to_milliseconds(result.seconds_fraction));
                let unix_millis = result.seconds.saturating_mul(1_000).saturating_add(fraction);
                Some(Ok(Answer { unix_millis }))
            }
        }
    }
}

/// RFC 5905 §A.5.5.2, without what the way to the server adds.
const fn root_distance(result: &NtpResult) -> u32 {
    (result.root_delay / 2).saturating_add(result.root_dispersion)
}

impl From<Error> for AskError {
    fn from(error: Error) -> Self {
        match error {
            // RFC 5905 §7.4: do not ask again.
            Error::KissOfDeath(KissOfDeathCode::Deny | KissOfDeathCode::Rstr) => Self::Denied,
            Error::KissOfDeath(KissOfDeathCode::Rate) => Self::TooOften,
            Error::KissOfDeath(_)
            | Error::UnsynchronizedClock
            | Error::IncorrectStratumHeaders
            | Error::ExcessiveRootDistance
            | Error::BackwardReferenceTimestamp => Self::Unsynchronized,
            Error::Network => Self::Network,
            _ => Self::Malformed,
        }
    }
}

const NOBODY: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// High half, low half.
const fn halves(number: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
}

/// A time that stands still.
#[derive(Clone, Copy)]
struct Stamp {
    secs: u64,
    micros: u32,
}

impl NtpTimestampGenerator for Stamp {
    fn init(&mut self) {}

    fn timestamp_sec(&self) -> u64 {
        self.secs
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        self.micros
    }
}

/// A packet in memory where sntpc expects a socket.
struct PacketSocket(Cell<[u8; PACKET_LEN]>);

impl NtpUdpSocket for PacketSocket {
    async fn send_to(&self, buffer: &[u8], _: SocketAddr) -> sntpc::Result<usize> {
        self.0.set(buffer.try_into().map_err(|_| Error::IncorrectPayload)?);
        Ok(PACKET_LEN)
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        for (to, from) in buffer.iter_mut().zip(self.0.get()) {
            *to = from;
        }
        Ok((PACKET_LEN, NOBODY))
    }
}
