//! A time server that answers as it is told to.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

pub(crate) const PACKET_LEN: usize = 48;
/// RFC 868: seconds between the epochs of NTP and Unix.
const NTP_TO_UNIX: u64 = 2_208_988_800;
/// How soon a server sees that it is over.
const TICK: Duration = Duration::from_millis(20);

pub(crate) type Packet = [u8; PACKET_LEN];

/// Where a datagram comes from.
#[derive(Clone, Copy)]
pub(crate) enum From {
    Server,
    OtherPort,
    OtherAddress,
}

/// An honest answer: stratum 2, and a time in whole seconds.
pub(crate) fn answer(question: &Packet, unix_secs: u64) -> Packet {
    let mut packet = [0; PACKET_LEN];
    packet[0] = 0b00_100_100; // no warning, version 4, server
    packet[1] = 2;
    packet[2] = 6;
    packet[3] = 0xec; // 2^-20 s
    packet[4..8].copy_from_slice(&0x0000_0100_u32.to_be_bytes());
    packet[8..12].copy_from_slice(&0x0000_0200_u32.to_be_bytes());
    packet[12..16].copy_from_slice(&[192, 0, 2, 200]);
    let wire = |secs: u64| {
        let [_, _, _, _, seconds @ ..] = (secs + NTP_TO_UNIX).to_be_bytes();
        seconds
    };
    packet[16..20].copy_from_slice(&wire(unix_secs - 10));
    packet[24..32].copy_from_slice(&question[40..48]);
    packet[32..36].copy_from_slice(&wire(unix_secs));
    packet[40..44].copy_from_slice(&wire(unix_secs));
    packet[44] = 1; // some fraction: a time of 0 means that there is none
    packet
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    questions: Arc<Mutex<Vec<Packet>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// A server at `127.0.0.HOST`; `script` says what it sends back for a question.
    pub(crate) fn new(
        host: u8,
        mut script: impl FnMut(&Packet) -> Vec<(From, Vec<u8>)> + Send + 'static,
    ) -> Self {
        let bind = |host| {
            UdpSocket::bind((Ipv4Addr::new(127, 0, 0, host), 0)).expect("a port on loopback")
        };
        let (socket, other_port, other_address) = (bind(host), bind(host), bind(host + 100));
        socket.set_read_timeout(Some(TICK)).unwrap();
        let address = socket.local_addr().unwrap();
        let (questions, over) = (Arc::default(), Arc::default());
        let (asked, end) = (Arc::clone(&questions), Arc::clone(&over));
        let serve = move || {
            let (asked, end): (Arc<Mutex<Vec<Packet>>>, Arc<AtomicBool>) = (asked, end);
            while !end.load(Ordering::Relaxed) {
                let mut question = [0; PACKET_LEN];
                let Ok((PACKET_LEN, peer)) = socket.recv_from(&mut question) else { continue };
                asked.lock().unwrap().push(question);
                for (from, datagram) in script(&question) {
                    let socket = match from {
                        From::Server => &socket,
                        From::OtherPort => &other_port,
                        From::OtherAddress => &other_address,
                    };
                    let _ = socket.send_to(&datagram, peer);
                }
            }
        };
        Self { address, questions, over, thread: Some(std::thread::spawn(serve)) }
    }

    /// A server that tells this time, as its packets are after `change`.
    pub(crate) fn telling(
        host: u8,
        unix_secs: u64,
        change: impl Fn(&mut Packet) + Send + 'static,
    ) -> Self {
        Self::new(host, move |question| {
            let mut packet = answer(question, unix_secs);
            change(&mut packet);
            vec![(From::Server, packet.to_vec())]
        })
    }

    pub(crate) fn honest(host: u8, unix_secs: u64) -> Self {
        Self::telling(host, unix_secs, |_| {})
    }

    pub(crate) fn silent(host: u8) -> Self {
        Self::new(host, |_| Vec::new())
    }

    /// What it was asked.
    pub(crate) fn questions(&self) -> Vec<Packet> {
        self.questions.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
