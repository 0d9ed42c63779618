//! What time it is: by the board's calendar or, in an image with the feature `sntp`, by time servers too.

use portcullis_core::time::UnixTime;
use portcullis_embassy::clock::Rtc;

use microcontroller::board;

/// No source sets the time before this: when the image was built.
const BUILT_AT: UnixTime = UnixTime::from_secs(built_at());

/// Reads what `build.rs` wrote.
const fn built_at() -> u64 {
    let digits = env!("BUILT_AT").as_bytes();
    let (mut secs, mut index) = (0, 0);
    while index < digits.len() {
        secs = secs * 10 + (digits[index] - b'0') as u64;
        index += 1;
    }
    secs
}

/// The board's calendar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoardRtc;

impl Rtc for BoardRtc {
    fn unix_time(&self) -> Option<UnixTime> {
        board::rtc()
    }
}

#[cfg(feature = "sntp")]
pub(crate) use over_the_network::{DeviceClock, clock, start};

/// The calendar, with a floor under it.
#[cfg(not(feature = "sntp"))]
pub(crate) type DeviceClock = portcullis_embassy::clock::RtcClock<BoardRtc>;

/// The clock of this device. `mark` is the latest time that was stored.
#[cfg(not(feature = "sntp"))]
pub(crate) fn clock(mark: Option<UnixTime>) -> DeviceClock {
    DeviceClock::new(BoardRtc, mark.map_or(BUILT_AT, |mark| mark.max(BUILT_AT)))
}

#[cfg(feature = "sntp")]
mod over_the_network {
    //! The clock that the calendar and time servers set.

    use core::net::SocketAddr;

    use edge_nal_embassy::{Udp, UdpBuffers};
    use embassy_executor::Spawner;
    use embassy_net::Stack;
    use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
    use microcontroller::{board, provisioning::TIME_SERVERS_MAX};
    use portcullis_core::time::UnixTime;
    use portcullis_embassy::clock::{
        TimeKeeper, TimeSettings, follow,
        sntp::{Sntp, SntpSettings},
    };
    use rand_chacha::{
        ChaCha20Rng,
        rand_core::{RngCore, SeedableRng},
    };
    use static_cell::StaticCell;

    use super::{BUILT_AT, BoardRtc};
    use crate::identity::Identity;

    /// Bytes of a packet, and room to see that one is too long.
    const PACKET_LEN: usize = 128;

    /// The clock that all tasks share.
    pub(crate) type DeviceClock = &'static Keeper;
    type Keeper = TimeKeeper<CriticalSectionRawMutex>;
    type Servers = heapless::Vec<SocketAddr, TIME_SERVERS_MAX>;

    /// The clock of this device. `mark` is the latest time that was stored.
    pub(crate) fn clock(mark: Option<UnixTime>) -> DeviceClock {
        static KEEPER: StaticCell<Keeper> = StaticCell::new();
        let floor = mark.map_or(BUILT_AT, |mark| mark.max(BUILT_AT));
        KEEPER.init(TimeKeeper::new(floor, TimeSettings::DEFAULT))
    }

    /// Starts what sets the clock.
    pub(crate) fn start(
        spawner: Spawner,
        stack: Stack<'static>,
        clock: DeviceClock,
        identity: &Identity,
    ) {
        board::spawn(spawner, calendar(clock));
        if !identity.time_servers.is_empty() {
            board::spawn(spawner, time_servers(clock, stack, identity.time_servers.clone()));
        }
    }

    #[embassy_executor::task]
    async fn calendar(clock: DeviceClock) {
        let report = |outcome| {
            if let Some(outcome) = outcome {
                board::log(format_args!("calendar: {outcome}"));
            }
        };
        follow(BoardRtc, clock, report).await
    }

    #[embassy_executor::task]
    async fn time_servers(clock: DeviceClock, stack: Stack<'static>, servers: Servers) {
        static PACKETS: StaticCell<UdpBuffers<1, PACKET_LEN, PACKET_LEN, 2>> = StaticCell::new();
        let udp = Udp::new(stack, PACKETS.init_with(UdpBuffers::new));
        let mut seed = [0; 32];
        if let Err(reason) = board::entropy(&mut seed) {
            board::halt(format_args!("{reason}"));
        }
        let mut random = ChaCha20Rng::from_seed(seed);
        let random = || random.next_u64();
        let sntp = Sntp::new(clock, udp, servers, random, SntpSettings::DEFAULT);
        sntp.run(|report| board::log(format_args!("{report}"))).await
    }
}
