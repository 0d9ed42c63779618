//! Everything over https, with certificates of an authority of one's own: authorization server, proxy, login.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::{
    authorization_server::{process, process::*},
    harness::*,
    protect::{Upstream, call},
};

/// Bytes in both directions.
pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection to whoever shows a certificate of `localhost` from this authority, and from no other.
pub(crate) fn connect(
    authority: &Path,
    port: u16,
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = process::connect(port);
    connection.complete_io(&mut stream).ok()?;
    Some(StreamOwned::new(connection, stream))
}

/// An authorization server with the certificate in `tls`, for a resource that the proxy protects with `front`.
struct World {
    folder: Folder,
    authorization_server: Server,
    upstream: Upstream,
    upstream_port: u16,
    port: u16,
}

impl World {
    fn new() -> Self {
        let (folder, as_port, port) = (Folder::new(), free_port(), free_port());
        for name in ["tls", "front", "other"] {
            folder.run(&format!("key certificate --host localhost --out {name}")).ok();
        }
        folder.run("key certificate --host elsewhere.example --out elsewhere").ok();
        folder.write("as.toml", format!(
            "listen = \"127.0.0.1:{as_port}\"\n[tls]\ncertificate = \"tls/server.pem\"\nkey = \"tls/server.key\"\n\
             [[resource]]\nidentifier = \"https://localhost:{port}/mcp\"\nname = \"Clock\"\ntoken_format = \"es256\"\n\
             introspection = {{ client_id = \"clock\", secret = {{ file = \"clock.secret\" }} }}\n\
             [[resource.scope]]\nname = \"user\"\ndescription = \"read the time\"\ndefault = true\n"
        ));
        folder.write("clock.secret", "2c1e5a0f-a-secret-of-many-characters");
        // Both sides are asked by the same program, which trusts what is in one file.
        let both = folder.read("tls/authority.pem") + &folder.read("front/authority.pem");
        folder.write("both.pem", both);
        folder.run_with(&["user", "add", "alice", "--config", "as.toml"], PASSWORD).ok();
        let authorization_server = Server::start(&folder, as_port, &["--config", "as.toml"])
            .behind_tls(folder.path("tls/authority.pem"));
        let (upstream, upstream_port) = Upstream::start(None);
        Self { folder, authorization_server, upstream, upstream_port, port }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/mcp", self.port)
    }

    fn issuer(&self) -> String {
        format!("https://localhost:{}", self.authorization_server.port)
    }

    /// The proxy with the certificate in `front`.
    fn protect(&self, front: &str, further: &str) -> Server {
        let arguments = format!(
            "protect --upstream http://127.0.0.1:{}/mcp --resource {} --issuer {} --scopes user \
             --host localhost --listen 127.0.0.1:{} --tls-certificate {front}/server.pem --tls-key {front}/server.key {further}",
            self.upstream_port,
            self.url(),
            self.issuer(),
            self.port,
        );
        let arguments: Vec<&str> = arguments.split_ascii_whitespace().collect();
        Server::run(&self.folder, self.port, &arguments, "\nlistens")
    }

    /// The status of a call at the proxy.
    fn call(&self, token: &str) -> u16 {
        let stream = connect(&self.folder.path("front/authority.pem"), self.port).unwrap();
        call(stream, Some(token)).status
    }

    fn client(&self, command: &str, authorities: &str) -> String {
        format!("{command} {} {authorities} --store file --folder logins", self.url())
    }

    /// Logs in with a user who reads the page's address from the terminal.
    fn log_in(&self, authorities: &str) -> String {
        let command = self.client("login --no-browser", authorities);
        let mut child =
            self.folder.command(&command.split(' ').collect::<Vec<_>>()).spawn().unwrap();
        let mut shown = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let page = shown.find(|line| line.starts_with("https://")).expect("a page");
        let request = page.strip_prefix(&self.issuer()).expect("a page of the issuer");
        let back = self.authorization_server.visit(request, "alice");
        let place = back.strip_prefix("http://127.0.0.1:").unwrap();
        let (port, path) = place.split_once('/').unwrap();
        let answer =
            exchange(process::connect(port.parse().unwrap()), "GET", &format!("/{path}"), &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        drop(shown);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A certificate of `localhost` that ended in 2020, of an authority that goes on, in the folder `ended`.
fn write_ended(folder: &Folder) {
    std::fs::create_dir(folder.path("ended")).unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let mut server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    server.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = server.signed_by(&key, &authority).unwrap();
    folder.write("ended/authority.pem", authority.pem());
    folder.write("ended/server.pem", certificate.pem());
    folder.write("ended/server.key", key.serialize_pem());
}

#[test]
fn cl_05_sec_372_a_whole_login_over_https() {
    let world = World::new();
    let proxy = world.protect("front", "--issuer-ca tls/authority.pem");
    let shown = world.log_in("--ca both.pem");
    assert!(shown.contains(&world.issuer()) && shown.contains(&world.url()), "{shown}");
    let token = world.folder.run(&world.client("token get", "--ca both.pem")).ok();
    assert_eq!(world.call(token.trim()), 200);
    assert_eq!(world.call("no.token.at-all"), 401);
    assert_eq!(world.upstream.requests().len(), 1);
    proxy.terminate().ok();

    // The same token, asked about over https.
    let asking = format!(
        "--introspection {}/introspect --client-id clock --client-secret-file clock.secret --issuer-ca",
        world.issuer()
    );
    let proxy = world.protect("front", &format!("{asking} tls/authority.pem"));
    assert_eq!(world.call(token.trim()), 200);
    assert_eq!(world.call("unknown"), 401);
    proxy.terminate().ok();

    // Where a proxy cannot trust whom it asks, nothing is known of a token: no 401, and no admission.
    for verification in
        ["--issuer-ca other/authority.pem", "", &format!("{asking} other/authority.pem")]
    {
        let proxy = world.protect("front", verification);
        assert_eq!(world.call(token.trim()), 503, "{verification}");
        proxy.terminate().ok();
    }
    assert_eq!(world.upstream.requests().len(), 2);

    world.folder.run(&world.client("logout", "--ca both.pem")).ok();
}

#[test]
fn cl_05_sec_372_certificates_that_are_not_trusted() {
    let world = World::new();
    let refused = |authorities: &str| {
        let command = world.client("login --no-browser", authorities);
        world
            .folder
            .run(command.replace("  ", " ").trim())
            .refused(1, "TLS certificate of the server is not accepted");
    };
    let proxy = world.protect("front", "--issuer-ca tls/authority.pem");
    // Neither the authorities that browsers trust, nor another one, nor that of one of the two alone.
    for authorities in ["", "--ca other/authority.pem", "--ca tls/authority.pem"] {
        refused(authorities);
    }
    refused("--ca front/authority.pem");
    proxy.terminate().ok();
    // A certificate of a trusted authority, for another name.
    let proxy = world.protect("elsewhere", "--issuer-ca tls/authority.pem");
    refused("--ca elsewhere/authority.pem");
    proxy.terminate().ok();
    // One whose time is over.
    write_ended(&world.folder);
    let proxy = world.protect("ended", "--issuer-ca tls/authority.pem");
    refused("--ca ended/authority.pem");
    proxy.terminate().ok();
    assert!(world.upstream.requests().is_empty());

    world
        .folder
        .run(&world.client("login", "--ca clock.secret"))
        .refused(1, "holds no certificates");
    world
        .folder
        .run(&world.client("token get", "--ca none.pem"))
        .refused(2, "cannot read none.pem");
}
