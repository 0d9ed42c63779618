//! Password checks, on threads of their own.
//!
//! A check takes 19 MiB for a moment, which the allocator keeps for the thread that had them. The runtime's
//! blocking threads come and go, and together they would keep hundreds of MiB; these are few and stay.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

use oauth_as::StorageError;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{PasswordHash, verify};

/// Checks that run at once: each takes a core for a moment.
const THREADS: usize = 4;

/// The threads, started with the first check. They end when this is dropped.
#[derive(Default)]
pub(super) struct Checks(OnceLock<Result<mpsc::Sender<Check>, io::ErrorKind>>);

struct Check {
    password: Zeroizing<String>,
    hash: PasswordHash,
    answer: oneshot::Sender<bool>,
}

impl Checks {
    /// Whether the hash is that of the password. An error says that nobody could look.
    pub(super) async fn verify(
        &self,
        password: &str,
        hash: PasswordHash,
    ) -> Result<bool, StorageError> {
        let unavailable = || StorageError::new("no thread checks passwords");
        let checks = self.0.get_or_init(|| start().map_err(|error| error.kind()));
        let checks = checks.as_ref().map_err(|_| unavailable())?;
        let (answer, answered) = oneshot::channel();
        let check = Check { password: Zeroizing::new(password.to_owned()), hash, answer };
        checks.send(check).map_err(|_| unavailable())?;
        answered.await.map_err(|_| unavailable())
    }
}

fn start() -> io::Result<mpsc::Sender<Check>> {
    let (sender, waiting) = mpsc::channel::<Check>();
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..THREADS {
        let waiting = Arc::clone(&waiting);
        thread::Builder::new().name("password check".into()).spawn(move || run(&waiting))?;
    }
    Ok(sender)
}

fn run(waiting: &Mutex<mpsc::Receiver<Check>>) {
    loop {
        // Whoever waits for a check holds the lock, and nothing can panic there.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Check { password, hash, answer }) = next else { return };
        // Whoever gave up costs nobody a check.
        if !answer.is_closed() {
            let _ = answer.send(verify(&password, &hash));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;
    use crate::users::hash;

    #[tokio::test]
    async fn sec_210_many_at_once_are_all_answered() {
        let checks = Arc::new(Checks::default());
        let (right, other) = (hash("right").unwrap(), hash("other").unwrap());
        // One who goes away before the answer holds up nobody.
        let impatient = checks.verify("right", right.clone());
        assert!(tokio::time::timeout(Duration::ZERO, impatient).await.is_err());
        let mut tasks = JoinSet::new();
        for _ in 0..THREADS * 2 {
            for (hash, expected) in [(&right, true), (&other, false)] {
                let (checks, hash) = (Arc::clone(&checks), hash.clone());
                tasks.spawn(async move { checks.verify("right", hash).await == Ok(expected) });
            }
        }
        assert_eq!(tasks.join_all().await, [true; THREADS * 4]);
    }
}
