//! Who the authorization server is (SEC-372), and what its TLS may do (SEC-447).

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use portcullis_embassy::{
    introspection::{Endpoint, IntrospectionSettings},
    outgoing::tls::{RECORD_OVERHEAD, Tls, TlsMemory, Trust, TrustError},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, PublicKeyData as _, date_time_ymd,
};
use rustls::{ServerConfig, version::TLS12};

use crate::{
    certificates::{
        HOST, Issuer, authority, authority_params, config, config_of, issued, key, server_params,
    },
    device::{
        Client, ISSUER, NOW, ask, ask_at, client_of, credentials, impatient, pause,
        resource_server, run, settings,
    },
    peer::{Act, Peer, active, json},
};

pub(crate) type Transport = Tls<'static, edge_nal_std::Stack, ChaCha20Rng>;

pub(crate) fn transport(trust: Trust<'static>) -> Transport {
    transport_in(trust, Box::leak(Box::new(<TlsMemory>::new())))
}

fn transport_in<const READ: usize, const WRITE: usize, const CERTIFICATE: usize>(
    trust: Trust<'static>,
    memory: &'static mut TlsMemory<READ, WRITE, CERTIFICATE>,
) -> Transport {
    Tls::new(edge_nal_std::Stack::new(), trust, ChaCha20Rng::from_seed([9; 32]), memory)
}

pub(crate) fn trust(authority: &Issuer) -> Trust<'static> {
    Trust::new(authority.der().to_vec().leak()).unwrap()
}

pub(crate) fn client(address: SocketAddr, settings: IntrospectionSettings) -> Client {
    client_at(HOST, address, settings)
}

fn client_at(host: &str, address: SocketAddr, settings: IntrospectionSettings) -> Client {
    let url = format!("https://{host}:{}/introspect", address.port()).leak();
    client_of(Endpoint::new(ISSUER, url, address, credentials()).unwrap(), settings)
}

/// A server like this is not told any token, and a good one behind the same address is.
#[track_caller]
fn refused(name: &str, authority: &Issuer, bad: Arc<ServerConfig>) {
    refused_with(name, trust(authority), authority, bad);
}

#[track_caller]
fn refused_with(name: &str, trust: Trust<'static>, authority: &Issuer, bad: Arc<ServerConfig>) {
    let good_key = key();
    let good = server_params().signed_by(&good_key, authority).unwrap();
    let peer = Peer::start_tls(bad);
    let client = client(peer.address(), settings());
    run(&client, &mut transport(trust), async {
        let started = Instant::now();
        assert_eq!(ask(&client, "token").await, 503, "{name}");
        assert!(
            started.elapsed() < Duration::from_millis(1_400),
            "{name}: refused, not waited for"
        );
        assert!(peer.requests().is_empty(), "{name}: credentials and token were sent");
        peer.set_tls(config(&[&good], &good_key));
        assert_eq!(ask(&client, "token").await, 200, "{name}");
    });
}

#[track_caller]
fn accepted(name: &str, trust: Trust<'static>, host: &str, good: Arc<ServerConfig>) {
    let peer = Peer::start_tls(good);
    let client = client_at(host, peer.address(), settings());
    let status = run(&client, &mut transport(trust), ask(&client, "token"));
    assert_eq!((status, peer.requests().len()), (200, 1), "{name}");
}

#[test]
fn one_handshake_for_many_questions() {
    let authority = authority("authority");
    let peer = Peer::start_tls(issued(server_params(), &authority));
    let client = client(peer.address(), settings());
    run(&client, &mut transport(trust(&authority)), async {
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(ask(&client, "nobody").await, 401);
        assert_eq!(ask(&client, "three").await, 200);
        // Session tickets come while nobody asks, and are passed over.
        pause(50).await;
        assert_eq!(ask(&client, "four").await, 200);
        assert_eq!((peer.handshakes(), peer.requests().len()), (1, 4));
        assert!(peer.requests()[0].contains(&format!("\r\nHost: {HOST}:")));
    });
}

#[test]
fn certificates_that_are_good() {
    let authority = authority("authority");
    let mut wildcard = server_params();
    wildcard.subject_alt_names.clear();
    wildcard.subject_alt_names.push(rcgen::SanType::DnsName("*.example.com".try_into().unwrap()));
    accepted("wildcard", trust(&authority), HOST, issued(wildcard, &authority));
    let mut address = server_params();
    address.subject_alt_names = vec![rcgen::SanType::IpAddress([127, 0, 0, 1].into())];
    accepted("address", trust(&authority), "127.0.0.1", issued(address, &authority));
    let mut without_usages = server_params();
    without_usages.key_usages.clear();
    without_usages.extended_key_usages.clear();
    accepted("no usages", trust(&authority), HOST, issued(without_usages, &authority));
    // One intermediate.
    let middle = CertifiedIssuer::signed_by(authority_params("middle"), key(), &authority).unwrap();
    let own_key = key();
    let own = server_params().signed_by(&own_key, &middle).unwrap();
    accepted("chain", trust(&authority), HOST, config(&[&own, middle.as_ref()], &own_key));
    // Self-signed, and provisioned itself.
    let own = server_params().self_signed(&own_key).unwrap();
    let itself = Trust::new(own.der().to_vec().leak()).unwrap();
    accepted("itself", itself, HOST, config(&[&own], &own_key));
}

#[test]
fn sec_372_certificates_that_are_not() {
    let own = authority("authority");
    let changed = |change: fn(&mut CertificateParams)| {
        let mut params = server_params();
        change(&mut params);
        issued(params, &own)
    };
    refused("expired", &own, changed(|params| params.not_after = date_time_ymd(2027, 1, 1)));
    refused("not yet", &own, changed(|params| params.not_before = date_time_ymd(2027, 2, 1)));
    refused("other name", &own, {
        let mut params = server_params();
        params.subject_alt_names =
            vec![rcgen::SanType::DnsName("as.example.org".try_into().unwrap())];
        issued(params, &own)
    });
    refused(
        "name in the subject only",
        &own,
        changed(|params| {
            params.subject_alt_names.clear();
            params.distinguished_name.push(DnType::CommonName, HOST);
        }),
    );
    refused(
        "of a client",
        &own,
        changed(|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }),
    );
    refused(
        "an authority",
        &own,
        changed(|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }),
    );
    refused(
        "unknown and critical",
        &own,
        changed(|params| {
            let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 1], vec![5, 0]);
            unknown.set_criticality(true);
            params.custom_extensions.push(unknown);
        }),
    );
    // The same name, another key.
    refused("other authority", &own, issued(server_params(), &authority("authority")));
    let own_key = key();
    let self_signed = server_params().self_signed(&own_key).unwrap();
    refused("self-signed", &own, config(&[&self_signed], &own_key));
}

#[test]
fn sec_372_chains_that_are_not() {
    let own = authority("authority");
    let own_key = key();
    // A server of the same authority plays the authority.
    let mut leaf = server_params();
    leaf.distinguished_name.push(DnType::CommonName, "leaf");
    let leaf = CertifiedIssuer::signed_by(leaf, key(), &own).unwrap();
    let forged = server_params().signed_by(&own_key, &leaf).unwrap();
    refused("issued by a server", &own, config(&[&forged, leaf.as_ref()], &own_key));
    let mut middle = authority_params("middle");
    middle.not_after = date_time_ymd(2027, 1, 1);
    let middle = CertifiedIssuer::signed_by(middle, key(), &own).unwrap();
    let issued = server_params().signed_by(&own_key, &middle).unwrap();
    refused("intermediate expired", &own, config(&[&issued, middle.as_ref()], &own_key));
    let one = CertifiedIssuer::signed_by(authority_params("one"), key(), &own).unwrap();
    let two = CertifiedIssuer::signed_by(authority_params("two"), key(), &one).unwrap();
    let issued = server_params().signed_by(&own_key, &two).unwrap();
    refused("two intermediates", &own, config(&[&issued, two.as_ref(), one.as_ref()], &own_key));
    refused("intermediate missing", &own, config(&[&issued], &own_key));
}

#[test]
fn sec_372_other_kinds_of_keys() {
    let own = authority("authority");
    for kind in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(kind).unwrap();
        let certificate = server_params().signed_by(&key, &own).unwrap();
        refused(&format!("{kind:?}"), &own, config(&[&certificate], &key));
    }
}

#[test]
fn sec_372_the_pinned_key_and_no_other() {
    use aws_lc_rs::digest::{SHA256, digest};
    let own = authority("authority");
    let pinned_key = key();
    let pin = digest(&SHA256, &pinned_key.subject_public_key_info());
    let pinned = trust(&own).with_pin(pin.as_ref().try_into().unwrap());
    let certificate = server_params().signed_by(&pinned_key, &own).unwrap();
    accepted("pinned", pinned.clone(), HOST, config(&[&certificate], &pinned_key));
    let peer = Peer::start_tls(issued(server_params(), &own));
    let client = client(peer.address(), settings());
    run(&client, &mut transport(pinned), async {
        assert_eq!(ask(&client, "token").await, 503, "a good certificate of another key");
        assert!(peer.requests().is_empty());
        peer.set_tls(config(&[&certificate], &pinned_key));
        assert_eq!(ask(&client, "token").await, 200);
    });
}

#[test]
fn sec_372_the_time_of_the_request_counts() {
    let own = authority("authority");
    let peer = Peer::start_tls(issued(server_params(), &own));
    let client = client(peer.address(), IntrospectionSettings { active_secs_max: 0, ..settings() });
    run(&client, &mut transport(trust(&own)), async {
        let server = resource_server("device:read");
        // In 2020 and in 2030 the certificate says nothing.
        for now in [1_577_880_000, 1_893_499_200] {
            assert_eq!(ask_at(&client, server, "token", Some(now)).await, 503, "{now}");
            assert!(peer.requests().is_empty());
        }
        assert_eq!(ask_at(&client, server, "token", None).await, 503);
        assert!(peer.requests().is_empty());
        assert_eq!(ask_at(&client, server, "token", Some(NOW)).await, 200);
    });
}

#[test]
fn sec_372_tls_1_2_is_not_spoken() {
    let own = authority("authority");
    let own_key = key();
    let certificate = server_params().signed_by(&own_key, &own).unwrap();
    refused("TLS 1.2", &own, config_of(&[&certificate], &own_key, &TLS12));
}

#[test]
fn sec_372_plain_text_is_no_tls_and_tls_is_not_left_out() {
    let own = authority("authority");
    let peer = Peer::start();
    let plain = crate::device::plain_client(peer.address(), settings());
    // Neither transport goes to the other's endpoint.
    assert_eq!(run(&plain, &mut transport(trust(&own)), ask(&plain, "token")), 503);
    let encrypted = client(peer.address(), settings());
    let mut transport = crate::device::PLAIN;
    assert_eq!(run(&encrypted, &mut transport, ask(&encrypted, "token")), 503);
    assert_eq!(peer.connections(), 0);
}

/// Whoever listens there does this with each connection.
fn stranger(act: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().take(4) {
            let socket = socket.unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            act(socket);
        }
    });
    address
}

#[test]
fn sec_447_handshakes_that_lead_nowhere() {
    let own = authority("authority");
    let hear = |socket: &mut std::net::TcpStream| drop(socket.read(&mut [0; 2048]));
    type Stranger = Box<dyn Fn(std::net::TcpStream) + Send>;
    let alert = |kind: u8| -> Stranger {
        Box::new(move |mut socket| {
            hear(&mut socket);
            // The last word of TLS, before the first one.
            drop(socket.write_all(&[21, 3, 3, 0, 2, 1, kind]));
        })
    };
    let strangers: [(&str, bool, Stranger); 6] = [
        ("closes at once", false, Box::new(drop)),
        ("closes after the hello", false, Box::new(move |mut socket| hear(&mut socket))),
        ("close_notify", false, alert(0)),
        ("handshake_failure", false, alert(40)),
        (
            "silent",
            true,
            Box::new(move |mut socket| while matches!(socket.read(&mut [0; 64]), Ok(1..)) {}),
        ),
        (
            "plain HTTP",
            false,
            Box::new(move |mut socket| {
                hear(&mut socket);
                drop(socket.write_all(json(&active("x")).as_bytes()));
            }),
        ),
    ];
    for (name, is_slow, act) in strangers {
        let client = client(stranger(act), impatient());
        run(&client, &mut transport(trust(&own)), async {
            let started = Instant::now();
            assert_eq!(ask(&client, "token").await, 503, "{name}");
            // Only of silence is the end waited for.
            let took = started.elapsed();
            assert_eq!(took >= Duration::from_millis(1_500), is_slow, "{name}: {took:?}");
            assert_eq!(ask(&client, "token").await, 503, "{name}");
        });
    }
}

#[test]
fn sec_447_the_next_question_is_not_blocked() {
    let own = authority("authority");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = issued(server_params(), &own);
    let client = client(address, IntrospectionSettings { deadline_millis: 2_500, ..settings() });
    let peer = thread::spawn(move || {
        // Half-open: it is accepted, and nothing more.
        let silent = listener.accept().unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        let mut tls = rustls::ServerConnection::new(config).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).unwrap();
        }
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        let mut request = [0; 2048];
        while !String::from_utf8_lossy(&request).contains("access_token") {
            assert_ne!(stream.read(&mut request).unwrap(), 0);
        }
        stream.write_all(json(&active("x")).as_bytes()).unwrap();
        drop(silent);
    });
    run(&client, &mut transport(trust(&own)), async {
        assert_eq!(ask(&client, "token").await, 503);
        assert_eq!(ask(&client, "token").await, 200);
    });
    peer.join().unwrap();
}

#[test]
fn records_beyond_the_memory_are_refused() {
    let own = authority("authority");
    let peer = Peer::start_tls(issued(server_params(), &own));
    let long = json(&format!("{}{}", active("x"), " ".repeat(1_300)));
    peer.then(vec![Act::Say(long.clone())]);
    let client = client(peer.address(), settings());
    let memory = Box::leak(Box::new(TlsMemory::<{ 1_024 + RECORD_OVERHEAD }, 512>::new()));
    run(&client, &mut transport_in(trust(&own), memory), async {
        assert_eq!(ask(&client, "token").await, 503, "one record of {} bytes", long.len());
        // A question longer than the memory for sending goes in several records.
        assert_eq!(ask(&client, &format!("no{}", "t".repeat(900))).await, 401);
    });
    let roomy = transport(trust(&own));
    peer.then(vec![Act::Say(long)]);
    let client = self::client(peer.address(), settings());
    assert_eq!(run(&client, &mut { roomy }, ask(&client, "token")), 200);
}

#[test]
fn certificates_beyond_the_memory_are_refused() {
    let own = authority("authority");
    let mut long = server_params();
    for n in 0..40 {
        let name = format!("host-{n}.with-a-long-name.example.com");
        long.subject_alt_names.push(rcgen::SanType::DnsName(name.try_into().unwrap()));
    }
    refused("long", &own, issued(long, &own));
}

#[test]
fn an_authority_that_cannot_be_read() {
    let own = authority("authority");
    let der = own.der().to_vec().leak();
    assert!(Trust::new(der).is_ok());
    for bad in [&[], &der[1..], &der[..der.len() - 1], b"-----BEGIN CERTIFICATE-----"] {
        assert_eq!(Trust::new(bad).unwrap_err(), TrustError);
    }
}
