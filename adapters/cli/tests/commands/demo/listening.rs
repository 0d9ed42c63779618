//! Where the demo can be reached, as the kernel tells (proc(5)): its user has a password that everybody knows.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process,
};

use super::*;

/// The state of a TCP socket that listens.
const LISTEN: &str = "0A";

/// The addresses at which a process listens.
fn listening(process: u32) -> BTreeSet<SocketAddr> {
    let files = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let inodes: BTreeSet<String> = files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .filter_map(|file| {
            Some(file.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let table = |name: &str| fs::read_to_string(format!("/proc/{process}/net/{name}"));
    // There is no second one where there is no IPv6.
    let tables = table("tcp").unwrap() + &table("tcp6").unwrap_or_default();
    let sockets = tables.lines().filter_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let is_listening = columns.get(3) == Some(&LISTEN);
        let is_its = columns.get(9).is_some_and(|inode| inodes.contains(*inode));
        (is_listening && is_its).then(|| address(columns[1]))
    });
    sockets.collect()
}

/// Words of 32 bits as this machine stores them, each in hexadecimal; and the port.
fn address(text: &str) -> SocketAddr {
    let (words, port) = text.split_once(':').unwrap();
    let words = words.as_bytes().chunks(8).map(|word| std::str::from_utf8(word).unwrap());
    let bytes: Vec<u8> =
        words.flat_map(|word| u32::from_str_radix(word, 16).unwrap().to_ne_bytes()).collect();
    let ip = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(bytes) => IpAddr::from(bytes),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(&bytes[..]).unwrap()),
    };
    SocketAddr::new(ip, u16::from_str_radix(port, 16).unwrap())
}

/// The ports of these ways to a server that the demo named.
fn on_loopback<const N: usize>(ports: [u16; N]) -> BTreeSet<SocketAddr> {
    ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).into()
}

/// The port in the address that is shown behind `name`.
fn port_of(demo: &Demo, name: &str) -> u16 {
    let line = demo.shown.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let authority = line.trim().strip_prefix("http://localhost:").unwrap();
    authority.trim_end_matches("/mcp").parse().unwrap()
}

#[test]
fn sec_389_the_demo_listens_on_loopback_alone() {
    let folder = Folder::new();
    let ports = "--server-port 0 --redirect-port 0";
    let demo = Demo::start(&folder, &format!("demo --authorization-server-port 0 {ports}"));
    let names = ["authorization server", "protected MCP server"];
    let [one, other] = names.map(|name| port_of(&demo, name));
    assert_eq!(listening(demo.child.id()), on_loopback([one, other]), "{}", demo.shown);
    drop(demo);

    let demo = Demo::start(&folder, &format!("demo --legacy {ports}"));
    let [one, same] = names.map(|name| port_of(&demo, name));
    assert_eq!(one, same);
    assert_eq!(listening(demo.child.id()), on_loopback([one]), "{}", demo.shown);
}

/// Of a device, which asks from elsewhere, too: what is between them forwards to loopback.
#[test]
fn sec_389_the_demo_of_a_device_listens_on_loopback_alone() {
    let folder = Folder::new();
    folder.run("key certificate --host as.local --out c").ok();
    let (port, tls_port) = (free_port(), free_port());
    let introspection = format!(
        "--introspection https://as.local:{tls_port}/introspect --address 10.0.2.2:{tls_port} --certificate c/authority.der"
    );
    provision(&folder, port, "device.json", &introspection);
    let demo = Demo::start(
        &folder,
        &format!(
            "demo --device device.json --authorization-server-port {port} --tls-certificate c/server.pem --tls-key c/server.key"
        ),
    );
    assert_eq!(listening(demo.child.id()), on_loopback([port, tls_port]), "{}", demo.shown);
}

#[test]
fn sec_389_other_interfaces_would_be_seen() {
    for (text, address_and_port) in
        [("00000000:1F41", "0.0.0.0:8001"), ("00000000000000000000000000000000:2328", "[::]:9000")]
    {
        let address = address(text);
        assert_eq!(address, address_and_port.parse().unwrap());
        assert!(!on_loopback([8001, 9000]).contains(&address));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let connected = TcpStream::connect(at).unwrap();
    let seen = listening(process::id());
    assert!(seen.contains(&at), "{seen:?}");
    assert!(!seen.contains(&connected.local_addr().unwrap()), "{seen:?}");
    drop(listener);
    assert!(!listening(process::id()).contains(&at));
}
