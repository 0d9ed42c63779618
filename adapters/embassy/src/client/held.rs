//! What the client holds: texts of a login, one behind the other in memory of the caller.

use portcullis_core::{
    bearer::BearerToken,
    client::{RefreshToken, StoredTokens},
    encoding::scratch::BufferFull,
    scope::ScopeSet,
    time::UnixTime,
};
use zeroize::Zeroize;

/// The texts of a login, or where each of them ends in memory. One that is absent is empty.
#[derive(Clone, Copy, Default)]
pub(super) struct Texts<T> {
    pub(super) issuer: T,
    pub(super) resource: T,
    pub(super) client_id: T,
    pub(super) asked_scope: T,
    pub(super) scope: T,
    pub(super) access_token: T,
    pub(super) refresh_token: T,
}

impl<T> Texts<T> {
    /// The same of each, in the order in which they lie in memory.
    fn map<U>(self, mut each: impl FnMut(T) -> U) -> Texts<U> {
        Texts {
            issuer: each(self.issuer),
            resource: each(self.resource),
            client_id: each(self.client_id),
            asked_scope: each(self.asked_scope),
            scope: each(self.scope),
            access_token: each(self.access_token),
            refresh_token: each(self.refresh_token),
        }
    }
}

/// A login, or none.
///
/// A new one takes the place of an older one all at once: where it does not fit, the older one stays.
pub(super) struct Held<'m> {
    memory: &'m mut [u8],
    ends: Texts<usize>,
    /// When the access token is to be replaced, and when it ends.
    pub(super) refresh_at: UnixTime,
    pub(super) expires_at: UnixTime,
}

impl<'m> Held<'m> {
    pub(super) fn new(memory: &'m mut [u8]) -> Self {
        let never = UnixTime::from_secs(0);
        Self { memory, ends: Texts::default(), refresh_at: never, expires_at: never }
    }

    /// Keeps copies of the texts.
    pub(super) fn keep(&mut self, texts: Texts<&str>) -> Result<(), BufferFull> {
        let mut len = 0_usize;
        let ends = texts.map(|text| {
            len = len.saturating_add(text.len());
            len
        });
        if len > self.memory.len() {
            return Err(BufferFull);
        }
        self.forget();
        let mut places = self.memory.iter_mut();
        texts.map(|text| {
            for (byte, place) in text.bytes().zip(&mut places) {
                *place = byte;
            }
        });
        self.ends = ends;
        Ok(())
    }

    /// Tokens are no longer there than they are of use.
    pub(super) fn forget(&mut self) {
        self.memory.zeroize();
        self.ends = Texts::default();
    }

    /// What is kept.
    pub(super) fn texts(&self) -> Texts<&str> {
        let mut start = 0;
        self.ends.map(|end| {
            let bytes = self.memory.get(start..end).unwrap_or_default();
            start = end;
            core::str::from_utf8(bytes).unwrap_or_default()
        })
    }

    pub(super) fn access_token(&self) -> Option<BearerToken<'_>> {
        BearerToken::new(self.texts().access_token.as_bytes()).ok()
    }

    /// What a refresh needs, if there is a refresh token.
    pub(super) fn stored_tokens(&self) -> Option<StoredTokens<'_>> {
        let texts = self.texts();
        Some(StoredTokens {
            issuer: texts.issuer,
            resource: texts.resource,
            client_id: texts.client_id,
            asked_scope: ScopeSet::parse(texts.asked_scope).ok()?,
            scope: ScopeSet::parse(texts.scope).ok()?,
            refresh_token: RefreshToken::new(texts.refresh_token)?,
        })
    }
}

impl core::fmt::Debug for Held<'_> {
    /// Without the texts, among them tokens (INV-6).
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Held(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn texts() -> Texts<&'static str> {
        Texts {
            issuer: "https://as",
            resource: "https://rs/mcp",
            client_id: "device",
            asked_scope: "a b",
            scope: "a",
            access_token: "access",
            refresh_token: "refresh",
        }
    }

    #[test]
    fn what_is_kept_is_what_is_read() {
        let mut memory = vec![0; 64];
        let mut held = Held::new(&mut memory);
        assert!(held.access_token().is_none() && held.stored_tokens().is_none());
        held.keep(texts()).unwrap();
        assert_eq!(held.access_token().unwrap().expose(), "access");
        let stored = held.stored_tokens().unwrap();
        assert_eq!((stored.issuer, stored.resource), ("https://as", "https://rs/mcp"));
        assert_eq!((stored.client_id, stored.refresh_token.expose()), ("device", "refresh"));
        assert_eq!((stored.asked_scope.as_str(), stored.scope.as_str()), ("a b", "a"));
        held.keep(Texts { refresh_token: "", access_token: "other", ..texts() }).unwrap();
        assert_eq!(held.access_token().unwrap().expose(), "other");
        assert!(held.stored_tokens().is_none(), "without a refresh token there is no refresh");
    }

    #[test]
    fn what_does_not_fit_leaves_what_was_there() {
        let len: usize = [10, 14, 6, 3, 1, 6, 7].iter().sum();
        for (room, fits) in [(len - 1, false), (len, true)] {
            let mut memory = vec![0; room];
            let mut held = Held::new(&mut memory);
            held.keep(Texts { access_token: "old", ..Texts::default() }).unwrap();
            assert_eq!(held.keep(texts()).is_ok(), fits);
            let expected = if fits { "access" } else { "old" };
            assert_eq!(held.access_token().unwrap().expose(), expected);
        }
    }

    #[test]
    fn inv_6_nothing_is_left_and_nothing_shown() {
        let mut memory = vec![0; 64];
        let mut held = Held::new(&mut memory);
        held.keep(texts()).unwrap();
        assert!(!std::format!("{held:?}").contains("access"));
        held.forget();
        assert!(held.access_token().is_none());
        assert_eq!(memory, [0; 64]);
    }
}
