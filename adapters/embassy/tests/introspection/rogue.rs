//! A server that knows TLS 1.3 and leaves out what does not suit it: anybody on the way to the real one (SEC-372).

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral},
    digest::{SHA256, digest},
    error::Unspecified,
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};

use crate::{
    certificates::{authority, key, server_params},
    device::{ask, run, settings},
    tls::{client, transport, trust},
};

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Longer than any message of a handshake by which a client answers; shorter than any question.
const QUESTION_LEN_MIN: usize = 100;

/// What the server sends behind its hello.
enum Part<'k> {
    Certificate(&'k [u8]),
    /// Over the handshake so far, with the key in PKCS #8.
    Signature(&'k [u8]),
    Finished,
    /// A record with this in it, sealed.
    Sealed(&'k [u8]),
    /// A record of this kind, in the clear.
    Clear(u8, &'k [u8]),
}

/// What the server saw of the device behind its own finish.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// The device took the handshake for a whole one.
    finished: bool,
    /// It was told a token.
    question: bool,
}

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label (RFC 8446 §7.1).
fn expand<const N: usize>(secret: &Prk, label: &str, context: &[u8]) -> [u8; N] {
    let mut info = u16::try_from(N).unwrap().to_be_bytes().to_vec();
    info.push(u8::try_from(6 + label.len()).unwrap());
    info.extend_from_slice(b"tls13 ");
    info.extend_from_slice(label.as_bytes());
    info.push(u8::try_from(context.len()).unwrap());
    info.extend_from_slice(context);
    let mut out = [0; N];
    secret.expand(&[&info], Len(N)).unwrap().fill(&mut out).unwrap();
    out
}

/// The keys of the server's handshake messages.
struct Sealer {
    key: LessSafeKey,
    iv: [u8; 12],
    count: u8,
    finished_key: [u8; 32],
}

impl Sealer {
    fn new(shared: &[u8], transcript: &[u8]) -> Self {
        let early = Salt::new(HKDF_SHA256, &[0; 32]).extract(&[0; 32]);
        let derived: [u8; 32] = expand(&early, "derived", digest(&SHA256, b"").as_ref());
        let handshake = Salt::new(HKDF_SHA256, &derived).extract(shared);
        let hash = digest(&SHA256, transcript);
        let server: [u8; 32] = expand(&handshake, "s hs traffic", hash.as_ref());
        let server = Prk::new_less_safe(HKDF_SHA256, &server);
        let key: [u8; 16] = expand(&server, "key", b"");
        Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap()),
            iv: expand(&server, "iv", b""),
            count: 0,
            finished_key: expand(&server, "finished", b""),
        }
    }

    fn seal(&mut self, inner: &[u8]) -> Vec<u8> {
        let mut nonce = self.iv;
        nonce[11] ^= self.count;
        self.count += 1;
        let mut header = vec![APPLICATION_DATA, 3, 3];
        header.extend_from_slice(&u16::try_from(inner.len() + 16).unwrap().to_be_bytes());
        let mut sealed = inner.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(&header), &mut sealed).unwrap();
        [header, sealed].concat()
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &len[1..], body].concat()
}

fn clear(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3], len.as_slice(), body].concat()
}

fn read_record(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 5];
    socket.read_exact(&mut header).ok()?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
    socket.read_exact(&mut body).ok()?;
    Some((header[0], body))
}

/// The device's share of the key: behind the one group that it offers and its length.
fn key_share(hello: &[u8]) -> &[u8] {
    let known = [0x00, 0x17, 0x00, 0x41, 0x04];
    let at = hello.windows(known.len()).position(|bytes| bytes == known).unwrap();
    &hello[at + 4..at + 4 + 65]
}

fn serve(mut socket: TcpStream, parts: &[Part<'_>]) -> Seen {
    let (_, mut transcript) = read_record(&mut socket).unwrap();
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
    let mut hello = vec![3, 3];
    hello.extend_from_slice(&[0x5a; 32]);
    // No session, TLS_AES_128_GCM_SHA256, no compression; TLS 1.3, and a share of P-256.
    hello.extend_from_slice(&[
        0, 0x13, 0x01, 0, 0, 79, 0, 0x2b, 0, 2, 3, 4, 0, 0x33, 0, 69, 0, 0x17, 0, 65,
    ]);
    hello.extend_from_slice(own.compute_public_key().unwrap().as_ref());
    let hello = message(2, &hello);
    let theirs = UnparsedPublicKey::new(&ECDH_P256, key_share(&transcript).to_vec());
    transcript.extend_from_slice(&hello);
    let mut sealer =
        agree_ephemeral(own, theirs, Unspecified, |shared| Ok(Sealer::new(shared, &transcript)))
            .unwrap();
    let mut flight = clear(HANDSHAKE, &hello);
    let say = |sealer: &mut Sealer, transcript: &mut Vec<u8>, message: Vec<u8>| {
        transcript.extend_from_slice(&message);
        sealer.seal(&[message, vec![HANDSHAKE]].concat())
    };
    flight.extend(say(&mut sealer, &mut transcript, message(8, &[0, 0])));
    for part in parts {
        flight.extend(match part {
            Part::Certificate(der) => {
                let len = |extra: usize| {
                    u32::try_from(der.len() + extra).unwrap().to_be_bytes()[1..].to_vec()
                };
                let body = [vec![0], len(5), len(0), der.to_vec(), vec![0, 0]].concat();
                say(&mut sealer, &mut transcript, message(11, &body))
            }
            Part::Signature(pkcs8) => {
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).unwrap();
                let mut signed = vec![b' '; 64];
                signed.extend_from_slice(b"TLS 1.3, server CertificateVerify\0");
                signed.extend_from_slice(digest(&SHA256, &transcript).as_ref());
                let signature = key.sign(&SystemRandom::new(), &signed).unwrap();
                let signature = signature.as_ref();
                let mut body = vec![4, 3];
                body.extend_from_slice(&u16::try_from(signature.len()).unwrap().to_be_bytes());
                body.extend_from_slice(signature);
                say(&mut sealer, &mut transcript, message(15, &body))
            }
            Part::Finished => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &sealer.finished_key);
                let verify = hmac::sign(&key, digest(&SHA256, &transcript).as_ref());
                say(&mut sealer, &mut transcript, message(20, verify.as_ref()))
            }
            Part::Sealed(inner) => sealer.seal(inner),
            Part::Clear(kind, body) => clear(*kind, body),
        });
    }
    drop(socket.write_all(&flight));
    let mut seen = Seen { finished: false, question: false };
    while let Some((kind, body)) = read_record(&mut socket) {
        seen.finished |= kind == APPLICATION_DATA;
        seen.question |= body.len() >= QUESTION_LEN_MIN;
        if seen.question {
            break;
        }
    }
    seen
}

fn start(parts: Vec<Part<'static>>) -> (SocketAddr, mpsc::Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, hear) = mpsc::channel();
    thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        drop(tell.send(serve(socket, &parts)));
    });
    (address, hear)
}

struct World {
    authority: crate::certificates::Issuer,
    /// Public: whoever asks the real server gets it.
    certificate: &'static [u8],
    real_key: &'static [u8],
    other_key: &'static [u8],
}

impl World {
    fn new() -> Self {
        let authority = authority("authority");
        let real_key = key();
        let certificate = server_params().signed_by(&real_key, &authority).unwrap();
        Self {
            authority,
            certificate: certificate.der().to_vec().leak(),
            real_key: real_key.serialize_der().leak(),
            other_key: key().serialize_der().leak(),
        }
    }

    #[track_caller]
    fn check(&self, name: &str, parts: Vec<Part<'static>>, expected: Seen) {
        assert_eq!(self.meet(name, parts), expected, "{name}");
    }

    #[track_caller]
    fn meet(&self, name: &str, parts: Vec<Part<'static>>) -> Seen {
        let (address, seen) = start(parts);
        let client = client(address, settings());
        let status = run(&client, &mut transport(trust(&self.authority)), ask(&client, "token"));
        assert_eq!(status, 503, "{name}");
        seen.recv_timeout(Duration::from_secs(6)).unwrap()
    }
}

#[test]
fn sec_372_who_leaves_nothing_out_is_told() {
    let world = World::new();
    let parts =
        vec![Part::Certificate(world.certificate), Part::Signature(world.real_key), Part::Finished];
    // It does not answer: 503, but the token was sent.
    world.check("real", parts, Seen { finished: true, question: true });
}

#[test]
fn sec_372_a_handshake_without_proof_is_none() {
    let world = World::new();
    // embedded-tls takes these for whole: the device finishes, and says no more.
    let taken = || Seen { finished: true, question: false };
    world.check("no certificate", vec![Part::Finished], taken());
    let parts = vec![Part::Certificate(world.certificate), Part::Finished];
    world.check("no signature", parts, taken());
    let refused = || Seen { finished: false, question: false };
    let parts = vec![Part::Signature(world.other_key), Part::Finished];
    world.check("no certificate, but a signature", parts, refused());
    let parts = vec![
        Part::Certificate(world.certificate),
        Part::Signature(world.other_key),
        Part::Finished,
    ];
    world.check("signed with another key", parts, refused());
    let parts =
        vec![Part::Signature(world.real_key), Part::Certificate(world.certificate), Part::Finished];
    world.check("signature first", parts, refused());
    let parts = vec![
        Part::Certificate(world.certificate),
        Part::Certificate(world.certificate),
        Part::Signature(world.real_key),
        Part::Finished,
    ];
    world.check("two certificates", parts, refused());
    let parts = vec![
        Part::Certificate(world.certificate),
        Part::Signature(world.real_key),
        Part::Signature(world.real_key),
        Part::Finished,
    ];
    world.check("two signatures", parts, refused());
    world.check("no chain", vec![Part::Certificate(b""), Part::Finished], refused());
}

#[test]
fn sec_522_records_that_stop_embedded_tls_do_not_reach_it() {
    let world = World::new();
    let refused = || Seen { finished: false, question: false };
    world.check("empty", vec![Part::Sealed(b"")], refused());
    world.check("padding only", vec![Part::Sealed(&[0; 8])], refused());
    world.check("of no kind", vec![Part::Sealed(&[1, 99])], refused());
    let finished: &[u8] = &[
        20, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0,
    ];
    world.check("in the clear", vec![Part::Clear(HANDSHAKE, finished)], refused());
    // Behind the handshake, by whoever is on the way: nothing needs a key.
    let parts = vec![
        Part::Certificate(world.certificate),
        Part::Signature(world.real_key),
        Part::Finished,
        Part::Clear(HANDSHAKE, finished),
    ];
    // Whether it hears the question depends on who is faster.
    assert!(world.meet("in the clear, afterwards", parts).finished);
    for cut in [
        &[11, 0, 0][..],
        &[11, 255, 255, 255, 0],
        &[15, 0, 0, 1, 4],
        &[8, 0, 0, 2, 255, 255],
        &[20, 0, 0, 1, 1],
        &[13, 0, 0, 0],
        &[24, 0, 0, 1, 0],
    ] {
        let inner = [cut, &[HANDSHAKE]].concat().leak();
        world.check("cut", vec![Part::Sealed(inner)], refused());
    }
}
