//! What an authorization server says when it refuses (RFC 6749 §4.1.2.1, §5.2; RFC 7591 §3.2.2).

use crate::{
    encoding::{form::Form, json::JsonError, json::Reader, scratch::Scratch},
    limits::DOCUMENT_DEPTH_MAX,
};

/// Longest `error` in bytes.
const ERROR_LEN_MAX: usize = 64;
/// Longest `error_description` in bytes that is kept.
const DESCRIPTION_LEN_MAX: usize = 512;

/// The words of a refusal, for people.
///
/// A stranger's text: only printable ASCII without quotes and backslashes gets in here (RFC 6749
/// §5.2), so that it can be shown on a terminal (SEC-486).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorResponse<'s> {
    /// `error`, not limited to the codes we know.
    pub error: &'s str,
    /// `error_description`.
    pub description: Option<&'s str>,
}

impl<'s> ErrorResponse<'s> {
    /// Whether to ask for the same again is in vain: the user, or the server, does not permit these scopes
    /// (RFC 6749 §4.1.2.1). Other errors, such as `server_error`, say nothing of them.
    pub fn is_about_scopes(&self) -> bool {
        matches!(self.error, "access_denied" | "invalid_scope")
    }

    /// Whether the server does not know the client, or not by what it authenticated with (RFC 6749 §5.2).
    pub fn is_about_client(&self) -> bool {
        self.error == "invalid_client"
    }

    /// Reads the JSON body of an error answer; `None` when it is not one.
    pub(super) fn from_json(body: &'s [u8], scratch: &mut Scratch<'s>) -> Option<Self> {
        let (error, description) = read(body, scratch).ok()?;
        Self::checked(error?, description)
    }

    /// Reads the parameters of a callback; `None` when there is no readable `error`.
    pub(super) fn from_form(form: Form<'s>, scratch: &mut Scratch<'s>) -> Option<Self> {
        let error = form.value("error")?.read(scratch).ok()?;
        let description = form.value("error_description").map(|text| text.read(scratch));
        Self::checked(error, description.and_then(Result::ok))
    }

    fn checked(error: &'s str, description: Option<&'s str>) -> Option<Self> {
        let shown = |text: &str, len_max| text.len() <= len_max && text.bytes().all(is_shown);
        if error.is_empty() || !shown(error, ERROR_LEN_MAX) {
            return None;
        }
        let description = description.filter(|description| {
            shown(description, DESCRIPTION_LEN_MAX) && !description.is_empty()
        });
        Some(Self { error, description })
    }
}

impl core::fmt::Display for ErrorResponse<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.error)?;
        match self.description {
            Some(description) => write!(f, " ({description})"),
            None => Ok(()),
        }
    }
}

fn read<'s>(
    body: &'s [u8],
    scratch: &mut Scratch<'s>,
) -> Result<(Option<&'s str>, Option<&'s str>), JsonError> {
    let (mut error, mut description) = (None, None);
    let mut reader = Reader::new(body, DOCUMENT_DEPTH_MAX)?;
    let mut members = reader.object()?;
    while let Some(name) = members.next(&mut reader)? {
        if name.eq_str("error") {
            error = Some(reader.string()?.read(scratch)?);
        } else if name.eq_str("error_description") {
            description = Some(reader.string()?.read(scratch)?);
        } else {
            reader.skip()?;
        }
    }
    reader.end()?;
    Ok((error, description))
}

/// `%x20-21 / %x23-5B / %x5D-7E`
const fn is_shown(byte: u8) -> bool {
    matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[track_caller]
    fn check(body: &str, expected: Option<(&str, Option<&str>)>) {
        let mut buffer = [0; 2048];
        let found = ErrorResponse::from_json(body.as_bytes(), &mut Scratch::new(&mut buffer));
        assert_eq!(found.map(|found| (found.error, found.description)), expected, "{body}");
    }

    #[test]
    fn json() {
        check(
            r#"{"error":"invalid_grant","error_description":"code used","x":[1]}"#,
            Some(("invalid_grant", Some("code used"))),
        );
        check(r#"{"error":"a"}"#, Some(("a", None)));
        check(r#"{"error":""}"#, None);
        check(r#"{"error_description":"a"}"#, None);
        check(r#"{"error":1}"#, None);
        check(r#"{"error":"a","error":"b"}"#, None);
        check("<html>", None);
        check("[]", None);
    }

    #[test]
    fn sec_486_no_control_or_bidi_characters_get_through() {
        check(r#"{"error":"a\u001b[2J"}"#, None);
        check(r#"{"error":"a\u202e"}"#, None);
        check(r#"{"error":"a","error_description":"\u001b]0;x\u0007"}"#, Some(("a", None)));
        check(r#"{"error":"a","error_description":"\u2066"}"#, Some(("a", None)));
        check(r#"{"error":"a","error_description":"say \"x\""}"#, Some(("a", None)));
    }

    #[test]
    fn cl_85_what_an_error_is_about() {
        for (error, about_scopes, about_client) in [
            ("access_denied", true, false),
            ("invalid_scope", true, false),
            ("invalid_client", false, true),
            ("server_error", false, false),
            ("temporarily_unavailable", false, false),
            ("access_denied2", false, false),
            ("invalid_clients", false, false),
        ] {
            let response = ErrorResponse { error, description: None };
            let found = (response.is_about_scopes(), response.is_about_client());
            assert_eq!(found, (about_scopes, about_client), "{error}");
        }
    }

    #[test]
    fn lengths_on_both_sides_of_the_limit() {
        for (len, kept) in [(63, true), (64, true), (65, false)] {
            let text = "a".repeat(len);
            check(&format!(r#"{{"error":"{text}"}}"#), kept.then_some((text.as_str(), None)));
        }
        for (len, kept) in [(511, true), (512, true), (513, false)] {
            let text = "a".repeat(len);
            let body = format!(r#"{{"error":"e","error_description":"{text}"}}"#);
            check(&body, Some(("e", kept.then_some(text.as_str()))));
        }
    }

    #[test]
    fn form() {
        let mut buffer = [0; 64];
        let query = Form::parse(b"error=access%5Fdenied&error_description=not+me").unwrap();
        let found = ErrorResponse::from_form(query, &mut Scratch::new(&mut buffer)).unwrap();
        assert_eq!(format!("{found}"), "access_denied (not me)");
        let query = Form::parse(b"error=%1b&error_description=x").unwrap();
        assert_eq!(ErrorResponse::from_form(query, &mut Scratch::new(&mut buffer)), None);
    }
}
