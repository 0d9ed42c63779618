//! Password checks, on threads of their own.
//!
//! A check takes 19 MiB for a moment. The allocator would keep that many times over, for each thread that ever
//! had it; so these threads are few, and each has one piece of memory for all of its checks.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

use argon2::password_hash::phc::{Output, PasswordHash as ParsedHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use oauth_as::StorageError;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::PasswordHash;

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
    let mut memory = Vec::new();
    loop {
        // Whoever waits for a check holds the lock, and nothing can panic there.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Check { password, hash, answer }) = next else { return };
        // Whoever gave up costs nobody a check.
        if !answer.is_closed() {
            let _ = answer.send(is_right(&password, &hash, &mut memory).unwrap_or(false));
        }
    }
}

/// Whether the hash is that of the password; `None` when it is no hash of argon2.
fn is_right(password: &str, hash: &PasswordHash, memory: &mut Vec<Block>) -> Option<bool> {
    let hash = ParsedHash::new(&hash.0).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let (salt, expected) = (hash.salt?, hash.hash?);
    let mut room = [0; Output::MAX_LENGTH];
    let computed = room.get_mut(..expected.as_ref().len())?;
    memory.resize(params.block_count(), Block::default());
    let argon2 = Argon2::new(algorithm, version, params);
    let hashed = argon2.hash_password_into_with_memory(
        password.as_bytes(),
        salt.as_ref(),
        computed,
        memory.as_mut_slice(),
    );
    // What the password was stretched to does not stay.
    memory.fill(Block::default());
    hashed.ok()?;
    // `Output` compares in constant time.
    Some(Output::new(computed).ok()? == expected)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;
    use crate::users::hash;

    #[test]
    fn sec_240_only_the_right_password_of_a_whole_hash() {
        let mut memory = Vec::new();
        let right = hash("right").unwrap();
        let mut check =
            |password: &str, text: String| is_right(password, &PasswordHash(text), &mut memory);
        assert_eq!(check("right", right.0.clone()), Some(true));
        for wrong in ["wrong", "", "right ", "Right"] {
            assert_eq!(check(wrong, right.0.clone()), Some(false), "{wrong}");
        }
        // Cheaper parameters, another kind of argon2, and one character make it another hash.
        let last = if right.0.ends_with('A') { "B" } else { "A" };
        for (from, to) in [("t=2", "t=1"), ("m=19456", "m=9728"), ("argon2id", "argon2i")] {
            let changed = right.0.replace(from, to);
            assert_ne!(changed, right.0);
            assert_eq!(check("right", changed), Some(false), "{from}");
        }
        let (without_last, _) = right.0.split_at(right.0.len() - 1);
        assert_ne!(check("right", format!("{without_last}{last}")), Some(true));
        for text in ["", "$argon2id$", "$scrypt$ln=1$c2FsdHNhbHQ$aGFzaA"] {
            assert_eq!(check("right", text.to_owned()), None, "{text}");
        }
        assert_eq!(check("right", right.0), Some(true), "the memory is as good as new");
    }

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
