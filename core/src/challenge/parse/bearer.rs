//! The Bearer challenge among all challenges of a response (RFC 6750 §3, RFC 9728 §5.1).

use super::{super::is_quotable, Challenges, ParsedChallenge};
use crate::{
    encoding::scratch::{BufferFull, Scratch},
    scope::ScopeSet,
};

/// What a resource server asks for.
///
/// Nothing in here is trusted: `resource_metadata` has yet to pass the URL policy (SEC-155), and the
/// texts are for people, shown as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BearerChallenge<'s> {
    /// `realm`.
    pub realm: Option<&'s str>,
    /// The scopes that the refused request needs (CL-43, CL-82).
    pub scope: Option<ScopeSet<'s>>,
    /// `error`, not limited to the codes we know.
    pub error: Option<&'s str>,
    /// `error_description`.
    pub error_description: Option<&'s str>,
    /// Where the protected resource's metadata is said to be (CL-03).
    pub resource_metadata: Option<&'s str>,
}

/// The Bearer challenge of these `WWW-Authenticate` lines: the first that names
/// `resource_metadata`, else the first; `None` when there is none. With the feature `dpop` a DPoP
/// challenge is one too: it has the same parameters (RFC 9449 §7.1, RFC 9728 §5.1).
///
/// A challenge whose `scope`, `error` or `resource_metadata` has characters outside of RFC 6750 §3
/// is passed over whole: half of it would be another challenge. Texts for people that cannot be
/// read are left out.
pub fn bearer<'s, 'h: 's>(
    lines: impl IntoIterator<Item = &'h [u8]>,
    scratch: &mut Scratch<'s>,
) -> Result<Option<BearerChallenge<'s>>, BufferFull> {
    let mut first = None;
    let of_ours = |challenge: &ParsedChallenge<'_>| {
        challenge.is("Bearer") || (cfg!(feature = "dpop") && challenge.is("DPoP"))
    };
    for challenge in Challenges::parse(lines).filter(of_ours) {
        match BearerChallenge::read(&challenge, scratch) {
            Ok(challenge) if challenge.resource_metadata.is_some() => return Ok(Some(challenge)),
            Ok(challenge) => first = first.or(Some(challenge)),
            Err(ReadError::Unsound) => {}
            Err(ReadError::BufferFull) => return Err(BufferFull),
        }
    }
    Ok(first)
}

impl<'s> BearerChallenge<'s> {
    fn read<'h: 's>(
        challenge: &ParsedChallenge<'h>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, ReadError> {
        // RFC 6750 §3 has parameters only.
        if challenge.token68().is_some() {
            return Err(ReadError::Unsound);
        }
        let mut text = |name| challenge.param(name).map(|value| value.read(scratch)).transpose();
        Ok(Self {
            realm: text("realm")?.flatten(),
            scope: sound(text("scope")?, |_| true)?
                .map(|scope| ScopeSet::parse(scope).map_err(|_| ReadError::Unsound))
                .transpose()?
                .filter(|scope| !scope.is_empty()),
            error: sound(text("error")?, is_quotable)?,
            error_description: text("error_description")?.flatten(),
            resource_metadata: sound(text("resource_metadata")?, |url| {
                is_quotable(url) && !url.contains([' '])
            })?,
        })
    }
}

enum ReadError {
    /// A parameter that decides something has characters it must not have.
    Unsound,
    BufferFull,
}

impl From<BufferFull> for ReadError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// A value that is there has to be readable and permitted.
fn sound(
    value: Option<Option<&str>>,
    is_permitted: impl Fn(&str) -> bool,
) -> Result<Option<&str>, ReadError> {
    match value {
        None => Ok(None),
        Some(Some(text)) if is_permitted(text) => Ok(Some(text)),
        Some(_) => Err(ReadError::Unsound),
    }
}
