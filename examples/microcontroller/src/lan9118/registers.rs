//! The registers of the LAN9118 that the driver uses (Microchip DS00002266, chapter 5).

/// Reads and writes the chip's registers, 32 bits at a time.
///
/// Shared references suffice, as they do for the memory-mapped chip itself: receiving a frame and
/// sending the answer to it overlap.
pub trait Registers {
    /// Reads a register. Reading a FIFO takes a word out of it.
    fn read(&self, register: Register) -> u32;

    /// Writes a register. Writing a FIFO puts a word into it.
    fn write(&self, register: Register, value: u32);
}

/// A directly addressed register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Register {
    /// Bytes of received frames.
    RxData = 0x00,
    /// Frames to send, each behind its two command words.
    TxData = 0x20,
    /// One word for each received frame; reading takes it out.
    RxStatus = 0x40,
    /// The same word, left where it is.
    RxStatusPeek = 0x44,
    /// Chip and revision.
    IdRev = 0x50,
    /// How the interrupt line is driven.
    IrqCfg = 0x54,
    /// What happened; writing ones clears.
    IntSts = 0x58,
    /// What raises the interrupt line.
    IntEn = 0x5C,
    /// A constant, to see whether words arrive in order.
    ByteTest = 0x64,
    /// At which levels the FIFOs ask for attention.
    FifoInt = 0x68,
    /// How frames are laid into the receive FIFO.
    RxCfg = 0x6C,
    /// Starts and stops sending.
    TxCfg = 0x70,
    /// Reset and the division of the FIFO memory.
    HwCfg = 0x74,
    /// How much the receive FIFOs hold.
    RxFifoInf = 0x7C,
    /// How much room the transmit FIFOs have.
    TxFifoInf = 0x80,
    /// Power states, and whether the chip is awake.
    PmtCtrl = 0x84,
    /// Starts an access to a MAC register.
    MacCsrCmd = 0xA4,
    /// The value of that access.
    MacCsrData = 0xA8,
}

impl Register {
    /// Distance from the chip's first address, in bytes.
    pub const fn offset(self) -> usize {
        self as usize
    }
}

/// A register of the MAC, reached through [`Register::MacCsrCmd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MacRegister {
    /// Receiver, transmitter and filters.
    Control = 1,
    /// Bytes five and six of the Ethernet address.
    AddressHigh = 2,
    /// Its first four bytes.
    AddressLow = 3,
    /// Starts an access to a register of the PHY.
    MiiAccess = 6,
    /// The value of that access.
    MiiData = 7,
}

/// A register of the internal PHY (IEEE 802.3 clause 22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PhyRegister {
    /// Reset and negotiation.
    Control = 0,
    /// Among others, whether there is a link.
    Status = 1,
    /// What raised the PHY's interrupt; reading clears.
    InterruptSource = 29,
    /// What may raise it.
    InterruptMask = 30,
}

/// [`Register::IrqCfg`]: on, active high, driven both ways.
pub const IRQ_ON_HIGH_PUSH_PULL: u32 = 1 << 8 | 1 << 4 | 1;

/// [`Register::IntSts`] and [`Register::IntEn`]: a frame was received.
pub const INT_RX_STATUS: u32 = 1 << 3;
/// [`Register::IntSts`] and [`Register::IntEn`]: there is room to send again.
pub const INT_TX_ROOM: u32 = 1 << 9;
/// [`Register::IntSts`] and [`Register::IntEn`]: the PHY has something to say.
pub const INT_PHY: u32 = 1 << 18;

/// [`Register::ByteTest`]: what it always holds.
pub const BYTE_TEST: u32 = 0x8765_4321;
/// [`Register::TxCfg`]: send, and do not stop when nobody reads how it went.
pub const TX_ON: u32 = 1 << 1 | 1 << 2;
/// [`Register::HwCfg`]: soft reset, reads as one while it lasts.
pub const HW_RESET: u32 = 1;
/// [`Register::HwCfg`]: 5 KiB for sending, the rest for receiving; bit 20 must be one.
pub const HW_TX_FIFO_5_KIB: u32 = 1 << 20 | 5 << 16;
/// Bytes of the receive FIFO where [`HW_TX_FIFO_5_KIB`] leaves it the rest (data sheet, HW_CFG).
pub const RX_FIFO_LEN: usize = 10_560;
/// [`Register::PmtCtrl`]: the chip is awake.
pub const PMT_READY: u32 = 1;

/// [`Register::MacCsrCmd`]: an access is under way.
pub const MAC_BUSY: u32 = 1 << 31;
/// [`Register::MacCsrCmd`]: the access is a read.
pub const MAC_READ: u32 = 1 << 30;
/// [`MacRegister::Control`]: receiver and transmitter on, both ways at once.
pub const MAC_ON_FULL_DUPLEX: u32 = 1 << 20 | 1 << 3 | 1 << 2;

/// [`MacRegister::MiiAccess`]: an access is under way.
pub const MII_BUSY: u32 = 1;
/// [`MacRegister::MiiAccess`]: the access is a write.
pub const MII_WRITE: u32 = 1 << 1;
/// [`MacRegister::MiiAccess`]: the internal PHY, which has address 1.
pub const MII_INTERNAL_PHY: u32 = 1 << 11;

/// [`PhyRegister::Control`]: negotiate speed and duplex, now.
pub const PHY_NEGOTIATE: u16 = 1 << 12 | 1 << 9;
/// [`PhyRegister::Status`]: there is a link.
pub const PHY_LINK_UP: u16 = 1 << 2;
/// [`PhyRegister::InterruptMask`]: negotiation complete, link down.
pub const PHY_INT_LINK: u16 = 1 << 6 | 1 << 4;

/// [`Register::RxStatus`]: the frame is damaged, or not for us.
pub const RX_REFUSED: u32 = 1 << 30 | 1 << 15;

/// [`Register::RxStatus`]: bytes of the frame, its check sequence included.
pub const fn rx_frame_len(status: u32) -> usize {
    (status >> 16 & 0x3FFF) as usize
}

/// [`Register::RxFifoInf`]: frames that wait.
pub const fn rx_frames(info: u32) -> u32 {
    info >> 16 & 0xFF
}

/// [`Register::TxFifoInf`]: bytes that fit into the transmit FIFO.
pub const fn tx_free_len(info: u32) -> usize {
    (info & 0xFFFF) as usize
}

/// [`Register::FifoInt`]: ask when `tx_free_len` bytes are free, and when one frame was received.
pub const fn fifo_levels(tx_free_len: u32) -> u32 {
    tx_free_len.div_ceil(64) << 24
}

/// The two words before a frame of `len` bytes that is sent in one piece.
pub const fn tx_commands(len: u16) -> [u32; 2] {
    let only_segment = 1 << 13 | 1 << 12;
    [only_segment | len as u32, (len as u32) << 16 | len as u32]
}
