//! One question in flight for each token, whoever waits for it (SEC-369).

use std::{
    collections::{HashMap, hash_map},
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Semaphore, watch};

use super::{Asked, key::Digest};
use crate::resource_server::verifier::Unavailable;

/// Most questions at once that can be configured.
pub(super) const PARALLEL_MAX: usize = 4096;
/// So many times as many as are asked at once may wait for their turn; the rest are turned away.
const WAITING_FACTOR: usize = 16;

type Answers = watch::Receiver<Option<Asked>>;

/// The questions that are being asked.
///
/// Each runs in a task of its own, so that a caller who goes away takes nothing from the others
/// (SEC-561), and ends by the client's deadline.
pub(super) struct Flights {
    in_flight: Arc<Mutex<HashMap<Digest, Answers>>>,
    turns: Arc<Semaphore>,
    in_flight_max: usize,
}

impl Flights {
    /// With so many questions at once.
    pub(super) fn new(parallel_max: usize) -> Self {
        Self {
            in_flight: Arc::default(),
            turns: Arc::new(Semaphore::new(parallel_max)),
            in_flight_max: parallel_max.saturating_mul(WAITING_FACTOR),
        }
    }

    /// Waits for the question about this token; asks it when nobody does yet. Too many questions at
    /// once are [`Unavailable`] at once: an early 503 instead of a queue without end (SEC-569).
    pub(super) async fn join<Q>(&self, digest: Digest, question: impl FnOnce() -> Q) -> Asked
    where
        Q: Future<Output = Asked> + Send + 'static,
    {
        let mut answers = self.board(digest, question).ok_or(Unavailable)?;
        // The sender goes without an answer only when the task panicked.
        let answer = answers.wait_for(Option::is_some).await.map_err(|_| Unavailable)?;
        answer.clone().unwrap_or(Err(Unavailable))
    }

    /// `None` when there is no room for a further question.
    fn board<Q>(&self, digest: Digest, question: impl FnOnce() -> Q) -> Option<Answers>
    where
        Q: Future<Output = Asked> + Send + 'static,
    {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let room = in_flight.len() < self.in_flight_max;
        match in_flight.entry(digest) {
            hash_map::Entry::Occupied(entry) => Some(entry.get().clone()),
            hash_map::Entry::Vacant(_) if !room => {
                metrics::counter!("portcullis_introspections_total", "outcome" => "overload")
                    .increment(1);
                None
            }
            hash_map::Entry::Vacant(entry) => {
                let (sender, answers) = watch::channel(None);
                entry.insert(answers.clone());
                let landing = Landing { in_flight: Arc::clone(&self.in_flight), digest };
                let (turns, question) = (Arc::clone(&self.turns), question());
                tokio::spawn(async move {
                    let answer = match turns.acquire().await {
                        Ok(_turn) => question.await,
                        Err(_) => Err(Unavailable),
                    };
                    // Off the list first: who comes later finds the cache, or asks anew.
                    drop(landing);
                    sender.send_replace(Some(answer));
                });
                Some(answers)
            }
        }
    }
}

/// Takes a question off the list, also when its task panics.
struct Landing {
    in_flight: Arc<Mutex<HashMap<Digest, Answers>>>,
    digest: Digest,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.digest);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    const DIGEST: Digest = [1; 32];

    #[tokio::test]
    async fn sec_369_many_callers_one_question() {
        let flights = Arc::new(Flights::new(4));
        let asked = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Notify::new());
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let (flights, asked, gate) = (flights.clone(), asked.clone(), gate.clone());
                tokio::spawn(async move {
                    let question = || async move {
                        asked.fetch_add(1, Ordering::SeqCst);
                        gate.notified().await;
                        Ok(None)
                    };
                    flights.join(DIGEST, question).await
                })
            })
            .collect();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        gate.notify_one();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), Ok(None));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        // The next one asks anew.
        let again = asked.clone();
        let question = || async move {
            again.fetch_add(1, Ordering::SeqCst);
            Err(Unavailable)
        };
        assert_eq!(flights.join(DIGEST, question).await, Err(Unavailable));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn sec_561_a_caller_who_goes_away_takes_nothing_along() {
        let flights = Arc::new(Flights::new(4));
        let gate = Arc::new(Notify::new());
        let (first_flights, first_gate) = (flights.clone(), gate.clone());
        let first = tokio::spawn(async move {
            let question = || async move {
                first_gate.notified().await;
                Ok(None)
            };
            first_flights.join(DIGEST, question).await
        });
        tokio::task::yield_now().await;
        let second_flights = flights.clone();
        let second = tokio::spawn(async move {
            second_flights.join(DIGEST, || async { Err(Unavailable) }).await
        });
        tokio::task::yield_now().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        gate.notify_one();
        assert_eq!(second.await.unwrap(), Ok(None));
        assert!(flights.in_flight.lock().unwrap().is_empty());
        assert_eq!(flights.turns.available_permits(), 4);
    }

    #[tokio::test]
    async fn sec_561_a_panic_is_unavailable_and_leaves_nothing() {
        let flights = Flights::new(1);
        let question = || async { std::panic::resume_unwind(Box::new(())) };
        assert_eq!(flights.join(DIGEST, question).await, Err(Unavailable));
        assert!(flights.in_flight.lock().unwrap().is_empty());
        assert_eq!(flights.turns.available_permits(), 1);
    }

    #[tokio::test]
    async fn sec_569_too_many_questions_are_turned_away() {
        let flights = Arc::new(Flights::new(1));
        let gate = Arc::new(Notify::new());
        for n in 0..WAITING_FACTOR {
            let gate = gate.clone();
            let digest = [u8::try_from(n).unwrap(); 32];
            let question = || async move {
                gate.notified().await;
                Ok(None)
            };
            assert!(flights.board(digest, question).is_some());
        }
        let late = flights.join([99; 32], || async { Ok(None) }).await;
        assert_eq!(late, Err(Unavailable));
    }
}
