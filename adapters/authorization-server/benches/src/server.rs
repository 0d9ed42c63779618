//! The server of this project, as a process of its own: `server DATABASE [limited] PORT`.

use std::net::{IpAddr, Ipv4Addr};

use portcullis_authorization_server::{
    AuthorizationServer, Database, Resource, Settings, TokenFormat,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::RESOURCE;
use crate::target::REDIRECT;

const RESOURCE_SERVER: [&str; 2] = ["resource-server", "a-secret-of-thirty-two-characters"];

/// Serves until it is killed. Limits on attempts are out of the way unless the words say `limited`.
#[tokio::main]
pub async fn run(words: &[String]) {
    let [database, .., port] = words else { panic!("server DATABASE [limited] PORT") };
    let settings = settings(database, words.iter().any(|word| word == "limited"));
    let server = AuthorizationServer::new(settings).await.expect("good settings");
    // Several processes on one database: one of them is the first.
    let _ = server.accounts().add("demo_user", "demo_password").await;
    let said = json!({
        "authorization": "/authorize",
        "token": "/token",
        "introspection": "/introspect",
        "client_id": "bench",
        "scope": "user",
        "resource_server": RESOURCE_SERVER,
    });
    println!("{said}");
    let port = port.parse().expect("a port");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("a free port");
    server.serve(listener, std::future::pending()).await.expect("a listener");
}

fn settings(database: &str, limited: bool) -> Settings {
    let database = match database.starts_with("postgresql:") {
        true => Database::Postgresql(database.to_owned()),
        false => Database::Sqlite(database.into()),
    };
    let [id, secret] = RESOURCE_SERVER;
    let resource = Resource::new(RESOURCE, "Clock", TokenFormat::Opaque)
        .expect("an identifier")
        .with_scope("user", "read the time for you")
        .with_introspection_credentials(id, secret);
    let mut settings = Settings::new("http://localhost:9000")
        .and_then(|settings| settings.with_public_client("bench", "Bench", [REDIRECT]))
        .and_then(|settings| settings.with_master_key(std::array::from_fn(|at| at as u8)))
        .expect("good settings")
        .with_resource(resource)
        .with_database(database)
        .with_trusted_proxies([IpAddr::V4(Ipv4Addr::LOCALHOST).into()]);
    if !limited {
        settings.limits.registrations_per_peer_per_hour = u32::MAX;
        settings.limits.pending_authorizations_per_peer = 10_000;
        settings.limits.requests_per_peer_per_second = 0;
        settings.limits.wrong_secrets_per_minute = 10_000;
    }
    settings
}
