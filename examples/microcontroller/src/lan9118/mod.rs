//! A driver for the SMSC LAN9118 Ethernet controller, for embassy-net.
//!
//! Everything it knows goes through [`Registers`], so that it runs over the chip and, in its tests,
//! over a model of the chip. Whoever owns the interrupt line calls [`Interrupt::raised`].

pub mod registers;

use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;
use registers::{MacRegister, PhyRegister, Register, Registers};

/// Longest Ethernet frame without its check sequence, in bytes.
pub const FRAME_LEN_MAX: usize = 1514;
/// The check sequence that the chip leaves behind a received frame, in bytes.
const CHECK_SEQUENCE_LEN: usize = 4;
/// Room that a frame takes in the transmit FIFO at most, with its commands and its padding, in bytes.
const TX_ROOM: usize = FRAME_LEN_MAX.next_multiple_of(4) + 8;
/// Room that a frame takes in the receive FIFO at most, in bytes.
const RX_ROOM: usize = (FRAME_LEN_MAX + CHECK_SEQUENCE_LEN).next_multiple_of(4);
/// How often a bit is read that the chip has to change: far more than it takes, and an end.
const POLLS_MAX: u32 = 100_000;
/// Upper halves of `ID_REV`: LAN9118, and LAN9220, which has the same registers.
const CHIPS: [u32; 2] = [0x0118, 0x9220];

/// Why the chip does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// Nothing answers, or not in this byte order.
    NotFound,
    /// Another chip answers.
    OtherChip,
    /// A reset, or an access to an inner register, does not end.
    Stuck,
    /// The chip has no Ethernet address, or one that is for groups.
    Address,
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no Ethernet controller answers",
            Self::OtherChip => "the Ethernet controller is not a LAN9118",
            Self::Stuck => "the Ethernet controller does not become ready",
            Self::Address => "the Ethernet controller has no address",
        })
    }
}

impl core::error::Error for StartError {}

/// What the interrupt handler and the driver share.
pub struct Interrupt(AtomicWaker);

impl core::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Interrupt(..)")
    }
}

impl Interrupt {
    /// One that nobody waits for yet.
    #[expect(clippy::new_without_default, reason = "a static is made of it, which needs `const`")]
    pub const fn new() -> Self {
        Self(AtomicWaker::new())
    }

    /// To be called when the chip raises its line: silences the chip and wakes the network task,
    /// which lets it speak again when there is nothing left to do.
    pub fn raised(&self, registers: &impl Registers) {
        registers.write(Register::IntEn, 0);
        self.0.wake();
    }
}

/// One frame on its way between the chip and the network stack.
type Frame = [u8; FRAME_LEN_MAX];

/// The driver's memory, lent to it: large values must not be moved around.
///
/// The answer to a frame is written while the frame is still read, so there are two.
pub struct Frames {
    received: Frame,
    sent: Frame,
}

impl Frames {
    /// Memory for one driver.
    #[expect(clippy::new_without_default, reason = "a static is made of it, which needs `const`")]
    pub const fn new() -> Self {
        Self { received: [0; FRAME_LEN_MAX], sent: [0; FRAME_LEN_MAX] }
    }
}

impl core::fmt::Debug for Frames {
    /// Without the frames, which carry credentials.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Frames(..)")
    }
}

/// The started controller.
#[derive(Debug)]
pub struct Lan9118<'m, R> {
    registers: R,
    interrupt: &'m Interrupt,
    frames: &'m mut Frames,
    address: [u8; 6],
    link_is_up: bool,
}

impl<'m, R: Registers> Lan9118<'m, R> {
    /// Resets the chip, and turns receiver, transmitter and negotiation of the link on.
    pub fn start(
        registers: R,
        interrupt: &'m Interrupt,
        frames: &'m mut Frames,
    ) -> Result<Self, StartError> {
        if registers.read(Register::ByteTest) != registers::BYTE_TEST {
            return Err(StartError::NotFound);
        }
        if !CHIPS.contains(&(registers.read(Register::IdRev) >> 16)) {
            return Err(StartError::OtherChip);
        }
        registers.write(Register::HwCfg, registers::HW_RESET);
        wait_until(|| registers.read(Register::HwCfg) & registers::HW_RESET == 0)?;
        wait_until(|| registers.read(Register::PmtCtrl) & registers::PMT_READY != 0)?;
        registers.write(Register::HwCfg, registers::HW_TX_FIFO_5_KIB);
        let address = read_address(&registers)?;

        registers.write(Register::IntEn, 0);
        registers.write(Register::IntSts, u32::MAX);
        registers.write(Register::IrqCfg, registers::IRQ_ON_HIGH_PUSH_PULL);
        registers.write(Register::FifoInt, registers::fifo_levels(TX_ROOM as u32));
        write_phy(&registers, PhyRegister::InterruptMask, registers::PHY_INT_LINK)?;
        write_phy(&registers, PhyRegister::Control, registers::PHY_NEGOTIATE)?;
        registers.write(Register::RxCfg, 0);
        registers.write(Register::TxCfg, registers::TX_ON);
        write_mac(&registers, MacRegister::Control, registers::MAC_ON_FULL_DUPLEX)?;

        let mut started = Self { registers, interrupt, frames, address, link_is_up: false };
        started.update_link()?;
        Ok(started)
    }

    /// The length of the next good frame that fits; damaged and foreign ones are taken out.
    fn next_frame_len(&self) -> Option<usize> {
        // Bounded by what waited when the loop began: a flood must not keep the processor here.
        for _ in 0..registers::rx_frames(self.registers.read(Register::RxFifoInf)) {
            let status = self.registers.read(Register::RxStatusPeek);
            let len = registers::rx_frame_len(status).checked_sub(CHECK_SEQUENCE_LEN);
            let is_good = status & registers::RX_REFUSED == 0;
            match len {
                Some(len) if is_good && (1..=FRAME_LEN_MAX).contains(&len) => return Some(len),
                Some(_) | None => take_frame(&self.registers, &mut []),
            }
        }
        None
    }

    fn has_room(&self) -> bool {
        registers::tx_free_len(self.registers.read(Register::TxFifoInf)) >= TX_ROOM
    }

    /// Waits for the interrupts in `wanted`, then looks once more by `is_ready`: what happened in
    /// between was cleared with the old interrupts, what happens later raises a new one.
    fn wait(&self, cx: &Context<'_>, wanted: u32, is_ready: impl Fn(&Self) -> bool) -> bool {
        self.interrupt.0.register(cx.waker());
        self.registers.write(Register::IntSts, wanted);
        if is_ready(self) {
            return true;
        }
        // The other direction may wait too; a link may change at any time.
        let enabled = self.registers.read(Register::IntEn);
        let always = registers::INT_PHY | registers::INT_RX_STATUS;
        self.registers.write(Register::IntEn, enabled | always | wanted);
        false
    }

    fn update_link(&mut self) -> Result<(), StartError> {
        // Reading the source lets the PHY's interrupt go.
        read_phy(&self.registers, PhyRegister::InterruptSource)?;
        self.registers.write(Register::IntSts, registers::INT_PHY);
        let status = read_phy(&self.registers, PhyRegister::Status)?;
        self.link_is_up = status & registers::PHY_LINK_UP != 0;
        Ok(())
    }
}

impl<R: Registers> Driver for Lan9118<'_, R> {
    type RxToken<'a>
        = Received<'a, R>
    where
        Self: 'a;
    type TxToken<'a>
        = Transmit<'a, R>
    where
        Self: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_, R>, Transmit<'_, R>)> {
        // A frame is taken only where it can be answered.
        if !self.has_room() && !self.wait(cx, registers::INT_TX_ROOM, Self::has_room) {
            return None;
        }
        let len = match self.next_frame_len() {
            Some(len) => len,
            None => {
                let arrived = |driver: &Self| driver.next_frame_len().is_some();
                if !self.wait(cx, registers::INT_RX_STATUS, arrived) {
                    return None;
                }
                self.next_frame_len()?
            }
        };
        let frame = self.frames.received.get_mut(..len)?;
        let received = Received { registers: &self.registers, frame };
        Some((received, Transmit { registers: &self.registers, frame: &mut self.frames.sent }))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Transmit<'_, R>> {
        if !self.has_room() && !self.wait(cx, registers::INT_TX_ROOM, Self::has_room) {
            return None;
        }
        Some(Transmit { registers: &self.registers, frame: &mut self.frames.sent })
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.interrupt.0.register(cx.waker());
        if self.registers.read(Register::IntSts) & registers::INT_PHY != 0 {
            // A PHY that does not answer has no link.
            if self.update_link().is_err() {
                self.link_is_up = false;
            }
        }
        if self.link_is_up { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_LEN_MAX;
        // More could arrive at once than anybody has taken; a lost frame costs its sender a timeout.
        capabilities.max_burst_size = Some(registers::RX_FIFO_LEN / RX_ROOM);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

/// A frame that waits in the chip; it stays there when nobody consumes it.
#[derive(Debug)]
pub struct Received<'a, R> {
    registers: &'a R,
    frame: &'a mut [u8],
}

impl<R: Registers> RxToken for Received<'_, R> {
    fn consume<T, F: FnOnce(&mut [u8]) -> T>(self, f: F) -> T {
        take_frame(self.registers, self.frame);
        f(self.frame)
    }
}

/// Room for a frame.
#[derive(Debug)]
pub struct Transmit<'a, R> {
    registers: &'a R,
    frame: &'a mut Frame,
}

impl<R: Registers> TxToken for Transmit<'_, R> {
    fn consume<T, F: FnOnce(&mut [u8]) -> T>(self, len: usize, f: F) -> T {
        // The stack keeps to the announced maximum; a longer frame would be cut, never overrun.
        let len = len.min(FRAME_LEN_MAX);
        let (frame, _) = self.frame.split_at_mut(len);
        let result = f(frame);
        for command in registers::tx_commands(len as u16) {
            self.registers.write(Register::TxData, command);
        }
        for bytes in frame.chunks(4) {
            let mut word = [0; 4];
            word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            self.registers.write(Register::TxData, u32::from_le_bytes(word));
        }
        result
    }
}

/// Takes the next frame out of the chip, and keeps as much of it as `frame` holds.
fn take_frame(registers: &impl Registers, frame: &mut [u8]) {
    let len = registers::rx_frame_len(registers.read(Register::RxStatus));
    let mut kept = frame.chunks_mut(4);
    for _ in 0..len.div_ceil(4) {
        let word = registers.read(Register::RxData).to_le_bytes();
        if let Some(bytes) = kept.next() {
            bytes.iter_mut().zip(word).for_each(|(to, from)| *to = from);
        }
    }
}

fn wait_until(is_done: impl Fn() -> bool) -> Result<(), StartError> {
    if (0..POLLS_MAX).any(|_| is_done()) { Ok(()) } else { Err(StartError::Stuck) }
}

fn wait_mac(registers: &impl Registers) -> Result<(), StartError> {
    wait_until(|| registers.read(Register::MacCsrCmd) & registers::MAC_BUSY == 0)
}

fn read_mac(registers: &impl Registers, register: MacRegister) -> Result<u32, StartError> {
    wait_mac(registers)?;
    let command = registers::MAC_BUSY | registers::MAC_READ | register as u32;
    registers.write(Register::MacCsrCmd, command);
    wait_mac(registers)?;
    Ok(registers.read(Register::MacCsrData))
}

fn write_mac(
    registers: &impl Registers,
    register: MacRegister,
    value: u32,
) -> Result<(), StartError> {
    wait_mac(registers)?;
    registers.write(Register::MacCsrData, value);
    registers.write(Register::MacCsrCmd, registers::MAC_BUSY | register as u32);
    wait_mac(registers)
}

fn access_phy(
    registers: &impl Registers,
    register: PhyRegister,
    access: u32,
) -> Result<(), StartError> {
    let access = access | registers::MII_INTERNAL_PHY | (register as u32) << 6;
    write_mac(registers, MacRegister::MiiAccess, access | registers::MII_BUSY)?;
    for _ in 0..POLLS_MAX {
        if read_mac(registers, MacRegister::MiiAccess)? & registers::MII_BUSY == 0 {
            return Ok(());
        }
    }
    Err(StartError::Stuck)
}

fn read_phy(registers: &impl Registers, register: PhyRegister) -> Result<u16, StartError> {
    access_phy(registers, register, 0)?;
    // The upper half is reserved.
    Ok(read_mac(registers, MacRegister::MiiData)? as u16)
}

fn write_phy(
    registers: &impl Registers,
    register: PhyRegister,
    value: u16,
) -> Result<(), StartError> {
    write_mac(registers, MacRegister::MiiData, u32::from(value))?;
    access_phy(registers, register, registers::MII_WRITE)
}

/// The address that the chip took from its EEPROM when it was reset.
fn read_address(registers: &impl Registers) -> Result<[u8; 6], StartError> {
    let [a, b, c, d] = read_mac(registers, MacRegister::AddressLow)?.to_le_bytes();
    let [e, f, ..] = read_mac(registers, MacRegister::AddressHigh)?.to_le_bytes();
    let address = [a, b, c, d, e, f];
    // The lowest bit of the first byte marks groups, also in the all-ones of an empty EEPROM.
    if address == [0; 6] || a & 1 != 0 { Err(StartError::Address) } else { Ok(address) }
}

#[cfg(test)]
mod chip;
#[cfg(test)]
mod tests;
