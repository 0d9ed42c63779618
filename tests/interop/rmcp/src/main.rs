//! A host of rmcp's own client and its own OAuth: connects, logs in when the server asks for it, lists the tools and
//! calls those it is told to; asks for more scope when a call needs it.
//!
//! Arguments: the server's URL, the era (`handshake` or `stateless`), a port for the redirect, the calls as a JSON array of
//! `{"name", "arguments"}`, and perhaps `--refresh`. The login page is shown on standard error as `page URL`, a challenge
//! as `challenge SCOPE`; on standard output is a JSON document about what came of it.

use std::{error::Error, process::ExitCode};

use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, ProtocolVersion},
    service::{ClientInitializeError, ClientLifecycleMode, ClientServiceExt, RunningService},
    transport::{
        AuthClient, AuthorizationManager, AuthorizationRequest, StreamableHttpClientTransport,
        auth::{AuthorizationCallback, OAuthState, OAuthTokenResponse, WWWAuthenticateParams},
        streamable_http_client::{StreamableHttpClient, StreamableHttpClientTransportConfig},
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

type Failure = Box<dyn Error>;

/// What the host was told.
struct Host {
    url: String,
    stateless: bool,
    listener: TcpListener,
    redirect_uri: String,
}

impl Host {
    async fn connect(
        &self,
        http: impl StreamableHttpClient + Sync,
    ) -> Result<RunningService<RoleClient, ()>, ClientInitializeError> {
        let lifecycle = if self.stateless {
            ClientLifecycleMode::Discover {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            }
        } else {
            ClientLifecycleMode::Initialize
        };
        let config = StreamableHttpClientTransportConfig::with_uri(self.url.as_str());
        ().serve_with_lifecycle(StreamableHttpClientTransport::with_client(http, config), lifecycle)
            .await
    }

    /// The login that the server's challenge asks for.
    async fn log_in(&self, challenge: &str) -> Result<AuthorizationManager, Failure> {
        let request = AuthorizationRequest::new(&self.redirect_uri)
            .with_client_name("interop rmcp")
            .with_challenge(challenge);
        let mut state = OAuthState::new(&self.url, None).await?;
        state.start_authorization(request).await?;
        let callback = self.browse(&state.get_authorization_url().await?).await?;
        state.handle_callback_url(&callback).await?;
        Ok(state.into_authorization_manager().ok_or("not authorized")?)
    }

    /// The user is asked for the scope that a call needs, too.
    async fn upgrade(
        &self,
        manager: &AuthorizationManager,
        challenge: &str,
    ) -> Result<(), Failure> {
        let asked = WWWAuthenticateParams::parse(challenge, &self.url.parse()?);
        let scope = asked.scope.filter(|_| asked.error.as_deref() == Some("insufficient_scope"));
        let scope = scope.ok_or("the challenge asks for no scope")?;
        eprintln!("challenge {scope}");
        let page = manager.request_scope_upgrade(&scope).await?;
        let callback = AuthorizationCallback::from_redirect_url(&self.browse(&page).await?)?;
        let issuer = callback.issuer.as_deref();
        manager
            .exchange_code_for_token_with_issuer(&callback.code, &callback.csrf_token, issuer)
            .await?;
        Ok(())
    }

    /// Shows a page, and waits for the browser to come back; the URL with which it does.
    async fn browse(&self, page: &str) -> Result<String, Failure> {
        eprintln!("page {page}");
        let (mut browser, _) = self.listener.accept().await?;
        let mut line = String::new();
        BufReader::new(&mut browser).read_line(&mut line).await?;
        browser
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await?;
        let target = line.split(' ').nth(1).ok_or("no request line")?;
        Ok(format!("http://localhost{target}"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(told) => println!("{told}"),
        Err(error) => {
            eprint!("failed: {error}");
            let mut source = error.source();
            while let Some(deeper) = source {
                eprint!(": {deeper}");
                source = deeper.source();
            }
            eprintln!();
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn run() -> Result<Value, Failure> {
    let (flags, words): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let [url, era, port, calls] = words.as_slice() else {
        return Err("usage: interop_rmcp URL ERA PORT CALLS [--refresh]".into());
    };
    let host = Host {
        url: url.clone(),
        stateless: era == "stateless",
        listener: TcpListener::bind(("127.0.0.1", port.parse()?)).await?,
        redirect_uri: format!("http://localhost:{port}/callback"),
    };
    let challenge = match host.connect(reqwest::Client::new()).await {
        Ok(_) => return Err("the server lets anybody in".into()),
        Err(error) => error.auth_challenge().map(str::to_owned).ok_or(error)?,
    };
    let http = AuthClient::new(reqwest::Client::new(), host.log_in(&challenge).await?);
    let first = tokens(&http).await?;
    if flags.iter().any(|flag| flag == "--refresh") {
        http.auth_manager.lock().await.refresh_token().await?;
    }

    let client = host.connect(http.clone()).await?;
    let revision = client.peer_info().map(|info| info.protocol_version.to_string());
    let tools = client.list_all_tools().await?;
    let mut results = Vec::new();
    for call in serde_json::from_str::<Vec<CallToolRequestParams>>(calls)? {
        let result = match client.call_tool(call.clone()).await {
            Err(error) => {
                let challenge = error.auth_challenge().map(str::to_owned).ok_or(error)?;
                host.upgrade(&*http.auth_manager.lock().await, &challenge).await?;
                client.call_tool(call).await?
            }
            Ok(result) => result,
        };
        results.push(result);
    }
    let last = tokens(&http).await?;
    client.cancel().await?;
    Ok(
        json!({ "revision": revision, "tools": tools, "results": results, "first": first, "last": last }),
    )
}

/// What the authorization server gave last.
async fn tokens(http: &AuthClient<reqwest::Client>) -> Result<OAuthTokenResponse, Failure> {
    let (_, tokens) = http.auth_manager.lock().await.get_credentials().await?;
    Ok(tokens.ok_or("no tokens")?)
}
