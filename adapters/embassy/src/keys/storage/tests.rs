//! What must not happen to stored keys.

use core::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::{format, string::String, vec::Vec};

use portcullis_core::{
    jwt::{HmacKey, KeyError, KeyId, KeyRing},
    time::UnixTime,
};

use self::flash::{Flash, FlashError, Overwrite};
use super::{
    Binding, Content, Key, KeyStore, LiveKeyRing, Provisioned, Request, Seal, State, StorageError,
    Stored,
};

mod cuts;
mod damage;
mod flash;
mod provisioning;

const RESOURCE: &str = "https://thermometer.example/mcp";
/// Pages of the tests' flash: the fewest there can be.
const PAGES: usize = 4;

type Small = Flash<4, 1024>;
type Store<const WORD: usize, const PAGE: usize> = KeyStore<Flash<WORD, PAGE>>;

/// The model's flash never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the flash never waits"),
    }
}

fn id(text: &str) -> KeyId {
    KeyId::new(text).unwrap()
}

/// The key of a number, and its id.
fn key(number: u32) -> Key {
    let mut bytes = [0x5a; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Key::new(id(&format!("k{number}")), &bytes).unwrap()
}

fn range<const WORD: usize, const PAGE: usize>(flash: &Flash<WORD, PAGE>) -> core::ops::Range<u32> {
    0..u32::try_from(flash.bytes.len()).unwrap()
}

fn open<const WORD: usize, const PAGE: usize>(flash: Flash<WORD, PAGE>) -> Store<WORD, PAGE> {
    open_as(flash, &Binding::new(RESOURCE)).unwrap()
}

fn open_as<const WORD: usize, const PAGE: usize>(
    flash: Flash<WORD, PAGE>,
    binding: &Binding<'_>,
) -> Result<Store<WORD, PAGE>, StorageError<FlashError>> {
    let range = range(&flash);
    KeyStore::open(flash, range, binding)
}

/// A ring that stands for the one of the running device; what the store makes of it shows.
fn live() -> LiveKeyRing {
    LiveKeyRing::new(KeyRing::new(id("before"), HmacKey::new(&[1; 32]).unwrap()))
}

/// Sequence, version, and each key with its id.
type Keys = (u64, u32, Vec<(String, Vec<u8>)>);

/// All that is stored, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Snapshot {
    keys: Option<Keys>,
    mark: Option<u64>,
}

impl Snapshot {
    const EMPTY: Self = Self { keys: None, mark: None };
}

fn snapshot_of(stored: &Stored) -> Keys {
    let keys = core::iter::once(stored.current()).chain(stored.next());
    let keys = keys.map(|key| (key.id().as_str().into(), key.bytes().into())).collect();
    (stored.sequence(), stored.version(), keys)
}

fn snapshot<const WORD: usize, const PAGE: usize>(
    store: &mut Store<WORD, PAGE>,
) -> Result<Snapshot, StorageError<FlashError>> {
    let mut state = State::UNREAD;
    ready(store.run(Request::Read, &mut state))?;
    let mark = state.mark.map(|mark| mark.time.as_secs());
    Ok(Snapshot { keys: state.stored.as_ref().map(snapshot_of), mark })
}

#[test]
fn keys_and_time_are_there_after_a_restart() {
    let mut store = open(Small::new(PAGES, Overwrite::Refused));
    assert_eq!(snapshot(&mut store), Ok(Snapshot::EMPTY));
    let live = live();
    assert_eq!(ready(store.add_next(key(2), &live)), Err(StorageError::NotProvisioned));
    assert_eq!(ready(store.rotate(&live)), Err(StorageError::NotProvisioned));

    assert!(matches!(ready(store.provision(1, key(1), None)), Ok(Provisioned::Stored(_))));
    assert_eq!(ready(store.rotate(&live)), Err(StorageError::Key(KeyError::Ring)));
    assert_eq!(
        ready(store.add_next(key(1), &live)),
        Err(StorageError::Key(KeyError::DuplicateKeyId))
    );
    // Refused changes leave the ring alone.
    assert_eq!(live.current_id(), Some(id("before")));
    ready(store.add_next(key(2), &live)).unwrap();
    assert_eq!((live.current_id(), live.next_id()), (Some(id("k1")), Some(id("k2"))));
    assert_eq!(ready(store.add_next(key(3), &live)), Err(StorageError::Key(KeyError::Ring)));
    ready(store.mark_time(UnixTime::from_secs(1_800_000_000))).unwrap();

    let KeyStore { copies, .. } = store;
    let mut store = open(copies.into_flash());
    let stored = ready(store.load()).unwrap().unwrap();
    assert_eq!((stored.version(), stored.sequence()), (1, 2));
    assert_eq!(stored.ring().unwrap().next_id(), Some(&id("k2")));
    assert_eq!(ready(store.time_mark()), Ok(Some(UnixTime::from_secs(1_800_000_000))));

    ready(store.rotate(&live)).unwrap();
    assert_eq!((live.current_id(), live.next_id()), (Some(id("k2")), None));
    let stored = ready(store.load()).unwrap().unwrap();
    assert_eq!(snapshot_of(&stored).2, [("k2".into(), key(2).bytes().into())]);
}

#[test]
fn sec_501_a_time_mark_never_goes_back() {
    let mut store = open(Small::new(PAGES, Overwrite::Refused));
    assert_eq!(ready(store.time_mark()), Ok(None));
    for (offered, expected) in [(5, 5), (4, 5), (5, 5), (0, 5), (6, 6)] {
        ready(store.mark_time(UnixTime::from_secs(offered))).unwrap();
        assert_eq!(ready(store.time_mark()), Ok(Some(UnixTime::from_secs(expected))));
    }
}

#[test]
fn a_range_has_four_pages_or_more() {
    let check = |range: core::ops::Range<u32>, accepted: bool| {
        let flash = Flash::<4, 1024>::new(6, Overwrite::Refused);
        let opened = KeyStore::open(flash, range.clone(), &Binding::new(RESOURCE));
        let expected = (!accepted).then_some(StorageError::Range);
        assert_eq!(opened.err(), expected, "{range:?}");
    };
    check(0..4096, true);
    check(1024..5120, true);
    check(2048..6144, true);
    check(0..6144, true);
    check(0..5120, false); // two pages and a half for each copy
    check(0..3072, false);
    check(0..2048, false);
    check(0..0, false);
    check(512..4608, false);
    check(3072..7168, false);
    check(u32::MAX - 4095..u32::MAX, false);
    #[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
    check(4096..0, false);

    let small_pages = Flash::<4, 512>::new(8, Overwrite::Refused);
    assert_eq!(open_as(small_pages, &Binding::new(RESOURCE)).err(), Some(StorageError::Range));
}

#[test]
fn the_longest_keys_fit_the_smallest_page_of_the_longest_words() {
    let longest = |letter: &str| Key::new(id(&letter.repeat(64)), &[7; 64]).unwrap();
    let mut store = open(Flash::<32, 1024>::new(PAGES, Overwrite::Refused));
    for version in 1..20 {
        let (current, next) = (longest("a"), Some(longest("b")));
        let stored = ready(store.provision(version, current, next)).unwrap().into_stored();
        ready(store.mark_time(UnixTime::from_secs(version.into()))).unwrap();
        let loaded = ready(store.load()).unwrap().unwrap();
        assert_eq!(snapshot_of(&loaded), snapshot_of(&stored));
        assert_eq!(loaded.version(), version);
    }
}

#[test]
fn sec_320_nothing_of_a_key_is_shown() {
    let secret = [0x5a; 32];
    let binding = Binding { secret: Some(&secret), ..Binding::new(RESOURCE) };
    let mut store = open_as(Small::new(PAGES, Overwrite::Refused), &binding).unwrap();
    let provisioned = ready(store.provision(1, key(1), Some(key(2)))).unwrap();
    let shown = format!("{store:?} {binding:?} {provisioned:?} {:?}", key(3));
    assert!(shown.contains("k1") && shown.contains("k2") && shown.contains("k3"), "{shown}");
    // Neither as a list of numbers nor in hexadecimal digits.
    assert!(!shown.contains("90") && !shown.to_lowercase().contains("5a"), "{shown}");
}
