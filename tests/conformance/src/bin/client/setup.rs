//! What the tool tells the client.

use std::{env, error::Error, future::ready, io, sync::Arc};

use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use portcullis_tokio::client::{
    Access, ConfiguredClient, Dpop, EnterpriseManaged, Exchange, LegacyResource, Options,
    SigningKey, Subject, WorkloadIdentity,
};
use serde_json::Value;
use zeroize::Zeroizing;

/// The client's metadata document; nothing asks for it.
const METADATA_DOCUMENT: &str = "https://conformance-test.local/client-metadata.json";

pub(crate) struct Setup {
    pub(crate) server_url: String,
    pub(crate) revision: String,
    scenario: String,
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
        let scenario = env::var("MCP_CONFORMANCE_SCENARIO")?;
        Ok(Self { server_url, revision, scenario, context })
    }

    pub(crate) async fn options(&self) -> Result<Options, Box<dyn Error>> {
        Ok(Options {
            clients: self.configured_client().await?.into_iter().collect(),
            metadata_document: Some(METADATA_DOCUMENT.to_owned()),
            access: self.access().await?,
            dpop: if self.scenario.starts_with("auth/dpop") { Dpop::Required } else { Dpop::Off },
            // A user asks for it by name, for the server that is too old for anything else.
            legacy: self.scenario.starts_with("auth/2025-03-26-").then(LegacyResource::default),
            observer: Arc::new(|exchange: &Exchange<'_>| eprintln!("{exchange}")),
            ..Options::new("Portcullis conformance client")
        })
    }

    /// The tool calls that the scenario asks for; without any, each tool is called.
    pub(crate) fn tool_calls(&self) -> Vec<Value> {
        self.context["toolCalls"].as_array().cloned().unwrap_or_default()
    }

    /// A scenario's name says how the client is to get its tokens, as an application's settings would.
    async fn access(&self) -> Result<Access, Box<dyn Error>> {
        Ok(match self.scenario.as_str() {
            "auth/client-credentials-basic" | "auth/client-credentials-jwt" => {
                Access::ClientCredentials
            }
            "auth/enterprise-managed-authorization" => {
                let id_token = Zeroizing::new(self.needed("idp_id_token")?.to_owned());
                let source = move || ready(Ok(Subject::IdToken(id_token.clone())));
                let client = ConfiguredClient::new(
                    self.needed("idp_issuer")?,
                    self.needed("idp_client_id")?,
                );
                Access::EnterpriseManaged(Arc::new(EnterpriseManaged {
                    token_endpoint: self.needed("idp_token_endpoint")?.to_owned(),
                    client,
                    source: Arc::new(source),
                }))
            }
            "auth/wif-jwt-bearer" => {
                let jwt = Zeroizing::new(self.needed("valid_jwt")?.to_owned());
                Access::WorkloadIdentity(Arc::new(WorkloadIdentity {
                    issuer: self.issuer().await?,
                    source: Arc::new(move || ready(Ok(jwt.clone()))),
                }))
            }
            _ => Access::Browser,
        })
    }

    fn needed(&self, name: &str) -> Result<&str, Box<dyn Error>> {
        Ok(self.told(name).ok_or_else(|| format!("the tool did not tell {name}"))?)
    }

    /// The client that the tool has registered, if it has.
    async fn configured_client(&self) -> Result<Option<ConfiguredClient>, Box<dyn Error>> {
        let Some(id) = self.told("client_id") else { return Ok(None) };
        let issuer = match self.told("issuer") {
            Some(issuer) => issuer.to_owned(),
            None => self.issuer().await?,
        };
        let mut client = ConfiguredClient::new(issuer, id);
        if let Some(secret) = self.told("client_secret") {
            client = client.with_secret(secret);
        }
        if let Some(pem) = self.told("private_key_pem") {
            client = client.with_key(SigningKey::from_pem(pem)?);
        }
        Ok(Some(client))
    }

    fn told(&self, name: &str) -> Option<&str> {
        self.context[name].as_str()
    }

    /// Who has registered the client. A user knows it from where the client id is from; the tool leaves it out
    /// in some scenarios, where it is the only one there is.
    async fn issuer(&self) -> Result<String, Box<dyn Error>> {
        let url = self.server_url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
        let document = get(&url).await?.into_body().collect().await?.to_bytes();
        let document: Value = serde_json::from_slice(&document)?;
        let issuer = document["authorization_servers"][0].as_str();
        Ok(issuer.ok_or("no authorization server")?.to_owned())
    }
}

/// A user who agrees to everything: follows the one redirect back to the client.
pub(crate) async fn browse(url: String) -> io::Result<()> {
    let answer = get(&url).await?;
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    get(location.ok_or_else(|| io::Error::other("no redirect"))?).await?;
    Ok(())
}

async fn get(url: &str) -> io::Result<Response<Incoming>> {
    let http = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(url).body(Empty::<&[u8]>::new()).map_err(io::Error::other)?;
    http.request(request).await.map_err(io::Error::other)
}
