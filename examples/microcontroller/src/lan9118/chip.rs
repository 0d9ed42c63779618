//! A model of the chip for the driver's tests, written after the data sheet, not after the driver.

use super::registers::{Register, Registers};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    vec::Vec,
};

/// The Ethernet address in the model's EEPROM.
pub(super) const ADDRESS: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// The state of the model; the driver's handle and the test's are the same chip.
#[derive(Clone)]
pub(super) struct Chip(Rc<State>);

pub(super) struct State {
    pub(super) id_rev: Cell<u32>,
    pub(super) byte_test: Cell<u32>,
    pub(super) address: Cell<[u8; 6]>,
    pub(super) reset_never_ends: Cell<bool>,
    pub(super) mii_never_ends: Cell<bool>,
    pub(super) link_is_up: Cell<bool>,
    pub(super) tx_free_len: Cell<u32>,
    /// What the driver wrote, as complete frames.
    pub(super) sent: RefCell<Vec<Vec<u8>>>,
    /// Received frames, once as status words and once as the words of all of them in a row.
    rx_status: RefCell<VecDeque<u32>>,
    rx_data: RefCell<VecDeque<u32>>,
    tx_words: RefCell<Vec<u32>>,
    int_status: Cell<u32>,
    int_enabled: Cell<u32>,
    irq_cfg: Cell<u32>,
    mac: RefCell<[u32; 8]>,
    mac_data: Cell<u32>,
    phy: RefCell<[u16; 32]>,
    phy_interrupts: Cell<u16>,
}

impl core::fmt::Debug for Chip {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Chip")
    }
}

impl core::ops::Deref for Chip {
    type Target = State;
    fn deref(&self) -> &State {
        &self.0
    }
}

impl Chip {
    pub(super) fn new() -> Self {
        Self(Rc::new(State {
            id_rev: Cell::new(0x0118_0001),
            byte_test: Cell::new(0x8765_4321),
            address: Cell::new(ADDRESS),
            reset_never_ends: Cell::new(false),
            mii_never_ends: Cell::new(false),
            link_is_up: Cell::new(true),
            tx_free_len: Cell::new(4608),
            sent: RefCell::default(),
            rx_status: RefCell::default(),
            rx_data: RefCell::default(),
            tx_words: RefCell::default(),
            int_status: Cell::new(0),
            int_enabled: Cell::new(u32::MAX),
            irq_cfg: Cell::new(0),
            mac: RefCell::default(),
            mac_data: Cell::new(0),
            phy: RefCell::default(),
            phy_interrupts: Cell::new(0),
        }))
    }

    /// A frame arrives. Nothing happens while the receiver is off, or has no room.
    pub(super) fn receive(&self, frame: &[u8], flags: u32) {
        if self.mac.borrow()[1] & 1 << 2 == 0 {
            return;
        }
        let with_check_sequence = [frame, &[0xC5; 4]].concat();
        if 4 * self.rx_data.borrow().len() + with_check_sequence.len().next_multiple_of(4) > 10_560
        {
            return;
        }
        let words = with_check_sequence.chunks(4).map(|bytes| {
            let mut word = [0xEE; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            u32::from_le_bytes(word)
        });
        self.rx_data.borrow_mut().extend(words);
        let len = u32::try_from(with_check_sequence.len()).unwrap();
        self.rx_status.borrow_mut().push_back(len << 16 | flags);
        self.raise(1 << 3);
    }

    /// The link comes or goes.
    pub(super) fn set_link(&self, is_up: bool) {
        self.link_is_up.set(is_up);
        let event = if is_up { 1 << 6 } else { 1 << 4 };
        if self.phy.borrow()[30] & event != 0 {
            self.phy_interrupts.set(event);
            self.raise(1 << 18);
        }
    }

    /// Room appears in the transmit FIFO.
    pub(super) fn set_tx_free_len(&self, len: u32) {
        self.tx_free_len.set(len);
        self.raise(1 << 9);
    }

    fn raise(&self, interrupts: u32) {
        self.int_status.set(self.int_status.get() | interrupts);
    }

    /// Whether the interrupt line is up: only as active high, push-pull and enabled.
    pub(super) fn line_is_up(&self) -> bool {
        self.irq_cfg.get() & 0x111 == 0x111 && self.int_status.get() & self.int_enabled.get() != 0
    }

    /// Bytes that no driver has taken yet.
    pub(super) fn waits(&self) -> (usize, usize) {
        (self.rx_status.borrow().len(), self.rx_data.borrow().len())
    }

    /// What the driver wrote into the PHY's control register.
    pub(super) fn phy_control(&self) -> u16 {
        self.phy.borrow()[0]
    }

    fn put_tx_word(&self, word: u32) {
        let mut words = self.tx_words.borrow_mut();
        words.push(word);
        let [a, b, data @ ..] = &words[..] else { return };
        let len = (a & 0x7FF) as usize;
        assert_eq!(a & (1 << 13 | 1 << 12), 1 << 13 | 1 << 12, "first and last segment");
        assert_eq!((b & 0x7FF) as usize, len, "the packet is the segment");
        if data.len() == len.div_ceil(4) {
            let mut frame: Vec<u8> = data.iter().flat_map(|word| word.to_le_bytes()).collect();
            frame.truncate(len);
            self.sent.borrow_mut().push(frame);
            words.clear();
        }
    }

    fn access_mac(&self, command: u32) {
        assert_ne!(command & 1 << 31, 0, "an access starts with the busy bit");
        let index = (command & 0xFF) as usize;
        if command & 1 << 30 != 0 {
            let [a, b, c, d, e, f] = self.address.get();
            self.mac_data.set(match index {
                2 => u32::from_le_bytes([e, f, 0, 0]),
                3 => u32::from_le_bytes([a, b, c, d]),
                6 if self.mii_never_ends.get() => self.mac.borrow()[6] | 1,
                6 => self.mac.borrow()[6] & !1,
                _ => self.mac.borrow()[index],
            });
        } else {
            self.mac.borrow_mut()[index] = self.mac_data.get();
            if index == 6 {
                self.access_phy(self.mac_data.get());
            }
        }
    }

    fn access_phy(&self, access: u32) {
        assert_eq!(access >> 11 & 0x1F, 1, "the internal PHY has address 1");
        let index = (access >> 6 & 0x1F) as usize;
        if access & 2 != 0 {
            self.phy.borrow_mut()[index] = self.mac.borrow()[7] as u16;
            return;
        }
        let value = match index {
            1 => u16::from(self.link_is_up.get()) << 2,
            29 => self.phy_interrupts.take(),
            _ => self.phy.borrow()[index],
        };
        self.mac.borrow_mut()[7] = u32::from(value);
    }
}

impl Registers for Chip {
    fn read(&self, register: Register) -> u32 {
        match register {
            Register::RxData => self.rx_data.borrow_mut().pop_front().expect("a word to read"),
            Register::RxStatus => self.rx_status.borrow_mut().pop_front().expect("a status"),
            Register::RxStatusPeek => *self.rx_status.borrow().front().expect("a status"),
            Register::IdRev => self.id_rev.get(),
            Register::ByteTest => self.byte_test.get(),
            Register::IntSts => self.int_status.get(),
            Register::IntEn => self.int_enabled.get(),
            Register::HwCfg => u32::from(self.reset_never_ends.get()),
            Register::PmtCtrl => 1,
            Register::RxFifoInf => ((self.waits().0 as u32) << 16) | (self.waits().1 as u32 * 4),
            Register::TxFifoInf => self.tx_free_len.get(),
            Register::MacCsrCmd => 0,
            Register::MacCsrData => self.mac_data.get(),
            Register::TxData
            | Register::IrqCfg
            | Register::FifoInt
            | Register::RxCfg
            | Register::TxCfg => panic!("{register:?} is not read"),
        }
    }

    fn write(&self, register: Register, value: u32) {
        match register {
            Register::TxData => self.put_tx_word(value),
            // What still holds is there again at once.
            Register::IntSts => {
                let frames = u32::from(self.waits().0 > 0) << 3;
                let phy = u32::from(self.phy_interrupts.get() != 0) << 18;
                self.int_status.set(self.int_status.get() & !value | frames | phy);
            }
            Register::IntEn => self.int_enabled.set(value),
            Register::IrqCfg => self.irq_cfg.set(value),
            Register::HwCfg => assert_eq!(value & !1 & !(1 << 20), (value >> 16 & 0xF) << 16),
            Register::TxCfg => assert_eq!(value, 6, "on, and never stuck on unread statuses"),
            Register::RxCfg => assert_eq!(value, 0, "no padding: the driver expects none"),
            Register::FifoInt => assert_eq!(value & 0xFF, 0, "the first frame already asks"),
            Register::MacCsrCmd => self.access_mac(value),
            Register::MacCsrData => self.mac_data.set(value),
            Register::RxData
            | Register::RxStatus
            | Register::RxStatusPeek
            | Register::IdRev
            | Register::ByteTest
            | Register::RxFifoInf
            | Register::TxFifoInf
            | Register::PmtCtrl => panic!("{register:?} is not written"),
        }
    }
}
