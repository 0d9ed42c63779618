//! One question over the network.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
};

use edge_nal::{UdpBind, UdpReceive, UdpSend, WithTimeoutError, with_timeout};
use embassy_time::Instant;
use portcullis_core::time::UnixTime;

use super::packet::{Answer, PACKET_LEN, Question};
use crate::clock::ServerTime;

/// How many datagrams are looked at for one answer: forged ones come before it, or in its place.
const DATAGRAMS_MAX: usize = 64;
/// Room for a datagram; what follows the header (extensions, a MAC) is not read.
const DATAGRAM_LEN: usize = 96;

/// Why a server did not tell the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AskError {
    /// No socket, or the question could not be sent.
    Network,
    /// No answer in time, or too many datagrams that are none.
    NoAnswer,
    /// It does not serve this device: do not ask again (kiss-o'-death `DENY` or `RSTR`, RFC 5905 §7.4).
    Denied,
    /// It is asked too often (kiss-o'-death `RATE`).
    TooOften,
    /// It says that it does not know the time, or not well.
    Unsynchronized,
    /// Its answer is not as RFC 5905 §7.3 has it.
    Malformed,
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "cannot be asked",
            Self::NoAnswer => "no answer",
            Self::Denied => "denies its service",
            Self::TooOften => "is asked too often",
            Self::Unsynchronized => "does not know the time",
            Self::Malformed => "answer is malformed",
        })
    }
}

impl core::error::Error for AskError {}

/// Asks a server; what it says is true when this returns.
pub(super) async fn ask<U: UdpBind>(
    udp: &U,
    server: SocketAddr,
    unpredictable: u64,
    floor: UnixTime,
    millis_max: u32,
) -> Result<ServerTime, AskError> {
    let local = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let mut socket = udp.bind(SocketAddr::new(local, 0)).await.map_err(|_| AskError::Network)?;
    let question = Question::new(unpredictable).await?;
    let asked_at = Instant::now();
    let exchange = pin!(async {
        socket.send(server, &question.packet).await.map_err(|_| AskError::Network)?;
        receive(&mut socket, server, &question, floor).await
    });
    let answer = with_timeout(millis_max, exchange).await.map_err(|error| match error {
        WithTimeoutError::Timeout => AskError::NoAnswer,
        WithTimeoutError::Error(error) => error,
    })?;
    // The server wrote the time somewhere between question and answer.
    let way = Instant::now().as_millis().saturating_sub(asked_at.as_millis()) / 2;
    Ok(ServerTime {
        server: server.ip(),
        unix_millis: answer.unix_millis.saturating_add(way),
        uncertainty_millis: u32::try_from(way).unwrap_or(u32::MAX).saturating_add(1),
    })
}

/// Waits for the answer, and passes over what is none: who cannot see the question cannot end the wait.
async fn receive<S: UdpReceive>(
    socket: &mut S,
    server: SocketAddr,
    question: &Question,
    floor: UnixTime,
) -> Result<Answer, AskError> {
    for _ in 0..DATAGRAMS_MAX {
        let mut datagram = [0; DATAGRAM_LEN];
        // A datagram that is too long for the room is an error of some networks, and none of the others'.
        let Ok((len, from)) = socket.receive(&mut datagram).await else { continue };
        let packet = datagram.get(..len).and_then(|datagram| datagram.first_chunk::<PACKET_LEN>());
        let Some(packet) = packet.filter(|_| is_same(from, server)) else { continue };
        if let Some(answer) = question.answer(*packet, floor).await {
            return answer;
        }
    }
    Err(AskError::NoAnswer)
}

/// Whether the datagram came from where the question went.
fn is_same(from: SocketAddr, server: SocketAddr) -> bool {
    from.port() == server.port() && from.ip().to_canonical() == server.ip().to_canonical()
}
