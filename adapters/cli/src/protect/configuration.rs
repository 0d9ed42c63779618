//! The configuration of the proxy: what is served, for whom, and what is wrong with it.
//!
//! `example.toml` says the same for people; a test keeps the two together.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use portcullis_authorization_server::Tls;
use portcullis_tokio::{
    proxy::{Proxy, UpstreamSettings},
    resource_server::{ProtectLayer, Secret, Settings},
    serve::ListenerLimits,
};
use serde::Deserialize;

use super::Error;
use crate::{
    files::{self, Readers},
    serving::{
        configuration::{self, ConfigurationError},
        files::{self as serving_files, TlsFiles},
        log::{Level, LogFormat},
        operations::Metrics,
    },
};

/// What `--example-config` prints.
pub(super) const EXAMPLE: &str = include_str!("example.toml");

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Configuration {
    pub(super) listen: Option<SocketAddr>,
    #[serde(default)]
    pub(super) plain_http: bool,
    pub(super) tls: Option<TlsFiles>,
    pub(super) metrics: Option<Metrics>,
    #[serde(default)]
    pub(super) log: Log,
    #[serde(default)]
    limits: Limits,
    /// The protected resource: the settings of a server in Rust.
    resource_server: Settings,
    upstream: UpstreamSettings,
    /// Where relative paths count from.
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    pub(super) format: LogFormat,
    pub(super) level: Level,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    connections: Option<usize>,
    connections_per_peer: Option<usize>,
    header_time_secs: Option<u64>,
    write_time_secs: Option<u64>,
    shutdown_secs: Option<u64>,
}

/// What is served, made of a configuration that is good.
pub(super) struct Parts {
    pub(super) layer: ProtectLayer,
    pub(super) proxy: Proxy,
    pub(super) tls: Option<Tls>,
}

impl Configuration {
    pub(super) fn new(resource_server: Settings, upstream: UpstreamSettings) -> Self {
        Self {
            listen: None,
            plain_http: false,
            tls: None,
            metrics: None,
            log: Log::default(),
            limits: Limits::default(),
            resource_server,
            upstream,
            folder: PathBuf::new(),
        }
    }

    pub(super) fn read(path: &Path) -> Result<Self, ConfigurationError> {
        let mut configuration: Self = configuration::read(path)?;
        configuration.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(configuration)
    }

    pub(super) fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))
    }

    pub(super) fn upstream_url(&self) -> &str {
        &self.upstream.url
    }

    /// A path of the file, which counts from the file's own folder.
    pub(super) fn at(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    pub(super) fn listener_limits(&self) -> ListenerLimits {
        let (mut limits, own) = (ListenerLimits::default(), &self.limits);
        limits.shutdown_time = Duration::from_secs(30);
        let set = |field: &mut Duration, secs: Option<u64>| {
            *field = secs.map_or(*field, Duration::from_secs);
        };
        set(&mut limits.header_time, own.header_time_secs);
        set(&mut limits.write_time, own.write_time_secs);
        set(&mut limits.shutdown_time, own.shutdown_secs);
        limits.connections = own.connections.unwrap_or(limits.connections);
        limits.connections_per_peer =
            own.connections_per_peer.unwrap_or(limits.connections_per_peer);
        limits
    }

    /// Whether it is one that would be served; else everything that is wrong with it.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.parts().map(drop)
    }

    /// Everything that is served, or everything that is wrong.
    pub(super) fn parts(&self) -> Result<Parts, Error> {
        let mut problems = self.transport_problems();
        let resource_server = self.resource_server.clone().relative_to(&self.folder);
        let upstream = self.upstream.clone().relative_to(&self.folder);
        let is_private = |secret: &Secret| match secret.path() {
            Some(path) => files::check_private(path, Readers::Group),
            None => Ok(()),
        };
        let secrets = resource_server.secrets().chain(upstream.secrets());
        problems.extend(secrets.filter_map(|it| Some(is_private(it).err()?.to_string())));
        let tls = self.tls.as_ref().map(|of| serving_files::tls(of, |path| self.at(path)));
        let tls = tls.transpose().map_err(|error| problems.push(format!("tls: {error}")));
        let layer = ProtectLayer::new(resource_server)
            .map_err(|error| problems.push(format!("resource_server: {error}")));
        let resource = layer.as_ref().map_or("", ProtectLayer::resource);
        let proxy = Proxy::new(upstream, resource)
            .map_err(|error| problems.push(format!("upstream: {error}")));
        match (layer, proxy, tls) {
            (Ok(layer), Ok(proxy), Ok(tls)) if problems.is_empty() => {
                Ok(Parts { layer, proxy, tls })
            }
            _ => Err(Error::Problems(problems)),
        }
    }

    /// How requests come in: never in the clear by oversight (RS-14, RS-50).
    fn transport_problems(&self) -> Vec<String> {
        let (listen, mut problems) = (self.listen(), Vec::new());
        if self.tls.is_some() && self.plain_http {
            problems.push("plain_http: it contradicts tls".into());
        }
        if self.tls.is_none() && !listen.ip().is_loopback() && !self.plain_http {
            problems.push(format!(
                "listen: {listen} can be reached from elsewhere, and plain HTTP is for this machine only: \
                 name tls, or set plain_http = true behind a proxy that speaks TLS"
            ));
        }
        if self.metrics.as_ref().is_some_and(|metrics| metrics.listen == listen) {
            problems.push("metrics.listen: it is the address of listen".into());
        }
        let upstream = self.upstream.url.parse::<http::Uri>().ok();
        let own = [format!("localhost:{}", listen.port()), listen.to_string()];
        if let Some(authority) = upstream.as_ref().and_then(http::Uri::authority)
            && own.iter().any(|own| authority.as_str().eq_ignore_ascii_case(own))
        {
            problems.push("upstream.url: it is the address of listen".into());
        }
        let limits = self.listener_limits();
        if limits.connections == 0 || limits.connections_per_peer == 0 {
            problems.push("limits: no connection would be taken".into());
        }
        if limits.header_time.is_zero() {
            problems.push("limits.header_time_secs: no header would be in time".into());
        }
        if limits.write_time.is_zero() {
            problems.push("limits.write_time_secs: no answer would be read in time".into());
        }
        problems
    }
}

#[cfg(test)]
mod tests;
