use std::path::Path;

use super::*;

fn parse(text: &str) -> Result<Configuration, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

/// The example with every key that stands behind a `#`, as somebody would uncomment them.
fn uncommented() -> String {
    let is_key = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
    let line = |line: &'static str| match line.strip_prefix('#') {
        Some(rest) if is_key(rest) => rest,
        _ => line,
    };
    EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_is_a_configuration() {
    let example = parse(EXAMPLE).unwrap();
    assert_eq!(example.resources.len(), 1);
    assert!(example.tls.is_none() && example.metrics.is_none() && example.clients.is_empty());
    let whole = parse(&uncommented()).unwrap();
    assert!(whole.tls.is_some() && whole.metrics.is_some() && whole.audit_file().is_some());
    assert_eq!((whole.clients.len(), whole.services.len()), (1, 1));
    let (providers, workloads) = (&whole.identity_providers, &whole.resources[0].workloads);
    assert!(whole.identity_provider(&providers[0]).is_ok_and(|it| it.single_use));
    assert!(whole.workload(&workloads[0]).is_ok_and(|it| !it.single_use));
    assert!(example.identity_providers.is_empty() && example.resources[0].workloads.is_empty());
    assert!(whole.resources[0].introspection.is_some());
    assert_eq!(whole.login.passwords, None);
}

/// The values behind a `#` are those that are meant without it.
#[test]
fn the_example_tells_what_is_meant_by_nothing() {
    let (nothing, whole) = (parse("").unwrap(), parse(&uncommented()).unwrap());
    assert_eq!(whole.lifetimes(), nothing.lifetimes());
    assert_eq!(whole.limits(), nothing.limits());
    let (documents, meant) = (whole.client_documents(), nothing.client_documents());
    assert_eq!(documents.offered, meant.offered);
    assert_eq!(documents.loopback_for_development, meant.loopback_for_development);
    assert_eq!(whole.listen(), nothing.listen());
    assert_eq!(nothing.issuer(), "http://localhost:9000");
    assert_eq!(whole.issuer(), nothing.issuer());
    assert_eq!((whole.data(), whole.kid()), (nothing.data(), nothing.kid()));
    assert_eq!(whole.master_key(), nothing.master_key());
    assert_eq!(whole.signing_keys(), nothing.signing_keys());
    assert_eq!(whole.database(), nothing.database());
    assert_eq!(whole.log.format, nothing.log.format);
    assert_eq!(whole.registration, Some(true));
    assert_eq!(whole.dpop, nothing.dpop);
    assert_eq!((whole.dpop_nonces, nothing.dpop_nonces), (false, false));
    assert_eq!(whole.require_pushed_requests, nothing.require_pushed_requests);
    assert_eq!((whole.plain_http, whole.trusted_proxies.len()), (false, 0));
}

/// An unknown key is refused with the list of those that there are; the example has all of them.
#[test]
fn unknown_keys_are_refused_and_known_ones_documented() {
    let resource = "[[resource]]\nidentifier = 'a'\nname = 'b'\ntoken_format = 'opaque'\n";
    for section in [
        "",
        "[database]",
        "[tls]",
        "[keys]",
        "[log]",
        "[metrics]",
        "[lifetimes]",
        "[limits]",
        "[[resource]]",
        &format!("{resource}[[resource.scope]]"),
        &format!("{resource}[resource.introspection]"),
        &format!("{resource}[[resource.workload]]"),
        "[[identity_provider]]",
        "[[client]]",
        "[client_documents]",
        "[login]",
        "[login.openid_connect]",
        "[[service]]",
    ] {
        let error = parse(&format!("{section}\nsurprise = 1\n")).unwrap_err();
        let (unknown, known) = error.split_once(", expected ").expect(&error);
        assert_eq!(unknown, "unknown field `surprise`", "{section}");
        let keys: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        assert!(!keys.is_empty(), "{section}");
        for key in keys {
            let forms = [
                format!("\n{key} = "),
                format!("\n#{key} = "),
                format!("[{key}]"),
                format!("[[{key}]]"),
                format!("[login.{key}]"),
                format!("[[resource.{key}]]"),
                format!("{{ {key} = "),
                format!(", {key} = "),
                format!("# {key} = "),
            ];
            assert!(forms.iter().any(|form| EXAMPLE.contains(form)), "{section} {key}");
        }
    }
}

#[test]
fn paths_count_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("as.toml");
    std::fs::write(&file, "data = 'd'\n[log]\naudit = '/var/log/audit'\n").unwrap();
    let read = Configuration::load(Some(&file)).unwrap();
    assert_eq!(read.master_key(), folder.path().join("d/master.key"));
    assert_eq!(read.database().unwrap(), Database::Sqlite(folder.path().join("d/records.db")));
    assert_eq!(read.audit_file().as_deref(), Some(Path::new("/var/log/audit")));
    assert!(Configuration::load(Some(&folder.path().join("none.toml"))).is_err());
}

#[test]
fn sec_320_an_error_names_the_line_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("as.toml");
    let text =
        "issuer = 'https://as.example'\n\n[database]\npostgresql = 'postgresql://u:hunter2@h/d'\n";
    std::fs::write(&file, text).unwrap();
    let error = Configuration::load(Some(&file)).unwrap_err().to_string();
    assert!(error.contains("as.toml:4: ") && error.contains("is not written here"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}
