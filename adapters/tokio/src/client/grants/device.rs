//! Logging in with a browser on another machine (RFC 8628).

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    time::{Duration, Instant},
};

use portcullis_core::client::{
    DeviceError, DeviceGrant, DevicePoll, DeviceRequest, Grant, TOKEN_ANSWER_LEN_MAX, Wish,
};
use zeroize::Zeroizing;

use crate::client::{
    AuthorizeError, Login, Printable,
    authorize::{Flow, Storage, freshness},
    token_failure::TokenFailure,
};

/// Room for one poll: a signed request, the answer, and the texts in it.
const POLL_LEN: usize = 2 * TOKEN_ANSWER_LEN_MAX + 24 * 1024;

/// What the user needs to log in on another machine.
///
/// `Debug` does not show the code.
#[derive(Clone)]
pub struct DeviceCode {
    /// What the user types; printable ASCII.
    pub user_code: String,
    /// The page where it is typed; https, or http on loopback.
    pub verification_uri: String,
    /// The same page with the code filled in, for a QR code.
    pub verification_uri_complete: Option<String>,
    /// How long the code is good.
    pub expires_in: Duration,
}

impl DeviceCode {
    fn of(grant: &DeviceGrant<'_>) -> Self {
        Self {
            user_code: grant.user_code().to_owned(),
            verification_uri: grant.verification_uri().to_owned(),
            verification_uri_complete: grant.verification_uri_complete().map(str::to_owned),
            expires_in: Duration::from_secs(u64::from(grant.expires_in_secs())),
        }
    }
}

impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode")
            .field("verification_uri", &self.verification_uri)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// The future of [`ShowCode::show`].
pub type Shown<'c> = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'c>>;

/// Shows the user where to log in, and with which code.
pub trait ShowCode: Send + Sync {
    /// Shows it; the tokens are waited for meanwhile. If it fails, so does the login.
    fn show(&self, code: DeviceCode) -> Shown<'_>;
}

impl<F, R> ShowCode for F
where
    F: Fn(DeviceCode) -> R + Send + Sync,
    R: Future<Output = io::Result<()>> + Send + 'static,
{
    fn show(&self, code: DeviceCode) -> Shown<'_> {
        Box::pin(self(code))
    }
}

/// Prints page and code.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrintCode;

impl ShowCode for PrintCode {
    fn show(&self, code: DeviceCode) -> Shown<'_> {
        let (page, typed) = (Printable(&code.verification_uri), Printable(&code.user_code));
        println!("Open this page on any device:\n{page}\nand enter the code {typed}");
        Box::pin(async { Ok(()) })
    }
}

impl Flow<'_> {
    pub(in crate::client) async fn device(
        &self,
        challenges: &[Vec<u8>],
        wish: &Wish<'_>,
        earlier: Option<&Login>,
        display: &dyn ShowCode,
    ) -> Result<Login, TokenFailure> {
        let known: Vec<_> = self.known_clients(earlier).collect();
        let mut storage = Storage::new();
        let scratch = &mut storage.scratch();
        let discovered = self.discover(challenges, &known, Grant::DeviceCode, scratch).await?;
        self.look_at_issuer(earlier, &discovered);
        let client = self.register(&discovered, &known, None, scratch).await?;
        let fresh = freshness();
        let request = DeviceRequest::new(&discovered, &client, wish, fresh.as_ref(), scratch);
        let mut request = request.map_err(|error| TokenFailure::of_device(error, None))?;
        self.drive(&mut request, scratch).await;
        let response = request.error_response();
        let clock = Clock(Instant::now());
        let grant = request.finish(clock.secs());
        let grant = grant.map_err(|error| TokenFailure::of_device(error, response))?;
        let showing = async {
            match display.show(DeviceCode::of(&grant)).await {
                Ok(()) => std::future::pending().await,
                Err(error) => AuthorizeError::Browser(error),
            }
        };
        tokio::select! {
            biased;
            login = self.wait_for_tokens(&grant, &clock) => login,
            failed = showing => Err(failed.into()),
            () = tokio::time::sleep(self.options.login_time_limit) => Err(AuthorizeError::TimedOut.into()),
        }
    }

    async fn wait_for_tokens(
        &self,
        grant: &DeviceGrant<'_>,
        clock: &Clock,
    ) -> Result<Login, TokenFailure> {
        let mut grant = grant.clone();
        let mut room = Zeroizing::new(vec![0; POLL_LEN]);
        loop {
            match grant.poll(clock.secs()) {
                DevicePoll::Wait(secs) => tokio::time::sleep(Duration::from_secs(secs)).await,
                DevicePoll::Ask => {
                    if let Some(login) = self.ask_for_tokens(&mut grant, clock, &mut room).await? {
                        return Ok(login);
                    }
                }
                DevicePoll::Expired => {
                    return Err(TokenFailure::of_device(DeviceError::Expired, None));
                }
            }
        }
    }

    async fn ask_for_tokens(
        &self,
        grant: &mut DeviceGrant<'_>,
        clock: &Clock,
        room: &mut [u8],
    ) -> Result<Option<Login>, TokenFailure> {
        let scratch = &mut portcullis_core::encoding::scratch::Scratch::new(room);
        let request = grant.token_request(freshness().as_ref(), scratch);
        let request = request.map_err(|error| TokenFailure::of_device(error, None))?;
        let mut request = request.proving(self.wanted.proving());
        self.drive(&mut request, scratch).await;
        let response = request.error_response();
        let tokens = grant.handle_answer(request, clock.secs());
        let tokens = tokens.map_err(|error| TokenFailure::of_device(error, response))?;
        Ok(tokens.map(|tokens| self.login(grant.client(), "", &tokens)))
    }
}

/// Whole seconds since the login began.
struct Clock(Instant);

impl Clock {
    fn secs(&self) -> u64 {
        self.0.elapsed().as_secs()
    }
}
