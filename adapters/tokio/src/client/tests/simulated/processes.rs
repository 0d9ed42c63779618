//! SEC-479: processes that share a store, one of which dies in the middle of a refresh.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
};

use zeroize::Zeroizing;

use super::{
    super::{world::World, *},
    net::{Net, Pending, authorizer, browse, seeds},
    refreshing::{ending, uses},
};

/// How long a process that found the store busy waits: simulated, as nothing in a lock of threads would be.
const PAUSE: Duration = Duration::from_millis(20);

/// Records that outlive the processes, and a lock that nobody waits for.
#[derive(Clone, Default)]
struct Shelf {
    records: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    is_locked: Arc<AtomicBool>,
}

/// Given back when its holder dies, as those of the operating system.
struct Unlock(Arc<AtomicBool>);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

impl TokenStore for Shelf {
    fn read(&self, server_url: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        Ok(self.records.lock().unwrap().get(server_url).cloned().map(Zeroizing::new))
    }

    fn write(&self, server_url: &str, record: &[u8]) -> Result<(), StoreError> {
        assert!(self.is_locked.load(SeqCst), "written without the lock");
        self.records.lock().unwrap().insert(server_url.to_owned(), record.to_vec());
        Ok(())
    }

    fn remove(&self, server_url: &str) -> Result<bool, StoreError> {
        Ok(self.records.lock().unwrap().remove(server_url).is_some())
    }

    fn servers(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.records.lock().unwrap().keys().cloned().collect())
    }

    fn lock(&self, _: &str) -> Result<StoreLock, StoreError> {
        if self.is_locked.swap(true, SeqCst) {
            return Err(StoreError::Busy);
        }
        Ok(StoreLock::new(Unlock(Arc::clone(&self.is_locked))))
    }
}

/// Calls the server from a new process on this machine, again when the store is busy; gives how often it was.
fn start(net: &Net, machine: &str, world: &World, shelf: &Shelf) -> Pending<usize> {
    let authorizer = authorizer(world, browse).with_store(shelf.clone());
    let client = McpClient::with_authorizer(Arc::new(authorizer));
    net.start(machine, async move {
        for busy in 0.. {
            match client.list_tools().await {
                Ok(_) => return busy,
                Err(McpError::Authorize(AuthorizeError::Store(StoreError::Busy))) => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        unreachable!("busy for ever")
    })
}

/// The access token that is stored.
fn stored(world: &World, shelf: &Shelf) -> String {
    let record = shelf.read(&world.resource).unwrap().unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    record["access_token"].as_str().unwrap().to_owned()
}

/// A login on the shelf whose access token has just ended.
fn logged_in(seed: u64) -> (Net, World, Shelf, Arc<AtomicU32>) {
    let (world, ended) = ending();
    let mut net = Net::new(seed, &[&world], &["one", "two", "three"]);
    let shelf = Shelf::default();
    let first = start(&net, "one", &world, &shelf);
    net.finish(&first);
    ended.store(1, SeqCst);
    (net, world, shelf, ended)
}

#[test]
fn sec_479_processes_at_once_refresh_once_over_a_slow_network() {
    let mut busy = 0;
    for seed in seeds(6) {
        let (mut net, world, shelf, ended) = logged_in(seed);
        for round in 1..=3 {
            ended.store(round, SeqCst);
            let calls = ["one", "two", "three"].map(|it| start(&net, it, &world, &shelf));
            busy += calls.iter().map(|call| net.finish(call)).sum::<usize>();
            assert_eq!(uses(&world, &format!("rt-{round}")), 1);
        }
        assert_eq!((world.seen("/token").len(), world.seen("/authorize").len()), (4, 1));
    }
    assert!(busy > 0, "they never met");
}

/// One process dies so many steps after its call, two others go on; whether the new tokens were lost.
fn death_in_a_refresh(steps: usize) -> bool {
    let (mut net, world, shelf, _) = logged_in(7);
    let _dies = start(&net, "one", &world, &shelf);
    for _ in 0..steps {
        net.step();
    }
    net.sim.crash("one");
    assert!(!shelf.is_locked.load(SeqCst), "a dead process has the lock");
    // What it sent arrives, and is answered to nobody.
    for _ in 0..40 {
        net.step();
    }
    let is_lost = stored(&world, &shelf) != format!("at-{}", world.known.lock().unwrap().tokens);
    let second = start(&net, "two", &world, &shelf);
    net.finish(&second);
    let third = start(&net, "three", &world, &shelf);
    net.finish(&third);
    assert_eq!(world.seen("/authorize").len(), if is_lost { 2 } else { 1 }, "at {steps}");
    assert_eq!(uses(&world, "rt-1"), if is_lost { 2 } else { 1 }, "at {steps}");
    assert_eq!(stored(&world, &shelf), format!("at-{}", world.known.lock().unwrap().tokens));
    is_lost
}

#[test]
fn sec_479_a_process_that_dies_in_a_refresh_costs_at_most_one_login() {
    let costs: Vec<_> = (0..40).step_by(4).map(death_in_a_refresh).collect();
    assert!(costs.contains(&false) && costs.contains(&true), "{costs:?}");
}
