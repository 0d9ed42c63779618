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
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
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
