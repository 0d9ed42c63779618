use super::*;

const RESOURCE: &str = "https://mcp.example.com/mcp";
const NOW: u64 = 1_800_000_000;

fn expectations() -> Expectations<'static> {
    Expectations {
        issuer: "https://as.example.com",
        resource: RESOURCE,
        leeway: Leeway::DEFAULT,
        lifetime_secs_max: 3600,
        several_audiences: false,
    }
}

fn facts<'s>(audience: &[&'s str]) -> TokenFacts<'s> {
    TokenFacts {
        issuer: "https://as.example.com",
        audience: Audience::from_slice(audience).unwrap(),
        subject: Some("user"),
        client_id: Some("client"),
        scope: ScopeSet::EMPTY,
        expires_at: UnixTime::from_secs(NOW + 600),
        not_before: None,
        issued_at: Some(UnixTime::from_secs(NOW)),
        id: None,
        binding: Binding::Bearer,
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut TokenFacts<'_>), expected: Result<(), TokenError>) {
    let mut facts = facts(&[RESOURCE]);
    change(&mut facts);
    assert_eq!(expectations().check(&facts, UnixTime::from_secs(NOW)), expected);
}

#[track_caller]
fn check_audience(audience: &[&str], resource: &str, expected: bool) {
    let expectations = Expectations { resource, ..expectations() };
    let result = expectations.check(&facts(audience), UnixTime::from_secs(NOW));
    assert_eq!(result, if expected { Ok(()) } else { Err(TokenError::Audience) }, "{audience:?}");
}

const fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

#[test]
fn sec_087_issuer_is_compared_byte_for_byte() {
    check(|_| (), Ok(()));
    for issuer in [
        "https://as.example.com/",
        "https://AS.example.com",
        "https://as.example.com:443",
        "http://as.example.com",
        "https://as.example",
        "",
    ] {
        check(|facts| facts.issuer = issuer, Err(TokenError::Issuer));
    }
}

#[test]
fn sec_089_an_absent_or_odd_audience_is_refused() {
    check_audience(&[RESOURCE], RESOURCE, true);
    check_audience(&[], RESOURCE, false);
    check_audience(&[""], RESOURCE, false);
}

#[test]
fn sec_090_several_audiences_only_when_permitted() {
    let both = facts(&[RESOURCE, "https://other.example.com"]);
    assert_eq!(expectations().check(&both, at(NOW)), Err(TokenError::Audience));
    let permitted = Expectations { several_audiences: true, ..expectations() };
    assert_eq!(permitted.check(&both, at(NOW)), Ok(()));
    let others = facts(&["https://a.example.com", "https://b.example.com"]);
    assert_eq!(permitted.check(&others, at(NOW)), Err(TokenError::Audience));
}

#[test]
fn sec_091_only_the_listed_differences_are_tolerated() {
    check_audience(&["HTTPS://MCP.Example.com/mcp"], RESOURCE, true);
    check_audience(&["https://mcp.example.com"], "https://mcp.example.com", true);
    check_audience(&["https://mcp.example.com/"], "https://mcp.example.com", true);
    for other in [
        "https://mcp.example.com/mcp/",
        "https://mcp.example.com/MCP",
        "https://mcp.example.com/mc",
        "https://mcp.example.com/mcp2",
        "https://mcp.example.com/other",
        "https://mcp.example.com",
        "https://mcp.example.com/",
        "https://mcp.example.com:443/mcp",
        "https://mcp.example.com:8443/mcp",
        "https://user@mcp.example.com/mcp",
        "https://mcp.example.com/mcp?x",
        "https://mcp.example.com/mcp#x",
        "https://mcp.example.com.evil/mcp",
        "http://mcp.example.com/mcp",
        "https://as.example.com",
        "client",
        "://",
        "https://",
    ] {
        check_audience(&[other], RESOURCE, false);
    }
    check_audience(&["https://mcp.example.com//"], "https://mcp.example.com", false);
    check_audience(&["https://mcp.example.com?"], "https://mcp.example.com", false);
}

#[test]
fn sec_092_expiry_edges() {
    let leeway = Leeway::DEFAULT.as_secs();
    let made = |facts: &mut TokenFacts<'_>| facts.issued_at = Some(at(NOW - 600));
    for (expires, expected) in [
        (NOW + 1, Ok(())),
        (NOW, Ok(())),
        (NOW - leeway + 1, Ok(())),
        (NOW - leeway, Err(TokenError::Expired)),
        (NOW - leeway - 1, Err(TokenError::Expired)),
        (0, Err(TokenError::Expired)),
    ] {
        check(
            |facts| {
                made(facts);
                facts.expires_at = at(expires);
            },
            expected,
        );
    }
}

#[test]
fn sec_093_sec_096_an_absurd_expiry_is_refused_without_wrapping() {
    for expires in [NOW + 3601, NOW * 1000, u64::MAX, u64::MAX - 30] {
        check(|facts| facts.expires_at = at(expires), Err(TokenError::Lifetime));
    }
    check(|facts| facts.expires_at = at(NOW + 3600), Ok(()));
}

#[test]
fn sec_094_not_before_edges() {
    for (begins, expected) in [
        (NOW + 60, Ok(())),
        (NOW + 61, Err(TokenError::NotYetValid)),
        (u64::MAX, Err(TokenError::NotYetValid)),
    ] {
        check(|facts| facts.not_before = Some(at(begins)), expected);
    }
}

#[test]
fn sec_095_issued_at_edges() {
    for (made, expected) in [
        (NOW + 60, Ok(())),
        (NOW + 61, Err(TokenError::NotYetValid)),
        (NOW - 3000, Ok(())),
        (NOW - 3001, Err(TokenError::Lifetime)),
    ] {
        check(|facts| facts.issued_at = Some(at(made)), expected);
    }
    // Within the leeway, but made after its own end.
    check(
        |facts| {
            facts.issued_at = Some(at(NOW));
            facts.expires_at = at(NOW - 1);
        },
        Err(TokenError::Lifetime),
    );
    check(|facts| facts.issued_at = None, Ok(()));
    check(
        |facts| {
            facts.issued_at = None;
            facts.expires_at = at(NOW + 60 + 3601);
        },
        Err(TokenError::Lifetime),
    );
}

#[test]
fn sec_109_configured_texts_are_no_patterns() {
    let now = at(NOW);
    for pattern in ["https://as.example.*", "https://*.example.com", ".*", "*", "", "https://"] {
        let issuer = Expectations { issuer: pattern, ..expectations() };
        assert_eq!(issuer.check(&facts(&[RESOURCE]), now), Err(TokenError::Issuer), "{pattern}");
        let resource = Expectations { resource: pattern, ..expectations() };
        let audience = Err(TokenError::Audience);
        assert_eq!(resource.check(&facts(&[RESOURCE]), now), audience, "{pattern}");
        // Nor is what a token says a pattern for what is configured.
        check(|facts| facts.issuer = pattern, Err(TokenError::Issuer));
        check_audience(&[pattern], RESOURCE, false);
    }
    check(|_| (), Ok(()));
}

#[test]
fn sec_113_a_bound_token_is_not_a_bearer_token() {
    check(|facts| facts.binding = Binding::Other, Err(TokenError::SenderConstrained));
    check(|facts| facts.binding = Binding::Bearer, Ok(()));
}
