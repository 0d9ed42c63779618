//! Those who ask: each connection of the server.

use core::{cell::RefCell, pin::pin};

use embassy_sync::{
    blocking_mutex::{Mutex as BlockingMutex, raw::RawMutex},
    mutex::Mutex,
    semaphore::{FairSemaphore, Semaphore},
    signal::Signal,
};
use embassy_time::{Duration, Instant, with_deadline};
use portcullis_core::{
    bearer::BearerToken,
    encoding::scratch::Scratch,
    introspection::{self, Introspected},
    limits,
    message::IncomingResponse,
    resource_server::{Introspection, Verdict},
    time::UnixTime,
};

use super::{
    Endpoint, IntrospectionSettings, Introspector,
    cache::{Cache, Digest, Entry, Life, Names, Remembered},
    slot::{JSON, Slot, Ticket, copy},
};

/// Most questions that wait for their turn; there are no more connections on a device. One more is not asked.
const WAITING_MAX: usize = 16;
/// Room for what a remembered answer spells with escapes.
const ESCAPES_LEN_MAX: usize = 256;
/// The answer that a remembered inactive token has.
const INACTIVE: &[u8] = br#"{"active":false}"#;

/// The memory of an [`IntrospectionClient`]: about 14 KiB as it stands.
///
/// - `QUESTION`: longest form, `token=...&token_type_hint=access_token`, in bytes. A longer token is answered with 503.
/// - `ANSWER`: longest head and longest body of an answer in bytes (LIM-11).
/// - `ACTIVE`, `INACTIVE`: remembered answers (LIM-18); 0 remembers none.
/// - `REMEMBERED`: longest active answer that is remembered, in bytes. A longer one is asked for each time.
pub struct IntrospectionMemory<
    const QUESTION: usize = 1024,
    const ANSWER: usize = { limits::METADATA_LEN_MAX },
    const ACTIVE: usize = { limits::INTROSPECTION_CACHE_ACTIVE_MAX },
    const INACTIVE: usize = { limits::INTROSPECTION_CACHE_INACTIVE_MAX },
    const REMEMBERED: usize = 512,
> {
    question: [u8; QUESTION],
    answer: [u8; ANSWER],
    active: [Entry; ACTIVE],
    inactive: [Entry; INACTIVE],
    bodies: [[u8; REMEMBERED]; ACTIVE],
}

impl<
    const QUESTION: usize,
    const ANSWER: usize,
    const ACTIVE: usize,
    const INACTIVE: usize,
    const REMEMBERED: usize,
> IntrospectionMemory<QUESTION, ANSWER, ACTIVE, INACTIVE, REMEMBERED>
{
    /// Zeroes, so that a `static` of it takes no flash.
    pub const fn new() -> Self {
        Self {
            question: [0; QUESTION],
            answer: [0; ANSWER],
            active: [Entry::EMPTY; ACTIVE],
            inactive: [Entry::EMPTY; INACTIVE],
            bodies: [[0; REMEMBERED]; ACTIVE],
        }
    }
}

impl<
    const QUESTION: usize,
    const ANSWER: usize,
    const ACTIVE: usize,
    const INACTIVE: usize,
    const REMEMBERED: usize,
> Default for IntrospectionMemory<QUESTION, ANSWER, ACTIVE, INACTIVE, REMEMBERED>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<
    const QUESTION: usize,
    const ANSWER: usize,
    const ACTIVE: usize,
    const INACTIVE: usize,
    const REMEMBERED: usize,
> core::fmt::Debug for IntrospectionMemory<QUESTION, ANSWER, ACTIVE, INACTIVE, REMEMBERED>
{
    /// Without the bytes, among them a token (INV-6).
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IntrospectionMemory(..)")
    }
}

/// Asks one endpoint about tokens, for all connections of the server.
///
/// One question at a time, in the order in which they came; requests with one token share an answer that may be
/// remembered (SEC-369). Nothing is asked unless [`run`](Self::run) runs in a task of its own.
///
/// `M` is the kind of lock: `NoopRawMutex` where all tasks are of one executor, else `CriticalSectionRawMutex`.
pub struct IntrospectionClient<'c, M: RawMutex> {
    pub(super) endpoint: Endpoint<'c>,
    pub(super) settings: IntrospectionSettings,
    names: Names,
    cache: BlockingMutex<M, RefCell<Cache<'c>>>,
    turn: FairSemaphore<M, WAITING_MAX>,
    /// Only who has the turn, and the task that sends, lock it.
    pub(super) slot: Mutex<M, Slot<'c>>,
    pub(super) asked: Signal<M, ()>,
    pub(super) answered: Signal<M, Ticket>,
}

impl<'c, M: RawMutex> IntrospectionClient<'c, M> {
    /// A client with nothing remembered.
    ///
    /// `cache_key` is 32 random bytes that nobody else has, new at each start: remembered answers are named by a MAC of
    /// the token under it.
    pub fn new<
        const QUESTION: usize,
        const ANSWER: usize,
        const ACTIVE: usize,
        const INACTIVE: usize,
        const REMEMBERED: usize,
    >(
        endpoint: Endpoint<'c>,
        settings: IntrospectionSettings,
        cache_key: &[u8; 32],
        memory: &'c mut IntrospectionMemory<QUESTION, ANSWER, ACTIVE, INACTIVE, REMEMBERED>,
    ) -> Self {
        let IntrospectionMemory { question, answer, active, inactive, bodies } = memory;
        let bodies = bodies.as_flattened_mut();
        let cache = Cache { active, inactive, bodies, body_len_max: REMEMBERED };
        Self {
            names: Names::new(cache_key, endpoint.destination().url().as_str(), endpoint.issuer()),
            endpoint,
            settings,
            cache: BlockingMutex::new(RefCell::new(cache)),
            turn: FairSemaphore::new(1),
            slot: Mutex::new(Slot::new(question, answer)),
            asked: Signal::new(),
            answered: Signal::new(),
        }
    }

    /// An answer from memory or from the endpoint; `None` when there is none.
    async fn answer<'s>(
        &self,
        question: &Question<'_>,
        scratch: &mut Scratch<'s>,
    ) -> Option<IncomingResponse<'s>> {
        if let Some(known) = self.recall(&question.digest, scratch) {
            return Some(known);
        }
        let _turn = self.turn.acquire(1).await.ok()?;
        // Whoever had the turn before may have asked the same.
        if let Some(known) = self.recall(&question.digest, scratch) {
            return Some(known);
        }
        let ticket = {
            let mut slot = self.slot.lock().await;
            // The answer to a question that was given up says nothing about this one.
            self.answered.reset();
            slot.ask(question.token, question.until, question.time, question.asked_at)?
        };
        self.asked.signal(());
        while self.answered.wait().await != ticket {}
        let response = self.slot.lock().await.take(ticket, scratch)?;
        self.remember(question, &response);
        Some(response)
    }

    fn recall<'s>(
        &self,
        digest: &Digest,
        scratch: &mut Scratch<'s>,
    ) -> Option<IncomingResponse<'s>> {
        let now = Instant::now();
        let body =
            self.cache.lock(|cache| match cache.try_borrow().ok()?.find(digest, now)? {
                Remembered::Active(body) => copy(body, scratch),
                Remembered::Inactive => Some(INACTIVE),
            })?;
        Some(IncomingResponse { status: 200, content_type: JSON, body })
    }

    /// Remembers a definite answer, and no other: no outage, nothing that cannot be read (SEC-367).
    fn remember(&self, question: &Question<'_>, response: &IncomingResponse<'_>) {
        let mut escapes = [0; ESCAPES_LEN_MAX];
        let mut escapes = Scratch::new(&mut escapes);
        let IntrospectionSettings { active_secs_max, inactive_secs_max, .. } = self.settings;
        let (answer, life_secs) =
            match introspection::parse(response, self.endpoint.issuer(), &mut escapes) {
                Ok(Introspected::Active(facts)) => {
                    let left = facts.expires_at.secs_since(question.time);
                    (Remembered::Active(response.body), left.min(u64::from(active_secs_max)))
                }
                Ok(Introspected::Inactive) => (Remembered::Inactive, u64::from(inactive_secs_max)),
                Err(_) => return,
            };
        // It counts from the question: what the server knew may be that old. The counter of the device cannot be set
        // back like its clock (SEC-366).
        let from = question.asked_at;
        let life = Life { from, until: from.saturating_add(Duration::from_secs(life_secs)) };
        self.cache.lock(|cache| {
            if let Ok(mut cache) = cache.try_borrow_mut() {
                cache.insert(&question.digest, answer, life);
            }
        });
    }
}

struct Question<'q> {
    token: BearerToken<'q>,
    digest: Digest,
    asked_at: Instant,
    until: Instant,
    time: UnixTime,
}

impl<M: RawMutex> Introspector for IntrospectionClient<'_, M> {
    async fn ask<'s>(
        &self,
        introspection: Introspection<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Verdict<'s> {
        // Without the time nothing is decided, and another issuer's tokens are not known there (RS-84).
        let (Some(time), true) = (now, introspection.issuer() == self.endpoint.issuer()) else {
            return introspection.resume(None, now, scratch);
        };
        let asked_at = Instant::now();
        let deadline = Duration::from_millis(u64::from(self.settings.deadline_millis));
        let token = introspection.token();
        let digest = self.names.digest(token.expose());
        let until = asked_at.saturating_add(deadline);
        let question = Question { token, digest, asked_at, until, time };
        let response = {
            let answer = pin!(self.answer(&question, scratch));
            with_deadline(until, answer).await.ok().flatten()
        };
        // Waiting takes time, in which a token may end.
        let waited_secs = Instant::now().saturating_duration_since(asked_at).as_secs();
        introspection.resume(response.as_ref(), Some(time.plus(waited_secs)), scratch)
    }
}

impl<M: RawMutex> core::fmt::Debug for IntrospectionClient<'_, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IntrospectionClient")
            .field("endpoint", &self.endpoint)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
