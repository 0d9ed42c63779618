use std::{format, string::String};

use super::*;
use crate::client::{
    ClientKey,
    testkit::{Answer, ISSUER, REDIRECT, Site, scratch, stranger, test_key},
};

const OPEN: &str = r#","registration_endpoint":"https://as.example/register","token_endpoint_auth_methods_supported":["none"]"#;
const DOCUMENTS: &str = r#","registration_endpoint":"https://as.example/register","client_id_metadata_document_supported":true"#;
const DOCUMENT: &str = "https://app.example/client.json";

fn known(issuer: &'static str, origin: Origin) -> KnownClient<'static> {
    KnownClient {
        issuer,
        id: "known",
        secret: None,
        secret_expires_at: None,
        key: None,
        authentication: None,
        redirect_uri: None,
        origin,
    }
}

fn register(
    server_members: &'static str,
    identity: Identity<'static>,
) -> Result<Registration<'static>, RegistrationError> {
    let discovered = Site { server_members, ..Site::default() }.discovered();
    let now = Some(UnixTime::from_secs(1000));
    Registration::new(&discovered, &identity, now, &mut scratch())
}

/// Which way is gone: `known`, the document's URL, or `register`.
#[track_caller]
fn check(
    server_members: &'static str,
    identity: Identity<'static>,
    expected: Result<&str, RegistrationError>,
) {
    let way = register(server_members, identity).and_then(|registration| {
        if matches!(registration.poll(), Output::Fetch(_)) {
            return Ok("register");
        }
        registration.finish().map(|client| client.id())
    });
    assert_eq!(way, expected);
}

#[test]
fn cl_30_the_order_of_ways() {
    let known = std::boxed::Box::leak(std::boxed::Box::new([known(ISSUER, Origin::Configured)]));
    let all = Identity { known, metadata_document: Some(DOCUMENT), ..stranger() };
    check(DOCUMENTS, all, Ok("known"));
    check(DOCUMENTS, Identity { known: &[], ..all }, Ok(DOCUMENT));
    check(OPEN, Identity { known: &[], ..all }, Ok("register"));
    check(DOCUMENTS, stranger(), Ok("register"));
    check("", stranger(), Err(RegistrationError::AskUser));
    let silent = Identity { dynamic_registration: false, ..stranger() };
    check(OPEN, silent, Err(RegistrationError::AskUser));
}

#[test]
fn cl_37_sec_474_known_clients_are_for_one_issuer() {
    let at = |issuer, origin| {
        let known = std::boxed::Box::leak(std::boxed::Box::new([known(issuer, origin)]));
        Identity { known, ..stranger() }
    };
    check(OPEN, at("https://as2.example", Origin::Configured), Err(RegistrationError::OtherIssuer));
    check(OPEN, at("https://as.example/", Origin::Configured), Err(RegistrationError::OtherIssuer));
    check(OPEN, at("https://as2.example", Origin::Registered), Ok("register"));
    let known = KnownClient { redirect_uri: Some(REDIRECT), ..known(ISSUER, Origin::Registered) };
    let known = std::boxed::Box::leak(std::boxed::Box::new([known]));
    check(OPEN, Identity { known, ..stranger() }, Ok("known"));
}

#[test]
fn cl_38_a_client_registered_with_another_redirect_uri() {
    let with = |redirect_uri| {
        let known = KnownClient { redirect_uri, ..known(ISSUER, Origin::Registered) };
        Identity { known: std::boxed::Box::leak(std::boxed::Box::new([known])), ..stranger() }
    };
    check(OPEN, with(Some(REDIRECT)), Ok("known"));
    check(OPEN, with(Some("http://127.0.0.1:3031/callback")), Ok("register"));
    // CL-37: the user has to know that a client of their own does not fit.
    let configured = |redirect_uri| {
        let known = KnownClient { redirect_uri, ..known(ISSUER, Origin::Configured) };
        Identity { known: std::boxed::Box::leak(std::boxed::Box::new([known])), ..stranger() }
    };
    check(OPEN, configured(Some(REDIRECT)), Ok("known"));
    let other = configured(Some("http://127.0.0.1:3031/callback"));
    check(OPEN, other, Err(RegistrationError::OtherIssuer));
}

#[test]
fn cl_39_a_secret_that_ended() {
    let ending = |secs| {
        let secret_expires_at = Some(UnixTime::from_secs(secs));
        let redirect_uri = Some(REDIRECT);
        let known = known(ISSUER, Origin::Registered);
        let known = KnownClient { secret_expires_at, redirect_uri, ..known };
        Identity { known: std::boxed::Box::leak(std::boxed::Box::new([known])), ..stranger() }
    };
    check(OPEN, ending(1001), Ok("known"));
    check(OPEN, ending(1000), Ok("register"));
    check(OPEN, ending(999), Ok("register"));
    let discovered = Site { server_members: OPEN, ..Site::default() }.discovered();
    let clockless = Registration::new(&discovered, &ending(1001), None, &mut scratch()).unwrap();
    assert!(matches!(clockless.poll(), Output::Fetch(_)));
}

#[test]
fn cl_32_the_documents_url() {
    let with = |url| Identity { metadata_document: Some(url), ..stranger() };
    for url in [
        "https://app.example",
        "https://app.example/",
        "http://app.example/c",
        "http://127.0.0.1/c",
    ] {
        check(DOCUMENTS, with(url), Err(RegistrationError::MetadataDocument));
    }
    check(DOCUMENTS, with("https://app.example/c"), Ok("https://app.example/c"));
}

#[test]
fn cl_34_36_what_is_sent() {
    let registration = register(OPEN, stranger()).unwrap();
    let Output::Fetch(request) = registration.poll() else { panic!("nothing to send") };
    assert_eq!((request.url, request.method), ("https://as.example/register", Method::Post));
    assert_eq!((request.content_type, request.authorization), (Some("application/json"), None));
    let body: serde_json::Value = serde_json::from_slice(request.body).unwrap();
    let expected = serde_json::json!({
        "client_name": "Test client",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    assert_eq!(body, expected);
}

#[test]
fn cl_34_the_application_type_fits_the_redirect_uri() {
    for (redirect_uri, expected) in [
        (Some("https://app.example/callback"), "web"),
        (Some("https://127.0.0.1/callback"), "web"),
        (Some("http://127.0.0.1:3030/callback"), "native"),
        (Some("http://[::1]:3030/callback"), "native"),
        (Some("http://localhost:3030/callback"), "native"),
    ] {
        let registration = register(OPEN, Identity { redirect_uri, ..stranger() }).unwrap();
        let Output::Fetch(request) = registration.poll() else { panic!("nothing to send") };
        let body: serde_json::Value = serde_json::from_slice(request.body).unwrap();
        assert_eq!(body["application_type"], expected, "{redirect_uri:?}");
    }
}

/// RFC 9449 §5.2.
#[test]
fn dp_07_bound_tokens_alone_are_asked_for() {
    for wanted in [true, false] {
        let registration = register(OPEN, Identity { bound_tokens_alone: wanted, ..stranger() });
        let registration = registration.unwrap();
        let Output::Fetch(request) = registration.poll() else { panic!("nothing to send") };
        let body: serde_json::Value = serde_json::from_slice(request.body).unwrap();
        let said = body.get("dpop_bound_access_tokens");
        assert_eq!(said, wanted.then_some(&serde_json::Value::Bool(true)));
    }
}

#[test]
fn cl_60_the_method_asked_for_is_one_the_server_lists() {
    for (listed, asked) in [
        (r#""private_key_jwt","client_secret_post""#, Ok("client_secret_post")),
        (r#""client_secret_post","client_secret_basic""#, Ok("client_secret_post")),
        (r#""client_secret_basic","none""#, Ok("none")),
        (r#""private_key_jwt""#, Err(RegistrationError::ClientAuthentication)),
    ] {
        let members = format!(
            r#","registration_endpoint":"https://as.example/register","token_endpoint_auth_methods_supported":[{listed}]"#
        );
        let registration = register(crate::client::testkit::keep(&members), stranger());
        let found = registration.map(|registration| {
            let Output::Fetch(request) = registration.poll() else { panic!("nothing to send") };
            let body: serde_json::Value = serde_json::from_slice(request.body).unwrap();
            String::from(body["token_endpoint_auth_method"].as_str().unwrap())
        });
        assert_eq!(found, asked.map(String::from));
    }
}

#[test]
fn cl_60_a_known_secret_goes_the_listed_way() {
    let with = |listed, authentication| {
        let secret = Some(ClientSecret::new("s"));
        let known = KnownClient { secret, authentication, ..known(ISSUER, Origin::Configured) };
        let known = std::boxed::Box::leak(std::boxed::Box::new([known]));
        let registration = register(listed, Identity { known, ..stranger() })?;
        registration.finish().map(|client| client.authentication())
    };
    let post = r#","token_endpoint_auth_methods_supported":["client_secret_post"]"#;
    assert_eq!(with(post, None), Ok(ClientAuthentication::Post));
    assert_eq!(with("", None), Ok(ClientAuthentication::Basic));
    assert_eq!(
        with(r#","token_endpoint_auth_methods_supported":["none"]"#, None),
        Err(RegistrationError::ClientAuthentication)
    );
    let registered = Some(ClientAuthentication::Post);
    assert_eq!(with("", registered), Ok(ClientAuthentication::Post));
}

fn answered(answer: Answer<'_>) -> Result<Client<'static>, RegistrationError> {
    let mut registration = register(OPEN, stranger()).unwrap();
    answer.give(&mut registration, &mut scratch());
    assert!(matches!(registration.poll(), Output::Done));
    registration.finish()
}

#[test]
fn a_public_client_is_registered() {
    let body = format!(r#"{{"client_id":"new","redirect_uris":["{REDIRECT}"],"x":null}}"#);
    for status in [200, 201] {
        let client = answered(Answer::Json(status, &body)).unwrap();
        assert_eq!((client.id(), client.issuer()), ("new", ISSUER));
        assert_eq!(client.authentication(), ClientAuthentication::None);
        assert!(client.secret().is_none());
    }
    // A secret that is of no use is not kept, nor does the client end with it.
    let with_secret = body.replace("null", r#"1,"client_secret":"s","client_secret_expires_at":7"#);
    let client = answered(Answer::Json(201, &with_secret)).unwrap();
    assert_eq!(client.authentication(), ClientAuthentication::None);
    assert!(client.secret().is_none() && client.secret_expires_at().is_none());
}

#[test]
fn cl_39_what_the_server_replaced_counts() {
    let body = r#"{"client_id":"new","client_secret":"hush","client_secret_expires_at":7,
        "token_endpoint_auth_method":"client_secret_post"}"#;
    let client = answered(Answer::Json(201, body)).unwrap();
    assert_eq!(client.authentication(), ClientAuthentication::Post);
    assert_eq!(client.secret().map(ClientSecret::expose), Some("hush"));
    assert_eq!(client.secret_expires_at(), Some(UnixTime::from_secs(7)));
    assert!(!format!("{client:?}").contains("hush"));

    let never = body.replace(":7", ":0");
    assert_eq!(answered(Answer::Json(201, &never)).unwrap().secret_expires_at(), None);
    let unknown = body.replace("client_secret_post", "tls_client_auth");
    let outcome = answered(Answer::Json(201, &unknown)).map(|_| ());
    assert_eq!(outcome, Err(RegistrationError::ClientAuthentication));
}

#[test]
fn cl_35_answers_that_are_refused() {
    for (answer, error) in [
        (Answer::Html(404, ""), RegistrationError::Refused),
        (Answer::Html(302, ""), RegistrationError::Refused),
        (Answer::Html(500, ""), RegistrationError::Trouble),
        (Answer::Html(429, ""), RegistrationError::Trouble),
        (Answer::Html(201, "{}"), RegistrationError::ContentType),
        (Answer::Json(201, "{}"), RegistrationError::Answer),
        (Answer::Json(201, r#"{"client_id":""}"#), RegistrationError::Answer),
        (Answer::Json(201, r#"{"client_id":"\n"}"#), RegistrationError::Answer),
        (Answer::Json(201, r#"{"client_id":"a","client_secret":""}"#), RegistrationError::Answer),
        (
            Answer::Json(
                201,
                r#"{"client_id":"a","token_endpoint_auth_method":"client_secret_basic"}"#,
            ),
            RegistrationError::Answer,
        ),
        (
            Answer::Json(201, r#"{"client_id":"a","redirect_uris":["http://127.0.0.1:1/other"]}"#),
            RegistrationError::RedirectUriDropped,
        ),
        (Answer::Json(201, "{"), RegistrationError::Body(JsonError::Syntax)),
        (Answer::Json(201, r#"{"client_id":1}"#), RegistrationError::Body(JsonError::Type)),
        (
            Answer::Failure(FetchFailure::Unreachable),
            RegistrationError::Fetch(FetchFailure::Unreachable),
        ),
    ] {
        assert_eq!(answered(answer).map(|_| ()), Err(error), "{answer:?}");
    }
    let mut registration = register(OPEN, stranger()).unwrap();
    let body = r#"{"error":"invalid_redirect_uri","error_description":"no"}"#;
    Answer::Json(400, body).give(&mut registration, &mut scratch());
    assert_eq!(registration.error_response().unwrap().error, "invalid_redirect_uri");
    assert_eq!(registration.finish().map(|_| ()), Err(RegistrationError::Refused));
}

#[test]
fn limits_on_both_sides() {
    for (len, accepted) in
        [(CLIENT_ID_LEN_MAX - 1, true), (CLIENT_ID_LEN_MAX, true), (CLIENT_ID_LEN_MAX + 1, false)]
    {
        let body = format!(r#"{{"client_id":"{}"}}"#, "a".repeat(len));
        assert_eq!(answered(Answer::Json(201, &body)).is_ok(), accepted, "{len}");
    }
    let body = r#"{"client_id":"a"}"#;
    for (len, accepted) in [
        (REGISTRATION_ANSWER_LEN_MAX - 1, true),
        (REGISTRATION_ANSWER_LEN_MAX, true),
        (REGISTRATION_ANSWER_LEN_MAX + 1, false),
    ] {
        let padded = format!("{body}{}", " ".repeat(len - body.len()));
        assert_eq!(answered(Answer::Json(201, &padded)).is_ok(), accepted, "{len}");
    }
}

#[test]
fn cl_38_redirect_uris() {
    for redirect_uri in ["http://app.example/cb", "app:/cb"] {
        let made = register(OPEN, Identity { redirect_uri: Some(redirect_uri), ..stranger() });
        assert!(matches!(made, Err(RegistrationError::RedirectUri(_))), "{redirect_uri}");
    }
}

const SIGNED: &str = r#","client_id_metadata_document_supported":true,
    "registration_endpoint":"https://as.example/register",
    "token_endpoint_auth_methods_supported":["client_secret_basic","private_key_jwt","none"],
    "token_endpoint_auth_signing_alg_values_supported":["ES256"]"#;
const SIGNED_ELSE: &str = r#","client_id_metadata_document_supported":true,
    "registration_endpoint":"https://as.example/register",
    "token_endpoint_auth_methods_supported":["client_secret_basic","private_key_jwt","none"],
    "token_endpoint_auth_signing_alg_values_supported":["PS512"]"#;

#[test]
fn cl_60_cc_03_a_key_before_a_secret_where_the_server_takes_it() {
    let key = Some(ClientKey::new(test_key()));
    let secret = Some(ClientSecret::new("s"));
    let method = |server_members, known: KnownClient<'static>| {
        let discovered = Site { server_members, ..Site::default() }.discovered();
        let client = Client::configured(&discovered, &[known], None);
        client.map(|client| client.authentication())
    };
    let both = KnownClient { key, secret, ..known(ISSUER, Origin::Configured) };
    assert_eq!(method(SIGNED, both), Ok(ClientAuthentication::PrivateKeyJwt));
    assert_eq!(method(SIGNED_ELSE, both), Ok(ClientAuthentication::Basic));
    let key_alone = KnownClient { secret: None, ..both };
    assert_eq!(method(SIGNED, key_alone), Ok(ClientAuthentication::PrivateKeyJwt));
    // Never as a public client, which the server would then take everybody for.
    let refused = Err(RegistrationError::ClientAuthentication);
    assert_eq!(method(SIGNED_ELSE, key_alone), refused);
    assert_eq!(method("", key_alone), refused);
    let lost = KnownClient { authentication: Some(ClientAuthentication::PrivateKeyJwt), ..both };
    assert_eq!(method(SIGNED, KnownClient { key: None, ..lost }), refused);
}

#[test]
fn cc_02_sec_474_only_a_client_configured_for_this_issuer() {
    let discovered = Site::default().discovered();
    let configured = |issuer, origin| {
        let client = Client::configured(&discovered, &[known(issuer, origin)], None);
        client.map(|client| client.id())
    };
    assert_eq!(configured(ISSUER, Origin::Configured), Ok("known"));
    assert_eq!(configured(ISSUER, Origin::Registered), Err(RegistrationError::AskUser));
    let other = configured("https://as2.example", Origin::Configured);
    assert_eq!(other, Err(RegistrationError::OtherIssuer));
    assert_eq!(Client::configured(&discovered, &[], None).err(), Some(RegistrationError::AskUser));
}

#[test]
fn cl_33_a_document_with_a_key() {
    let key = Some(ClientKey::new(test_key()));
    let identity = Identity { metadata_document: Some(DOCUMENT), metadata_key: key, ..stranger() };
    let client = register(SIGNED, identity).unwrap().finish().unwrap();
    assert_eq!(client.id(), DOCUMENT);
    assert_eq!(client.authentication(), ClientAuthentication::PrivateKeyJwt);
    assert!(client.secret().is_none());
    // The document says what the server does not take, so another way is gone.
    check(SIGNED_ELSE, identity, Ok("register"));
}

#[test]
fn a_client_without_a_browser_registers_for_the_device_grant() {
    let identity = Identity { redirect_uri: None, ..stranger() };
    let mut registration = register(OPEN, identity).unwrap();
    let Output::Fetch(request) = registration.poll() else { panic!("nothing to send") };
    let sent: serde_json::Value = serde_json::from_slice(request.body).unwrap();
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    assert_eq!(sent["grant_types"], serde_json::json!([device, "refresh_token"]));
    assert_eq!(sent["redirect_uris"], serde_json::json!([]));
    assert_eq!(sent["response_types"], serde_json::json!([]));
    Answer::Json(201, r#"{"client_id":"a","redirect_uris":[]}"#)
        .give(&mut registration, &mut scratch());
    assert_eq!(registration.finish().unwrap().id(), "a");
    // Such a registration is of no use with a browser, and the other way round.
    let registered =
        std::boxed::Box::leak(std::boxed::Box::new([known(ISSUER, Origin::Registered)]));
    check(OPEN, Identity { known: registered, redirect_uri: None, ..stranger() }, Ok("known"));
    check(OPEN, Identity { known: registered, ..stranger() }, Ok("register"));
}
