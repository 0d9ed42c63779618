//! The equipment for other people's tests does what it says.

use portcullis_authorization_server::testing::{
    Algorithm, Caller, Client, DEMO_USER, ProtectedServer, TestServer, TestingError, TokenBuilder,
    User,
};
use portcullis_authorization_server::{Resource, Settings, TokenFormat};
use serde_json::json;
use tokio::net::TcpStream;

const FORMATS: [TokenFormat; 5] = [
    TokenFormat::Hs256,
    TokenFormat::Es256,
    TokenFormat::EdDsa,
    TokenFormat::Rs256,
    TokenFormat::Opaque,
];

async fn server(format: TokenFormat) -> ProtectedServer {
    ProtectedServer::sample().token_format(format).start().await.unwrap()
}

/// The status of a call with this token.
async fn call(server: &ProtectedServer, token: TokenBuilder, tool: &str) -> u16 {
    let token = token.make().await.unwrap();
    server.call_tool(&token, tool, json!({})).await.unwrap().status()
}

#[tokio::test]
async fn a_token_of_each_kind_is_admitted_and_wrong_ones_are_not() {
    for format in FORMATS {
        let server = server(format).await;
        let status = async |token| call(&server, token, "get_time").await;
        assert_eq!(status(server.token()).await, 200, "{format:?}");
        for wrong in [
            server.token().expired(),
            server.token().audience("https://other.example/mcp"),
            server.token().badly_signed(),
        ] {
            assert_eq!(status(wrong.clone()).await, 401, "{format:?} {wrong:?}");
        }
        for insufficient in [server.token().without_scope(), server.token().scope("time:write")] {
            assert_eq!(status(insufficient).await, 403, "{format:?}");
        }
        assert_eq!(call(&server, server.token(), "set_time").await, 403);
        let both = server.token().scope("user time:write");
        assert_eq!(call(&server, both, "set_time").await, 200);
    }
}

#[tokio::test]
async fn a_jwt_can_be_wrong_in_further_ways() {
    let server = server(TokenFormat::Es256).await;
    let status = async |token| call(&server, token, "get_time").await;
    for wrong in [
        server.token().issuer("https://other.example"),
        server.token().unsigned(),
        server.token().algorithm(Algorithm::Hs256),
        server.token().algorithm(Algorithm::EdDsa),
        server.token().without("exp"),
        server.token().claim("exp", "soon"),
        server.token().claim("nbf", server.clock().secs() + 3600),
        server.token().header("typ", "JWT"),
        server.token().header("kid", "unknown"),
    ] {
        assert_eq!(status(wrong.clone()).await, 401, "{wrong:?}");
    }
    assert_eq!(status(server.token().algorithm(Algorithm::Es256)).await, 200);
    assert_eq!(status(server.token().claim("roles", ["admin"])).await, 200);
}

#[tokio::test]
async fn tools_see_the_user_of_the_token() {
    let server = server(TokenFormat::Hs256).await;
    for (token, user) in [(server.token(), DEMO_USER.0), (server.token().subject("alice"), "alice")]
    {
        let token = token.make().await.unwrap();
        let answer = server.call_tool(&token, "get_time", json!({})).await.unwrap().json();
        assert_eq!(answer["result"]["content"][0]["text"], format!("get_time for {user}"));
    }
}

#[tokio::test]
async fn introspection_knows_what_was_made() {
    for format in FORMATS {
        let server = server(format).await;
        let (resource, known) = (server.resource(), server.authorization_server());
        let told = async |token: &str| known.introspect(resource, token).await.unwrap();
        let token = server.token().scope("time:write").subject("alice").client_id("app");
        let token = token.lifetime_secs(60).make().await.unwrap();
        let facts = told(&token).await;
        assert_eq!(facts["active"], true, "{format:?} {facts}");
        assert_eq!((&facts["scope"], &facts["sub"]), (&json!("time:write"), &json!("alice")));
        assert_eq!((&facts["client_id"], &facts["aud"]), (&json!("app"), &json!([resource])));
        assert_eq!(facts["exp"], server.clock().secs() + 60);
        server.clock().advance(60);
        assert_eq!(told(&token).await, json!({ "active": false }));
        for dead in [server.token().expired(), server.token().badly_signed()] {
            assert_eq!(told(&dead.make().await.unwrap()).await, json!({ "active": false }));
        }
    }
}

#[tokio::test]
async fn what_an_opaque_token_cannot_be_is_an_error() {
    let server = server(TokenFormat::Opaque).await;
    for impossible in [
        server.token().issuer("https://other.example"),
        server.token().claim("roles", ["admin"]),
        server.token().header("typ", "JWT"),
        server.token().algorithm(Algorithm::Es256),
        server.token().unsigned(),
        server.token().without("exp"),
    ] {
        assert!(matches!(impossible.make().await, Err(TestingError::Token(_))));
    }
    let unknown = server.authorization_server().token("https://other.example/mcp").make().await;
    assert!(matches!(unknown, Err(TestingError::UnknownResource)));
}

#[tokio::test]
async fn a_user_goes_through_the_real_endpoints_or_does_not() {
    let server = server(TokenFormat::Hs256).await;
    let tokens = server.authorize("user time:write").await.unwrap();
    let answer = server.call_tool(&tokens.access_token, "set_time", json!({})).await.unwrap();
    assert_eq!(answer.status(), 200);
    let secrets = [Some(tokens.access_token.clone()), tokens.refresh_token.clone()];
    let shown = format!("{tokens:?} {server:?} {:?}", server.token());
    assert!(!secrets.iter().flatten().any(|secret| shown.contains(secret)), "{shown}");

    let issuer = server.authorization_server().issuer();
    let client = || Client::at(issuer).with_resource(server.resource());
    let stranger = User::new("demo_user", "a guess");
    let refused = client().authorize(&stranger).await;
    assert!(matches!(refused, Err(TestingError::Password)), "{refused:?}");
    let denied = client().authorize(&User::demo().who_denies()).await;
    let Err(TestingError::Refused { body, .. }) = denied else { panic!("{denied:?}") };
    assert_eq!(body, "access_denied");
    assert!(!format!("{stranger:?}").contains("guess"));
}

#[tokio::test]
async fn resources_have_the_names_that_they_are_given() {
    let resource = |identifier| {
        Resource::new(identifier, "Clock", TokenFormat::Hs256).unwrap().with_scope("user", "words")
    };
    let [a, b] = ["https://a.example/mcp", "https://b.example/deep/mcp"];
    let issuer = TestServer::start([resource(a), resource(b)]).await.unwrap();
    let server = ProtectedServer::sample().start_as(&issuer, b).await.unwrap();
    assert_eq!(server.resource(), b);
    assert_eq!(call(&server, issuer.token(b), "get_time").await, 200);
    assert_eq!(call(&server, issuer.token(a), "get_time").await, 401);
    let tokens = issuer.authorize(b, "").await.unwrap();
    let answer = server.call_tool(&tokens.access_token, "get_time", json!({})).await.unwrap();
    assert_eq!(answer.status(), 200);
    let unknown = ProtectedServer::sample().start_as(&issuer, "https://c.example").await;
    assert!(matches!(unknown, Err(TestingError::UnknownResource)));
}

#[tokio::test]
async fn a_server_ends_when_its_last_owner_drops_it() {
    let server = server(TokenFormat::Hs256).await;
    let address = |url: &str| url.split('/').nth(2).unwrap().to_owned();
    let mcp = address(server.url());
    let issuer = server.authorization_server().clone();
    let at = address(issuer.issuer());
    drop(server);
    ended(&mcp).await;
    assert!(TcpStream::connect(&at).await.is_ok(), "somebody has it still");
    drop(issuer);
    ended(&at).await;
}

/// Nobody listens there any more, soon.
async fn ended(address: &str) {
    let gone = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone).await.unwrap();
}

/// A scripted user who knows a password and agrees to everything stays on this machine.
#[tokio::test]
async fn sec_325_nothing_leaves_loopback() {
    const ELSEWHERE: [&str; 3] =
        ["https://as.example", "http://192.0.2.1:9000", "http://127.0.0.1.example"];
    for origin in ELSEWHERE {
        let not_loopback = |error| matches!(error, TestingError::NotLoopback);
        let asked = User::demo().authorize(&format!("{origin}/authorize")).await;
        assert!(asked.is_err_and(not_loopback), "{origin}");
        assert!(Client::at(origin).discover().await.is_err_and(not_loopback), "{origin}");
        assert!(Client::at(origin).register().await.is_err_and(not_loopback), "{origin}");
        let called = Caller::new(format!("{origin}/mcp")).initialize(None).await;
        assert!(called.is_err_and(not_loopback), "{origin}");
        assert!(Settings::demo(origin).is_err(), "{origin}");
    }
}
