//! What the tool tells the client.

use std::{env, error::Error, io, sync::Arc};

use http::{Request, header};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use portcullis_tokio::client::{ConfiguredClient, Exchange, Options};
use serde_json::Value;

/// The client's metadata document; nothing asks for it.
const METADATA_DOCUMENT: &str = "https://conformance-test.local/client-metadata.json";

pub(crate) struct Setup {
    pub(crate) server_url: String,
    pub(crate) revision: String,
    context: Value,
}

impl Setup {
    pub(crate) fn from_environment() -> Result<Self, Box<dyn Error>> {
        let server_url = env::args().next_back().ok_or("usage: conformance-client URL")?;
        let context = match env::var("MCP_CONFORMANCE_CONTEXT") {
            Ok(text) => serde_json::from_str(&text)?,
            Err(_) => Value::Null,
        };
        let revision = env::var("MCP_CONFORMANCE_PROTOCOL_VERSION")?;
        Ok(Self { server_url, revision, context })
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            clients: self.configured_client().into_iter().collect(),
            metadata_document: Some(METADATA_DOCUMENT.to_owned()),
            observer: Arc::new(|exchange: &Exchange<'_>| eprintln!("{exchange}")),
            ..Options::new("Portcullis conformance client")
        }
    }

    /// The tool calls that the scenario asks for; without any, each tool is called.
    pub(crate) fn tool_calls(&self) -> Vec<Value> {
        self.context["toolCalls"].as_array().cloned().unwrap_or_default()
    }

    fn configured_client(&self) -> Option<ConfiguredClient> {
        let text = |name: &str| Some(self.context[name].as_str()?.to_owned());
        let (issuer, id) = (text("issuer")?, text("client_id")?);
        Some(ConfiguredClient { issuer, id, secret: text("client_secret").map(Into::into) })
    }
}

/// A user who agrees to everything: follows the one redirect back to the client.
pub(crate) async fn browse(url: String) -> io::Result<()> {
    let http = Client::builder(TokioExecutor::new()).build_http();
    let visit = async |url: &str| {
        let request = Request::get(url).body(Empty::<&[u8]>::new()).map_err(io::Error::other)?;
        http.request(request).await.map_err(io::Error::other)
    };
    let answer = visit(&url).await?;
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| io::Error::other("no redirect"))?;
    visit(location).await?;
    Ok(())
}
