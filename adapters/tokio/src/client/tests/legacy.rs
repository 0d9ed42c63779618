//! Servers of MCP 2025-03-26, which know nothing of resource metadata.

use super::world::{World, browse, json_body, redirect, text};
use crate::client::{AuthorizeError, LegacyResource, Options, authorize};

const AS: &str = "/.well-known/oauth-authorization-server";

/// One origin for both: what is asked of the MCP server's origin is answered as the authorization server
/// would. `with_metadata` or with default endpoints alone.
async fn old_world(with_metadata: bool) -> World {
    World::with(move |world, seen| {
        let own = world.resource.replace("/mcp", "");
        let asked_at = seen.field("host").map(|host| format!("http://{host}"));
        if asked_at.as_deref() != Some(&own) {
            return Some(text(404, "text/plain", "another server"));
        }
        match seen.path.as_str() {
            path if path.starts_with("/.well-known/oauth-protected-resource") => {
                Some(text(404, "text/plain", "not here"))
            }
            AS if with_metadata => {
                Some(json_body(200, world.issuer_document().replace(&world.issuer, &own)))
            }
            AS => Some(text(404, "text/plain", "not here")),
            "/authorize" => {
                let response = world.honest_answer(seen);
                let location = response.headers()["location"].to_str().unwrap().to_owned();
                let location = location.replace(&world.issuer, &own);
                Some(redirect(302, &location))
            }
            _ => None,
        }
    })
    .await
}

fn options(world: &World, legacy: LegacyResource) -> Options {
    Options { legacy: Some(legacy), ..world.options() }
}

#[tokio::test]
async fn lg_02_lg_03_an_old_server_is_logged_in_to_when_that_is_asked_for() {
    for with_metadata in [true, false] {
        let world = old_world(with_metadata).await;
        let refused = authorize(&world.resource, &world.options(), &browse).await;
        assert!(matches!(refused, Err(AuthorizeError::Discovery(_))), "{refused:?}");
        assert!(world.seen(AS).is_empty() && world.seen("/register").is_empty());
        let options = options(&world, LegacyResource::WithMetadata);
        let login = authorize(&world.resource, &options, &browse).await.unwrap();
        assert_eq!(
            (login.issuer(), login.resource()),
            (&*world.resource.replace("/mcp", ""), &*world.resource)
        );
        // LG-04, LG-05, LG-09
        assert_eq!(world.seen(AS)[0].field("mcp-protocol-version"), Some("2025-03-26"));
        let asked = world.seen("/authorize").remove(0);
        assert_eq!(asked.parameter("code_challenge_method").as_deref(), Some("S256"));
        for seen in [asked, world.seen("/token").remove(0)] {
            let resource = seen.parameter("resource");
            assert_eq!(resource, with_metadata.then(|| world.resource.clone()), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn lg_08_a_server_in_trouble_is_not_an_old_one() {
    let world = World::with(|_, seen| {
        (seen.path == "/.well-known/oauth-protected-resource")
            .then(|| text(503, "text/plain", ""))
            .or_else(|| (seen.path != "/mcp").then(|| text(404, "text/plain", "")))
    })
    .await;
    let options = options(&world, LegacyResource::Always);
    let refused = authorize(&world.resource, &options, &browse).await;
    assert!(matches!(refused, Err(AuthorizeError::Discovery(_))), "{refused:?}");
    assert!(world.seen(AS).is_empty());
}
