//! What is chosen about a provider.

use std::fmt;

use rustls::pki_types::CertificateDer;
use serde_json::Value;
use zeroize::Zeroizing;

use super::id_token::Claims;
use super::permitted;
use crate::settings::{SettingsError, is_scope_token};

/// Longest issuer in bytes; it is a part of its users' subjects.
const ISSUER_LEN_MAX: usize = 256;

/// An OpenID Connect provider that signs users in, and this server's registration there. The redirect URI
/// to register is the issuer of this server with `/login/callback` behind it.
#[derive(Clone)]
#[non_exhaustive]
pub struct OpenIdProvider {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Zeroizing<String>,
    pub(super) users: AdmittedUsers,
    /// What users know the provider by; its host unless set.
    pub name: String,
    /// Scopes to ask for beside `openid`; `profile` and `email` unless set.
    pub scopes: Vec<String>,
    /// The claim that says what a user is called on pages; `name` unless set. Users are told apart by
    /// issuer and `sub`, whatever they are called.
    pub name_claim: String,
    /// Certificates of authorities that are trusted beside those that browsers trust.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

/// Which of the provider's users may come in. Asked at each sign-in; who got in before keeps what was
/// granted until it ends, or until an administrator disables the user.
#[derive(Debug, Clone)]
pub struct AdmittedUsers(Rule);

#[derive(Debug, Clone)]
enum Rule {
    All,
    Domains(Vec<String>),
    Groups { claim: String, names: Vec<String> },
}

impl AdmittedUsers {
    /// Everybody whom the provider signs in. For a provider of one's own: at one that anybody can
    /// register with, anybody is let in.
    #[must_use]
    pub const fn all() -> Self {
        Self(Rule::All)
    }

    /// Users whose `email` is in one of these domains, and verified by the provider.
    #[must_use]
    pub fn of_domains(domains: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Rule::Domains(domains.into_iter().map(Into::into).collect()))
    }

    /// Users for whom the claim lists one of these groups.
    #[must_use]
    pub fn of_groups(
        claim: impl Into<String>,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self(Rule::Groups { claim: claim.into(), names })
    }

    pub(super) fn admits(&self, claims: &Claims) -> bool {
        match &self.0 {
            Rule::All => true,
            Rule::Domains(domains) => {
                let is_verified = claims.get("email_verified") == Some(&Value::Bool(true));
                let domain = claims.text("email").and_then(|it| it.rsplit_once('@'));
                let is_own =
                    |domain: &str| domains.iter().any(|it| it.eq_ignore_ascii_case(domain));
                is_verified && domain.is_some_and(|(_, domain)| is_own(domain))
            }
            Rule::Groups { claim, names } => {
                let is_own = |group: &Value| names.iter().any(|it| group.as_str() == Some(it));
                match claims.get(claim) {
                    Some(Value::Array(groups)) => groups.iter().any(is_own),
                    Some(group) => is_own(group),
                    None => false,
                }
            }
        }
    }

    /// The claims that the rule looks at.
    fn claims(&self) -> Vec<&str> {
        match &self.0 {
            Rule::All => Vec::new(),
            Rule::Domains(_) => vec!["email", "email_verified"],
            Rule::Groups { claim, .. } => vec![claim],
        }
    }

    fn is_whole(&self) -> bool {
        let filled = |list: &[String]| !list.is_empty() && list.iter().all(|it| !it.is_empty());
        match &self.0 {
            Rule::All => true,
            Rule::Domains(domains) => filled(domains) && !domains.iter().any(|it| it.contains('@')),
            Rule::Groups { claim, names } => !claim.is_empty() && filled(names),
        }
    }
}

impl OpenIdProvider {
    /// A provider by its issuer identifier, and what it gave to this server: a client id and a secret.
    #[must_use]
    pub fn new(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
        users: AdmittedUsers,
    ) -> Self {
        let issuer = issuer.into();
        Self {
            name: crate::redirect_uri::host(&issuer).to_owned(),
            issuer,
            client_id: client_id.into(),
            client_secret: Zeroizing::new(client_secret.into()),
            users,
            scopes: vec!["profile".to_owned(), "email".to_owned()],
            name_claim: "name".to_owned(),
            extra_roots: Vec::new(),
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Checks all that can be checked without asking the provider.
    ///
    /// # Errors
    /// [`SettingsError::OpenIdProvider`].
    pub fn check(&self) -> Result<(), SettingsError> {
        let is_issuer = permitted(&self.issuer).is_some_and(|url| url.query().is_none())
            && self.issuer.len() <= ISSUER_LEN_MAX;
        let is_good = is_issuer
            && !self.client_id.is_empty()
            && !self.client_secret.is_empty()
            && !self.name.trim().is_empty()
            && !self.name_claim.is_empty()
            && self.scopes.iter().all(|it| is_scope_token(it))
            && self.users.is_whole();
        if is_good { Ok(()) } else { Err(SettingsError::OpenIdProvider) }
    }

    /// Whether the userinfo endpoint may know more that is needed.
    pub(super) fn misses_a_claim(&self, claims: &Claims) -> bool {
        let needed = self.users.claims().into_iter().chain([self.name_claim.as_str()]);
        needed.into_iter().any(|name| claims.get(name).is_none())
    }

    pub(super) fn scope(&self) -> String {
        let further = self.scopes.iter().map(String::as_str).filter(|it| *it != "openid");
        std::iter::once("openid").chain(further).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for OpenIdProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdProvider")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(users: AdmittedUsers) -> OpenIdProvider {
        OpenIdProvider::new("https://id.example", "us", "secret", users)
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut OpenIdProvider)) {
        let mut it = provider(AdmittedUsers::all());
        assert_eq!(it.check(), Ok(()));
        change(&mut it);
        assert_eq!(it.check(), Err(SettingsError::OpenIdProvider));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for issuer in
            ["http://id.example", "https://id.example?x=1", "https://id.example#x", "id", ""]
        {
            refused(|it| it.issuer = issuer.to_owned());
        }
        refused(|it| it.client_id.clear());
        refused(|it| it.client_secret = Zeroizing::new(String::new()));
        refused(|it| it.name.clear());
        refused(|it| it.name_claim.clear());
        refused(|it| it.scopes = vec!["two words".to_owned()]);
    }

    #[test]
    fn rules_that_admit_nobody_or_are_unclear_are_refused() {
        let none: [&str; 0] = [];
        for users in [
            AdmittedUsers::of_domains(none),
            AdmittedUsers::of_domains([""]),
            AdmittedUsers::of_domains(["@example.com"]),
            AdmittedUsers::of_groups("groups", none),
            AdmittedUsers::of_groups("", ["staff"]),
        ] {
            refused(|it| it.users = users);
        }
        assert_eq!(provider(AdmittedUsers::of_domains(["example.com"])).check(), Ok(()));
        assert_eq!(provider(AdmittedUsers::of_groups("groups", ["staff"])).check(), Ok(()));
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(!format!("{:?}", provider(AdmittedUsers::all())).contains("secret"));
    }
}
