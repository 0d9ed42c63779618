//! One run: what is asked, and in which order.

use super::{
    Options, endpoints, issuer,
    net::{Net, reach::Reach},
    report::Report,
    resource, rules, server,
};
use portcullis_core::{client::UrlRefusal, encoding::uri::Uri, limits::LEEWAY_SECS_DEFAULT};

/// Authorization servers of one resource that are looked at.
const ISSUERS_MAX: usize = 4;
/// A certificate that ends sooner is worth a warning.
const DAYS_LEFT_MIN: u64 = 14;

/// The network, and what was found so far.
pub(super) struct Examination {
    pub(super) net: Net,
    pub(super) report: Report,
    pub(super) url: String,
}

/// Looks at the server, then at the metadata, then at each authorization server.
pub(super) async fn examine(options: &Options) -> Report {
    let reach = Reach::new(&options.url, options.allowed());
    let mut report = Report::new(&options.url);
    let uri = match Uri::parse(&options.url) {
        Ok(uri) if matches!(uri.scheme(), "http" | "https") => uri,
        _ => {
            report.give_up("it is no http or https URL");
            return report.finish();
        }
    };
    if uri.scheme() == "http" && !uri.is_loopback_http() {
        report.find(&rules::PLAIN_HTTP, &options.url, "");
    }
    match reach.admit(&options.url) {
        Ok(_) => {}
        Err(UrlRefusal::Scheme) => {
            report.give_up("plain http to another machine is asked with --allow-http only");
            return report.finish();
        }
        Err(refusal) => {
            report.give_up(refusal.to_string());
            return report.finish();
        }
    }
    let net = match options.roots().map(|roots| Net::new(reach, &roots, options.time_limit())) {
        Ok(Some(net)) => net,
        Ok(None) => {
            report.give_up("no usable TLS");
            return report.finish();
        }
        Err(error) => {
            report.give_up(error);
            return report.finish();
        }
    };
    let mut examination = Examination { net, report, url: options.url.clone() };
    examination.run().await;
    examination.report.finish()
}

impl Examination {
    async fn run(&mut self) {
        if let Some(challenge) = server::check(self).await {
            let issuers = resource::check(self, &challenge).await;
            for issuer in issuers.iter().take(ISSUERS_MAX) {
                if let Some(found) = issuer::check(self, issuer).await {
                    endpoints::check(self, &found).await;
                }
            }
        }
        self.connections();
    }

    /// What all connections showed beside their answers.
    fn connections(&mut self) {
        for (origin, session) in self.net.sessions() {
            let days = session.days_left;
            let ends = days.map_or("unknown".to_owned(), |days| format!("in {days} days"));
            self.report
                .fact("TLS", format!("{origin}: {}, certificate ends {ends}", session.version));
            if days.is_some_and(|days| days < DAYS_LEFT_MIN) {
                self.report.find(&rules::CERTIFICATE_ENDS, &origin, ends);
            }
        }
        for (origin, ahead) in self.net.clocks() {
            if ahead.unsigned_abs() > u64::from(LEEWAY_SECS_DEFAULT) {
                self.report.find(
                    &rules::CLOCK,
                    &origin,
                    format!("{ahead} s ahead of this machine"),
                );
            }
        }
    }
}
