//! Points in time, for people.

use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_core::time::UnixTime;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Error;

/// The time that was asked for, or that of this machine.
pub(super) fn now(at: Option<u64>) -> Result<UnixTime, Error> {
    let secs = match at {
        Some(secs) => secs,
        None => SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Error::Clock)?.as_secs(),
    };
    Ok(UnixTime::from_secs(secs))
}

/// The time in UTC (RFC 3339); `None` after the year 9999.
pub(super) fn utc(time: UnixTime) -> Option<String> {
    let secs = i64::try_from(time.as_secs()).ok()?;
    OffsetDateTime::from_unix_timestamp(secs).ok()?.format(&Rfc3339).ok()
}

/// The number, the time in UTC, and how far away from `now` that is.
pub(super) fn describe(time: UnixTime, now: UnixTime) -> String {
    let utc = utc(time).unwrap_or_else(|| "after the year 9999".to_owned());
    let distance = match (time.secs_since(now), now.secs_since(time)) {
        (0, 0) => "now".to_owned(),
        (0, ago) => format!("{} ago", span(ago)),
        (ahead, _) => format!("in {}", span(ahead)),
    };
    format!("{}  {utc}  {distance}", time.as_secs())
}

/// A span in its largest unit, rounded down.
fn span(secs: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let unit = units.into_iter().find(|(len, _)| secs >= *len);
    let (len, name) = unit.unwrap_or((1, "s"));
    format!("{} {name}", secs / len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        let time = UnixTime::from_secs;
        let now = time(1_800_000_000);
        for (secs, expected) in [
            (1_800_000_000, "1800000000  2027-01-15T08:00:00Z  now"),
            (1_799_999_941, "1799999941  2027-01-15T07:59:01Z  59 s ago"),
            (1_800_000_060, "1800000060  2027-01-15T08:01:00Z  in 1 min"),
            (1_800_007_199, "1800007199  2027-01-15T09:59:59Z  in 1 h"),
            (1_800_086_400, "1800086400  2027-01-16T08:00:00Z  in 1 d"),
            (0, "0  1970-01-01T00:00:00Z  20833 d ago"),
        ] {
            assert_eq!(describe(time(secs), now), expected);
        }
        assert_eq!(utc(time(253_402_300_799)).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(utc(time(253_402_300_800)), None);
        assert!(describe(time(u64::MAX), now).contains("after the year 9999"));
    }
}
