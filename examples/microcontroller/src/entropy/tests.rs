use super::*;

/// A small generator that passes for a good source (SplitMix64).
fn good() -> impl FnMut() -> u8 {
    let mut state = 0_u64;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 56) as u8
    }
}

/// `bad` in place of the good source from a sample on.
fn good_until(mut samples: usize, mut bad: impl FnMut() -> u8) -> impl FnMut() -> u8 {
    let mut good = good();
    move || {
        if samples == 0 {
            return bad();
        }
        samples -= 1;
        good()
    }
}

fn filled(len: usize, source: impl FnMut() -> u8) -> Result<std::vec::Vec<u8>, Stuck> {
    let mut bytes = std::vec![0; len];
    fill(&mut bytes, source).map(|()| bytes)
}

#[test]
fn sec_513_a_good_source_gives_bytes_that_do_not_repeat() {
    let mut source = good();
    let mut blocks = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let bytes = filled(3 * BLOCK_LEN, &mut source).unwrap();
        for block in bytes.chunks(BLOCK_LEN) {
            assert!(blocks.insert(block.to_vec()));
        }
    }
}

#[test]
fn sec_513_any_length_is_filled() {
    for len in [0, 1, 8, 31, 32, 33, 64, 100] {
        let bytes = filled(len, good()).unwrap();
        assert_eq!(bytes.len(), len);
        // A byte of zero happens; half of them do not.
        assert!(bytes.iter().filter(|byte| **byte == 0).count() <= len / 2, "{len}");
    }
}

#[test]
fn sec_513_a_stuck_source_is_refused_from_the_start() {
    for value in [0x00, 0x55, 0xaa, 0xff] {
        assert_eq!(filled(8, || value), Err(Stuck), "{value:#04x}");
    }
}

#[test]
fn sec_513_a_source_that_gets_stuck_is_refused_and_nothing_is_given() {
    let samples = START_UP_SAMPLES + BLOCK_SAMPLES;
    // In the start-up test, in the first block, in the second, as late as can be seen.
    for at in [1, START_UP_SAMPLES, samples, samples + BLOCK_SAMPLES - 61] {
        let mut bytes = [0xee; 2 * BLOCK_LEN];
        assert_eq!(fill(&mut bytes, good_until(at, || 0)), Err(Stuck), "{at}");
        assert_eq!(bytes, [0; 2 * BLOCK_LEN], "{at}");
    }
}

#[test]
fn sec_513_a_source_locked_to_the_clock_is_refused() {
    for period in 1..=LAGS {
        let mut at = 0;
        let locked = move || {
            at = (at + 1) % period;
            at as u8
        };
        assert_eq!(filled(8, locked), Err(Stuck), "{period}");
    }
}

#[test]
fn sec_513_a_source_that_mostly_gives_one_value_is_refused() {
    // Every seventh sample is another: never long in a row, and not periodic within the lags.
    let mut at = 0_u32;
    let mut other = good();
    let biased = move || {
        at += 1;
        if at.is_multiple_of(7) { other() | 1 } else { 0 }
    };
    assert_eq!(filled(8, biased), Err(Stuck));
}

#[test]
fn the_longest_repetition_that_is_allowed() {
    let run = |len| {
        let mut health = Health::new();
        (0..len).try_for_each(|_| health.test(7))
    };
    assert_eq!(run(REPETITIONS_MAX), Ok(()));
    assert_eq!(run(REPETITIONS_MAX + 1), Err(Stuck));
}

#[test]
fn the_largest_proportion_that_is_allowed() {
    let window = |equal: u16| {
        let mut health = Health::new();
        (0..WINDOW_LEN).try_for_each(|at| health.adaptive_proportion(u8::from(at >= equal)))
    };
    assert_eq!(window(PROPORTION_MAX), Ok(()));
    assert_eq!(window(PROPORTION_MAX + 1), Err(Stuck));
}

#[test]
fn a_new_window_counts_anew() {
    let mut health = Health::new();
    for value in [1, 2, 1] {
        for at in 0..WINDOW_LEN {
            let sample = if at < PROPORTION_MAX { value } else { 9 };
            assert_eq!(health.adaptive_proportion(sample), Ok(()));
        }
    }
}
