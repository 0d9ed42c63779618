//! `portcullis token verify`: the decision of a resource server, with its reason. On the wire the reason
//! stays hidden; here it is for the owner of the key.

use std::process::ExitCode;

use clap::Args;
use portcullis_core::{
    challenge::Challenge,
    encoding::{scratch::Scratch, uri::Uri},
    limits::{IDENTIFIER_LEN_MAX, LIFETIME_SECS_MAX, SCRATCH_LEN},
    message::RequestHead,
    resource_server::{
        Configuration, ConfigurationError, Decision, IdentifierError, Principal, ResourceServer,
        TrustedIssuer, Verification,
    },
    scope::{RequiredScopes, ScopeSet},
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Error, TokenArgument, times, trust::TrustArguments};
use crate::output::{self, Table, Tone};

/// Exit status for a token that is refused.
const REFUSED: u8 = 1;
/// Room for metadata that names one resource and one issuer, and the URL of that metadata.
const METADATA_LEN_MAX: usize = 4 * IDENTIFIER_LEN_MAX;

/// Which token, and what it is checked against.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    token: TokenArgument,
    #[command(flatten)]
    trust: TrustArguments,
    /// The scopes that are needed, with a blank between them.
    #[arg(long, value_name = "SCOPES", default_value = "", hide_default_value = true)]
    scope: String,
    /// Longest accepted lifetime of a token in seconds: unless given, that of a device.
    #[arg(long, value_name = "SECS", default_value_t = LIFETIME_SECS_MAX)]
    lifetime_max: u32,
    /// Check at this time, in seconds since 1970, instead of now.
    #[arg(long, value_name = "UNIX")]
    at: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Error> {
    let trust = options.trust.read()?;
    let token = options.token.read()?;
    let now = times::now(options.at)?;
    let ring = trust.keys.ring()?;
    let issuers =
        [TrustedIssuer { identifier: &trust.issuer, verification: Verification::Offline(&ring) }];
    let mut configuration = Configuration::new(&trust.resource, &issuers);
    configuration.policy.base = ScopeSet::parse(&options.scope)?;
    configuration.lifetime_secs_max = options.lifetime_max;
    let mut metadata = [0; METADATA_LEN_MAX];
    let server = ResourceServer::new(configuration, &mut Scratch::new(&mut metadata))
        .map_err(Error::Server)?;
    let needed = server.policy().base();

    let authority = Uri::parse(&trust.resource).ok().and_then(Uri::authority_text);
    let unusable = ConfigurationError::Resource(IdentifierError::Syntax);
    let authority = authority.ok_or(Error::Server(unusable))?;
    let mut credentials = Zeroizing::new(String::with_capacity("Bearer ".len() + token.len()));
    credentials.push_str("Bearer ");
    credentials.push_str(&token);
    let fields = [("host", authority.as_bytes()), ("authorization", credentials.as_bytes())];
    let head = RequestHead::new("POST", server.endpoint_path(), fields);
    let mut room = Zeroizing::new([0; SCRATCH_LEN]);
    match server.decide(&head, needed, Some(now), &mut Scratch::new(room.as_mut_slice())) {
        Decision::Allow(principal) => admitted(options, &principal).map(|()| ExitCode::SUCCESS),
        Decision::Challenge(challenge) => {
            refused(options, &challenge, needed).map(|()| REFUSED.into())
        }
        Decision::Metadata(_)
        | Decision::NeedIntrospection(_)
        | Decision::Refuse(_)
        | Decision::Preflight => Err(Error::NotDecided),
    }
}

/// What a script is told of an admitted token.
#[derive(Serialize)]
struct Admitted<'a> {
    admitted: bool,
    issuer: &'a str,
    subject: Option<&'a str>,
    client_id: Option<&'a str>,
    scope: &'a str,
    expires_at: u64,
}

fn admitted(options: &Options, principal: &Principal<'_>) -> Result<(), Error> {
    if options.json {
        return Ok(output::json(&Admitted {
            admitted: true,
            issuer: principal.issuer(),
            subject: principal.subject(),
            client_id: principal.client_id(),
            scope: principal.scope().as_str(),
            expires_at: principal.expires_at().as_secs(),
        })?);
    }
    let ends = times::describe(principal.expires_at(), times::now(options.at)?);
    let table = Table::default()
        .toned("verdict", "admitted", Tone::Good)
        .row("issuer", principal.issuer())
        .row_if("subject", principal.subject())
        .row_if("client", principal.client_id())
        .row("scope", principal.scope().as_str())
        .row("ends", &ends);
    Ok(table.print()?)
}

/// What a script is told of a refused one.
#[derive(Serialize)]
struct Refused<'a> {
    admitted: bool,
    /// Of the answer that the server would give.
    status: u16,
    reason: &'a str,
    /// The scopes that are needed.
    #[serde(skip_serializing_if = "str::is_empty")]
    needed: &'a str,
}

fn refused(
    options: &Options,
    challenge: &Challenge<'_>,
    needed: RequiredScopes<'_>,
) -> Result<(), Error> {
    let (status, reason) = (challenge.status(), challenge.reason().to_string());
    let needed = needed.to_string();
    if options.json {
        return Ok(output::json(&Refused {
            admitted: false,
            status,
            reason: &reason,
            needed: &needed,
        })?);
    }
    let table = Table::default()
        .toned("verdict", "refused", Tone::Bad)
        .row("reason", &reason)
        .row("status", &status.to_string())
        .row_if("needed", Some(needed.as_str()).filter(|needed| !needed.is_empty()));
    Ok(table.print()?)
}
