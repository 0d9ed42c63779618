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

const LEAST: &str = "resource_server = { resource = 'https://mcp.example/mcp', issuers = [{ identifier = \
    'https://as.example', verification = { mode = 'jwks' } }] }\nupstream = { url = 'http://127.0.0.1:3000/mcp' }\n";

#[test]
fn the_example_is_a_configuration() {
    let example = parse(EXAMPLE).unwrap();
    assert!(example.tls.is_none() && example.metrics.is_none());
    example.check().unwrap();
    let whole = parse(&uncommented()).unwrap();
    assert!(whole.tls.is_some() && whole.metrics.is_some() && whole.upstream.credential.is_some());
}

/// The values behind a `#` are those that are meant without it.
#[test]
fn the_example_tells_what_is_meant_by_nothing() {
    let (nothing, whole) = (parse(LEAST).unwrap(), parse(&uncommented()).unwrap());
    assert_eq!(whole.listen(), nothing.listen());
    let shown = |value: &dyn std::fmt::Debug| format!("{value:?}");
    assert_eq!(shown(&whole.listener_limits()), shown(&nothing.listener_limits()));
    assert_eq!(shown(&whole.upstream.limits), shown(&nothing.upstream.limits));
    assert_eq!(whole.log.format, nothing.log.format);
    assert_eq!((whole.plain_http, nothing.plain_http), (false, false));
    assert_eq!((whole.upstream.plain_http, nothing.upstream.plain_http), (false, false));
}

/// An unknown key is refused with the list of those that there are; the example has all of them.
#[test]
fn unknown_keys_are_refused_and_known_ones_documented() {
    for section in [
        "",
        "[tls]",
        "[metrics]",
        "[log]",
        "[limits]",
        "[resource_server]",
        "[resource_server.scopes]",
        "[resource_server.description]",
        "[resource_server.limits]",
        "[upstream]",
        "[upstream.limits]",
        "[upstream.credential]",
    ] {
        let error = parse(&format!("{section}\nsurprise = 1\n")).err().unwrap();
        let (unknown, known) = error.split_once(", expected ").expect(&error);
        assert_eq!(unknown, "unknown field `surprise`", "{section}");
        let keys: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        assert!(!keys.is_empty(), "{section}");
        for key in keys {
            let forms = [
                format!("\n{key} = "),
                format!("\n#{key} = "),
                format!("[{key}]"),
                format!("[[resource_server.{key}]]"),
                format!("[resource_server.{key}]"),
                format!("[upstream.{key}]"),
                format!("{{ {key} = "),
                format!(", {key} = "),
            ];
            assert!(forms.iter().any(|form| EXAMPLE.contains(form)), "{section} {key}");
        }
    }
}

#[track_caller]
fn refused(text: &str, words: &str) {
    let error = parse(text).unwrap().check().unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn mistakes_are_found_before_anything_is_served() {
    parse(LEAST).unwrap().check().unwrap();
    let with = |line: &str| format!("{line}\n{LEAST}");
    parse(&with("listen = '0.0.0.0:80'\nplain_http = true")).unwrap().check().unwrap();
    refused(&with("listen = '0.0.0.0:80'"), "listen: 0.0.0.0:80 can be reached");
    refused(&with("listen = '[::]:80'"), "listen: [::]:80 can be reached");
    refused(&with("listen = '127.0.0.1:3000'"), "upstream.url: it is the address of listen");
    refused(&with("metrics = { listen = '127.0.0.1:8080' }"), "metrics.listen");
    refused(&with("limits = { connections = 0 }"), "no connection");
    refused(&with("limits = { header_time_secs = 0 }"), "header_time_secs");
    refused(&with("limits = { write_time_secs = 0 }"), "write_time_secs");
    let tls = "tls = { certificate = '/nowhere', key = '/nowhere' }";
    refused(&with(tls), "tls: /nowhere");
    refused(&with(&format!("plain_http = true\n{tls}")), "it contradicts tls");
    refused(&LEAST.replace("http://127.0.0.1:3000", "http://10.0.0.7"), "upstream: url");
    refused(
        &LEAST.replace("https://mcp.example/mcp", "http://mcp.example/mcp"),
        "resource_server: ",
    );
}

#[cfg(unix)]
#[test]
fn secret_files_are_for_their_owner_and_a_group() {
    use std::{fs, os::unix::fs::PermissionsExt as _};
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("up.token");
    fs::write(&token, "upstream-token\n").unwrap();
    let text = LEAST
        .replace("3000/mcp' }", "3000/mcp', credential = { secret = { file = 'up.token' } } }");
    let file = folder.path().join("protect.toml");
    fs::write(&file, text).unwrap();
    for (mode, is_good) in [(0o600, true), (0o640, true), (0o644, false), (0o660, false)] {
        fs::set_permissions(&token, fs::Permissions::from_mode(mode)).unwrap();
        let checked = Configuration::read(&file).unwrap().check();
        assert_eq!(checked.is_ok(), is_good, "{mode:o} {checked:?}");
    }
}

#[test]
fn sec_320_an_error_names_the_line_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("protect.toml");
    let text = format!("\n{LEAST}")
        .replace("3000/mcp' }", "3000/mcp', credential = { secret = 'hunter2' } }");
    std::fs::write(&file, text).unwrap();
    let error = Configuration::read(&file).unwrap_err().to_string();
    assert!(error.contains("protect.toml:") && !error.contains("hunter2"), "{error}");
}
