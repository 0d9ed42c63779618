//! Forms: `application/x-www-form-urlencoded` bodies and query strings (RFC 6749 Appendix B).

use super::percent::{self, Encoded, PercentError};
use super::scratch::BufferFull;
use super::text::TextWriter;
use crate::limits::{FORM_LEN_MAX, FORM_PARAMETERS_MAX};

/// Why a text is not a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormError {
    /// Longer than [`FORM_LEN_MAX`] (LIM-8).
    TooLong,
    /// More than [`FORM_PARAMETERS_MAX`] parameters (LIM-8).
    TooMany,
    /// A parameter stands twice (RFC 6749 §3.1, §3.2).
    Repeated,
    /// A name or value that cannot be decoded.
    Encoding(PercentError),
}

impl core::fmt::Display for FormError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong => f.write_str("form is too long"),
            Self::TooMany => f.write_str("form has too many parameters"),
            Self::Repeated => f.write_str("form has a parameter twice"),
            Self::Encoding(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FormError {}

impl From<PercentError> for FormError {
    fn from(error: PercentError) -> Self {
        Self::Encoding(error)
    }
}

/// A form, checked as a whole before any of it is used.
#[derive(Clone, Copy)]
pub struct Form<'f> {
    text: &'f str,
}

impl<'f> Form<'f> {
    /// Checks a body, or what follows the `?` of a URI: no parameter twice (SEC-050).
    pub fn parse(text: &'f [u8]) -> Result<Self, FormError> {
        Self::parse_with_repeats(text, &[])
    }

    /// Checks as [`Form::parse`] does, but lets the parameters of these names stand more than once
    /// (`resource`, RFC 8707 §2).
    pub fn parse_with_repeats(text: &'f [u8], repeatable: &[&str]) -> Result<Self, FormError> {
        if text.len() > FORM_LEN_MAX {
            return Err(FormError::TooLong);
        }
        let text = core::str::from_utf8(text).map_err(|_| PercentError::Character)?;
        // Counted before anything is compared with anything.
        if split(text).count() > FORM_PARAMETERS_MAX {
            return Err(FormError::TooMany);
        }
        for (position, (name, value)) in split(text).enumerate() {
            let name = Encoded::form(name)?;
            Encoded::form(value)?;
            let mut earlier = split(text).take(position);
            let repeated =
                earlier.any(|(earlier, _)| Encoded::form_again(earlier).eq_encoded(name));
            if repeated && !repeatable.iter().any(|repeatable| name.eq_str(repeatable)) {
                return Err(FormError::Repeated);
            }
        }
        Ok(Self { text })
    }

    /// Names and values in the order of the form.
    pub fn pairs(self) -> impl Iterator<Item = (Encoded<'f>, Encoded<'f>)> {
        split(self.text)
            .map(|(name, value)| (Encoded::form_again(name), Encoded::form_again(value)))
    }

    /// The values of all parameters with this name.
    pub fn values(self, name: &str) -> impl Iterator<Item = Encoded<'f>> {
        self.pairs()
            .filter_map(move |(this, value)| if this.eq_str(name) { Some(value) } else { None })
    }

    /// The value of the parameter with this name; the first one where repeats were allowed.
    pub fn value(self, name: &str) -> Option<Encoded<'f>> {
        self.values(name).next()
    }
}

impl core::fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Form(..)")
    }
}

/// Names and values as received. Nothing between two `&` is no parameter; one without `=` has an
/// empty value.
fn split(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(['&'])
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once(['=']).unwrap_or((pair, "")))
}

/// A form that is being written.
#[derive(Debug)]
pub struct FormWriter<'b> {
    text: TextWriter<'b>,
    first: bool,
}

impl<'b> FormWriter<'b> {
    /// An empty form that may grow to the length of `buffer`.
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self::behind(TextWriter::new(buffer))
    }

    /// A form behind what `text` holds already, such as a URI and its `?`.
    pub const fn behind(text: TextWriter<'b>) -> Self {
        Self { text, first: true }
    }

    /// Adds one parameter. After one that does not fit the whole text is gone (SEC-036).
    pub fn pair(&mut self, name: &str, value: &str) -> Result<(), BufferFull> {
        if !core::mem::replace(&mut self.first, false) {
            self.text.push_byte(b'&')?;
        }
        percent::encode_form(name, &mut self.text)?;
        self.text.push_byte(b'=')?;
        percent::encode_form(value, &mut self.text)
    }

    /// The whole text; empty after a parameter did not fit.
    pub fn finish(self) -> &'b str {
        self.text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{scratch::Scratch, vectors};
    use std::{string::String, vec, vec::Vec};

    type Pairs = Vec<(String, String)>;

    fn pairs(form: Form<'_>) -> Pairs {
        let read = |encoded: Encoded<'_>| {
            let mut buffer = vec![0; encoded.raw().len()];
            String::from(encoded.read(&mut Scratch::new(&mut buffer)).unwrap())
        };
        form.pairs().map(|(name, value)| (read(name), read(value))).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&[(&str, &str)], FormError>) {
        let own = |pairs: &[(&str, &str)]| -> Pairs {
            pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
        };
        assert_eq!(Form::parse(text.as_bytes()).map(pairs), expected.map(own), "{text}");
    }

    #[test]
    fn names_and_values() {
        check("", Ok(&[]));
        check("a=b", Ok(&[("a", "b")]));
        check("a=b&c=d+e&f=%26%3d", Ok(&[("a", "b"), ("c", "d e"), ("f", "&=")]));
        check("a=b=c&d", Ok(&[("a", "b=c"), ("d", "")]));
        check("a=b;c=d", Ok(&[("a", "b;c=d")]));
        check("&&a=b&&", Ok(&[("a", "b")]));
        check("=b", Ok(&[("", "b")]));
    }

    #[test]
    fn sec_050_repeated_parameter() {
        for text in ["a=1&a=2", "a=1&a=1", "a&a", "a=1&b=2&a=3", "a=1&b=2&b=", "=1&=2"] {
            check(text, Err(FormError::Repeated));
        }
        check("a=1&A=2&aa=3", Ok(&[("a", "1"), ("A", "2"), ("aa", "3")]));
        let text = b"resource=x&scope=s&resource=y";
        assert_eq!(Form::parse(text).err(), Some(FormError::Repeated));
        let form = Form::parse_with_repeats(text, &["resource"]).unwrap();
        assert_eq!(form.values("resource").map(Encoded::raw).collect::<Vec<_>>(), ["x", "y"]);
        let text = b"resource=x&resource=y&scope=s&scope=t";
        assert_eq!(Form::parse_with_repeats(text, &["resource"]).err(), Some(FormError::Repeated));
    }

    #[test]
    fn sec_051_what_cannot_be_decoded() {
        for (raw, error) in [
            ("%", PercentError::Escape),
            ("%zz", PercentError::Escape),
            ("%00", PercentError::Nul),
            ("%c0%af", PercentError::Utf8),
            ("a b", PercentError::Character),
            ("a\n", PercentError::Character),
            ("é", PercentError::Character),
        ] {
            for text in [["x=1&a=", raw, "&b=2"].concat(), ["x=1&", raw, "=1"].concat()] {
                check(&text, Err(FormError::Encoding(error)));
            }
        }
        assert_eq!(Form::parse(b"a=\xff").err(), Some(PercentError::Character.into()));
        check("a=%0d%0a&b=%2500", Ok(&[("a", "\r\n"), ("b", "%00")]));
    }

    #[test]
    fn sec_052_an_encoded_name_is_the_name() {
        for text in ["client%5Fid=a&client_id=b", "client_id=a&client%5fid=b", "a+b=1&a%20b=2"] {
            check(text, Err(FormError::Repeated));
        }
        let form = Form::parse(b"client%5Fid=a&%63lient=b&client=c").err();
        assert_eq!(form, Some(FormError::Repeated));
        let form = Form::parse(b"client%5Fid=a+b&other=c").unwrap();
        assert!(form.value("client_id").is_some_and(|value| value.eq_str("a b")));
        assert!(form.value("client%5Fid").is_none());
        assert!(form.value("Client_id").is_none());
    }

    #[test]
    fn lim_8_length_and_parameters() {
        for len in [FORM_LEN_MAX - 1, FORM_LEN_MAX, FORM_LEN_MAX + 1] {
            let text = "x".repeat(len);
            let expected = if len > FORM_LEN_MAX { Some(FormError::TooLong) } else { None };
            assert_eq!(Form::parse(text.as_bytes()).err(), expected, "{len}");
        }
        for count in [FORM_PARAMETERS_MAX - 1, FORM_PARAMETERS_MAX, FORM_PARAMETERS_MAX + 1] {
            let text = (0..count).map(|i| std::format!("p{i}={i}")).collect::<Vec<_>>().join("&");
            let expected =
                if count > FORM_PARAMETERS_MAX { Some(FormError::TooMany) } else { None };
            assert_eq!(Form::parse(text.as_bytes()).err(), expected, "{count}");
            // Repeats that are allowed count as well.
            let text = "r=1&".repeat(count);
            assert_eq!(
                Form::parse_with_repeats(text.as_bytes(), &["r"]).err(),
                expected,
                "{count}"
            );
        }
    }

    fn write(pairs: &[(&str, &str)], buffer: &mut [u8]) -> Result<String, BufferFull> {
        let mut form = FormWriter::new(buffer);
        pairs.iter().try_for_each(|(name, value)| form.pair(name, value))?;
        Ok(form.finish().into())
    }

    #[test]
    fn sec_036_written_whole_or_not_at_all() {
        let pairs = [("scope", "a b"), ("redirect_uri", "http://127.0.0.1/?x=1&y")];
        let whole = "scope=a+b&redirect_uri=http%3A%2F%2F127.0.0.1%2F%3Fx%3D1%26y";
        for len in 0..whole.len() {
            assert_eq!(write(&pairs, &mut vec![0; len]), Err(BufferFull), "{len}");
        }
        assert_eq!(write(&pairs, &mut vec![0; whole.len()]).as_deref(), Ok(whole));
        let mut buffer = [0; 16];
        let mut text = TextWriter::new(&mut buffer);
        text.push("https://a/?").unwrap();
        let mut form = FormWriter::behind(text);
        form.pair("b", "c").unwrap();
        assert_eq!(form.finish(), "https://a/?b=c");
    }

    #[test]
    fn naughty_strings_come_back() {
        let Some(strings) = vectors::read("naughty-strings/blns.json") else { return };
        let strings = strings.as_array().unwrap();
        assert!(strings.len() > 300);
        for string in strings.iter().map(|string| string.as_str().unwrap()) {
            let mut buffer = vec![0; 16 + string.len() * 6];
            let written = write(&[("state", string), (string, "x")], &mut buffer).unwrap();
            let form = Form::parse(written.as_bytes()).unwrap();
            assert!(form.value("state").is_some_and(|value| value.eq_str(string)), "{string}");
            assert_eq!(pairs(form), [("state".into(), string.into()), (string.into(), "x".into())]);
        }
    }
}
