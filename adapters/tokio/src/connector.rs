//! How both sides connect: plain TCP, or TLS by rustls with the roots that browsers trust.

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;

/// A connector for https, and for http where the caller's own policy permits the URL. `None` when there
/// is no usable TLS. No proxy is taken from the environment.
pub(crate) fn connector() -> Option<HttpsConnector<HttpConnector>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let tls = HttpsConnectorBuilder::new().with_provider_and_webpki_roots(provider).ok()?;
    Some(tls.https_or_http().enable_http1().wrap_connector(tcp))
}
