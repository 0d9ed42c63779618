//! Logins and refreshes of which one step fails, each step in turn: nothing is lost, nothing half stored.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use zeroize::Zeroizing;

use super::{world::browse, *};

/// More steps than a login and a refresh have.
const STEPS_MAX: usize = 64;

/// Counts down to the one step that fails; zero is none.
#[derive(Clone, Default)]
struct Fault(Arc<AtomicUsize>);

impl Fault {
    fn set(&self, step: usize) {
        self.0.store(step, Ordering::SeqCst);
    }

    /// Whether this step is the one.
    fn is_now(&self) -> bool {
        let left =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left == Ok(1)
    }

    /// Whether no step was the one: there were fewer.
    fn is_unmet(&self) -> bool {
        self.0.swap(0, Ordering::SeqCst) > 0
    }
}

/// A store of which one operation fails.
struct Failing(FileStore, Fault);

impl Failing {
    fn step(&self) -> Result<(), StoreError> {
        match self.1.is_now() {
            true => Err(StoreError::Io("fault".into(), io::ErrorKind::Other.into())),
            false => Ok(()),
        }
    }
}

impl TokenStore for Failing {
    fn read(&self, server_url: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.step()?;
        self.0.read(server_url)
    }

    fn write(&self, server_url: &str, record: &[u8]) -> Result<(), StoreError> {
        self.step()?;
        self.0.write(server_url, record)
    }

    fn remove(&self, server_url: &str) -> Result<bool, StoreError> {
        self.step()?;
        self.0.remove(server_url)
    }

    fn servers(&self) -> Result<Vec<String>, StoreError> {
        self.step()?;
        self.0.servers()
    }

    fn lock(&self, server_url: &str) -> Result<StoreLock, StoreError> {
        self.step()?;
        self.0.lock(server_url)
    }
}

/// Servers, a store, and a way to have one step of either fail.
struct Trial {
    _parent: tempfile::TempDir,
    store: FileStore,
    network: Fault,
    stored: Fault,
    world: World,
}

impl Trial {
    async fn new() -> Self {
        let (parent, network, stored) =
            (tempfile::tempdir().unwrap(), Fault::default(), Fault::default());
        let store = FileStore::new(parent.path().join("logins"));
        let fault = network.clone();
        let world =
            World::with(move |_, _| fault.is_now().then(|| text(503, "text/plain", "not now")))
                .await;
        Self { _parent: parent, store, network, stored, world }
    }

    fn client(&self) -> McpClient {
        let Self { world, store, stored, .. } = self;
        let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse).unwrap();
        let authorizer = authorizer.with_store(Failing(store.clone(), stored.clone()));
        McpClient::with_authorizer(Arc::new(authorizer))
    }

    fn record(&self) -> serde_json::Value {
        let record = self.store.read(&self.world.resource).unwrap().unwrap();
        serde_json::from_slice(&record).unwrap()
    }

    /// A login whose time is over.
    async fn expired() -> Self {
        let trial = Self::new().await;
        trial.client().list_tools().await.unwrap();
        let mut record = trial.record();
        record["expires_at"] = json!(1);
        record["refresh_at"] = json!(1);
        trial.store.write(&trial.world.resource, record.to_string().as_bytes()).unwrap();
        trial
    }

    /// What is stored is whole, and is what the servers know as the newest.
    fn is_whole(&self) {
        let record = self.record();
        let newest = self.world.known.lock().unwrap().tokens;
        assert_eq!(record["access_token"], format!("at-{newest}"));
        assert_eq!(record["refresh_token"], format!("rt-{newest}"));
    }

    /// No verifier and no state was used for two logins.
    fn all_are_fresh(&self) {
        let asked = self.world.seen("/authorize");
        for name in ["state", "code_challenge"] {
            let values: BTreeSet<_> = asked.iter().map(|seen| seen.parameter(name)).collect();
            assert_eq!(values.len(), asked.len(), "{name}");
            // 256 bits.
            assert!(values.iter().flatten().all(|value| value.len() == 43), "{values:?}");
        }
    }
}

/// Has each step fail once, of the network or else of the store, and tries again; each trial, when it is over, with
/// its step.
async fn each_step_fails(
    of_network: bool,
    steps_min: usize,
    begin: impl AsyncFn() -> Trial,
    holds: impl Fn(usize, &Trial),
) {
    for step in 1..=STEPS_MAX {
        let trial = begin().await;
        let client = trial.client();
        let fault = if of_network { &trial.network } else { &trial.stored };
        fault.set(step);
        let outcome = client.list_tools().await;
        if fault.is_unmet() {
            outcome.unwrap();
            assert!(step > steps_min, "there were but {step} steps");
            return;
        }
        // The next attempt is a good one, by itself.
        client.list_tools().await.unwrap();
        trial.is_whole();
        holds(step, &trial);
    }
    panic!("there were too many steps");
}

#[tokio::test]
async fn sec_482_each_step_of_a_login_fails_once() {
    for (of_network, steps_min) in [(true, 7), (false, 3)] {
        each_step_fails(of_network, steps_min, Trial::new, |_, trial| trial.all_are_fresh()).await;
    }
}

#[tokio::test]
async fn sec_482_each_step_of_a_refresh_fails_once() {
    for (of_network, steps_min) in [(true, 4), (false, 3)] {
        each_step_fails(of_network, steps_min, Trial::expired, |step, trial| {
            // The user is not asked again, and no refresh token was used twice. Where the authorization server
            // could not be asked, the first token may serve for a while.
            let known = trial.world.known.lock().unwrap().tokens;
            assert_eq!(trial.world.seen("/authorize").len(), 1, "{step}");
            assert!(known == 2 || (of_network && known == 1), "{step}: {known}");
        })
        .await;
    }
}
