//! Which provisioning is taken.

use super::*;

/// A store with the keys of `version`, and a running change of keys.
fn provisioned(version: u32) -> Store<4, 1024> {
    let mut store = open(Small::new(PAGES, Overwrite::Refused));
    let stored = ready(store.provision(version, key(1), None)).unwrap().into_stored();
    assert_eq!((stored.version(), stored.sequence()), (version, 1));
    store
}

/// What a provisioning with the key of `number` makes of a store, and which key is the current one then.
#[track_caller]
fn check(
    store: &mut Store<4, 1024>,
    (version, number): (u32, u32),
    expected: Result<&str, StorageError<FlashError>>,
    current: u32,
) {
    let result = match ready(store.provision(version, key(number), None)) {
        Ok(Provisioned::Stored(_)) => Ok("stored"),
        Ok(Provisioned::Kept(_)) => Ok("kept"),
        Err(error) => Err(error),
    };
    assert_eq!(result, expected);
    let stored = ready(store.load()).unwrap().unwrap();
    assert_eq!(stored.current().id(), key(current).id());
    assert_eq!(stored.current().bytes(), key(current).bytes());
}

#[test]
fn sec_510_an_old_provisioning_is_refused() {
    let mut store = provisioned(7);
    for version in [0, 1, 6] {
        check(&mut store, (version, 2), Err(StorageError::Version), 1);
    }
    check(&mut store, (8, 3), Ok("stored"), 3);
    // The one before was right until now.
    check(&mut store, (7, 1), Err(StorageError::Version), 3);
    check(&mut store, (u32::MAX, 4), Ok("stored"), 4);
    check(&mut store, (8, 3), Err(StorageError::Version), 4);
}

#[test]
fn sec_510_the_same_provisioning_again_does_not_undo_a_rotation() {
    let mut store = provisioned(7);
    let live = live();
    check(&mut store, (7, 1), Ok("kept"), 1);
    // Other keys under the same number are not taken either.
    check(&mut store, (7, 9), Ok("kept"), 1);
    ready(store.add_next(key(2), &live)).unwrap();
    check(&mut store, (7, 1), Ok("kept"), 1);
    assert_eq!(ready(store.load()).unwrap().unwrap().next().unwrap().id(), key(2).id());
    ready(store.rotate(&live)).unwrap();
    check(&mut store, (7, 1), Ok("kept"), 2);
    // A new one does.
    check(&mut store, (8, 1), Ok("stored"), 1);
    assert_eq!(ready(store.load()).unwrap().unwrap().next().map(Key::id), None);
}

#[test]
fn sec_510_refused_also_after_a_restart() {
    let store = provisioned(7);
    let mut store = open(store.copies.into_flash());
    check(&mut store, (6, 2), Err(StorageError::Version), 1);
    // Who erases the flash makes the device forget; that takes more than a message.
    ready(store.erase()).unwrap();
    assert_eq!(snapshot(&mut store), Ok(Snapshot::EMPTY));
    check(&mut store, (6, 2), Ok("stored"), 2);
}

#[test]
fn sec_507_two_keys_of_one_name_are_not_stored() {
    let mut store = provisioned(7);
    let before = snapshot(&mut store).unwrap();
    let twin = Key::new(id("k2"), &[3; 32]).unwrap();
    let refused = ready(store.provision(8, key(2), Some(twin)));
    assert_eq!(refused.err(), Some(StorageError::Key(KeyError::DuplicateKeyId)));
    assert_eq!(snapshot(&mut store), Ok(before));
    let stored = ready(store.provision(8, key(2), Some(key(3)))).unwrap().into_stored();
    assert_eq!(stored.ring().unwrap().next_id(), Some(key(3).id()));
}

#[test]
fn sec_507_what_is_not_stored_does_not_verify() {
    let mut store = provisioned(1);
    let live = live();
    // In words: both logs, but for their last one.
    for step in [0, 1, 20, 45, 80] {
        let mut flash = store.copies.into_flash();
        flash.cut_at(step, flash::Tear::Before, 0);
        store = open(flash);
        let result = ready(store.add_next(key(2), &live));
        assert_eq!(result, Err(StorageError::Flash(FlashError::NoPower)), "{step}");
        assert_eq!(live.current_id(), Some(id("before")), "{step}");
        let mut flash = store.copies.into_flash();
        flash.restart();
        store = open(flash);
        let stored = ready(store.load()).unwrap().unwrap();
        if stored.next().is_some() {
            // One copy was whole: the change was made, and the error said that this is not known.
            assert!(step > 40, "{step}");
            return;
        }
    }
    unreachable!("the last cut is in the second copy");
}
