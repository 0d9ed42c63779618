//! One request for tokens as one step.
//!
//! The protocol engine takes a code or a refresh token out of its storage, writes it back as used,
//! issues, and writes each token: one call after the other. If a process dies in between, a client is
//! left with nothing; if two requests meet in between, each sees the other's half and both are
//! refused. So what the engine writes for one request gathers here, and the storage takes it at the
//! end, all or nothing, if the code or token is still unused then (SEC-222, SEC-229, SEC-231).
//!
//! Revocations do not wait: a replayed code or a reused refresh token ends its family at once.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oauth_as::authorization::{AuthorizationCodeRecord, AuthorizationCodeState};
use oauth_as::token::RefreshTokenState;
use oauth_as::{
    Client, GrantType, IssuedToken, RefreshTokenRecord, Storage, StorageError, WriteOutcome,
};

use super::Records;
use crate::secrets::Digest;

tokio::task_local! {
    /// The redemption that the engine is called for.
    static CURRENT: Arc<Redemption>;
}

/// What a client presents together with a code, which tells its rightful redeemer from somebody who
/// saw the code (AS-86).
///
/// The engine answers a second use of a code by revoking what the first one gave, before it looks at
/// the verifier. Whoever saw only the code could then end the rightful client's session (SEC-221), so
/// for such a request the code is not there.
#[derive(Debug, Clone)]
pub(crate) struct CodeProof {
    /// RFC 7636 §4.6: S256 is the digest's text.
    challenge: Option<String>,
    redirect_uri: Option<String>,
}

impl CodeProof {
    pub(crate) fn new(verifier: Option<&str>, redirect_uri: Option<&str>) -> Self {
        Self {
            challenge: verifier.map(|verifier| Digest::of(verifier).to_text()),
            redirect_uri: redirect_uri.map(str::to_owned),
        }
    }

    fn fits(&self, code: &AuthorizationCodeRecord) -> bool {
        self.challenge.as_ref().is_some_and(|challenge| *challenge == code.code_challenge)
            && self.redirect_uri.as_ref().is_none_or(|uri| *uri == code.redirect_uri)
    }
}

/// What is redeemed, and what the engine wrote for it so far.
pub(crate) struct Redemption {
    /// `None` unless a code is.
    proof: Option<CodeProof>,
    /// Something must be used up for the tokens to count.
    presents_record: bool,
    /// What the tokens are for, where the engine does not know it.
    resource: Option<String>,
    /// An assertion stands for the grant, which the engine does not know either, and whom it is about.
    assertion: Option<Option<String>>,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    code: Option<Presented<AuthorizationCodeRecord>>,
    refresh_token: Option<Presented<RefreshTokenRecord>>,
    access: Option<IssuedToken>,
    next: Option<RefreshTokenRecord>,
}

/// A record that the engine took.
struct Presented<R> {
    record: R,
    /// The record as used.
    used: Option<R>,
    /// The engine took it and did not put it back in any form: it is to go.
    is_gone: bool,
}

impl<R> Presented<R> {
    fn taken(record: R) -> Self {
        Self { record, used: None, is_gone: true }
    }
}

/// How a redemption ended in storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Everything is kept, and the code or token is used up.
    All,
    /// Nothing is: the code or token is not what it was any more.
    Nothing,
}

/// Keeps tokens for which nothing is left to use up: for a client that acts for itself, and for a
/// device, whose grant the engine has taken away already.
async fn keep_alone(
    records: &Records,
    access: IssuedToken,
    next: Option<RefreshTokenRecord>,
) -> Result<bool, StorageError> {
    records.mark_client_used(&access.client_id).await?;
    let name = access.access_token.clone();
    if records.put_token(access).await?.is_refused() {
        return Ok(false);
    }
    if let Some(next) = next
        && records.put_refresh_token(next).await?.is_refused()
    {
        records.delete_token(&name).await?;
        return Ok(false);
    }
    Ok(true)
}

/// The redemption of the request that this task answers.
pub(super) fn current() -> Option<Arc<Redemption>> {
    CURRENT.try_with(Arc::clone).ok()
}

impl Redemption {
    pub(crate) fn of_code(proof: CodeProof) -> Arc<Self> {
        Arc::new(Self {
            proof: Some(proof),
            presents_record: true,
            resource: None,
            assertion: None,
            written: Mutex::default(),
        })
    }

    pub(crate) fn of_refresh_token() -> Arc<Self> {
        Arc::new(Self {
            proof: None,
            presents_record: true,
            resource: None,
            assertion: None,
            written: Mutex::default(),
        })
    }

    /// A request that presents neither code nor refresh token.
    pub(crate) fn of_client() -> Arc<Self> {
        Self::of_device(None)
    }

    /// A request of a device, whose grant is for `resource`.
    pub(crate) fn of_device(resource: Option<String>) -> Arc<Self> {
        let written = Mutex::default();
        Arc::new(Self { proof: None, presents_record: false, resource, assertion: None, written })
    }

    /// A request with an assertion, which is about `subject`. To the engine it is one of the client itself.
    #[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
    pub(crate) fn of_assertion(subject: Option<String>) -> Arc<Self> {
        Arc::new(Self {
            proof: None,
            presents_record: false,
            resource: None,
            assertion: Some(subject),
            written: Mutex::default(),
        })
    }

    /// A client as the engine is to see it: with an assertion it may do what it may not do by itself.
    pub(super) fn seen(&self, client: Arc<Client>) -> Arc<Client> {
        if self.assertion.is_none() {
            return client;
        }
        let mut client = Arc::unwrap_or_clone(client);
        client.grant_types = vec![GrantType::ClientCredentials];
        Arc::new(client)
    }

    /// Runs `work`, whose calls of the storage are for this redemption.
    pub(crate) async fn scope<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(self), work).await
    }

    /// The access token that is to be kept.
    pub(crate) fn access_token(&self) -> Option<IssuedToken> {
        self.written().access.clone()
    }

    /// Keeps no refresh token beside the access token.
    pub(crate) fn leave_out_refresh_token(&self) {
        self.written().next = None;
    }

    /// Keeps what the engine wrote, in one step.
    pub(super) async fn keep(&self, records: &Records) -> Result<Kept, StorageError> {
        let Written { code, refresh_token, access, next } = std::mem::take(&mut *self.written());
        let incomplete = || StorageError::new("the engine answered and did not write");
        let access = access.ok_or_else(incomplete)?;
        let kept = match (code, refresh_token) {
            (Some(Presented { used: Some(used), .. }), None) => {
                records.redeem_code(&used, &access, next.as_ref()).await?
            }
            (None, Some(Presented { record, used: Some(used), .. })) => {
                records.rotate_refresh_token(&record, &used, &access, next.as_ref()).await?
            }
            (None, None) if !self.presents_record => keep_alone(records, access, next).await?,
            _ => return Err(incomplete()),
        };
        Ok(if kept { Kept::All } else { Kept::Nothing })
    }

    /// Nothing is issued. What the engine took and never put back goes: it has expired, or may not
    /// be used any more.
    pub(super) async fn give_up(&self, records: &Records) {
        let Written { code, refresh_token, .. } = std::mem::take(&mut *self.written());
        // If that fails, the record is refused again whenever it comes back.
        if let Some(Presented { record, is_gone: true, .. }) = code {
            let _ = records.take_authorization_code(&record.code).await;
        }
        if let Some(Presented { record, is_gone: true, .. }) = refresh_token {
            let _ = records.take_refresh_token(&record.refresh_token).await;
        }
    }

    pub(super) async fn take_code(
        &self,
        records: &Records,
        code: &str,
    ) -> Result<Option<AuthorizationCodeRecord>, StorageError> {
        let Some(proof) = &self.proof else { return records.take_authorization_code(code).await };
        let found = records.authorization_code(code).await?.filter(|found| proof.fits(found));
        self.written().code = found.clone().map(Presented::taken);
        Ok(found)
    }

    pub(super) async fn put_code(
        &self,
        records: &Records,
        record: AuthorizationCodeRecord,
    ) -> Result<(), StorageError> {
        let replayed = {
            let mut written = self.written();
            match &mut written.code {
                Some(presented) if presented.record.code == record.code => {
                    presented.is_gone = false;
                    if record.state == presented.record.state {
                        return Ok(());
                    }
                    if matches!(record.state, AuthorizationCodeState::Consumed { .. }) {
                        presented.used = Some(record);
                        return Ok(());
                    }
                    Some(presented.record.state.clone())
                }
                _ => None,
            }
        };
        match replayed {
            // The trace of a replay. Another replay of the same code may have left it already.
            Some(state) => {
                records.compare_and_swap_authorization_code(&state, record).await.map(drop)
            }
            None => records.put_authorization_code(record).await,
        }
    }

    /// Names what the used code gave; `None` when the code is not one that is used here.
    pub(super) fn swap_code(
        &self,
        expected: &AuthorizationCodeState,
        updated: &AuthorizationCodeRecord,
    ) -> Option<bool> {
        let mut written = self.written();
        let used = written.code.as_mut().and_then(|presented| presented.used.as_mut())?;
        if used.code != updated.code {
            return None;
        }
        let fits = used.state == *expected;
        if fits {
            *used = updated.clone();
        }
        Some(fits)
    }

    pub(super) fn put_token(&self, mut token: IssuedToken) -> WriteOutcome {
        token.resource.extend(self.resource.clone());
        if let Some(subject) = &self.assertion {
            token.subject.clone_from(subject);
        }
        self.written().access = Some(token);
        WriteOutcome::Applied
    }

    /// Takes back the access token, if it was written here.
    pub(super) fn delete_token(&self, token: &str) -> bool {
        let mut written = self.written();
        let is_own = written.access.as_ref().is_some_and(|own| own.access_token == token);
        if is_own {
            written.access = None;
        }
        is_own
    }

    pub(super) async fn take_refresh_token(
        &self,
        records: &Records,
        token: &str,
    ) -> Result<Option<RefreshTokenRecord>, StorageError> {
        let is_presented = {
            let mut written = self.written();
            if written.next.as_ref().is_some_and(|next| next.refresh_token == token) {
                return Ok(written.next.take());
            }
            self.proof.is_none() && written.refresh_token.is_none()
        };
        if !is_presented {
            return records.take_refresh_token(token).await;
        }
        let found = records.get_refresh_token(token).await?.map(Arc::unwrap_or_clone);
        self.written().refresh_token = found.clone().map(Presented::taken);
        Ok(found)
    }

    pub(super) fn put_refresh_token(&self, mut record: RefreshTokenRecord) -> WriteOutcome {
        let mut written = self.written();
        match &mut written.refresh_token {
            Some(presented) if presented.record.refresh_token == record.refresh_token => {
                presented.is_gone = false;
                let was_active = presented.record.state == RefreshTokenState::Active;
                if was_active && record.state == RefreshTokenState::Spent {
                    presented.used = Some(record);
                }
            }
            _ => {
                record.resource.extend(self.resource.clone());
                written.next = Some(record);
            }
        }
        WriteOutcome::Applied
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
