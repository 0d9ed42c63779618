//! Issuers whose assertions stand for grants: identity providers and platforms (RFC 7523 §2.1).

use super::{Settings, SettingsError};
#[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
use crate::assertion_grant::GRANT_TYPE;
#[cfg(feature = "enterprise-managed")]
use crate::assertion_grant::enterprise::{self, IdentityProvider};
#[cfg(feature = "workload-identity")]
use crate::assertion_grant::workload::Workload;
use crate::openid;
#[cfg(feature = "workload-identity")]
use crate::settings::Resource;

impl Settings {
    /// Lets an identity provider decide which of its users may use which client (enterprise-managed authorization):
    /// an ID-JAG of it stands for the user's consent. Clients must prove who they are.
    ///
    /// Its users are the same as those that it signs in ([`Settings::with_openid_provider`]), and are in the table of
    /// users after their first grant.
    #[cfg(feature = "enterprise-managed")]
    #[must_use]
    pub fn with_identity_provider(mut self, provider: IdentityProvider) -> Self {
        self.identity_providers.push(provider);
        self
    }

    /// How the metadata calls the uses of the JWT bearer grant (EM-20).
    pub(crate) fn grant_profiles(&self) -> &'static [&'static str] {
        #[cfg(feature = "enterprise-managed")]
        if !self.identity_providers.is_empty() {
            return &[enterprise::PROFILE];
        }
        &[]
    }

    /// The grant by assertion, where some issuer's assertions stand for one.
    pub(crate) fn assertion_grant(&self) -> Option<&'static str> {
        #[cfg(feature = "workload-identity")]
        if self.resources.iter().any(|it| !it.workloads.is_empty()) {
            return Some(GRANT_TYPE);
        }
        #[cfg(feature = "enterprise-managed")]
        if !self.identity_providers.is_empty() {
            return Some(GRANT_TYPE);
        }
        None
    }

    /// What the subjects of all users start with whom somebody elsewhere vouches for.
    pub(crate) fn subject_prefixes(&self) -> Vec<String> {
        let provider = self.provider.iter().map(|it| openid::subject_prefix(it.issuer()));
        #[cfg(feature = "enterprise-managed")]
        let provider = provider
            .chain(self.identity_providers.iter().flat_map(IdentityProvider::subject_prefixes));
        provider.collect()
    }

    pub(super) fn check_assertions(&self) -> Result<(), SettingsError> {
        #[cfg(feature = "enterprise-managed")]
        for (at, provider) in self.identity_providers.iter().enumerate() {
            provider.check()?;
            let same = |other: &IdentityProvider| other.issuer() == provider.issuer();
            if self.identity_providers.iter().take(at).any(same) {
                return Err(SettingsError::IdentityProvider);
            }
        }
        #[cfg(feature = "workload-identity")]
        {
            let of = |resource: &'_ Resource| resource.workloads.len();
            let count: usize = self.resources.iter().map(of).sum();
            let workloads = self.resources.iter().flat_map(|it| &it.workloads);
            let names: std::collections::BTreeSet<&str> = workloads.map(Workload::name).collect();
            if names.len() != count {
                return Err(SettingsError::Workload);
            }
        }
        Ok(())
    }
}

#[cfg(feature = "workload-identity")]
impl Resource {
    /// Lets workloads of a platform use the resource. The name of each rule is its own, on all resources.
    #[must_use]
    pub fn with_workload(mut self, workload: Workload) -> Self {
        self.workloads.push(workload);
        self
    }

    pub(super) fn check_workloads(&self) -> Result<(), SettingsError> {
        for workload in &self.workloads {
            workload.check()?;
            if !workload.fits(self) {
                return Err(SettingsError::Workload);
            }
        }
        Ok(())
    }
}
