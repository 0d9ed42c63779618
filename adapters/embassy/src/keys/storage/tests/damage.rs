//! Flash that is not as it was left: decayed, exchanged, put back.

use std::{println, vec};

use sequential_storage::{
    cache::Cache,
    map::{MapConfig, MapStorage},
};

use super::flash::Random;
use super::*;

const SECRET: [u8; 32] = [0x33; 32];
const OTHER_SECRET: [u8; 32] = [0x34; 32];

fn with_secret(secret: &[u8; 32]) -> Binding<'_> {
    Binding { secret: Some(secret), ..Binding::new(RESOURCE) }
}

/// A device that was provisioned, whose keys were changed twice, and that marked the time after each step.
fn used(binding: &Binding<'_>) -> (Small, Snapshot) {
    let mut store = open_as(Small::new(PAGES, Overwrite::And), binding).unwrap();
    let live = live();
    let mut time = 1_800_000_000;
    let mut mark = |store: &mut Store<4, 1024>| {
        time += 3600;
        ready(store.mark_time(UnixTime::from_secs(time))).unwrap();
    };
    ready(store.provision(1, key(1), None)).unwrap();
    mark(&mut store);
    ready(store.add_next(key(2), &live)).unwrap();
    mark(&mut store);
    ready(store.rotate(&live)).unwrap();
    mark(&mut store);
    let snapshot = snapshot(&mut store).unwrap();
    (store.copies.into_flash(), snapshot)
}

fn found(flash: Small, binding: &Binding<'_>) -> Result<Snapshot, StorageError<FlashError>> {
    snapshot(&mut open_as(flash, binding).unwrap())
}

#[test]
fn sec_509_one_damaged_byte_anywhere_changes_nothing() {
    let (flash, before) = used(&Binding::new(RESOURCE));
    let mut cases = 0;
    for at in 0..flash.bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = flash.clone();
            damaged.bytes[at] ^= change;
            let mut store = open(damaged);
            assert_eq!(snapshot(&mut store).as_ref(), Ok(&before), "{at} {change:#x}");
            cases += 1;
            if at % 16 == 0 {
                // And the device can go on.
                ready(store.provision(2, key(5), None)).unwrap();
                let mut store = open(store.copies.into_flash());
                assert_eq!(ready(store.load()).unwrap().unwrap().version(), 2, "{at} {change:#x}");
            }
        }
    }
    println!("{cases} damaged bytes, of which none was noticed outside");
}

/// What may come of flash that has lost both copies of something: the keys as they are, none, or an error.
/// Never other keys, and never those of before.
#[track_caller]
fn check_never_other(flash: Small, before: &Snapshot, context: impl core::fmt::Debug) -> bool {
    match found(flash, &Binding::new(RESOURCE)) {
        Ok(found) => {
            // When all copies of everything are gone it is like new: without keys.
            if found == Snapshot::EMPTY {
                return false;
            }
            // The mark alone may be an older one, when both copies of the latest are gone.
            assert_eq!(found.keys, before.keys, "{context:?}");
            assert!(found.mark <= before.mark, "{context:?}");
            found.mark == before.mark
        }
        Err(error) => {
            let expected = [StorageError::Damaged, StorageError::RolledBack];
            assert!(expected.contains(&error), "{context:?}: {error:?}");
            false
        }
    }
}

#[test]
fn sec_509_with_one_copy_left_a_damaged_byte_never_gives_other_keys() {
    let (flash, before) = used(&Binding::new(RESOURCE));
    let half = flash.bytes.len() / 2;
    let (mut refused, mut whole) = (0, 0);
    for lost in [0..half, half..2 * half] {
        let mut single = flash.clone();
        single.bytes[lost.clone()].fill(0xff);
        assert!(check_never_other(single.clone(), &before, &lost), "one copy is enough");
        for at in (0..flash.bytes.len()).filter(|at| !lost.contains(at)) {
            for change in [0x01, 0xff] {
                let mut damaged = single.clone();
                damaged.bytes[at] ^= change;
                if check_never_other(damaged, &before, (at, change)) {
                    whole += 1;
                } else {
                    refused += 1;
                }
            }
        }
    }
    println!(
        "one copy lost and a byte damaged: {whole} times all there, {refused} times refused or an older mark"
    );
    assert!(refused > 100 && whole > 100);
}

#[test]
fn sec_509_much_damage_never_gives_keys_that_were_not_stored() {
    let binding = Binding::new(RESOURCE);
    let (flash, before) = used(&binding);
    let counted = Binding { sequence_min: 3, ..binding };
    let mut random = Random(11);
    let (mut whole, mut refused, mut none, mut older) = (0, 0, 0, 0);
    for case in 0..3_000 {
        let mut damaged = flash.clone();
        for _ in 0..=random.below(1 << (case % 8)) {
            let at = usize::try_from(random.below(4096)).unwrap();
            damaged.bytes[at] ^= u8::try_from(1 + random.below(255)).unwrap();
        }
        match found(damaged.clone(), &binding).map(|found| found.keys) {
            Ok(keys) if keys == before.keys => whole += 1,
            // Both copies of both latest records are gone, as if they had never been written.
            Ok(keys) => {
                let once = [vec![], vec!["k1"], vec!["k1", "k2"]];
                let keys = keys.map_or(vec![], |(.., keys)| keys);
                assert!(once.iter().any(|once| keys.iter().map(|(id, _)| id).eq(once)), "{case}");
                assert!(keys.iter().all(|(id, bytes)| {
                    [key(1), key(2)]
                        .iter()
                        .any(|key| key.id().as_str() == id && key.bytes() == bytes)
                }));
                assert_eq!(found(damaged, &counted), Err(StorageError::RolledBack), "{case}");
                if keys.is_empty() { none += 1 } else { older += 1 }
            }
            Err(StorageError::Damaged | StorageError::RolledBack) => refused += 1,
            Err(error) => panic!("{case}: {error:?}"),
        }
    }
    println!(
        "3000 much damaged flashes: {whole} with the keys, {refused} refused, {none} with none, {older} with older ones"
    );
    assert!(whole > 1000 && refused > 10);
}

/// A log that is no log any more, and not for one byte: with time marks in the other one, and on a device that
/// never stored one.
#[test]
fn sec_509_one_copy_lost_in_any_way_is_mended() {
    let binding = Binding::new(RESOURCE);
    let without_marks = || {
        let mut store = open(Small::new(PAGES, Overwrite::And));
        ready(store.provision(1, key(1), Some(key(2)))).unwrap();
        ready(store.rotate(&live())).unwrap();
        let snapshot = snapshot(&mut store).unwrap();
        (store.copies.into_flash(), snapshot)
    };
    for (flash, before) in [used(&binding), without_marks()] {
        let mut random = Random(5);
        let half = flash.bytes.len() / 2;
        let fills = [0x00, 0x01, 0x55, 0xaa, 0xfe, 0xff].map(|byte| vec![byte; half]);
        let random =
            (0..200).map(|_| (0..half).map(|_| u8::try_from(random.below(256)).unwrap()).collect());
        for fill in fills.into_iter().chain(random) {
            for (lost, kept) in [(0, half), (half, 0)] {
                let mut damaged = flash.clone();
                damaged.bytes[lost..][..half].copy_from_slice(&fill);
                let mut store = open(damaged);
                assert_eq!(snapshot(&mut store).as_ref(), Ok(&before), "{lost} {:?}", &fill[..4]);
                // It is in both again.
                let mut mended = store.copies.into_flash();
                mended.bytes[kept..][..half].copy_from_slice(&fill);
                assert_eq!(
                    found(mended, &binding).as_ref(),
                    Ok(&before),
                    "{kept} {:?}",
                    &fill[..4]
                );
            }
            let mut lost = flash.clone();
            for start in [0, half] {
                lost.bytes[start..][..half].copy_from_slice(&fill);
            }
            // Both are too many.
            assert!(matches!(
                found(lost, &binding),
                Ok(Snapshot::EMPTY) | Err(StorageError::Damaged)
            ));
        }
    }
}

/// Where everything is lost there is nothing to be told from a new device: no keys, nobody is admitted.
#[test]
fn sec_509_an_erased_flash_has_no_keys() {
    let (mut flash, _) = used(&Binding::new(RESOURCE));
    flash.bytes.fill(0xff);
    assert_eq!(found(flash.clone(), &Binding::new(RESOURCE)), Ok(Snapshot::EMPTY));
    // A board that counts knows better.
    let counted = Binding { sequence_min: 1, ..Binding::new(RESOURCE) };
    assert_eq!(found(flash, &counted), Err(StorageError::RolledBack));
}

#[test]
fn sec_509_the_record_of_another_device_is_refused() {
    let (flash, before) = used(&Binding::new(RESOURCE));
    let other = Binding::new("https://thermometer-2.example/mcp");
    assert_eq!(found(flash.clone(), &other), Err(StorageError::Foreign));
    assert_eq!(found(flash, &Binding::new(RESOURCE)), Ok(before));

    // Half of the flash of another device, in either place.
    for half in [0..2048, 2048..4096] {
        let (mut mixed, _) = used(&Binding::new(RESOURCE));
        let (foreign, _) = used(&other);
        mixed.bytes[half.clone()].copy_from_slice(&foreign.bytes[half]);
        assert_eq!(found(mixed, &Binding::new(RESOURCE)), Err(StorageError::Foreign));
    }
}

#[test]
fn sec_509_with_a_secret_nobody_else_makes_a_record() {
    let (flash, before) = used(&with_secret(&SECRET));
    assert_eq!(found(flash.clone(), &with_secret(&SECRET)), Ok(before));
    assert_eq!(found(flash.clone(), &with_secret(&OTHER_SECRET)), Err(StorageError::Damaged));
    // Neither with another secret nor without one.
    assert_eq!(found(flash, &Binding::new(RESOURCE)), Err(StorageError::Damaged));
    let (forged, _) = used(&Binding::new(RESOURCE));
    assert_eq!(found(forged, &with_secret(&SECRET)), Err(StorageError::Damaged));
}

/// Without a counter outside of the flash nothing tells an old image from the present one; with one it is
/// refused, and the present one is not.
#[test]
fn sec_509_an_old_image_is_refused_by_a_counter() {
    let binding = Binding::new(RESOURCE);
    let (old, before) = used(&binding);
    let mut store = open(old.clone());
    let live = live();
    ready(store.add_next(key(8), &live)).unwrap();
    let sequence = ready(store.load()).unwrap().unwrap().sequence();
    let present = store.copies.into_flash();

    let counted = Binding { sequence_min: sequence, ..binding };
    assert_eq!(found(old.clone(), &counted), Err(StorageError::RolledBack));
    assert!(found(present.clone(), &counted).is_ok());
    assert_eq!(found(old.clone(), &binding), Ok(before));

    // Half of it is noticed without one: the other half has the newer record.
    for half in [0..2048, 2048..4096] {
        let mut mixed = present.clone();
        mixed.bytes[half.clone()].copy_from_slice(&old.bytes[half]);
        assert_eq!(found(mixed, &binding), found(present.clone(), &binding));
    }
}

#[test]
fn sec_509_a_refused_flash_is_left_as_it_is_and_can_be_erased() {
    let (flash, _) = used(&Binding::new("https://thermometer-2.example/mcp"));
    let mut store = open(flash.clone());
    let refused = Err(StorageError::Foreign);
    assert_eq!(ready(store.provision(9, key(9), None)).map(|_| ()), refused);
    assert_eq!(ready(store.rotate(&live())), refused);
    assert_eq!(ready(store.add_next(key(9), &live())), refused);
    assert_eq!(ready(store.mark_time(UnixTime::from_secs(u64::MAX))), refused);
    let untouched = store.copies.into_flash();
    assert_eq!(untouched.bytes, flash.bytes);

    let mut store = open(untouched);
    ready(store.erase()).unwrap();
    assert!(ready(store.provision(1, key(9), None)).is_ok());
    assert_eq!(ready(store.load()).unwrap().unwrap().current().id(), key(9).id());
}

/// Puts raw records into both logs.
fn with_raw(records: [&[u8]; 2]) -> Small {
    let mut flash = Small::new(PAGES, Overwrite::And);
    for (start, record) in [0, 2048].into_iter().zip(records) {
        let config = MapConfig::new(start..start + 2048);
        let mut map = MapStorage::<u8, _, _>::new(&mut flash, config, Cache::new_uncached());
        ready(map.store_item(&mut [0; 512], &1, &record)).unwrap();
    }
    flash
}

/// A record of the keys, as it lies in the flash.
fn raw(sequence: u64, number: u32) -> Vec<u8> {
    let seal = Seal::new(&Binding::new(RESOURCE)).unwrap();
    let stored = Stored { sequence, version: 1, current: key(number), next: None };
    let mut buffer = [0; 512];
    let len = seal.write(&Content::Keys(&stored), &mut buffer).unwrap();
    buffer[..len].to_vec()
}

#[test]
fn sec_509_records_that_this_firmware_does_not_write_are_refused() {
    let check = |records: [&[u8]; 2], expected: Result<u64, StorageError<FlashError>>| {
        let found = found(with_raw(records), &Binding::new(RESOURCE));
        assert_eq!(found.map(|found| found.keys.unwrap().0), expected);
    };
    let (good, newer, rival) = (raw(3, 1), raw(4, 2), raw(3, 2));
    let mut later_format = raw(5, 1);
    later_format[0] = 2;
    check([&good, &good], Ok(3));
    check([&good, &newer], Ok(4));
    check([&newer, &good], Ok(4));
    // Two of one age that differ: one of them is nobody's.
    check([&good, &rival], Err(StorageError::Damaged));
    check([&good, &later_format], Err(StorageError::Format));
    check([&later_format, &good], Err(StorageError::Format));
    // Too short, too long, or changed under a good checksum of the log.
    let changed = |at: usize| {
        let mut changed = good.clone();
        changed[at] ^= 1;
        changed
    };
    for at in 1..good.len() {
        let changed = changed(at);
        check([&changed, &changed], Err(StorageError::Damaged));
        check([&changed, &good], Ok(3));
    }
    for len in [0, 1, 31, 32, 33, 72, good.len() - 1] {
        check([&good[..len], &good[..len]], Err(StorageError::Damaged));
    }
    let longer = [good.as_slice(), &[0]].concat();
    check([&longer, &longer], Err(StorageError::Damaged));
}
