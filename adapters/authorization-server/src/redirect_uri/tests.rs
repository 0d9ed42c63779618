use proptest::prelude::*;

use super::*;

#[track_caller]
fn check_registration(uri: &str, expected: Result<(), RedirectUriError>) {
    assert_eq!(check(uri, 2048), expected, "{uri}");
}

#[test]
fn as_53_what_may_be_registered() {
    use RedirectUriError::{Authority, Scheme, Text};
    for good in [
        "https://app.example/cb",
        "https://app.example:8443/cb?x=1",
        "https://[2001:db8::1]/cb",
        "http://127.0.0.1/",
        "http://127.0.0.1:3030/callback",
        "http://[::1]:1/cb",
        "http://localhost:3030/callback",
        "http://localhost",
    ] {
        check_registration(good, Ok(()));
    }
    for (bad, why) in [
        ("http://app.example/cb", Scheme),
        ("http://127.1/cb", Authority),
        ("javascript:alert(1)", Scheme),
        ("data:text/html,x", Scheme),
        ("file:///etc/passwd", Scheme),
        ("com.example.app:/cb", Scheme),
        ("HTTP://localhost/cb", Scheme),
        ("/cb", Scheme),
        ("", Scheme),
        ("http://127.0.0.1.evil/cb", Scheme),
        ("http://localhost@evil/cb", Authority),
        ("http://[::1]evil/cb", Authority),
        ("http://localhost:0/cb", Authority),
        ("http://localhost:65536/cb", Authority),
        ("http://localhost:/cb", Authority),
        ("https://user@app.example/cb", Authority),
        ("https:///cb", Authority),
        ("https://app.example:port/cb", Authority),
        ("https://app.example/cb#", Text),
        ("https://app.example/c b", Text),
        ("https://app.example\\@evil/", Text),
        ("https://app.example/\t", Text),
        ("https://\u{e4}.example/", Authority),
        ("https://app.example/%zz", Text),
    ] {
        check_registration(bad, Err(why));
    }
}

#[test]
fn lim_9_length() {
    let uri = |len: usize| format!("https://app.example/{}", "a".repeat(len - 20));
    check_registration(&uri(2047), Ok(()));
    check_registration(&uri(2048), Ok(()));
    check_registration(&uri(2049), Err(RedirectUriError::Length));
}

#[test]
fn as_55_loopback_port_is_free() {
    for (registered, requested) in [
        ("http://127.0.0.1:3030/cb", "http://127.0.0.1:41000/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:41000/cb"),
        ("http://127.0.0.1:3030/cb", "http://127.0.0.1/cb"),
        ("http://[::1]:1/cb?a=b", "http://[::1]:2/cb?a=b"),
        ("http://localhost:3030/callback", "http://localhost:9/callback"),
        ("https://app.example/cb", "https://app.example/cb"),
    ] {
        assert!(matches(registered, requested), "{registered} {requested}");
        assert!(!matches(registered, &format!("{requested}x")), "{registered} {requested}x");
    }
}

#[test]
fn sec_191_loopback_exception_is_not_stretched() {
    for (registered, requested) in [
        ("http://127.0.0.1:3030/cb", "http://localhost:3030/cb"),
        ("http://127.0.0.1:3030/cb", "http://[::1]:3030/cb"),
        ("http://127.0.0.1:3030/cb", "https://127.0.0.1:3030/cb"),
        ("https://127.0.0.1:3030/cb", "https://127.0.0.1:4040/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil/cb"),
        ("http://localhost/cb", "http://localhost@evil/cb"),
        ("http://localhost/cb", "http://localhost:1@evil/cb"),
        ("http://[::1]/cb", "http://[::1]evil/cb"),
        ("http://127.0.0.1/cb", "http://127.1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/other"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb?x"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1\\cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb#f"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:+1/cb"),
        ("http://127.0.0.1", "http://127.0.0.1/"),
    ] {
        assert!(!matches(registered, requested), "{registered} {requested}");
    }
}

/// Every way to bend each of these registrations that the list below knows: more than 200 texts.
#[test]
fn sec_190_variants_of_a_registered_uri() {
    let mut tried = 0;
    for registered in [
        "https://app.example/cb",
        "https://app.example:8443/cb/in?tenant=1",
        "http://127.0.0.1:3030/callback",
        "http://localhost:3030/callback",
        "http://[::1]:3030/callback",
    ] {
        for variant in variants(registered) {
            if variant == registered {
                continue;
            }
            assert!(!matches(registered, &variant), "{registered} {variant}");
            tried += 1;
        }
        assert!(matches(registered, registered));
    }
    assert!(tried >= 200, "only {tried} variants");
}

fn variants(registered: &str) -> Vec<String> {
    let mut out = Vec::new();
    let (scheme, rest) = registered.split_once("://").unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    for suffix in [
        "/", "x", "/x", "/..", "/../cb", "%2f", "%2F..", "?", "?x=1", "&x=1", "#", "#f", "%20",
        " ", "\t", "\n", "%00", "\0", ";x", "\\", ".", "//", "/.", "%252f",
    ] {
        out.push(format!("{registered}{suffix}"));
    }
    for host in [
        format!("{authority}.evil"),
        format!("{authority}@evil"),
        format!("evil@{authority}"),
        format!("evil.{authority}"),
        format!("{authority}%2eevil"),
        format!(" {authority}"),
        format!("{authority} "),
        format!("{authority}\\"),
        format!("{authority}\\@evil"),
        authority.to_uppercase() + "X",
        "evil".into(),
        String::new(),
        format!("{authority}:80:81"),
        format!("x:y@{authority}"),
        "[::ffff:127.0.0.1]".into(),
        "127.1".into(),
        "2130706433".into(),
        "0x7f000001".into(),
    ] {
        out.push(format!("{scheme}://{host}{path}"));
    }
    for other in ["ftp", "HTTP", "javascript", "ws", "", "https ", "htttp"] {
        out.push(format!("{other}://{rest}"));
    }
    for path in ["", "/", "/CB", "//cb", "/./cb", "/x/../cb", "/%63b", "/cb/%2e%2e", "\\cb"] {
        out.push(format!("{scheme}://{authority}{path}"));
    }
    out.push(registered.to_uppercase());
    out.push(format!(" {registered}"));
    out.push(registered.replacen("://", ":/", 1));
    out.push(registered.replacen("://", ":", 1));
    out.push(registered.replacen("://", ":///", 1));
    out
}

#[test]
fn shown_host_and_policy_source() {
    assert_eq!(host("https://app.example:8443/cb?x"), "app.example:8443");
    assert_eq!(host("http://[::1]:3030/cb"), "[::1]:3030");
    assert_eq!(form_action_source("https://app.example/cb"), "https://app.example");
    assert_eq!(form_action_source("http://localhost:3030?x"), "http://localhost:3030");
    assert_eq!(form_action_source("http://[::1]:3030/cb"), "http:");
}

/// The rule of §8.5 once more, on the bare text: the same, or `http` on the same loopback host and the
/// same rest, whatever the ports.
fn is_covered(registered: &str, requested: &str) -> bool {
    fn parts(uri: &str) -> Option<(&str, &str)> {
        let rest = uri.strip_prefix("http://")?;
        let host =
            ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|it| rest.starts_with(it))?;
        let rest = &rest[host.len()..];
        let after = match rest.strip_prefix(':') {
            Some(port) => {
                let digits = port.bytes().take_while(u8::is_ascii_digit).count();
                port[..digits].parse::<u16>().ok().filter(|port| *port > 0)?;
                &port[digits..]
            }
            None => rest,
        };
        (after.is_empty() || after.starts_with(['/', '?'])).then_some((host, after))
    }
    let plain = requested.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}#[]".contains(&b));
    registered == requested
        || (plain || requested.starts_with("http://[::1]"))
            && parts(registered).is_some()
            && parts(registered) == parts(requested)
}

proptest! {
    /// Whatever is done to a registered URI, it is covered if the rule says so, and else not.
    #[test]
    fn sec_190_sec_191_variants_of_what_is_registered(
        registered in prop::sample::select(vec![
            "https://app.example/cb",
            "https://app.example:8443/a/cb?x=1",
            "http://127.0.0.1:3030/callback",
            "http://127.0.0.1/",
            "http://[::1]:3030/callback?x=1",
            "http://localhost/callback",
        ]),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..3, "[a-z0-9:/@.%?&=-]{1,3}|%2[ef]|:[0-9]{1,5}"),
            0..3,
        ),
    ) {
        let mut requested = registered.to_owned();
        for (at, deleted, inserted) in edits {
            let at = at.index(requested.len() + 1);
            let end = (at + deleted).min(requested.len());
            requested.replace_range(at..end, &inserted);
        }
        let is_matched = matches(registered, &requested);
        // The rule permits no more than this; what is malformed it may refuse.
        prop_assert!(!is_matched || is_covered(registered, &requested), "{requested}");
        if is_covered(registered, &requested) && check(&requested, 2048).is_ok() {
            prop_assert!(is_matched, "{requested}");
        }
    }

    /// Another port on loopback is covered, and nothing else of another host.
    #[test]
    fn sec_191_ports(port in 1_u16.., host in prop::sample::select(vec!["127.0.0.1", "[::1]", "localhost"])) {
        let requested = format!("http://{host}:{port}/cb");
        for registered in ["127.0.0.1", "[::1]", "localhost"] {
            let at = |scheme: &str, path: &str| format!("{scheme}://{registered}{path}");
            prop_assert_eq!(matches(&at("http", "/cb"), &requested), registered == host);
            prop_assert!(!matches(&at("http", "/cb/"), &requested));
            prop_assert!(!matches(&at("https", "/cb"), &requested));
        }
    }
}
