//! Requests put together of pieces that are right, odd or wrong, many of each: whatever the device's
//! readers make of one, the desktop makes of it too, or less.

use crate::{
    requests::{Requests, bytes, message},
    servers::Servers,
};

/// How many are tried.
const ROUNDS: usize = 800;

/// A generator of numbers that are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(below).unwrap()).unwrap()
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.roll(of.len())]
    }

    /// Mostly the first of them.
    fn mostly<'t>(&mut self, of: &[&'t str]) -> &'t str {
        if self.roll(8) == 0 { self.one(of) } else { of[0] }
    }

    fn case(&mut self, text: &str) -> String {
        text.chars()
            .map(|letter| if self.roll(2) == 0 { letter.to_ascii_uppercase() } else { letter })
            .collect()
    }
}

/// A line end, rarely another one.
fn end(dice: &mut Dice) -> &'static str {
    if dice.roll(12) == 0 {
        dice.one(&["\n", "\r", "\r\r\n", "\n\r\n", "\r\n\r\n"])
    } else {
        "\r\n"
    }
}

fn length(dice: &mut Dice) -> String {
    let len = message(1).len();
    let name = name(dice, "content-length");
    let blank = dice.mostly(&[" ", "", "\t", "  ", "\u{b}", "\u{a0}", "\r\n "]);
    let behind = dice.mostly(&["", " ", "\t ", "\0", ",", ";", "\u{85}"]);
    let value = match dice.roll(24) {
        0 => format!("0{len}"),
        1 => format!("+{len}"),
        2 => format!("{len}, {len}"),
        3 => format!("{len},{}", len + 1),
        4 => format!("0x{len:x}"),
        5 => (len - 1).to_string(),
        6 => (len + 1).to_string(),
        7 => "0".into(),
        8 => String::new(),
        9 => format!("{len} {len}"),
        _ => len.to_string(),
    };
    format!("{name}:{blank}{value}{behind}{}", end(dice))
}

fn coding(dice: &mut Dice) -> String {
    let name = name(dice, "transfer-encoding");
    let blank = dice.mostly(&[" ", "", "\t", "  ", "\u{b}", "\r\n "]);
    let value = dice.mostly(&[
        "chunked",
        "identity",
        "chunked, chunked",
        "gzip, chunked",
        "chunked;x=y",
        "x-chunked",
        "\"chunked\"",
        "chunke",
        "chunked,",
        ", chunked",
        "",
    ]);
    let value = dice.case(value);
    format!("{name}:{blank}{value}{}{}", dice.mostly(&["", " ", "\t", "\0"]), end(dice))
}

/// The name in any case, or one that looks like it.
fn name(dice: &mut Dice, name: &str) -> String {
    let name = dice.case(name);
    match dice.roll(24) {
        0 => name.replace('-', "_"),
        1 => format!("{name} "),
        2 => format!(" {name}"),
        3 => format!("{name}\0"),
        _ => name,
    }
}

/// The message in chunks whose sizes are spelled in many ways.
fn chunks(dice: &mut Dice) -> String {
    let body = message(1);
    let mut text = String::new();
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (now, later) = rest.split_at((1 + dice.roll(40)).min(rest.len()));
        rest = later;
        let size = match dice.roll(24) {
            0 => format!("{:X}", now.len()),
            1 => format!("{:08x}", now.len()),
            2 => format!("{:09x}", now.len()),
            3 => format!("0x{:x}", now.len()),
            4 => format!("{:x} ", now.len()),
            5 => format!("+{:x}", now.len()),
            6 => format!("{:x}", now.len() + 1),
            7 => format!("{:x}", now.len() - 1),
            8 => String::new(),
            _ => format!("{:x}", now.len()),
        };
        let extension =
            dice.mostly(&["", ";", ";x", ";x=\"y\"", " ;x", ";\r", ";\n", ";x=\"\r\n\"", ";\0"]);
        text += &format!("{size}{extension}{}{now}{}", end(dice), end(dice));
    }
    let last = dice.mostly(&["0", "000", "0;x", "00000000", "", "-0", "0 "]);
    let trailer = dice.mostly(&[
        "",
        "X: y\r\n",
        "X\r\n",
        "Content-Length: 3\r\n",
        "X: y\n",
        "\0\r\n",
        " X: y\r\n",
    ]);
    format!("{text}{last}{}{trailer}{}", end(dice), end(dice))
}

fn request(dice: &mut Dice, requests: &Requests) -> String {
    let mut lines = String::new();
    let (has_length, has_chunks) = match dice.roll(12) {
        0 => (true, true),
        1 => (false, false),
        2..7 => (true, false),
        _ => (false, true),
    };
    for _ in 0..=usize::from(dice.roll(16) == 0) {
        if has_length {
            lines += &length(dice);
        }
        lines += dice.mostly(&[
            "",
            "X: y\r\n",
            "X : y\r\n",
            "X: y\n",
            "Connection: keep-alive\r\n",
            "TE: trailers\r\n",
        ]);
        if has_chunks {
            lines += &coding(dice);
        }
    }
    let body = if has_chunks { chunks(dice) } else { message(1) };
    let request = requests.framed(&lines, &body);
    match dice.roll(24) {
        0 => request.replacen("HTTP/1.1", "HTTP/1.0", 1),
        1 => request.replacen("HTTP/1.1", dice.one(&["HTTP/1.2", "HTTP/1.1 ", "HTTP/2.0"]), 1),
        2 => request.replacen("\r\n", end(dice), 1),
        3 => request.replacen("POST", dice.one(&["post", "GET", "PO ST"]), 1),
        _ => request,
    }
}

#[tokio::test]
async fn sec_400_to_sec_415_nothing_is_framed_otherwise_than_on_the_device() {
    let requests = Requests::new();
    let mut servers = Servers::start().await;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut accepted, mut refused) = (0, 0);
    // Enough that no length and no chunk waits for more.
    let honest = format!("{}{}", requests.honest(), "\r\n".repeat(100));
    for round in 0..ROUNDS {
        let request = request(&mut dice, &requests);
        let all = bytes(&format!("{request}{honest}"));
        let device = servers.device(&all).await;
        let others = [servers.desktop(&[&all]).await, servers.proxy(&all).await];
        for (outcome, name) in others.iter().zip(["desktop", "proxy"]) {
            let label = || format!("{round} {name}: {outcome:?}, device: {device:?}, {request:?}");
            assert!(device.bodies.starts_with(&outcome.bodies), "{}", label());
            let is_refused = outcome.statuses.last().is_none_or(|status| *status >= 400);
            assert!(outcome == &device || is_refused, "{}", label());
            // What the device answers without a word of complaint, the desktop does.
            let is_plain = device.statuses.iter().all(|status| *status == 200);
            assert!(!is_plain || outcome.bodies == device.bodies, "{}", label());
        }
        match device.statuses.as_slice() {
            [200, ..] => accepted += 1,
            _ => refused += 1,
        }
    }
    assert!(accepted > ROUNDS / 20 && refused > ROUNDS / 5, "{accepted} {refused}");
}
