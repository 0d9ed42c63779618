//! The power goes at every step of every operation, and again while that is mended.

use std::println;

use super::flash::{Random, Tear};
use super::*;

/// So many that each page is used again several times.
const OPERATIONS: u32 = 40;
/// More steps than any operation has.
const STEPS_MAX: usize = 10_000;

fn is_cut<const WORD: usize, const PAGE: usize>(
    before: &Flash<WORD, PAGE>,
    finished: &Flash<WORD, PAGE>,
    index: u32,
) -> bool {
    finished.erases > before.erases || index.is_multiple_of(8)
}

/// Whether the device stores the time: one with a calendar does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marks {
    Stored,
    None,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Provision(u32),
    AddNext(u32),
    Rotate,
    Mark(u64),
}

impl Operation {
    /// One that changes something, for the `index`th time.
    fn after(before: &Snapshot, index: u32, marks: Marks) -> Self {
        let Some((sequence, version, keys)) = &before.keys else {
            return Self::Provision(1);
        };
        match index % 5 {
            0 | 3 if marks == Marks::Stored => {
                Self::Mark(before.mark.unwrap_or(1_800_000_000) + 3600)
            }
            4 if index.is_multiple_of(3) => Self::Provision(version + 1),
            _ if keys.len() == 1 => Self::AddNext(1000 + u32::try_from(*sequence).unwrap()),
            _ => Self::Rotate,
        }
    }

    fn run<const WORD: usize, const PAGE: usize>(
        self,
        store: &mut Store<WORD, PAGE>,
        live: &LiveKeyRing,
    ) -> Result<(), StorageError<FlashError>> {
        match self {
            Self::Provision(version) => {
                let next = (version % 2 == 0).then(|| key(500 + version));
                ready(store.provision(version, key(version), next)).map(|_| ())
            }
            Self::AddNext(number) => ready(store.add_next(key(number), live)),
            Self::Rotate => ready(store.rotate(live)),
            Self::Mark(secs) => ready(store.mark_time(UnixTime::from_secs(secs))),
        }
    }
}

/// Runs to the end.
fn done<const WORD: usize, const PAGE: usize>(
    flash: Flash<WORD, PAGE>,
    operation: Operation,
) -> (Flash<WORD, PAGE>, Snapshot) {
    let mut store = open(flash);
    operation.run(&mut store, &live()).unwrap();
    let snapshot = snapshot(&mut store).unwrap();
    (store.copies.into_flash(), snapshot)
}

/// Runs an operation during which the power goes; `None` when it was done before that step.
fn cut<const WORD: usize, const PAGE: usize>(
    mut flash: Flash<WORD, PAGE>,
    operation: Operation,
    (step, tear): (usize, Tear),
) -> Option<Flash<WORD, PAGE>> {
    flash.cut_at(step, tear, seed(step, tear));
    let (mut store, live) = (open(flash), live());
    let result = operation.run(&mut store, &live);
    let mut flash = store.copies.into_flash();
    if !flash.restart() {
        assert_eq!(result, Ok(()));
        return None;
    }
    assert_eq!(result, Err(StorageError::Flash(FlashError::NoPower)));
    // What is not surely stored does not verify.
    assert_eq!((live.current_id(), live.next_id()), (Some(id("before")), None));
    Some(flash)
}

fn seed(step: usize, tear: Tear) -> u64 {
    let tear = Tear::ALL.iter().position(|it| *it == tear).unwrap();
    u64::try_from(step * Tear::ALL.len() + tear).unwrap()
}

/// What is found after a restart is one of two, stays so, and can be changed.
#[track_caller]
fn check<const WORD: usize, const PAGE: usize>(
    flash: Flash<WORD, PAGE>,
    [before, after]: [&Snapshot; 2],
    context: impl core::fmt::Debug,
) -> Snapshot {
    let mut store = open(flash);
    let found = snapshot(&mut store).unwrap_or_else(|error| panic!("{context:?}: {error:?}"));
    assert!(found == *before || found == *after, "{context:?}: {found:?}");
    let mut store = open(store.copies.into_flash());
    assert_eq!(snapshot(&mut store).as_ref(), Ok(&found), "{context:?}");
    let marks = if found.mark.is_some() { Marks::Stored } else { Marks::None };
    let operation = Operation::after(&found, 1 + 2 * u32::from(found == *before), marks);
    operation.run(&mut store, &live()).unwrap();
    assert_ne!(snapshot(&mut store).as_ref(), Ok(&found), "{context:?}");
    found
}

/// Cuts the operations of a long life at every step, in every way: all that use a page again, and some
/// of the others, which are all alike.
fn cut_everywhere<const WORD: usize, const PAGE: usize>(
    overwrite: Overwrite,
    operations: u32,
    marks: Marks,
) {
    let mut flash = Flash::<WORD, PAGE>::new(PAGES, overwrite);
    let mut before = Snapshot::EMPTY;
    let (mut cuts, mut old) = (0, 0);
    for index in 0..operations {
        let operation = Operation::after(&before, index, marks);
        let (finished, after) = done(flash.clone(), operation);
        let ways = if is_cut(&flash, &finished, index) { Tear::ALL.as_slice() } else { &[] };
        for tear in ways.iter().copied() {
            for step in 0.. {
                let Some(torn) = cut(flash.clone(), operation, (step, tear)) else { break };
                let found = check(torn, [&before, &after], (index, operation, step, tear));
                cuts += 1;
                old += u32::from(found == before);
            }
        }
        (flash, before) = (finished, after);
    }
    println!(
        "{WORD}-byte words, {PAGE}-byte pages, {overwrite:?}, marks {marks:?}: {cuts} cuts in {operations} operations, {} erases: \
         {old} times the old record, {} times the new one",
        flash.erases,
        cuts - old
    );
    // In both logs.
    assert!(flash.erases >= 2, "pages are used again: {}", flash.erases);
    assert!(old > 0 && old < cuts);
}

#[test]
fn sec_508_a_cut_anywhere_leaves_the_old_record_or_the_new_one() {
    cut_everywhere::<4, 1024>(Overwrite::And, OPERATIONS, Marks::Stored);
}

#[test]
fn sec_508_so_on_a_device_that_never_stores_the_time() {
    cut_everywhere::<4, 1024>(Overwrite::And, OPERATIONS / 2, Marks::None);
}

#[test]
fn sec_508_so_with_flash_that_refuses_to_write_twice() {
    cut_everywhere::<8, 1024>(Overwrite::Refused, OPERATIONS, Marks::Stored);
}

#[test]
fn sec_508_so_with_single_bytes() {
    cut_everywhere::<1, 1024>(Overwrite::And, OPERATIONS / 3, Marks::Stored);
}

#[test]
fn sec_508_so_with_the_longest_words() {
    cut_everywhere::<32, 1024>(Overwrite::Refused, OPERATIONS, Marks::Stored);
}

#[test]
fn sec_508_a_cut_while_a_cut_is_mended_leaves_the_same() {
    let mut flash = Small::new(PAGES, Overwrite::And);
    let mut before = Snapshot::EMPTY;
    let (mut cuts, mut mended) = (0, 0);
    for index in 0..OPERATIONS {
        let operation = Operation::after(&before, index, Marks::Stored);
        let (finished, after) = done(flash.clone(), operation);
        // Not every step, but every way beside every other one.
        let steps = if is_cut(&flash, &finished, index) { 0..STEPS_MAX } else { 0..0 };
        for step in steps.step_by(7) {
            let tear = Tear::ALL[step % Tear::ALL.len()];
            let Some(torn) = cut(flash.clone(), operation, (step, tear)) else { break };
            for again in 0.. {
                let mut torn = torn.clone();
                let tear = Tear::ALL[(step / 7 + again) % Tear::ALL.len()];
                torn.cut_at(again, tear, seed(again, tear));
                let mut store = open(torn);
                let result = snapshot(&mut store);
                let mut torn = store.copies.into_flash();
                if !torn.restart() {
                    mended += u32::from(again > 0);
                    break;
                }
                assert_eq!(result, Err(StorageError::Flash(FlashError::NoPower)));
                check(torn, [&before, &after], (index, operation, step, again, tear));
                cuts += 1;
            }
        }
        (flash, before) = (finished, after);
    }
    println!("{mended} torn flashes were mended, and that was cut {cuts} times");
    assert!(mended > 50 && cuts > 1000);
}

#[test]
fn sec_508_a_device_that_never_gets_enough_power_loses_nothing() {
    let mut flash = Small::new(PAGES, Overwrite::And);
    let mut random = Random(7);
    let mut before = Snapshot::EMPTY;
    let mut cuts = 0;
    for index in 0..1_500 {
        let operation = Operation::after(&before, index, Marks::Stored);
        let after = done(flash.clone(), operation).1;
        let tear = Tear::ALL[usize::try_from(random.below(6)).unwrap()];
        let step = usize::try_from(random.below(200)).unwrap();
        flash = match cut(flash.clone(), operation, (step, tear)) {
            Some(torn) => torn,
            None => done(flash, operation).0,
        };
        let mut store = open(flash);
        let found = snapshot(&mut store).unwrap();
        assert!(found == before || found == after, "{index}: {found:?}");
        cuts += u32::from(found == before);
        flash = store.copies.into_flash();
        before = found;
    }
    println!("{cuts} of 1500 operations were undone by a cut");
    assert!(cuts > 200);
}
