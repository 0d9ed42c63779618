//! `portcullis token inspect`: what a token says, which may be a lie.

use clap::Args;
use portcullis_core::{
    encoding::{base64url, scratch::Scratch},
    jwt::{Header, SignatureVerifier, UnverifiedJwt},
    limits::SCRATCH_LEN,
    time::UnixTime,
    token::{TokenError, TokenFacts},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Error, TokenArgument, times};
use crate::output::{self, Table, Tone};

/// Which token.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    token: TokenArgument,
    /// Compare its times with this one, in seconds since 1970, instead of now.
    #[arg(long, value_name = "UNIX")]
    at: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Lets every signature pass: here nobody is admitted, somebody wants to read.
struct Unchecked;

impl SignatureVerifier for Unchecked {
    fn verify(&self, _: &Header<'_>, _: &[u8], _: &[u8]) -> Result<(), TokenError> {
        Ok(())
    }
}

/// What a script is answered.
#[derive(Serialize)]
struct Inspected<'a> {
    /// Never true.
    verified: bool,
    expired: bool,
    header: &'a Map<String, Value>,
    claims: &'a Map<String, Value>,
    /// The times among the claims, in UTC.
    utc: Value,
}

pub(super) fn run(options: &Options) -> Result<(), Error> {
    let token = options.token.read()?;
    let now = times::now(options.at)?;
    // The core's strict reader first: what it refuses is not shown, for a server would not see it either.
    let mut room = Zeroizing::new([0; SCRATCH_LEN]);
    let mut scratch = Scratch::new(room.as_mut_slice());
    let jwt = UnverifiedJwt::parse(&token, &mut scratch)?;
    let facts = jwt.verify(&Unchecked)?.claims(&mut scratch)?;
    let mut segments = token.split('.').map(members);
    let (Some(header), Some(claims)) = (segments.next(), segments.next()) else {
        return Err(TokenError::Malformed.into());
    };
    let (header, claims) = (header?, claims?);
    let expired = now >= facts.expires_at;
    if options.json {
        return Ok(output::json(&Inspected {
            verified: false,
            expired,
            header: &header,
            claims: &claims,
            utc: utc(&facts),
        })?);
    }
    Ok(table(&header, &claims, &facts, now).print()?)
}

/// All members of a segment that the core has read already.
fn members(segment: &str) -> Result<Map<String, Value>, Error> {
    // Decoded it is shorter than encoded.
    let mut room = Zeroizing::new(vec![0; segment.len()]);
    let document =
        base64url::decode_into(segment.as_bytes(), &mut room).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(document).map_err(|_| TokenError::Malformed.into())
}

fn utc(facts: &TokenFacts<'_>) -> Value {
    let utc = |time: Option<UnixTime>| time.and_then(times::utc);
    json!({
        "iat": utc(facts.issued_at),
        "nbf": utc(facts.not_before),
        "exp": utc(Some(facts.expires_at)),
    })
}

fn table(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
    facts: &TokenFacts<'_>,
    now: UnixTime,
) -> Table {
    let mut table =
        Table::default().toned("NOT VERIFIED", "anybody could have written this", Tone::Bad);
    for (name, value) in header {
        table = table.row(&format!("header {name}"), &shown(value));
    }
    for (name, value) in claims {
        let time = match name.as_str() {
            "exp" => Some(facts.expires_at),
            "nbf" => facts.not_before,
            "iat" => facts.issued_at,
            _ => None,
        };
        let Some(time) = time else {
            table = table.row(name, &shown(value));
            continue;
        };
        let described = times::describe(time, now);
        let is_past = name == "exp" && now >= time;
        let is_ahead = name != "exp" && now < time;
        table = match (is_past, is_ahead) {
            (true, _) => table.toned(name, &format!("{described}  EXPIRED"), Tone::Bad),
            (_, true) => table.toned(name, &format!("{described}  NOT YET"), Tone::Bad),
            _ => table.row(name, &described),
        };
    }
    table
}

/// A text as it is, anything else as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
