//! Signs an access token for a device, with the device's own provisioning file: what an authorization
//! server does, without the login.
//!
//! `cargo run --example mint -- PROVISIONING.json "device:read device:write"`

use std::{
    env,
    error::Error,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use microcontroller::provisioning::Provisioning;
use portcullis_core::{
    encoding::scratch::Scratch,
    jwt::{self, MintClaims},
    limits::TOKEN_LEN_MAX,
    scope::ScopeSet,
    time::UnixTime,
};

/// How long the token is good for.
const LIFETIME_SECS: u64 = 15 * 60;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [path, scope] = &arguments[..] else {
        return Err("usage: mint PROVISIONING.json SCOPES".into());
    };
    let mut memory = [0; 1024];
    let device = Provisioning::read(&fs::read(path)?, &mut Scratch::new(&mut memory))?;

    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = UnixTime::from_secs(since_epoch.as_secs());
    let claims = MintClaims {
        issuer: device.issuer,
        audience: &[device.resource],
        subject: "somebody",
        client_id: "mint",
        scope: ScopeSet::parse(scope)?,
        issued_at: now,
        expires_at: now.plus(LIFETIME_SECS),
        id: &since_epoch.as_nanos().to_string(),
    };
    let mut token = [0; TOKEN_LEN_MAX];
    println!(
        "{}",
        jwt::mint(&claims, &device.keys.current.key()?, &device.keys.current.id, &mut token)?
    );
    Ok(())
}
