//! `Mcp-Param-*`: headers that mirror an argument of a tool (MCP 2026-07-28, custom headers).

use super::error::MirroredHeader;
use super::header_value::{sentinel, stands_for};
use crate::message::Field;
use base64ct::{Base64, Encoding};

/// The argument that a header mirrors, as the body has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument<'a> {
    /// Not among the arguments, or `null`.
    Absent,
    /// A string, unescaped.
    Text(&'a str),
    /// A number's JSON text. One that is not integral, or beyond ±(2^53−1), equals nothing (TS-47).
    Integer(&'a str),
    /// `true` or `false`.
    Boolean(bool),
}

/// Checks one `Mcp-Param-*` header against its argument (TS-46).
///
/// Present in the arguments means present and equal in the header; absent there means absent here.
/// Integers are compared by value, `42` with `42.0`; a repeated line is a mismatch (TS-48).
/// `field` holds the value without its outer blanks, as [`crate::message::RequestHead`] keeps it.
pub fn param_header(field: Field<'_>, argument: Argument<'_>) -> Result<(), MirroredHeader> {
    let agrees = match (field, argument) {
        (Field::Absent, Argument::Absent) => true,
        (Field::One(value), Argument::Text(text)) => stands_for(value, text),
        (Field::One(value), Argument::Boolean(true)) => stands_for(value, "true"),
        (Field::One(value), Argument::Boolean(false)) => stands_for(value, "false"),
        (Field::One(value), Argument::Integer(number)) => is_integer(value, number),
        (Field::Absent | Field::Repeated, _) | (Field::One(_), Argument::Absent) => false,
    };
    if agrees { Ok(()) } else { Err(MirroredHeader::Param) }
}

/// Longest spelling of an integer in a header that is looked at.
const INTEGER_LEN_MAX: usize = 48;

fn is_integer(value: &[u8], number: &str) -> bool {
    let mut decoded = [0; INTEGER_LEN_MAX];
    let value = match sentinel(value) {
        None => value,
        // Strict: `Base64` refuses other alphabets, missing padding and trailing bits (TS-43).
        Some(encoded) => match Base64::decode(encoded, &mut decoded) {
            Ok(value) => value,
            Err(_) => return false,
        },
    };
    let expected = integer(number.as_bytes());
    expected.is_some() && integer(value) == expected
}

/// The exact value of a JSON number that is integral and within ±(2^53−1), without float arithmetic.
fn integer(text: &[u8]) -> Option<i64> {
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (whole, rest) = digits(text);
    if whole.is_empty() || matches!(whole, [b'0', _, ..]) {
        return None;
    }
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => {
            let (fraction, rest) = digits(rest);
            if fraction.is_empty() {
                return None;
            }
            (fraction, rest)
        }
        _ => (&[][..], rest),
    };
    let mut exponent = exponent(rest)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;

    // The digits without the zeros at their end; those count in the exponent.
    let mut magnitude: i64 = 0;
    let mut zeros: u32 = 0;
    for digit in whole.iter().chain(fraction).map(|byte| byte.wrapping_sub(b'0')) {
        if digit == 0 {
            zeros = zeros.checked_add(1)?;
        } else if magnitude == 0 {
            (magnitude, zeros) = (i64::from(digit), 0);
        } else {
            let shift = 10_i64.checked_pow(zeros.checked_add(1)?)?;
            magnitude = magnitude.checked_mul(shift)?.checked_add(i64::from(digit))?;
            zeros = 0;
        }
    }
    if magnitude == 0 {
        return Some(0);
    }
    exponent = exponent.checked_add(i32::try_from(zeros).ok()?)?;
    // A negative exponent below a digit other than zero leaves a fraction.
    magnitude = magnitude.checked_mul(10_i64.checked_pow(u32::try_from(exponent).ok()?)?)?;
    if magnitude > INTEGER_MAX {
        return None;
    }
    if is_negative { magnitude.checked_neg() } else { Some(magnitude) }
}

/// 2^53−1: beyond it a JavaScript client does not know its own number (TS-47).
const INTEGER_MAX: i64 = 9_007_199_254_740_991;

/// The digits at the start, and what follows them.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at_checked(len).unwrap_or((text, &[]))
}

/// The exponent that `text` is, wholly; none is zero.
fn exponent(text: &[u8]) -> Option<i32> {
    let (is_negative, text) = match text {
        [] => return Some(0),
        [b'e' | b'E', b'-', rest @ ..] => (true, rest),
        [b'e' | b'E', b'+', rest @ ..] | [b'e' | b'E', rest @ ..] => (false, rest),
        _ => return None,
    };
    let (digits, rest) = digits(text);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let mut exponent: i32 = 0;
    for byte in digits {
        exponent = exponent.checked_mul(10)?.checked_add(i32::from(byte.wrapping_sub(b'0')))?;
    }
    if is_negative { exponent.checked_neg() } else { Some(exponent) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{format, string::ToString};

    #[track_caller]
    fn check(value: &str, argument: Argument<'_>, agrees: bool) {
        assert_eq!(
            param_header(Field::One(value.as_bytes()), argument).is_ok(),
            agrees,
            "{value:?} {argument:?}"
        );
    }

    #[test]
    fn ts_46_present_on_both_sides_or_on_none() {
        let mismatch = Err(MirroredHeader::Param);
        assert_eq!(param_header(Field::Absent, Argument::Absent), Ok(()));
        assert_eq!(param_header(Field::Absent, Argument::Text("")), mismatch);
        assert_eq!(param_header(Field::Absent, Argument::Boolean(false)), mismatch);
        assert_eq!(param_header(Field::One(b""), Argument::Absent), mismatch);
        assert_eq!(param_header(Field::One(b"null"), Argument::Absent), mismatch);
        for argument in [Argument::Absent, Argument::Text("a"), Argument::Integer("1")] {
            assert_eq!(param_header(Field::Repeated, argument), mismatch); // TS-48
        }
    }

    #[test]
    fn ts_46_texts_and_booleans() {
        check("a", Argument::Text("a"), true);
        check("A", Argument::Text("a"), false);
        check("=?base64?YQ==?=", Argument::Text("a"), true);
        check("=?base64?YR==?=", Argument::Text("a"), false);
        check("042", Argument::Text("42"), false);
        check("true", Argument::Boolean(true), true);
        check("True", Argument::Boolean(true), false);
        check("true", Argument::Boolean(false), false);
        check("false", Argument::Boolean(false), true);
        check("1", Argument::Boolean(true), false);
    }

    #[test]
    fn ts_46_integers_by_value() {
        for value in ["42", "42.0", "42.000", "4.2e1", "420E-1", "0.42e+2", "=?base64?NDI=?="] {
            check(value, Argument::Integer("42"), true);
            check("42.0", Argument::Integer(value), !value.starts_with('='));
        }
        for value in [
            "",
            "43",
            "-42",
            "42.1",
            "042",
            "+42",
            "42.",
            ".42e2",
            "42e",
            "42e+",
            " 42",
            "0x2a",
            "4 2",
            "42a",
            "4.2",
            "42e99999999999",
            "=?base64?NDI?=",
            "=?base64?NDJ=?=",
            "NaN",
        ] {
            check(value, Argument::Integer("42"), false);
        }
        check("0", Argument::Integer("-0"), true);
        check("0.0", Argument::Integer("0e5"), true);
        check("1", Argument::Integer("1.5"), false);
        check("1.5", Argument::Integer("1.5"), false);
    }

    #[test]
    fn ts_47_integers_on_both_sides_of_the_limit() {
        for value in [INTEGER_MAX - 1, INTEGER_MAX, -INTEGER_MAX] {
            check(&value.to_string(), Argument::Integer(&value.to_string()), true);
        }
        for value in [INTEGER_MAX + 1, -INTEGER_MAX - 1, i64::MAX, i64::MIN] {
            check(&value.to_string(), Argument::Integer(&value.to_string()), false);
        }
        check("1e400", Argument::Integer("1e400"), false);
        check("9223372036854775808", Argument::Integer("9223372036854775808"), false);
    }

    proptest! {
        #[test]
        fn every_spelling_of_an_integer_is_that_integer(
            value in -INTEGER_MAX..=INTEGER_MAX, zeros in 0_usize..20, shift in 0_u32..5,
        ) {
            let zeros = "0".repeat(zeros.max(1));
            let plain = format!("{value}.{zeros}");
            prop_assert_eq!(integer(plain.as_bytes()), Some(value));
            let scaled = format!("{value}{}e-{shift}", "0".repeat(shift as usize));
            prop_assert_eq!(integer(scaled.as_bytes()), Some(value));
        }
    }
}
