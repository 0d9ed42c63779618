//! Step 6: what HTTP says of the body.

use super::*;

#[test]
fn lim_10_length_on_both_sides_of_the_limit() {
    let of_len = |len: usize| {
        let case = Case::legacy();
        let missing = len - case.body.len();
        case.swap("\"arguments\":{}", &format!("\"arguments\":{{}}{}", " ".repeat(missing)))
    };
    let max = BodyLimits::SMALL.len_max;
    assert_eq!(of_len(max).body.len(), max);
    of_len(max - 1).is_accepted();
    of_len(max).is_accepted();
    of_len(max + 1).fails(Fault::TooLong, 413, -32600);
    let mut desktop = of_len(max + 1);
    desktop.limits = BodyLimits::DESKTOP;
    desktop.is_accepted();
}

#[test]
fn ts_25_length_is_looked_at_first() {
    let mut case = Case::legacy().without("content-type").body("[");
    case.limits.len_max = 0;
    case.fails(Fault::TooLong, 413, -32600);
}

#[test]
fn sec_388_a_body_that_is_not_declared_as_json() {
    for value in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        Case::modern().set("Content-Type", value).fails(Fault::ContentType, 415, -32600);
    }
    Case::modern().without("Content-Type").fails(Fault::ContentType, 415, -32600);
    Case::modern().line("Content-Type", "application/json").fails(Fault::ContentType, 415, -32600);
    Case::modern().set("Content-Type", "application/json; charset=utf-8").is_accepted();
}

#[test]
fn sec_450_an_encoded_body() {
    for value in ["gzip", "br", "identity", "", "gzip, gzip"] {
        let case = Case::modern().line("Content-Encoding", value);
        case.fails(Fault::ContentEncoding, 415, -32600);
        case.line("Content-Encoding", value).fails(Fault::ContentEncoding, 415, -32600);
    }
}

#[test]
fn ts_24_a_client_that_takes_no_json() {
    Case::modern().set("Accept", "text/html").fails(Fault::Accept, 406, -32600);
    Case::modern().set("Accept", "application/json;q=0, */*").fails(Fault::Accept, 406, -32600);
    Case::modern().set("Accept", "*/*").is_accepted();
    Case::modern().without("Accept").is_accepted();
    Case::modern().line("Accept", "text/html").is_accepted();
}
