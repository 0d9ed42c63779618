//! Browsers that signed in, and requests that wait for their user.

use std::collections::HashMap;
use std::time::SystemTime;

use oauth_as::StorageError;

use super::{MemoryRecords, lock};
use crate::secrets::Digest;
use crate::sessions::{Pending, Waiting};
use crate::settings::Limits;

struct SignedIn {
    subject: String,
    ends: SystemTime,
}

#[derive(Default)]
pub(super) struct Browsers {
    waiting: HashMap<String, Waiting>,
    signed_in: HashMap<Digest, SignedIn>,
}

impl Browsers {
    fn is_full(&self, new: &Waiting, limits: &Limits) -> bool {
        let of_peer = self.waiting.values().filter(|waiting| waiting.peer == new.peer).count();
        self.waiting.len() >= limits.pending_authorizations
            || of_peer >= limits.pending_authorizations_per_peer
    }

    fn sweep(&mut self, now: SystemTime) -> usize {
        let before = self.waiting.len() + self.signed_in.len();
        self.waiting.retain(|_, waiting| now < waiting.ends);
        self.signed_in.retain(|_, signed_in| now < signed_in.ends);
        before - self.waiting.len() - self.signed_in.len()
    }

    pub(super) fn sign_out(&mut self, subject: &str) {
        self.signed_in.retain(|_, signed_in| signed_in.subject != subject);
    }
}

impl MemoryRecords {
    pub(crate) async fn wait(
        &self,
        new: &Waiting,
        limits: &Limits,
        now: SystemTime,
    ) -> Result<Option<String>, StorageError> {
        let mut browsers = lock(&self.browsers);
        let same = |waiting: &&mut Waiting| {
            waiting.browser == new.browser && waiting.query == new.query && now < waiting.ends
        };
        if let Some(waiting) = browsers.waiting.values_mut().find(same) {
            waiting.pending = new.pending.clone();
            return Ok(Some(waiting.id.clone()));
        }
        if browsers.is_full(new, limits) {
            browsers.waiting.retain(|_, waiting| now < waiting.ends);
            if browsers.is_full(new, limits) {
                return Ok(None);
            }
        }
        browsers.waiting.insert(new.id.clone(), new.clone());
        Ok(Some(new.id.clone()))
    }

    pub(crate) async fn find_pending(
        &self,
        id: &str,
        browser: Digest,
        now: SystemTime,
    ) -> Result<Option<Pending>, StorageError> {
        let browsers = lock(&self.browsers);
        let found = browsers.waiting.get(id);
        let own = found.filter(|waiting| waiting.browser == browser && now < waiting.ends);
        Ok(own.map(|waiting| waiting.pending.clone()))
    }

    pub(crate) async fn take_pending(
        &self,
        id: &str,
        browser: Digest,
        now: SystemTime,
    ) -> Result<Option<Pending>, StorageError> {
        let mut browsers = lock(&self.browsers);
        let found = browsers.waiting.get(id);
        if found.is_none_or(|waiting| waiting.browser != browser || now >= waiting.ends) {
            return Ok(None);
        }
        Ok(browsers.waiting.remove(id).map(|waiting| waiting.pending))
    }

    pub(crate) async fn sign_in(
        &self,
        subject: &str,
        id: &str,
        before: Digest,
        browser: Digest,
        ends: SystemTime,
    ) -> Result<(), StorageError> {
        let mut browsers = lock(&self.browsers);
        browsers.signed_in.insert(browser, SignedIn { subject: subject.to_owned(), ends });
        browsers.signed_in.remove(&before);
        if let Some(waiting) = browsers.waiting.get_mut(id).filter(|it| it.browser == before) {
            waiting.browser = browser;
        }
        Ok(())
    }

    pub(crate) async fn subject(
        &self,
        browser: Digest,
        now: SystemTime,
    ) -> Result<Option<String>, StorageError> {
        let browsers = lock(&self.browsers);
        let signed_in = browsers.signed_in.get(&browser).filter(|it| now < it.ends);
        Ok(signed_in.map(|signed_in| signed_in.subject.clone()))
    }

    pub(crate) async fn sweep_browsers(&self, now: SystemTime) -> Result<u64, StorageError> {
        let swept = lock(&self.browsers).sweep(now);
        Ok(u64::try_from(swept).unwrap_or(u64::MAX))
    }
}
