//! A metadata document at one place, as a client meets it (CL-06, §8.3).

use std::time::Duration;

use http::HeaderMap;
use portcullis_core::{client::FetchFailure, encoding::scratch::Scratch};

use super::{
    examination::Examination,
    net::{Answer, BODY_LEN_MAX, End, Failure},
    rules::{self, Rule},
};

/// From here on a document is slow.
const SLOW: Duration = Duration::from_secs(3);
/// Memory for texts of one document that have escapes.
const SCRATCH_LEN: usize = 2 * BODY_LEN_MAX;

/// What the faults of a kind of documents are called.
pub(super) struct Kind {
    pub(super) redirects: &'static Rule,
    /// `None` where nobody would expect a token to be asked for.
    pub(super) needs_token: Option<&'static Rule>,
    pub(super) trouble: &'static Rule,
    pub(super) media_type: &'static Rule,
    pub(super) too_long: &'static Rule,
    pub(super) slow: &'static Rule,
    pub(super) empty_list: &'static Rule,
}

/// What stands at a place.
pub(super) enum Place {
    Document(Document),
    /// A client goes on to the next place. A fault is told where no later place is better.
    NotHere(String),
    /// A client stops.
    Trouble,
}

/// A document that came whole, as JSON.
pub(super) struct Document {
    pub(super) url: String,
    pub(super) body: Vec<u8>,
    pub(super) fields: HeaderMap,
}

impl Document {
    /// The members as they stand, whatever their types; `None` when it is no JSON object.
    pub(super) fn members(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether a member is a list that has `text`.
    pub(super) fn lists(&self, member: &str, text: &str) -> bool {
        let members = self.members().unwrap_or_default();
        let list = members.get(member).and_then(serde_json::Value::as_array);
        list.is_some_and(|list| list.iter().any(|entry| entry == text))
    }

    /// Shows the document to one of the core's readers.
    pub(super) fn read<T>(&self, read: impl for<'m> FnOnce(&'m [u8], &mut Scratch<'m>) -> T) -> T {
        let mut memory = vec![0; SCRATCH_LEN];
        read(&self.body, &mut Scratch::new(&mut memory))
    }
}

impl Examination {
    /// Asks one place for a document, and tells what is wrong with how it answers.
    pub(super) async fn place(&mut self, url: &str, kind: &Kind) -> Place {
        let answer = match self.net.get(url).await {
            Ok(answer) => answer,
            Err(failure) => return self.no_answer(url, &failure, kind),
        };
        if answer.took > SLOW {
            self.report.find(kind.slow, url, format!("{} s", answer.took.as_secs()));
        }
        if let Some(target) = answer.redirect() {
            self.report.find(kind.redirects, url, format!("{} to {target}", answer.status));
            return Place::NotHere(format!("status {}", answer.status));
        }
        match answer.status {
            200 => self.document(url, answer, kind),
            401 | 403 => {
                if let Some(rule) = kind.needs_token {
                    self.report.find(rule, url, format!("status {}", answer.status));
                }
                Place::NotHere(format!("status {}", answer.status))
            }
            429 | 500.. => {
                self.report.find(kind.trouble, url, format!("status {}", answer.status));
                Place::Trouble
            }
            status => Place::NotHere(format!("status {status}")),
        }
    }

    fn document(&mut self, url: &str, answer: Answer, kind: &Kind) -> Place {
        match answer.end {
            End::Whole => {}
            End::TooLong => {
                self.report.find(kind.too_long, url, "");
                return Place::NotHere("too long".to_owned());
            }
            End::TimedOut => {
                self.report.find(kind.too_long, url, "it did not end in time");
                return Place::Trouble;
            }
            End::Broken => {
                self.report.find(kind.trouble, url, "the answer broke off");
                return Place::Trouble;
            }
        }
        let media_type = answer.field(&http::header::CONTENT_TYPE).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            self.report.find(kind.media_type, url, media_type);
            return Place::NotHere("not application/json".to_owned());
        }
        let document = Document { url: url.to_owned(), body: answer.body, fields: answer.fields };
        let members = document.members().unwrap_or_default();
        let is_empty = |value: &serde_json::Value| value.as_array().is_some_and(Vec::is_empty);
        let empty: Vec<&str> = members
            .iter()
            // Without these there are faults of other names.
            .filter(|(name, _)| {
                !matches!(
                    name.as_str(),
                    "authorization_servers" | "code_challenge_methods_supported"
                )
            })
            .filter(|(_, value)| is_empty(value))
            .map(|(name, _)| name.as_str())
            .collect();
        if !empty.is_empty() {
            self.report.find(kind.empty_list, url, empty.join(", "));
        }
        Place::Document(document)
    }

    fn no_answer(&mut self, url: &str, failure: &Failure, kind: &Kind) -> Place {
        match failure {
            Failure::Forbidden(_) => {
                self.report.find(&rules::ISSUER_FORBIDDEN, url, failure.to_string());
            }
            Failure::Tls(error) => self.report.find(&rules::TLS_INVALID, url, error),
            Failure::TimedOut => {
                self.report.find(kind.trouble, url, FetchFailure::TimedOut.to_string());
            }
            other => self.report.find(kind.trouble, url, other.to_string()),
        }
        Place::Trouble
    }
}
