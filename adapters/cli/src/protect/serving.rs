//! Serving, and ending when asked to.

use std::process::ExitCode;

use portcullis_tokio::serve;

use super::{
    Error,
    configuration::{Configuration, Parts},
};
use crate::{
    output::Table,
    serving::{self, ServingError, Signals, Stop, files, operations::Operations},
};

/// Serves until a signal asks for the end; requests and streams under way then have their time. SIGHUP makes it
/// read the certificate again.
pub(super) async fn run(configuration: Configuration) -> Result<ExitCode, Error> {
    let Parts { layer, proxy, tls } = configuration.parts()?;
    let listener = serving::listen(configuration.listen()).await?;
    let operations = match &configuration.metrics {
        Some(metrics) => Some(Operations::bind(metrics.listen).await?),
        None => None,
    };
    // Before anything is said: whoever read it may ask for the end at once.
    let signals = Signals::new().map_err(ServingError::Serve)?;
    let address = listener.local_addr().map_err(ServingError::Serve)?;
    serving::tell_plain_http(address, tls.is_some());
    let mut table = Table::default().row("resource", layer.resource());
    for issuer in layer.issuers() {
        table = table.row("issuer", issuer);
    }
    table
        .row("metadata", layer.metadata_url())
        .row("upstream", configuration.upstream_url())
        .row("listens", &address.to_string())
        .print()?;
    tracing::info!(%address, resource = layer.resource(), upstream = configuration.upstream_url(), "proxy listens");
    let limits = configuration.listener_limits();
    let renewed = tls.clone();
    let protected = layer.protect(proxy.clone());
    let parts = async |stop: Stop| {
        let beside = async {
            if let Some(operations) = operations {
                let is_ready = move || {
                    let proxy = proxy.clone();
                    async move { proxy.is_ready().await }
                };
                operations.serve(is_ready, stop.clone().asked()).await;
            }
        };
        let asked = stop.clone().asked();
        let answering = async {
            match tls {
                Some(tls) => {
                    let handshake = move |stream| tls.accept(stream);
                    serve::serve_over(listener, handshake, protected, limits, asked).await;
                }
                None => serve::serve(listener, protected, limits, asked).await,
            }
        };
        tokio::join!(answering, beside);
    };
    let renew = || {
        if let (Some(tls), Some(of)) = (&renewed, &configuration.tls) {
            match files::renew_tls(tls, of, |path| configuration.at(path)) {
                Ok(()) => tracing::info!("certificate read again"),
                Err(error) => tracing::error!(%error, "the certificate stays as it was"),
            }
        }
    };
    serving::until_asked(signals, renew, parts).await;
    tracing::info!("proxy ended");
    Ok(ExitCode::SUCCESS)
}
