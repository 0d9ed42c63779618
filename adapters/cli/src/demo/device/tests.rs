//! A client goes through the whole flow between the authorization server that a device's document
//! describes and a protected server that has nothing but that document.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portcullis_tokio::{
    client::{McpClient, McpError, Options as ClientOptions},
    resource_server::{
        IntrospectionSettings, Issuer, ProtectLayer, Secret, Settings as ProtectSettings,
        Verification as ProtectVerification,
    },
    serve::{ListenerLimits, serve},
};
use serde_json::json;

use super::{
    super::{decisions::Decisions, mcp_server, user},
    *,
};
use crate::device::Introspection;

/// Where a master key is, and a device that was provisioned from it.
struct Provisioned {
    folder: tempfile::TempDir,
    device: Device,
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn provision(resource: &SocketAddr, issuer: &SocketAddr) -> Provisioned {
    let folder = tempfile::tempdir().unwrap();
    let mut master = [0; 32];
    getrandom::fill(&mut master).unwrap();
    let text = crate::device::key::base64url_text(&master);
    files::write_new(&folder.path().join("master.key"), text.as_bytes()).unwrap();
    let resource = format!("http://{resource}/mcp");
    let current = Key::derive(&master, &resource, "2026-11").unwrap();
    let device = Device {
        version: std::num::NonZeroU32::MIN,
        resource,
        issuer: format!("http://{issuer}"),
        verification: Verification::Keys(Keys { current, next: None }),
        time_servers: Vec::new(),
    };
    Provisioned { folder, device }
}

fn options(master_key: Option<PathBuf>) -> DeviceOptions {
    let scopes = ["user=Read the time", "time:write=Set the time zone"];
    DeviceOptions {
        device: None,
        master_key,
        scopes: scopes.map(|scope| scope.parse().unwrap()).into(),
        tls_certificate: None,
        tls_key: None,
    }
}

/// What a client meets at a server with `verification`, when tokens come from `settings`.
async fn flow(
    device: &Device,
    settings: Settings,
    verification: ProtectVerification,
    (mcp, authorization): (TcpListener, TcpListener),
) -> Result<String, McpError> {
    let server = AuthorizationServer::new(settings).await.unwrap();
    let protect = ProtectSettings::new(
        device.resource.clone(),
        Issuer::new(device.issuer.clone(), verification),
    )
    .base_scopes("user")
    .tool_scopes("set_time_zone", "time:write");
    let protected = ProtectLayer::new(protect).unwrap().protect(mcp_server::service());
    let serving = [
        tokio::spawn(serve(mcp, protected, ListenerLimits::default(), std::future::pending())),
        tokio::spawn(async move {
            server.serve(authorization, std::future::pending()).await.unwrap();
        }),
    ];
    let journal = Arc::new(Journal::new(Decisions::default()));
    let browser = user::browser(&journal);
    let mut options = ClientOptions::new("Test");
    options.redirect_port = 0;
    let client = McpClient::new(&device.resource, options, browser).unwrap();
    let listed = tokio::time::timeout(Duration::from_secs(60), client.list_tools()).await.unwrap();
    let further = client.call_tool("set_time_zone", json!({ "offset_hours": 2 })).await;
    serving.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(further.is_err(), "the further scope is not granted by default");
    listed.map(|tools| tools.to_string())
}

#[tokio::test]
async fn a_device_with_keys_admits_the_tokens_of_its_authorization_server() {
    for (kid, admitted) in [("2026-11", true), ("another", false)] {
        let ((mcp, resource), (authorization, issuer)) = (bind().await, bind().await);
        let Provisioned { folder, device } = provision(&resource, &issuer);
        let options = options(Some(folder.path().join("master.key")));
        let plan = plan(&options, &device, issuer.port()).unwrap();
        let Verification::Keys(keys) = &device.verification else { panic!() };
        let key = Secret::value(keys.current.text().as_str());
        let verification = ProtectVerification::offline(kid, key);
        let met = flow(&device, plan.settings, verification, (mcp, authorization)).await;
        assert_eq!(met.is_ok_and(|tools| tools.contains("get_time")), admitted, "{kid}");
    }
}

#[tokio::test]
async fn a_device_that_asks_is_answered_with_the_credentials_of_its_document() {
    for (secret, admitted) in [("the-secret-of-the-document", true), ("another-secret", false)] {
        let ((mcp, resource), (authorization, issuer)) = (bind().await, bind().await);
        let Provisioned { folder, mut device } = provision(&resource, &issuer);
        let (certificate, key) = certificates(folder.path());
        device.verification = Verification::Introspection(Introspection {
            endpoint: "https://as.local:9443/introspect".into(),
            address: "10.0.2.2:9443".parse().unwrap(),
            client_id: "device-1".into(),
            client_secret: "the-secret-of-the-document".to_owned().into(),
            certificate: std::fs::read(folder.path().join("authority.der")).unwrap(),
        });
        let options = DeviceOptions {
            tls_certificate: Some(certificate),
            tls_key: Some(key),
            ..options(None)
        };
        let plan = plan(&options, &device, issuer.port()).unwrap();
        // The same routes as over TLS, which the tests of the commands go through.
        let verification = ProtectVerification::Introspection(IntrospectionSettings::new(
            format!("{}/introspect", device.issuer),
            "device-1",
            Secret::value(secret),
        ));
        let met = flow(&device, plan.settings, verification, (mcp, authorization)).await;
        assert_eq!(met.is_ok_and(|tools| tools.contains("get_time")), admitted, "{secret}");
    }
}

/// An authority's certificate in `authority.der`; the paths of what a server shows.
fn certificates(folder: &Path) -> (PathBuf, PathBuf) {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let authority =
        rcgen::CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate().unwrap());
    let authority = authority.unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(["as.local".to_owned()]).unwrap();
    let server = server.signed_by(&key, &authority).unwrap();
    let write = |name: &str, content: &[u8]| {
        files::write_new(&folder.join(name), content).unwrap();
        folder.join(name)
    };
    write("authority.der", authority.der());
    (
        write("server.pem", server.pem().as_bytes()),
        write("server.key", key.serialize_pem().as_bytes()),
    )
}

#[test]
fn scopes_have_a_name_and_words() {
    let parse = |text: &str| text.parse::<ScopeWords>().map(|scope| (scope.name, scope.words));
    assert_eq!(parse("a:b=Do=it"), Ok(("a:b".into(), "Do=it".into())));
    for bad in ["", "a", "=words", "a=", "a= ", "a b=words", "a\"=words"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
