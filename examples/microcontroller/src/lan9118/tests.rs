//! The driver against the model of the chip.

use super::{chip::Chip, *};
use core::task::Waker;
use std::{
    boxed::Box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
    vec::Vec,
};

/// A waker that remembers.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Woken {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// A network stack, as far as the driver sees one.
struct Bench {
    chip: Chip,
    woken: Arc<Woken>,
    interrupt: Interrupt,
}

impl Bench {
    fn new() -> Self {
        let woken = Arc::new(Woken::default());
        Self { chip: Chip::new(), woken, interrupt: Interrupt::new() }
    }

    fn start(&self) -> Lan9118<'_, Chip> {
        let frames = Box::leak(Box::new(Frames::new()));
        Lan9118::start(self.chip.clone(), &self.interrupt, frames).unwrap()
    }

    fn receive(&self, driver: &mut Lan9118<'_, Chip>) -> Option<Vec<u8>> {
        let waker = Waker::from(self.woken.clone());
        let (received, _) = driver.receive(&mut Context::from_waker(&waker))?;
        Some(received.consume(|frame| frame.to_vec()))
    }

    fn send(&self, driver: &mut Lan9118<'_, Chip>, frame: &[u8]) -> bool {
        let waker = Waker::from(self.woken.clone());
        let Some(room) = driver.transmit(&mut Context::from_waker(&waker)) else { return false };
        room.consume(frame.len(), |to| to.copy_from_slice(frame));
        true
    }

    fn link_is_up(&self, driver: &mut Lan9118<'_, Chip>) -> bool {
        let waker = Waker::from(self.woken.clone());
        driver.link_state(&mut Context::from_waker(&waker)) == LinkState::Up
    }

    /// The processor's part: the handler runs when the line is up. Whether the stack was woken.
    fn interrupt_wakes(&self) -> bool {
        if self.chip.line_is_up() {
            self.interrupt.raised(&self.chip);
            assert!(!self.chip.line_is_up(), "the handler would be called for ever");
        }
        self.woken.take()
    }
}

fn frame(len: usize) -> Vec<u8> {
    (0..len).map(|index| index as u8).collect()
}

#[test]
fn starts_with_the_address_of_the_chip() {
    let bench = Bench::new();
    let driver = bench.start();
    assert_eq!(driver.hardware_address(), HardwareAddress::Ethernet(chip::ADDRESS));
    assert_eq!(bench.chip.phy_control(), 0x1200, "negotiates");
    assert!(!bench.chip.line_is_up(), "nothing to say yet");
}

#[test]
fn a_chip_that_cannot_be_used_is_refused() {
    #[track_caller]
    fn check(spoil: impl Fn(&Chip), expected: StartError) {
        let bench = Bench::new();
        spoil(&bench.chip);
        let mut frames = Frames::new();
        let started = Lan9118::start(bench.chip.clone(), &bench.interrupt, &mut frames);
        assert_eq!(started.err(), Some(expected));
    }
    check(|chip| chip.byte_test.set(0), StartError::NotFound);
    check(|chip| chip.byte_test.set(0x4321_8765), StartError::NotFound);
    check(|chip| chip.id_rev.set(0x0117_0001), StartError::OtherChip);
    check(|chip| chip.reset_never_ends.set(true), StartError::Stuck);
    check(|chip| chip.mii_never_ends.set(true), StartError::Stuck);
    check(|chip| chip.address.set([0xFF; 6]), StartError::Address);
    check(|chip| chip.address.set([0; 6]), StartError::Address);
    check(|chip| chip.address.set([1, 0, 0x5E, 0, 0, 1]), StartError::Address);
}

#[test]
fn a_burst_finds_room() {
    let bench = Bench::new();
    let mut driver = bench.start();
    let burst = driver.capabilities().max_burst_size.unwrap();
    assert!(burst > 1, "two frames at once are what an acknowledgement comes for");
    (0..burst + 1).for_each(|_| bench.chip.receive(&frame(FRAME_LEN_MAX), 0));
    for _ in 0..burst {
        assert_eq!(bench.receive(&mut driver), Some(frame(FRAME_LEN_MAX)));
    }
    assert_eq!(bench.receive(&mut driver), None, "one more was lost");
}

#[test]
fn frames_arrive_whole_and_in_order() {
    let bench = Bench::new();
    let mut driver = bench.start();
    let lengths = [60, 61, 62, 63, 64, 590, FRAME_LEN_MAX - 1, FRAME_LEN_MAX];
    lengths.iter().for_each(|len| bench.chip.receive(&frame(*len), 0));
    for len in lengths {
        assert_eq!(bench.receive(&mut driver), Some(frame(len)));
    }
    assert_eq!(bench.receive(&mut driver), None);
    assert_eq!(bench.chip.waits(), (0, 0));
}

#[test]
fn damaged_foreign_and_oversized_frames_are_passed_over() {
    #[track_caller]
    fn check(len: usize, flags: u32, arrives: bool) {
        let bench = Bench::new();
        let mut driver = bench.start();
        bench.chip.receive(&frame(len), flags);
        assert_eq!(bench.receive(&mut driver).is_some(), arrives, "{len} {flags:x}");
        // Whatever it was, the next frame is found behind it.
        bench.chip.receive(&frame(60), 0);
        assert_eq!(bench.receive(&mut driver), Some(frame(60)));
        assert_eq!(bench.chip.waits(), (0, 0));
    }
    check(60, 0, true);
    check(60, 1 << 15, false);
    check(60, 1 << 30, false);
    // The flag of a broadcast frame is no fault.
    check(60, 1 << 13, true);
    check(FRAME_LEN_MAX, 0, true);
    check(FRAME_LEN_MAX + 1, 0, false);
    check(0, 0, false);
}

#[test]
fn a_frame_that_nobody_consumes_is_not_lost() {
    let bench = Bench::new();
    let mut driver = bench.start();
    bench.chip.receive(&frame(99), 0);
    let waker = Waker::from(bench.woken.clone());
    assert!(driver.receive(&mut Context::from_waker(&waker)).is_some());
    assert_eq!(bench.receive(&mut driver), Some(frame(99)));
}

#[test]
fn an_answer_is_written_while_the_frame_is_read() {
    let bench = Bench::new();
    let mut driver = bench.start();
    bench.chip.receive(&frame(61), 0);
    let waker = Waker::from(bench.woken.clone());
    let (received, room) = driver.receive(&mut Context::from_waker(&waker)).unwrap();
    received.consume(|question| room.consume(61, |answer| answer.copy_from_slice(question)));
    assert_eq!(*bench.chip.sent.borrow(), [frame(61)]);
}

#[test]
fn frames_leave_whole() {
    let bench = Bench::new();
    let mut driver = bench.start();
    let lengths = [14, 60, 61, 62, 63, FRAME_LEN_MAX];
    for len in lengths {
        assert!(bench.send(&mut driver, &frame(len)));
    }
    assert_eq!(*bench.chip.sent.borrow(), lengths.map(frame));
}

#[test]
fn a_full_transmitter_is_waited_for() {
    let bench = Bench::new();
    let mut driver = bench.start();
    let room = u32::try_from(TX_ROOM).unwrap();
    bench.chip.tx_free_len.set(room - 1);
    assert!(!bench.send(&mut driver, &frame(60)));
    assert!(!bench.interrupt_wakes());
    // Not even received: there is no room for an answer.
    bench.chip.receive(&frame(60), 0);
    assert_eq!(bench.receive(&mut driver), None);
    bench.interrupt_wakes();
    assert_eq!(bench.receive(&mut driver), None);

    bench.chip.set_tx_free_len(room);
    assert!(bench.interrupt_wakes());
    assert!(bench.send(&mut driver, &frame(60)));
    assert_eq!(bench.receive(&mut driver), Some(frame(60)));
}

#[test]
fn a_frame_wakes_the_stack_once_it_waits() {
    let bench = Bench::new();
    let mut driver = bench.start();
    for _ in 0..3 {
        assert_eq!(bench.receive(&mut driver), None);
        assert!(!bench.interrupt_wakes());
        bench.chip.receive(&frame(60), 0);
        assert!(bench.interrupt_wakes());
        assert_eq!(bench.receive(&mut driver), Some(frame(60)));
        // While frames are taken one after another the chip stays silent.
        bench.chip.receive(&frame(61), 0);
        assert!(!bench.interrupt_wakes());
        assert_eq!(bench.receive(&mut driver), Some(frame(61)));
    }
}

#[test]
fn the_link_comes_and_goes() {
    let bench = Bench::new();
    bench.chip.link_is_up.set(false);
    let mut driver = bench.start();
    assert!(!bench.link_is_up(&mut driver));
    for is_up in [true, false, true] {
        assert_eq!(bench.receive(&mut driver), None);
        assert!(!bench.interrupt_wakes());
        bench.chip.set_link(is_up);
        assert!(bench.interrupt_wakes());
        assert_eq!(bench.link_is_up(&mut driver), is_up);
    }
}

#[test]
fn a_silent_phy_is_a_link_that_is_down() {
    let bench = Bench::new();
    let mut driver = bench.start();
    assert!(bench.link_is_up(&mut driver));
    bench.chip.mii_never_ends.set(true);
    bench.chip.set_link(true);
    assert!(!bench.link_is_up(&mut driver));
}

#[test]
fn debug_shows_no_frame() {
    let bench = Bench::new();
    let mut driver = bench.start();
    bench.chip.receive(&[77; 60], 0);
    assert!(bench.receive(&mut driver).is_some());
    assert!(!std::format!("{driver:?}").contains("77"));
}
