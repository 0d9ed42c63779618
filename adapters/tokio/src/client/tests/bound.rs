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

/// Servers that bind tokens to the key that is proved, and else give bearer tokens.
async fn binding() -> World {
    World::with(|world, seen| match seen.path.as_str() {
        "/token" if seen.field("dpop").is_some() && world.token(seen).status().is_success() => {
            let number = world.known.lock().unwrap().tokens;
            let tokens = json!({ "access_token": format!("at-{number}"), "token_type": "DPoP" });
            Some(json_body(200, tokens.to_string()))
        }
        "/mcp" => {
            let (scheme, token) = seen.field("authorization")?.split_once(' ')?;
            let newest = format!("at-{}", world.known.lock().unwrap().tokens);
            let is_good = (scheme, token) == ("DPoP", newest.as_str());
            let request: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
            let result = json!({ "resultType": "complete", "method": request["method"] });
            let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
            is_good.then(|| json_body(200, answer.to_string()))
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn dp_01_a_bearer_login_of_earlier_is_not_sent_where_bound_tokens_are_required() {
    for (dpop, refreshable, sent) in [
        (Dpop::WhenOffered, true, &["Bearer at-1"][..]),
        (Dpop::Required, true, &["none", "DPoP at-2"]),
        (Dpop::Required, false, &["none", "DPoP at-2"]),
    ] {
        let world = binding().await;
        let earlier = world.client();
        earlier.list_tools().await.unwrap();
        let login = earlier.login().await.unwrap();
        let login = if refreshable { login } else { unrefreshable(&login) };
        let before = world.seen("/mcp").len();

        let options = Options { dpop, ..world.options() };
        let client = McpClient::new(world.resource.as_str(), options, browse).unwrap();
        client.set_login(login).await;
        client.list_tools().await.unwrap();
        let all = world.seen("/mcp");
        let all = all[before..].iter().map(|seen| seen.field("authorization").unwrap_or("none"));
        assert_eq!(all.collect::<Vec<_>>(), sent, "{dpop:?} {refreshable}");
        // With a refresh token the user is not asked again.
        let asked = 1 + usize::from(!refreshable);
        assert_eq!(world.seen("/authorize").len(), asked, "{dpop:?} {refreshable}");
        assert_eq!(client.login().await.unwrap().is_bound(), dpop == Dpop::Required);
    }
}

/// The same without its refresh token.
fn unrefreshable(login: &Login) -> Login {
    let mut record: serde_json::Value = serde_json::from_slice(&login.to_record("")).unwrap();
    record["refresh_token"] = serde_json::Value::Null;
    Login::from_record(record.to_string().as_bytes(), &login.server_url).unwrap().0
}
