//! `portcullis token mint`: what an authorization server does, without the login.

use clap::Args;
use portcullis_core::{
    jwt::{MintClaims, mint},
    limits::TOKEN_LEN_MAX,
    scope::ScopeSet,
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Error, times, trust::TrustArguments};
use crate::{device::key::base64url_text, output};

/// What the token is to say.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    trust: TrustArguments,
    /// What it permits: scopes with a blank between them.
    #[arg(long, value_name = "SCOPES", default_value = "", hide_default_value = true)]
    scope: String,
    /// Whom it speaks for (`sub`).
    #[arg(long, value_name = "NAME", default_value = "somebody")]
    subject: String,
    /// The client it is issued to (`client_id`).
    #[arg(long, value_name = "ID", default_value = "portcullis")]
    client_id: String,
    /// How long it is good for, in seconds; a device takes no token that lives longer than an hour.
    #[arg(long, value_name = "SECS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..))]
    lifetime: u64,
    /// Whom it is for (`aud`) instead of the resource; may be repeated.
    #[arg(long = "audience", value_name = "URL")]
    audiences: Vec<String>,
    /// When it is made (`iat`), in seconds since 1970; now unless given.
    #[arg(long, value_name = "UNIX")]
    at: Option<u64>,
    /// Print one JSON object, as a token endpoint does.
    #[arg(long)]
    json: bool,
}

/// RFC 6749 §5.1.
#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'a str,
    expires_in: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}

pub(super) fn run(options: &Options) -> Result<(), Error> {
    let trust = options.trust.read()?;
    let key = &trust.keys.current;
    let mut audience: Vec<&str> = options.audiences.iter().map(String::as_str).collect();
    if audience.is_empty() {
        audience.push(&trust.resource);
    }
    let issued_at = times::now(options.at)?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| Error::Entropy)?;
    let claims = MintClaims {
        issuer: &trust.issuer,
        audience: &audience,
        subject: &options.subject,
        client_id: &options.client_id,
        scope: ScopeSet::parse(&options.scope)?,
        issued_at,
        expires_at: issued_at.plus(options.lifetime),
        id: &base64url_text(&id),
    };
    let mut room = Zeroizing::new([0; TOKEN_LEN_MAX]);
    let token = mint(&claims, &key.hmac()?, key.id(), room.as_mut_slice()).map_err(Error::Mint)?;
    if options.json {
        output::json(&Answer {
            access_token: token,
            token_type: "Bearer",
            expires_in: options.lifetime,
            scope: &options.scope,
        })?;
    } else {
        output::line(token)?;
    }
    Ok(())
}
