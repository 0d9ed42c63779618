//! Counts what a decision takes on a Cortex-M3.
//!
//! For QEMU with `-icount shift=0`: every instruction takes one nanosecond there, so that a tick of the
//! processor's timer at 25 MHz is 40 instructions. Each count is the mean of some rounds on warm code.
//! Prints `NAME INSTRUCTIONS` lines; `tests/device/budgets.py` reads them.
//!
//! | Name | What is counted |
//! | --- | --- |
//! | `decide` | deciding about a request with a token of 300 bytes |
//! | `hmac`, `base64` | what of it cannot be done without: the signature's check, and decoding the three parts |
//! | `largest` | deciding with the largest token that is minted (SEC-519) |
//! | `wrong_first`, `wrong_last` | refusing a token whose signature differs at one end, or at the other (SEC-525) |
//! | `key_zeros`, `key_mixed` | the signature's check with one key, or with another (SEC-525) |
#![no_std]
#![no_main]

mod token;

use core::{fmt, hint::black_box, panic::PanicInfo};

use cortex_m::peripheral::{SYST, syst::SystClkSource};
use hmac::{Hmac, KeyInit, Mac};
use portcullis_core::{
    encoding::{base64url, scratch::Scratch},
    jwt::{HmacKey, KeyRing},
    limits,
    message::RequestHead,
    resource_server::{
        Configuration, Decision, Policy, ResourceServer, TrustedIssuer, Verification,
    },
};
use semihosting::{println, process};
use sha2::Sha256;
use token::{Credentials, ISSUER, KEY, NOW, Place, RESOURCE, key_id, read_scope};

const TOKEN_LEN: usize = 300;
const ROUNDS: u32 = 32;
const INSTRUCTIONS_PER_TICK: u32 = 40;
/// The timer counts down from here.
const TICKS_MAX: u32 = 0x00ff_ffff;

#[cortex_m_rt::entry]
fn main() -> ! {
    match start().and_then(|()| decisions()).and_then(|()| parts()) {
        Ok(()) => process::exit(0),
        Err(reason) => end(format_args!("{reason}")),
    }
}

fn start() -> Result<(), &'static str> {
    let Some(peripherals) = cortex_m::Peripherals::take() else { return Err("started twice") };
    let mut timer = peripherals.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(TICKS_MAX);
    timer.clear_current();
    timer.enable_counter();
    Ok(())
}

/// Whole decisions: good tokens, and bad ones.
fn decisions() -> Result<(), &'static str> {
    let keys = KeyRing::new(key_id()?, HmacKey::new(&KEY).map_err(|_| "no key")?);
    let issuers =
        [TrustedIssuer { identifier: ISSUER, verification: Verification::Offline(&keys) }];
    let mut configuration = Configuration::new(RESOURCE, &issuers);
    configuration.policy = Policy { base: read_scope()?, ..Policy::default() };
    let mut memory = [0; limits::METADATA_LEN_MAX];
    let server = ResourceServer::new(configuration, &mut Scratch::new(&mut memory))
        .map_err(|_| "no resource server")?;
    let mut scratch = [0; limits::SCRATCH_LEN];

    for (name, len, wrong) in [
        ("decide", Some(TOKEN_LEN), None),
        ("largest", None, None),
        ("wrong_first", Some(TOKEN_LEN), Some(Place::First)),
        ("wrong_last", Some(TOKEN_LEN), Some(Place::Last)),
    ] {
        let mut credentials = Credentials::new(len)?;
        if let Some(place) = wrong {
            credentials.make_wrong(place)?;
        }
        let mut decide = || decide(&server, &credentials, &mut scratch) == wrong.is_none();
        println!("{name} {}", count(&mut decide)?);
    }
    Ok(())
}

/// Whether a request with these credentials is admitted.
fn decide(server: &ResourceServer<'_>, credentials: &Credentials, scratch: &mut [u8]) -> bool {
    let fields: [(&str, &[u8]); 6] = [
        ("Host", b"dev.local"),
        ("Authorization", credentials.value()),
        ("Content-Type", b"application/json"),
        ("Accept", b"application/json, text/event-stream"),
        ("MCP-Protocol-Version", b"2026-07-28"),
        ("Content-Length", b"180"),
    ];
    let head = RequestHead::new("POST", "/mcp", black_box(fields));
    let needed = server.policy().base();
    let mut scratch = Scratch::new(scratch);
    matches!(server.decide(&head, needed, Some(NOW), &mut scratch), Decision::Allow(_))
}

/// What a decision cannot do without.
fn parts() -> Result<(), &'static str> {
    let credentials = Credentials::new(Some(TOKEN_LEN))?;
    let mut mixed = [0; 32];
    mixed.iter_mut().zip((1..=u8::MAX).rev().step_by(7)).for_each(|(to, byte)| *to = byte);
    for (name, key) in [("hmac", KEY), ("key_zeros", [0; 32]), ("key_mixed", mixed)] {
        let hmac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| "no key")?;
        let mut check = || {
            let mut hmac = hmac.clone();
            hmac.update(black_box(credentials.token()));
            black_box(hmac.finalize());
            true
        };
        println!("{name} {}", count(&mut check)?);
    }
    let mut decoded = [0; limits::CLAIMS_LEN_MAX];
    let mut base64 = || {
        credentials
            .token()
            .split(|byte| *byte == b'.')
            .all(|part| base64url::decode_into(black_box(part), &mut decoded).is_ok())
    };
    println!("base64 {}", count(&mut base64)?);
    #[cfg(feature = "planted")]
    println!("planted {}", planted(black_box(&KEY), black_box(TOKEN_LEN)));
    Ok(())
}

/// What must not be in the firmware.
#[cfg(feature = "planted")]
fn planted(bytes: &[u8], at: usize) -> u8 {
    bytes[at]
}

/// Instructions of one round. Each round has to succeed: a refusal would be cheaper.
fn count(round: &mut dyn FnMut() -> bool) -> Result<u32, &'static str> {
    if !round() {
        return Err("a round has not the result that is measured");
    }
    let start = SYST::get_current();
    for _ in 0..ROUNDS {
        if !round() {
            return Err("a round has not the result that is measured");
        }
    }
    let ticks = start.wrapping_sub(SYST::get_current()) & TICKS_MAX;
    Ok(ticks * INSTRUCTIONS_PER_TICK / ROUNDS)
}

fn end(reason: fmt::Arguments<'_>) -> ! {
    println!("halted: {reason}");
    process::exit(1)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    end(format_args!("{info}"))
}
