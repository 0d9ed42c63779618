//! A reverse proxy behind [`Protect`](crate::resource_server::Protect): any MCP server, in any language
//! or on a device, becomes a protected resource.
//!
//! ```no_run
//! use portcullis_tokio::proxy::{Proxy, UpstreamSettings};
//! use portcullis_tokio::resource_server::{Issuer, ProtectLayer, Settings, Verification};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = Issuer::new("https://as.example.com", Verification::jwks_of_issuer());
//! let layer = ProtectLayer::new(Settings::new("https://mcp.example.com/mcp", issuer))?;
//! let upstream = UpstreamSettings::new("http://127.0.0.1:3000/mcp");
//! let protected = layer.protect(Proxy::new(upstream, layer.resource())?);
//! # Ok(())
//! # }
//! ```
//!
//! What passes is listed, not what is held back (`fields`), so that nothing that a client or the upstream
//! makes up travels on:
//!
//! | | |
//! | --- | --- |
//! | target | the upstream's URL from the settings, whatever the client's says beyond the endpoint's own path |
//! | request fields | `Accept`, `Accept-Language`, `Content-Type`, `Last-Event-ID`, `Mcp-*`, `Traceparent`, `Tracestate`, `User-Agent`, and those that the settings add. Never a token, DPoP proof, cookie, `Origin`, `Forwarded` or hop-by-hop field (RS-44) |
//! | request body | the very bytes that were judged, whole (INV-8) |
//! | identity | nothing, or a signed statement of this proxy ([`Identity`]) |
//! | answer fields | `Allow`, `Cache-Control`, `Content-Encoding`, `Content-Language`, `Content-Type`, `Expires`, `Mcp-*`, `Pragma`, `Retry-After`, `Vary`, `X-Accel-Buffering`, `X-Content-Type-Options`, and those that the settings add |
//! | answer body | as it comes, piece by piece; trailers are dropped. An event stream ends when the token has ended (TS-94) |
//! | redirect, 401, 407, 101 of the upstream | 502: they are about addresses and credentials in here, and a 401 of the upstream is no challenge of ours |
//!
//! When a client goes away its request to the upstream is cut off too. A request is sent once: only one that was
//! not written to a pooled connection, because that had closed, is sent on another.
//!
//! Counted (`metrics`): `portcullis_upstream_requests_total{outcome}`, `portcullis_upstream_seconds` until the
//! head of the answer.

mod body;
mod connect;
mod failure;
mod fields;
mod identity;
mod service;
mod settings;

pub use body::{ProxyBody, ProxyBodyError};
pub use service::Proxy;
pub use settings::{Credential, Identity, UpstreamError, UpstreamLimits, UpstreamSettings};
