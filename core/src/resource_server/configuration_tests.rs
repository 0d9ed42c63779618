use super::*;
use crate::{
    mcp::{Versions, VersionsError},
    scope::ScopeSet,
};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ISSUER: &str = "https://as.example.com";

fn asked(identifier: &str) -> TrustedIssuer<'_> {
    TrustedIssuer { identifier, verification: Verification::Introspection }
}

#[track_caller]
fn check_issuers(issuers: &[TrustedIssuer<'_>], expected: Result<(), ConfigurationError>) {
    assert_eq!(Configuration::new(RESOURCE, issuers).check(), expected);
}

#[track_caller]
fn check(change: impl FnOnce(&mut Configuration<'_>), expected: Result<(), ConfigurationError>) {
    let issuers = [asked(ISSUER)];
    let mut configuration = Configuration::new(RESOURCE, &issuers);
    change(&mut configuration);
    assert_eq!(configuration.check(), expected);
}

#[test]
fn sec_135_nothing_starts_without_issuer_or_resource() {
    check_issuers(&[asked(ISSUER)], Ok(()));
    check_issuers(&[], Err(ConfigurationError::NoIssuer));
    check_issuers(&[asked("")], Err(ConfigurationError::Issuer(IdentifierError::Length)));
    check(|c| c.resource = "", Err(ConfigurationError::Resource(IdentifierError::Length)));
}

#[test]
fn rs_03_identifiers() {
    for (resource, error) in [
        ("mcp.example.com", IdentifierError::Syntax),
        ("ftp://mcp.example.com", IdentifierError::Scheme),
        ("http://mcp.example.com/mcp", IdentifierError::Scheme),
        ("https://mcp.example.com/mcp?x", IdentifierError::Component),
        ("https://mcp.example.com/mcp#x", IdentifierError::Component),
        ("https://user@mcp.example.com/mcp", IdentifierError::Component),
        ("https://mcp.example.com/\"", IdentifierError::Character),
        ("https://mcp.example.com/ ", IdentifierError::Character),
        ("https://mcp.example.com/\r\nx", IdentifierError::Character),
    ] {
        check(|c| c.resource = resource, Err(ConfigurationError::Resource(error)));
    }
    check(|c| c.resource = "http://localhost:8001/mcp", Ok(()));
    check(|c| c.resource = "http://[::1]:8001/mcp", Ok(()));
}

#[test]
fn plain_http_is_a_named_choice() {
    let plain = "http://device.lan/mcp";
    check(|c| c.resource = plain, Err(ConfigurationError::Resource(IdentifierError::Scheme)));
    check(
        |c| {
            c.resource = plain;
            c.plain_http = true;
        },
        Ok(()),
    );
}

#[test]
fn one_issuer_is_asked_at_most() {
    let other = asked("https://other.example.com");
    check_issuers(&[asked(ISSUER), other], Err(ConfigurationError::SeveralAsked));
    check_issuers(&[asked(ISSUER), asked(ISSUER)], Err(ConfigurationError::IssuerTwice));
}

#[test]
fn rs_10_rs_29_offline_access_is_not_a_resources_scope() {
    let offline = ScopeSet::parse("user offline_access").unwrap();
    let rules = [Rule { name: "x", scopes: offline }];
    let error = Err(ConfigurationError::OfflineAccess);
    check(|c| c.policy.base = offline, error);
    check(|c| c.scopes_supported = Some(offline), error);
    let issuers = [asked(ISSUER)];
    let mut configuration = Configuration::new(RESOURCE, &issuers);
    configuration.policy.tools = &rules;
    assert_eq!(configuration.check(), error);
}

#[test]
fn lists_are_checked() {
    check(|c| c.endpoint_path = Some("mcp"), Err(ConfigurationError::EndpointPath));
    check(|c| c.endpoint_path = Some("/mcp?x"), Err(ConfigurationError::EndpointPath));
    check(|c| c.endpoint_path = Some("/inner"), Ok(()));
    check(|c| c.hosts = &["good.example", "a/b"], Err(ConfigurationError::Host));
    check(|c| c.hosts = &["good.example:8080", "[::1]:80"], Ok(()));
    for origin in ["null", "*", "https://a/", "https://", "a.example"] {
        let origins = [origin];
        let issuers = [asked(ISSUER)];
        let mut configuration = Configuration::new(RESOURCE, &issuers);
        configuration.origins = &origins;
        assert_eq!(configuration.check(), Err(ConfigurationError::Origin), "{origin}");
    }
    check(|c| c.origins = &["https://app.example", "http://localhost:6274"], Ok(()));
    let twice =
        [Rule { name: "x", scopes: ScopeSet::EMPTY }, Rule { name: "x", scopes: ScopeSet::EMPTY }];
    let issuers = [asked(ISSUER)];
    let mut configuration = Configuration::new(RESOURCE, &issuers);
    configuration.policy.tools = &twice;
    assert_eq!(configuration.check(), Err(ConfigurationError::RuleTwice));
    check(
        |c| {
            c.versions = Versions { modern: &[], legacy: &[] };
        },
        Err(ConfigurationError::Versions(VersionsError::Empty)),
    );
}
