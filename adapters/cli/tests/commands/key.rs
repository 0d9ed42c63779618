//! `portcullis key`.

use serde_json::Value;

use crate::harness::*;

const KEY_LEN: usize = 43;
/// 32 bytes of 0x01, 0x02 … 0x20.
const MASTER: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA";

fn is_key(text: &str) -> bool {
    text.len() == KEY_LEN
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(unix)]
#[track_caller]
fn check_private(folder: &Folder, name: &str) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(folder.path(name)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{name}");
}

#[cfg(not(unix))]
fn check_private(_: &Folder, _: &str) {}

#[test]
fn a_new_master_key_is_printed_with_a_word_of_warning() {
    let folder = Folder::new();
    let (first, second) = (folder.run("key new"), folder.run("key new --json"));
    assert!(first.stderr.contains("secret") && second.stderr.contains("secret"));
    let key = second.json()["master_key"].as_str().unwrap().to_owned();
    assert!(is_key(first.stdout.trim_end()) && is_key(&key));
    assert_ne!(first.stdout.trim_end(), key);
}

#[test]
fn a_new_master_key_goes_to_a_file_of_its_owner_and_over_no_other() {
    let folder = Folder::new();
    let made = folder.run("key new --out master.key --json");
    assert_eq!(made.json()["file"], "master.key");
    check_private(&folder, "master.key");
    let key = folder.read("master.key");
    assert!(is_key(key.trim_end()));
    assert!(!made.stdout.contains(key.trim_end()) && made.stderr.is_empty(), "{made:?}");

    folder.run("key new --out master.key").refused(1, "not overwritten");
    assert_eq!(folder.read("master.key"), key);
    folder.run("key new --out nowhere/master.key").refused(1, "cannot be written");
    #[cfg(unix)]
    {
        // A link that leads nowhere yet is not followed either.
        std::os::unix::fs::symlink("elsewhere", folder.path("link")).unwrap();
        folder.run("key new --out link").refused(1, "not overwritten");
        assert!(!folder.path("elsewhere").exists());
    }
}

#[test]
fn sec_511_each_resource_and_each_key_id_has_its_own_key() {
    let folder = Folder::new();
    folder.write("master.key", MASTER);
    folder.write("other.key", MASTER.replacen("AQID", "AQIE", 1));
    let derived = |master: &str, resource: &str, kid: &str| {
        let command =
            format!("key derive --master-key {master} --resource {resource} --kid {kid} --json");
        let ended = folder.run(&command);
        assert!(ended.stderr.contains("secret"), "{ended:?}");
        let answer = ended.json();
        assert_eq!((&answer["resource"], &answer["kid"]), (&resource.into(), &kid.into()));
        answer["key"].as_str().unwrap().to_owned()
    };
    let key = derived("master.key", RESOURCE, "1");
    assert!(is_key(&key));
    assert_eq!(derived("master.key", RESOURCE, "1"), key);
    for (master, resource, kid) in [
        ("master.key", OTHER_RESOURCE, "1"),
        ("master.key", RESOURCE, "2"),
        ("other.key", RESOURCE, "1"),
    ] {
        assert_ne!(derived(master, resource, kid), key, "{master} {resource} {kid}");
    }
    // The id that an authorization server signs under, unless it is told another.
    let by_default =
        folder.run(&format!("key derive --master-key master.key --resource {RESOURCE}"));
    let rows: Vec<_> = by_default.stdout.lines().collect();
    let expected =
        [format!("resource  {RESOURCE}"), "kid       1".into(), format!("key       {key}")];
    assert_eq!(rows, expected);

    let to_file = format!("key derive --master-key master.key --resource {RESOURCE} --out rs.key");
    assert!(!folder.run(&to_file).ok().contains(&key));
    assert_eq!(folder.read("rs.key").trim_end(), key);
    check_private(&folder, "rs.key");
    folder.run(&to_file).refused(1, "not overwritten");
}

#[test]
fn a_device_is_provisioned_with_the_keys_that_are_derived_for_it() {
    let folder = Folder::new();
    folder.write("master.key", format!("{MASTER}\n"));
    let derive = format!("key derive --master-key master.key --resource {RESOURCE}");
    let key = |kid: &str| {
        let answer = folder.run(&format!("{derive} --kid {kid} --json")).json();
        answer["key"].as_str().unwrap().to_owned()
    };
    let printed = folder.run(&format!(
        "{derive} --provisioning --issuer {ISSUER} --version 7 --kid a --next-kid b --time-server 192.0.2.1:123"
    ));
    assert!(printed.stderr.contains("secret"));
    let (current, next) = (key("a"), key("b"));
    let expected = format!(
        r#"{{"version":7,"resource":"{RESOURCE}","issuer":"{ISSUER}","keys":[{{"kid":"a","key":"{current}"}},{{"kid":"b","key":"{next}"}}],"time_servers":["192.0.2.1:123"]}}"#
    );
    assert_eq!(printed.stdout.trim_end(), expected);

    let to_file = format!("{derive} --provisioning --issuer {ISSUER} --out device.json --json");
    assert_eq!(folder.run(&to_file).json()["file"], "device.json");
    check_private(&folder, "device.json");
    let document: Value = serde_json::from_str(&folder.read("device.json")).unwrap();
    assert_eq!((&document["version"], &document["keys"][0]["kid"]), (&1.into(), &"1".into()));
    assert_eq!(document["keys"].as_array().unwrap().len(), 1);
    folder.run(&to_file).refused(1, "not overwritten");
}

#[test]
fn what_no_device_could_use_is_refused() {
    let folder = Folder::new();
    folder.write("master.key", MASTER);
    let derive = |rest: &str| folder.run(&format!("key derive --master-key master.key {rest}"));
    for (rest, words) in [
        ("--resource http://device.example/mcp", "the resource is not https"),
        ("--resource device", "the resource is not an absolute URI"),
        ("--resource https://device.example/mcp?x", "the resource has userinfo, a query"),
        ("--resource https://d.example --kid a\"b", "key id"),
        (
            "--resource https://d.example --provisioning --issuer http://as.example",
            "the issuer is not",
        ),
        (
            "--resource https://d.example --provisioning --issuer https://as.example --next-kid 1",
            "same",
        ),
    ] {
        derive(rest).refused(1, words);
    }
    for rest in [
        "--resource https://d.example --provisioning",
        "--resource https://d.example --issuer https://as.example",
        "--resource https://d.example --provisioning --issuer https://as.example --version 0",
        "--resource https://d.example --provisioning --issuer https://as.example --time-server pool.example",
        "",
    ] {
        derive(rest).refused(2, "error:");
    }
    folder.run("key derive --resource https://d.example").refused(2, "--master-key");
}

#[test]
fn sec_320_a_bad_master_key_is_refused_and_not_repeated() {
    let folder = Folder::new();
    let (long, placeholder) = ("AQID".repeat(12), "A".repeat(KEY_LEN));
    for (content, words) in [
        ("", "short"),
        (&MASTER[..40], "short"),
        (&long, "32 bytes"),
        (&placeholder, "zero"),
        (&"AQEB".repeat(11)[..KEY_LEN], "not all the same"),
        (&format!("{MASTER}="), "base64url"),
        (&format!(" {MASTER}"), "base64url"),
        (&format!("{MASTER}\n\n"), "base64url"),
        (&"A".repeat(200), "longer than"),
    ] {
        folder.write("master.key", content);
        let command = format!("key derive --master-key master.key --resource {RESOURCE}");
        let ended = folder.run(&command);
        assert!(!ended.stderr.contains("AQID"), "{ended:?}");
        ended.refused(1, words);
    }
    folder.write("master.key", [0xFF; 43]);
    let command = format!("key derive --master-key master.key --resource {RESOURCE}");
    folder.run(&command).refused(1, "not a text");
    folder.run(&command.replace("master.key", "none.key")).refused(1, "cannot be read");
}

#[test]
fn certificates_are_made_for_one_host_and_over_no_others() {
    let folder = Folder::new();
    let made = folder.run("key certificate --host as.local --out certificates --json").json();
    for name in ["authority.der", "authority.pem", "server.pem", "server.key"] {
        check_private(&folder, &format!("certificates/{name}"));
    }
    assert!(made["server_key"].as_str().unwrap().ends_with("server.key"));
    let before = folder.read("certificates/server.pem");
    folder.run("key certificate --host as.local --out certificates").refused(1, "not overwritten");
    assert_eq!(folder.read("certificates/server.pem"), before);
    folder.run("key certificate --host as.local --out more --days 0").refused(2, "--days");
    folder.run("key certificate --host \u{e9} --out more").refused(1, "no certificate can be made");
}

#[test]
fn a_device_that_asks_gets_credentials_of_its_own() {
    let folder = Folder::new();
    folder.run("key certificate --host as.local --out certificates").ok();
    let derive = |certificate: &str, rest: &str| {
        folder.run(&format!(
            "key derive --resource {RESOURCE} --provisioning --issuer {ISSUER} --introspection https://as.local:9443/introspect --address 10.0.2.2:9443 --certificate {certificate}{rest}"
        ))
    };
    let from_der = derive("certificates/authority.der", "").json();
    let from_pem = derive("certificates/authority.pem", "").json();
    let (first, second) = (&from_der["introspection"], &from_pem["introspection"]);
    assert_eq!(first["certificate"], second["certificate"]);
    assert_eq!((&first["address"], &from_der["keys"]), (&"10.0.2.2:9443".into(), &Value::Null));
    assert_ne!(first["client_id"], second["client_id"]);
    assert_ne!(first["client_secret"], second["client_secret"]);
    assert!(is_key(first["client_secret"].as_str().unwrap()));

    derive("certificates/server.key", "").refused(1, "neither DER nor");
    folder.write("junk.der", [0x30, 0x03, 1, 2, 3]);
    derive("junk.der", "").refused(1, "not the DER of a certificate");
    derive("certificates/authority.der", " --next-kid 2").refused(2, "cannot be used with");
    let http = format!(
        "key derive --resource {RESOURCE} --provisioning --issuer {ISSUER} --introspection http://localhost:9443/introspect --address 10.0.2.2:9443 --certificate certificates/authority.der"
    );
    folder.run(&http).refused(1, "the introspection endpoint is not https");
    folder.run(&http.replace(" --address 10.0.2.2:9443", "")).refused(2, "--address");
}
