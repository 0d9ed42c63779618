//! Counts what a decision takes on a Cortex-M3, with a token of 300 bytes.
//!
//! For QEMU with `-icount shift=0`: every instruction takes one nanosecond there, so that a tick of the
//! processor's timer at 25 MHz is 40 instructions. Each count is the mean of [`ROUNDS`] on warm code.
//! Prints `NAME INSTRUCTIONS` lines; `tests/device/budgets.py` reads them.
#![no_std]
#![no_main]

use core::{fmt, hint::black_box, panic::PanicInfo};

use cortex_m::peripheral::{SYST, syst::SystClkSource};
use hmac::{Hmac, KeyInit, Mac};
use portcullis_core::{
    encoding::{base64url, scratch::Scratch},
    jwt::{HmacKey, KeyId, KeyRing, MintClaims, mint},
    limits,
    message::RequestHead,
    resource_server::{
        Configuration, Decision, Policy, ResourceServer, TrustedIssuer, Verification,
    },
    scope::ScopeSet,
    time::UnixTime,
};
use semihosting::{println, process};
use sha2::Sha256;

const RESOURCE: &str = "https://dev.local/mcp";
const ISSUER: &str = "https://as.local";
const KEY: [u8; 32] = [0x4b; 32];
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const TOKEN_LEN: usize = 300;
const ROUNDS: u32 = 64;
const INSTRUCTIONS_PER_TICK: u32 = 40;
/// The timer counts down from here.
const TICKS_MAX: u32 = 0x00ff_ffff;

#[cortex_m_rt::entry]
fn main() -> ! {
    match measure() {
        Ok(()) => process::exit(0),
        Err(reason) => end(format_args!("{reason}")),
    }
}

fn measure() -> Result<(), &'static str> {
    let Some(peripherals) = cortex_m::Peripherals::take() else { return Err("started twice") };
    let mut timer = peripherals.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(TICKS_MAX);
    timer.clear_current();
    timer.enable_counter();

    let mut text = [0; limits::TOKEN_LEN_MAX];
    let mut authorization = [0; limits::TOKEN_LEN_MAX];
    let token = token(&mut text)?;
    let authorization = bearer(token, &mut authorization)?;
    let keys = KeyRing::new(key_id()?, HmacKey::new(&KEY).map_err(|_| "no key")?);
    let issuers =
        [TrustedIssuer { identifier: ISSUER, verification: Verification::Offline(&keys) }];
    let mut configuration = Configuration::new(RESOURCE, &issuers);
    configuration.policy = Policy { base: read_scope()?, ..Policy::default() };
    let mut memory = [0; limits::METADATA_LEN_MAX];
    let server = ResourceServer::new(configuration, &mut Scratch::new(&mut memory))
        .map_err(|_| "no resource server")?;

    let fields: [(&str, &[u8]); 6] = [
        ("Host", b"dev.local"),
        ("Authorization", authorization),
        ("Content-Type", b"application/json"),
        ("Accept", b"application/json, text/event-stream"),
        ("MCP-Protocol-Version", b"2026-07-28"),
        ("Content-Length", b"180"),
    ];
    let mut scratch = [0; limits::SCRATCH_LEN];
    let mut decide = || {
        let head = RequestHead::new("POST", "/mcp", black_box(fields));
        let needed = server.policy().base();
        let mut scratch = Scratch::new(&mut scratch);
        matches!(server.decide(&head, needed, Some(NOW), &mut scratch), Decision::Allow(_))
    };
    println!("decide {}", count(&mut decide)?);

    // What of it cannot be done without: the signature's check, and decoding the three parts.
    let hmac = Hmac::<Sha256>::new_from_slice(&KEY).map_err(|_| "no key")?;
    let mut bare_hmac = || {
        let mut hmac = hmac.clone();
        hmac.update(black_box(token.as_bytes()));
        black_box(hmac.finalize());
        true
    };
    println!("hmac {}", count(&mut bare_hmac)?);
    let mut decoded = [0; limits::CLAIMS_LEN_MAX];
    let mut base64 = || {
        token
            .split(['.'])
            .all(|part| base64url::decode_into(black_box(part.as_bytes()), &mut decoded).is_ok())
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
        return Err("refused");
    }
    let start = SYST::get_current();
    for _ in 0..ROUNDS {
        if !round() {
            return Err("refused");
        }
    }
    let ticks = start.wrapping_sub(SYST::get_current()) & TICKS_MAX;
    Ok(ticks * INSTRUCTIONS_PER_TICK / ROUNDS)
}

/// A good token of exactly [`TOKEN_LEN`] bytes: its subject is as long as that takes.
fn token(text: &mut [u8]) -> Result<&str, &'static str> {
    const SUBJECT: &str = "0123456789012345678901234567890123456789012345678901234567890123";
    let (key, id) = (HmacKey::new(&KEY).map_err(|_| "no key")?, key_id()?);
    let fits = (1..SUBJECT.len()).filter_map(|len| SUBJECT.get(..len)).find(|subject| {
        let minted = mint(&claims(subject), &key, &id, text);
        minted.is_ok_and(|token| token.len() == TOKEN_LEN)
    });
    let claims = claims(fits.ok_or("no token has this length")?);
    mint(&claims, &key, &id, text).map_err(|_| "no token")
}

fn claims(subject: &str) -> MintClaims<'_> {
    MintClaims {
        issuer: ISSUER,
        subject,
        client_id: "c1",
        audience: &[RESOURCE],
        scope: read_scope().unwrap_or_default(),
        id: "1",
        issued_at: NOW,
        expires_at: NOW.plus(600),
    }
}

fn read_scope() -> Result<ScopeSet<'static>, &'static str> {
    ScopeSet::parse("device:read").map_err(|_| "no scope")
}

fn key_id() -> Result<KeyId, &'static str> {
    KeyId::new("k1").map_err(|_| "no key id")
}

fn bearer<'b>(token: &str, buffer: &'b mut [u8]) -> Result<&'b [u8], &'static str> {
    let parts = [b"Bearer ", token.as_bytes()];
    let mut len = 0;
    for byte in parts.iter().flat_map(|part| part.iter()) {
        *buffer.get_mut(len).ok_or("no room")? = *byte;
        len += 1;
    }
    buffer.get(..len).ok_or("no room")
}

fn end(reason: fmt::Arguments<'_>) -> ! {
    println!("halted: {reason}");
    process::exit(1)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    end(format_args!("{info}"))
}
