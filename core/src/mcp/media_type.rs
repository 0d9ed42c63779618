//! `Content-Type` and `Accept`, as far as the endpoint needs them.

use crate::message::Field;

/// Whether the body is declared as JSON, parameters tolerated (TS-23, SEC-388).
///
/// No declaration is no JSON: a page of another origin can send a body without one, or with a form's,
/// and no browser asks the server first.
pub(super) fn is_json(content_type: Field<'_>) -> bool {
    let Some(value) = content_type.one() else { return false };
    // Two lines that somebody joined with a comma are not one type.
    if value.contains(&b',') {
        return false;
    }
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii_end().eq_ignore_ascii_case(b"application/json")
}

/// Whether the client takes JSON (TS-24): only an `Accept` that excludes it is refused.
///
/// The most specific range decides (RFC 9110 §12.5.1). What does not parse says nothing. Several
/// lines are legitimate here, and a list that was not kept excludes nothing.
pub(super) fn accepts_json(accept: Field<'_>) -> bool {
    let value = match accept {
        Field::Absent | Field::Repeated | Field::One([]) => return true,
        Field::One(value) => value,
    };
    let mut best = None;
    for range in value.split(|byte| *byte == b',') {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let Some(specificity) = parts.next().and_then(specificity) else { continue };
        let taken = !parts.any(is_zero_weight);
        // Of two equally specific ranges the kinder one counts, and `true` is the greater.
        best = best.max(Some((specificity, taken)));
    }
    best.is_some_and(|(_, taken)| taken)
}

/// How closely a media range names JSON, if it includes it.
fn specificity(range: &[u8]) -> Option<usize> {
    let ranges: [&[u8]; 3] = [b"*/*", b"application/*", b"application/json"];
    ranges.iter().position(|known| range.eq_ignore_ascii_case(known))
}

/// `q=0`, with up to three more zeros (RFC 9110 §12.4.2).
fn is_zero_weight(parameter: &[u8]) -> bool {
    matches!(parameter, [b'q' | b'Q', b'=', b'0'] | [b'q' | b'Q', b'=', b'0', b'.', ..])
        && parameter.iter().skip(4).all(|byte| *byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_388_only_json_is_a_body() {
        for value in [
            "application/json",
            "Application/JSON",
            "application/json;charset=utf-8",
            "application/json ; charset=utf-8",
        ] {
            assert!(is_json(Field::One(value.as_bytes())), "{value}");
        }
        for value in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "text/plain; application/json",
            "application/jsonp",
            "application/json-seq",
            "application/problem+json",
            "application/json, text/plain",
            "text/plain, application/json",
            "application/json;a=b, text/plain",
            " application/json\u{0}",
        ] {
            assert!(!is_json(Field::One(value.as_bytes())), "{value}");
        }
        assert!(!is_json(Field::Absent));
        assert!(!is_json(Field::Repeated));
    }

    #[test]
    fn ts_24_only_an_exclusion_is_refused() {
        for value in [
            "",
            "application/json, text/event-stream",
            "text/event-stream, application/json",
            "APPLICATION/JSON",
            "*/*",
            "application/*;q=0.1",
            "text/html, */*;q=0.001",
            "application/json;q=1, */*;q=0",
            "application/json;q=0.0001",
            "application/json;profile=x",
            "application/json;q=0, application/json",
        ] {
            assert!(accepts_json(Field::One(value.as_bytes())), "{value}");
        }
        for value in [
            "text/event-stream",
            "text/html, image/*",
            "application/json;q=0",
            "application/json; Q=0.000, */*",
            "application/json;q=0., application/*",
            "*/*;q=0",
            "application",
            ",",
        ] {
            assert!(!accepts_json(Field::One(value.as_bytes())), "{value}");
        }
        assert!(accepts_json(Field::Absent));
        assert!(accepts_json(Field::Repeated));
    }
}
