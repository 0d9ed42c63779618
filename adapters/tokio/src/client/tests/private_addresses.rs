//! A client on a server: nobody leads it into that server's network.

use portcullis_core::client::DiscoveryError;

use super::*;

fn public_only(world: &World) -> Options {
    Options { public_addresses_only: true, ..world.options() }
}

#[tokio::test]
async fn sec_462_a_server_at_a_private_address_is_not_asked() {
    let world = World::honest().await;
    let client = McpClient::new(world.resource.as_str(), public_only(&world), browse).unwrap();
    let error = client.list_tools().await.unwrap_err();
    assert!(matches!(error, McpError::Fetch(FetchFailure::NotPublic)), "{error:?}");

    // Nor are its metadata, which is where a login begins that no request came before.
    let login = authorize(&world.resource, &public_only(&world), &browse).await;
    let not_public = DiscoveryError::Fetch(FetchFailure::NotPublic);
    assert!(
        matches!(login, Err(AuthorizeError::Discovery(error)) if error == not_public),
        "{login:?}"
    );
    assert_eq!(world.paths(), Vec::<String>::new());

    // On a desktop such servers are usual.
    world.client().list_tools().await.unwrap();
}
