//! `portcullis authorization-server`, `user` and `client`, as an operator runs them.

mod checks;
mod flow;
mod people;
#[path = "../../../../authorization-server/tests/support/postgresql.rs"]
mod postgresql;
pub(crate) mod process;
mod unit;

use crate::harness::*;
use process::*;

/// A configuration with one resource that verifies tokens by itself; `further` stands in front of it.
fn configuration(port: u16, further: &str) -> String {
    format!(
        "listen = \"127.0.0.1:{port}\"\n{further}\n\
         [[resource]]\nidentifier = \"{RESOURCE}\"\nname = \"Clock\"\ntoken_format = \"hs256\"\n\
         [[resource.scope]]\nname = \"user\"\ndescription = \"read the time\"\ndefault = true\n"
    )
}

/// A folder with that configuration and the user alice; and its port.
pub(crate) fn configured(further: &str) -> (Folder, u16) {
    let (folder, port) = (Folder::new(), free_port());
    folder.write("portcullis.toml", configuration(port, further));
    folder.run_with(&["user", "add", "alice"], PASSWORD).ok();
    (folder, port)
}

#[cfg(unix)]
fn mode(folder: &Folder, name: &str) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
fn set_mode(folder: &Folder, name: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
}
