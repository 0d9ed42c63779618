//! The unit for systemd, judged by systemd where there is one.

use std::process::Command;

use super::*;

const UNIT: &str = include_str!("../../../../../examples/authorization_server/portcullis.service");
/// Tenths of what systemd calls exposure: from 0 to 100.
const EXPOSURE_MAX: &str = "20";

/// Runs `systemd-analyze` on the unit; `None` without systemd.
fn analyze(folder: &Folder, arguments: &[&str]) -> Option<(bool, String)> {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).arg(folder.path("portcullis.service"));
    let output = command.output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn systemd_takes_the_unit_and_finds_it_confined() {
    let folder = Folder::new();
    // What it starts has to be there, and is not where an operator puts it.
    let here = UNIT.replace("/usr/local/bin/portcullis", env!("CARGO_BIN_EXE_portcullis"));
    assert_ne!(here, UNIT);
    let security = ["security", "--offline=true", "--threshold", EXPOSURE_MAX];
    folder.write("portcullis.service", &here);
    let Some((verified, said)) = analyze(&folder, &["verify", "--man=no"]) else {
        return eprintln!("skip - systemd-analyze is not here");
    };
    assert!(verified && said.is_empty(), "{said}");
    let (confined, said) = analyze(&folder, &security).unwrap();
    assert!(confined, "{said}");

    folder.write("portcullis.service", here.replace("ProtectSystem", "ProtectSystems"));
    let (_, said) = analyze(&folder, &["verify", "--man=no"]).unwrap();
    assert!(said.contains("Unknown key"), "{said}");
    let bare = "[Service]\nExecStart=/bin/true\n";
    folder.write("portcullis.service", bare);
    assert!(!analyze(&folder, &security).unwrap().0);
}
