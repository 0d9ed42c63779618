//! `portcullis login`, `logout` and `token get`: this machine as a client of protected MCP servers.

mod list;
mod logout;
mod stores;
mod token;
mod trust;

use std::{
    fmt,
    process::ExitCode,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use portcullis_tokio::{
    AuthoritiesError,
    client::{
        Access, AuthorizeError, ConfiguredClient, DeviceCode, Exchange, Login, Observer,
        OpenBrowser, Opened, Options as ClientOptions, Printable, StoreError, SystemBrowser,
    },
};
use serde::Serialize;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use crate::{
    errors::from_parts,
    files::{self, FileError, Readers},
    output::{self, OutputError, Table},
};

pub(crate) use logout::Options as LogoutOptions;
pub(crate) use token::{Options as TokenOptions, TROUBLE};

/// Longest client secret in bytes.
const SECRET_LEN_MAX: usize = 4 * 1024;

/// What `portcullis login` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The URL of the MCP server.
    #[arg(required_unless_present = "list")]
    url: Option<String>,
    /// Show the logins that are stored, without their tokens.
    #[arg(long, conflicts_with_all = ["url", "scope", "issuer", "client_id", "redirect_port", "no_browser", "device"])]
    list: bool,
    /// Ask for exactly these scopes (with blanks between them) instead of what the server names.
    #[arg(long)]
    scope: Option<String>,
    /// The only authorization server to be used.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// A client id that this authorization server gave you.
    #[arg(long, requires = "issuer", value_name = "ID")]
    client_id: Option<String>,
    /// A file with the secret of this client, for its owner alone.
    #[arg(long, requires = "client_id", value_name = "FILE")]
    client_secret_file: Option<std::path::PathBuf>,
    /// The port on 127.0.0.1 that the browser is sent back to, where the client's registration names one.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "PORT")]
    redirect_port: u16,
    /// Only show the address of the login page.
    #[arg(long)]
    no_browser: bool,
    /// Log in with a browser on another machine: show a code to be typed there.
    #[arg(long, conflicts_with_all = ["no_browser", "redirect_port"])]
    device: bool,
    #[command(flatten)]
    trust: trust::TrustArguments,
    #[command(flatten)]
    stores: stores::StoreArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(crate) fn run(&self) -> Result<ExitCode, Error> {
        match &self.url {
            None => list::run_with(&self.stores, self.json)?,
            Some(url) => run(async { self.log_in(url).await })?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn log_in(&self, url: &str) -> Result<(), Error> {
        let (place, store) = self.stores.for_login(url)?;
        let browser = Browser { opens: !self.no_browser };
        let authorizer = store.authorizer(url, self.client_options()?, browser)?;
        let login = authorizer.log_in().await?;
        let shown = Shown::of(&login, url, place);
        if self.json {
            output::json(&shown)?
        } else {
            shown.table().print()?
        }
        Ok(())
    }

    fn client_options(&self) -> Result<ClientOptions, Error> {
        let secret = self.client_secret_file.as_ref().map(|path| {
            files::check_private(path, Readers::Owner)?;
            files::read_line(path, SECRET_LEN_MAX)
        });
        let secret: Option<Zeroizing<String>> = secret.transpose()?;
        let client = self.client_id.as_ref().zip(self.issuer.as_ref());
        let client = client.map(|(id, issuer)| ConfiguredClient {
            issuer: issuer.clone(),
            id: id.clone(),
            secret,
            key: None,
        });
        let access =
            if self.device { Access::Device(Arc::new(show_code)) } else { Access::Browser };
        Ok(ClientOptions {
            access,
            clients: client.into_iter().collect(),
            allowed_issuers: self.issuer.clone().map(|issuer| vec![issuer]),
            scope: self.scope.clone(),
            redirect_port: self.redirect_port,
            observer: Arc::new(Warning),
            ..self.trust.client_options()?
        })
    }
}

/// Shows the login page to the user; nothing of it goes to standard output.
struct Browser {
    opens: bool,
}

impl OpenBrowser for Browser {
    fn open(&self, url: String) -> Opened<'_> {
        if self.opens {
            return SystemBrowser.open(url);
        }
        eprintln!("Open this page to log in:\n{url}");
        Box::pin(async { Ok(()) })
    }
}

/// Tells the user what is not as it was.
struct Warning;

impl Observer for Warning {
    fn exchange(&self, _: &Exchange<'_>) {}

    fn issuer_changed(&self, before: &str, now: &str) {
        let (before, now) = (Printable(before), Printable(now));
        eprintln!(
            "The server sends you to another authorization server than before: {now} instead of {before}."
        );
    }
}

/// Shows the user where to type which code.
async fn show_code(code: DeviceCode) -> std::io::Result<()> {
    let page = output::printable(&code.verification_uri);
    let (code, secs) = (output::printable(&code.user_code), code.expires_in.as_secs());
    eprintln!("Open this page on any machine, and type this code within {secs} s:\n{page}\n{code}");
    Ok(())
}

/// For commands that never ask the user.
async fn no_browser(_url: String) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// A login without its secrets.
#[derive(Serialize)]
struct Shown {
    server: String,
    issuer: String,
    resource: String,
    client_id: String,
    scope: String,
    /// Seconds since 1970.
    expires_at: u64,
    refreshable: bool,
    store: &'static str,
}

impl Shown {
    fn of(login: &Login, server: &str, store: &'static str) -> Self {
        let since = login.expires_at().duration_since(UNIX_EPOCH);
        Self {
            server: server.to_owned(),
            issuer: login.issuer().to_owned(),
            resource: login.resource().to_owned(),
            client_id: login.client_id().to_owned(),
            scope: login.scope().to_owned(),
            expires_at: since.map_or(0, |since| since.as_secs()),
            refreshable: login.is_refreshable(),
            store,
        }
    }

    fn table(&self) -> Table {
        Table::default()
            .row("server", &self.server)
            .row("issuer", &self.issuer)
            .row("resource", &self.resource)
            .row("client", &self.client_id)
            .row("scope", &self.scope)
            .row("token", &self.ends())
            .row("stored in", self.store)
    }

    /// How long the login is good for.
    fn ends(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match (self.expires_at.checked_sub(now), self.refreshable) {
            (Some(secs @ 1..), true) => format!("ends in {secs} s, is refreshed"),
            (Some(secs @ 1..), false) => format!("ends in {secs} s"),
            (_, true) => "is refreshed when it is needed".to_owned(),
            (_, false) => "has ended".to_owned(),
        }
    }
}

/// Runs what waits for servers and for the user.
fn run<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let shown = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(shown).init();
    let runtime = tokio::runtime::Runtime::new().map_err(Error::Runtime)?;
    runtime.block_on(work)
}

/// Why a command of this folder did not do what it was asked for. None of them repeats a secret.
#[derive(Debug)]
pub(crate) enum Error {
    Authorize(AuthorizeError),
    Ca(AuthoritiesError),
    Store(StoreError),
    File(FileError),
    Output(OutputError),
    Runtime(std::io::Error),
    /// This system has no place for a user's data.
    NoFolder,
    /// There is no login for this server, or none that is good for anything.
    NoLogin(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) | Self::Authorize(AuthorizeError::Store(error)) => {
                error.fmt(f)?;
                match error {
                    StoreError::Corrupt(url) => {
                        write!(f, " (`portcullis logout {}` removes it)", Printable(url))
                    }
                    _ => Ok(()),
                }
            }
            Self::Authorize(error) => error.fmt(f),
            Self::Ca(error) => write!(f, "ca: {error}"),
            Self::File(error) => error.fmt(f),
            Self::Output(error) => error.fmt(f),
            Self::Runtime(error) => write!(f, "the runtime does not start: {error}"),
            Self::NoFolder => f.write_str("no folder for logins: name one with --folder"),
            Self::NoLogin(url) => {
                let url = Printable(url);
                write!(f, "no login for {url}: `portcullis login {url}` makes one")
            }
        }
    }
}

impl std::error::Error for Error {}

from_parts! {
    Error {
        Authorize(AuthorizeError);
        Ca(AuthoritiesError);
        Store(StoreError);
        File(FileError);
        Output(OutputError);
    }
}
