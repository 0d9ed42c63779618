//! Which requests prove a key, and what is told to whom in the proofs (RFC 9449).

use super::{world::browse, *};

/// Logs in at servers of which each says, or does not, that it takes proofs.
async fn logged_in(resource: bool, server: bool, dpop: Dpop) -> (World, Result<Login, String>) {
    let member = r#"{"dpop_signing_alg_values_supported":["ES256"],"#;
    let world = World::with(move |world, seen| match seen.path.as_str() {
        PRM if resource => Some(json_body(200, world.resource_document().replacen('{', member, 1))),
        AS if server => Some(json_body(200, world.issuer_document().replacen('{', member, 1))),
        _ => None,
    })
    .await;
    let options = Options { dpop, ..world.options() };
    let login = authorize(&world.resource, &options, &browse).await;
    (world, login.map_err(|error| error.to_string()))
}

#[tokio::test]
async fn dp_01_a_key_is_proved_where_both_servers_take_it() {
    for (resource, server, proves) in
        [(true, true, true), (true, false, false), (false, true, false), (false, false, false)]
    {
        let (world, login) = logged_in(resource, server, Dpop::WhenOffered).await;
        // The server gave a bearer token all the same, and such a one it is.
        assert!(!login.unwrap().is_bound());
        for seen in world.known.lock().unwrap().seen.iter() {
            let expected = proves && seen.path == "/token";
            assert_eq!(seen.field("dpop").is_some(), expected, "{resource} {server} {}", seen.path);
        }
    }
}

#[tokio::test]
async fn dp_01_a_bearer_token_is_not_taken_where_a_bound_one_is_required() {
    let (world, login) = logged_in(true, true, Dpop::Required).await;
    assert_eq!(login.unwrap_err(), TokenRequestError::TokenType.to_string());
    assert!(world.seen("/token")[0].field("dpop").is_some());
}
