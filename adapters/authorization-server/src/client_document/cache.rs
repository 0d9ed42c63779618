//! Documents that were fetched, and URLs that failed a moment ago.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use oauth_as::Client;

/// Documents, and failures, that are remembered at once; past it, what ends first goes.
const ENTRIES_MAX: usize = 1_000;
/// A document is kept so long at least, whatever its sender says: one flow asks for it several times.
const AGE_MIN: Duration = Duration::from_secs(60);
/// A document is kept so long at most (SEC-286).
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A document whose sender says nothing.
const AGE_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// A URL that failed is left alone for so long. This spares its host, and is no cached answer: it ends
/// before a person has corrected anything (AS-38).
const PAUSE: Duration = Duration::from_secs(5);

/// What is known of a URL.
#[derive(Debug)]
pub(super) enum Known {
    /// It was good, and still counts.
    Fresh,
    /// It failed a moment ago.
    Failed,
    /// It was good before, and is to be fetched again.
    Stale,
    Nothing,
}

/// A client as its document describes it.
#[derive(Debug, Clone)]
pub(super) struct DescribedClient {
    pub(super) client: Arc<Client>,
    /// It gets bound tokens alone (DP-07).
    pub(super) is_bound: bool,
}

#[derive(Default)]
pub(super) struct Cache {
    clients: HashMap<String, (DescribedClient, SystemTime)>,
    failures: HashMap<String, SystemTime>,
}

impl Cache {
    pub(super) fn look_up(&self, url: &str, now: SystemTime) -> Known {
        match (self.clients.get(url), self.failures.get(url)) {
            (Some((_, ends)), _) if now < *ends => Known::Fresh,
            (_, Some(ends)) if now < *ends => Known::Failed,
            (Some(_), _) => Known::Stale,
            (None, _) => Known::Nothing,
        }
    }

    /// The client that was found last, however long ago.
    pub(super) fn client(&self, url: &str) -> Option<&DescribedClient> {
        self.clients.get(url).map(|(client, _)| client)
    }

    pub(super) fn keep(
        &mut self,
        url: &str,
        client: DescribedClient,
        max_age: Option<Duration>,
        now: SystemTime,
    ) {
        let age = max_age.unwrap_or(AGE_DEFAULT).clamp(AGE_MIN, AGE_MAX);
        make_room(&mut self.clients, url, |(_, ends)| *ends);
        self.clients.insert(url.to_owned(), (client, now + age));
        self.failures.remove(url);
    }

    /// Forgets the client of `url`, too: what was true before is no answer now (AS-31).
    pub(super) fn fail(&mut self, url: &str, now: SystemTime) {
        self.clients.remove(url);
        make_room(&mut self.failures, url, |ends| *ends);
        self.failures.insert(url.to_owned(), now + PAUSE);
    }
}

fn make_room<T>(entries: &mut HashMap<String, T>, new: &str, ends: impl Fn(&T) -> SystemTime) {
    if entries.len() >= ENTRIES_MAX && !entries.contains_key(new) {
        let first = entries.iter().min_by_key(|(_, entry)| ends(entry));
        if let Some(url) = first.map(|(url, _)| url.clone()) {
            entries.remove(&url);
        }
    }
}

#[cfg(test)]
mod tests {
    use oauth_as::{ClientAuth, ClientId, ScopeSet};

    use super::*;

    fn client(url: &str) -> DescribedClient {
        let client = Client {
            client_id: ClientId::new(url),
            auth: ClientAuth::Public,
            grant_types: Vec::new(),
            redirect_uris: Vec::new(),
            allowed_scopes: ScopeSet::empty(),
            default_scopes: ScopeSet::empty(),
            name: None,
            registration: None,
        };
        DescribedClient { client: Arc::new(client), is_bound: false }
    }

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    #[track_caller]
    fn check_age(max_age: Option<u64>, kept_secs: u64) {
        let mut cache = Cache::default();
        cache.keep("u", client("u"), max_age.map(Duration::from_secs), at(0));
        assert!(matches!(cache.look_up("u", at(kept_secs - 1)), Known::Fresh), "{max_age:?}");
        assert!(matches!(cache.look_up("u", at(kept_secs)), Known::Stale), "{max_age:?}");
    }

    #[test]
    fn sec_286_own_bounds_on_how_long_a_document_is_kept() {
        check_age(None, 5 * 60);
        check_age(Some(0), 60);
        check_age(Some(59), 60);
        check_age(Some(600), 600);
        check_age(Some(86_400), 86_400);
        check_age(Some(10 * 365 * 86_400), 86_400);
        check_age(Some(u64::MAX), 86_400);
    }

    #[test]
    fn as_38_a_failure_ends_what_was_known_and_pauses() {
        let mut cache = Cache::default();
        assert!(matches!(cache.look_up("u", at(0)), Known::Nothing));
        cache.keep("u", client("u"), None, at(0));
        cache.fail("u", at(1));
        assert!(matches!(cache.look_up("u", at(1)), Known::Failed));
        assert!(matches!(cache.look_up("u", at(5)), Known::Failed));
        assert!(matches!(cache.look_up("u", at(6)), Known::Nothing));
        assert!(cache.client("u").is_none());
        cache.fail("u", at(7));
        cache.keep("u", client("u"), None, at(8));
        assert!(matches!(cache.look_up("u", at(8)), Known::Fresh));
    }

    #[test]
    fn sec_286_memory_is_bounded() {
        let mut cache = Cache::default();
        for number in 0..ENTRIES_MAX + 3 {
            let url = number.to_string();
            cache.keep(&url, client(&url), None, at(u64::try_from(number).unwrap()));
            cache.fail(&format!("failed {number}"), at(0));
        }
        assert_eq!(cache.clients.len(), ENTRIES_MAX);
        assert_eq!(cache.failures.len(), ENTRIES_MAX);
        // The oldest went.
        assert!(cache.client("2").is_none());
        assert!(cache.client("3").is_some());
    }
}
