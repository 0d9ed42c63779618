//! Promises that are kept by what the source does not say. Each rule is shown to find a planted breach.
#![forbid(unsafe_code)]

use std::{
    fs,
    path::{Path, PathBuf},
};

const LINES_MAX: usize = 500;

const ERROR_WORDS: [&str; 8] = [
    "invalid_token",
    "insufficient_scope",
    "invalid_request",
    "invalid_grant",
    "invalid_client",
    "invalid_target",
    "invalid_scope",
    "unauthorized_client",
];

/// One Rust file: its path from the top, with `/`, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The part that is not a test's.
    fn shipped(&self) -> &str {
        if self
            .path
            .split('/')
            .any(|part| matches!(part, "tests" | "tests.rs" | "testkit.rs" | "benches"))
            || self.path.ends_with("_tests.rs")
        {
            return "";
        }
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        &self.text[..end]
    }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust files below these folders, without what was built or fetched.
fn sources(folders: &[&str]) -> Vec<Source> {
    fn visit(folder: &Path, top: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                visit(&path, top, found);
            } else if name.ends_with(".rs") {
                let relative = path.strip_prefix(top).expect("below the top");
                let relative = relative.to_str().expect("plain names").replace('\\', "/");
                found.push(Source {
                    path: relative,
                    text: fs::read_to_string(&path).expect("text"),
                });
            }
        }
    }
    let (top, mut found) = (top(), Vec::new());
    for folder in folders {
        visit(&top.join(folder), &top, &mut found);
    }
    assert!(found.len() > 2, "the files are where this test looks");
    found
}

/// The modules of the own crate that a text names: `crate::name`, also in braces.
fn modules_named(text: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut named = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        for (at, path) in line.match_indices("crate::") {
            let rest = &line[at + path.len()..];
            named.push(&rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]);
        }
    }
    // `use crate::{a, b::{c, d}}` over several lines: the names at depth one.
    for (at, opening) in text.match_indices("use crate::{") {
        let mut depth = 1;
        let mut start = at + opening.len();
        for (offset, c) in text[start..].char_indices() {
            let here = at + opening.len() + offset;
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ',' && depth == 1) || depth == 0 {
                let name = text[start..here].trim();
                named.push(&name[..name.find(|c| !is_name(c)).unwrap_or(name.len())]);
                start = here + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    named.retain(|name| !name.is_empty());
    named
}

/// Machines -> concepts -> encoding; the machines never know each other.
fn import_breaches(source: &Source) -> Vec<String> {
    let inside = source.path.strip_prefix("core/src/").expect("a file of the core");
    let module = inside.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let may = |other: &str| match module {
        "lib" => true,
        "encoding" => matches!(other, "encoding" | "limits"),
        "resource_server" => other != "client",
        "client" => other != "resource_server",
        _ => !matches!(other, "resource_server" | "client"),
    };
    let named = modules_named(source.shipped());
    named
        .into_iter()
        .filter(|other| !may(other))
        .map(|other| format!("{} -> {other}", source.path))
        .collect()
}

fn error_word_breaches(source: &Source) -> Vec<String> {
    let quoted = |word: &&&str| source.shipped().contains(&format!("\"{word}\""));
    let words = ERROR_WORDS.iter().filter(quoted);
    words.map(|word| format!("{}: {word}", source.path)).collect()
}

fn length_breach(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > LINES_MAX).then(|| format!("{}: {lines} lines", source.path))
}

/// Where the keyword may stand, each time with its reason right above (SEC-583).
const BOARD_LAYER: &str = "examples/microcontroller/src/board/";

/// The keyword as code, not in a comment or a literal.
fn unsafe_breaches(source: &Source) -> Vec<String> {
    let is_code = |line: &&str| {
        let code = line.split("//").next().unwrap_or_default().split('"').step_by(2);
        let mut words =
            code.flat_map(|code| code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
        words.any(|word| word == concat!("un", "safe"))
    };
    let mut above = Vec::new();
    let mut breaches = Vec::new();
    for line in source.text.lines() {
        let has_reason = above
            .iter()
            .rev()
            .take(4)
            .any(|line: &&str| line.contains("SAFETY:") || line.contains("reason ="));
        if is_code(&line) && !(source.path.starts_with(BOARD_LAYER) && has_reason) {
            breaches.push(format!("{}: {}", source.path, line.trim()));
        }
        above.push(line);
    }
    breaches
}

/// What signs and with it writes JSON by another project's serializer, so that the image is without it.
const NOT_IN_THE_IMAGE: [&str; 2] = ["write_jws", "write_proof"];

/// The machines and functions of a file that outside bytes reach, and that the image does not name.
fn image_breaches(source: &Source, image: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = |name: &str| {
        image.match_indices(name).any(|(at, _)| {
            !image[..at].ends_with(is_name) && !image[at + name.len()..].starts_with(is_name)
        })
    };
    let after = |line: &str, words: &str| {
        let rest = line.trim_start().strip_prefix(words)?;
        Some(rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())].to_owned())
    };
    let names = source.shipped().lines().filter_map(|line| {
        // What only gives back what is there is `const`, and looks at no bytes.
        after(line, "pub fn ").or_else(|| after(line, "impl<'s> Machine<'s> for "))
    });
    names
        .filter(|name| !named(name) && !NOT_IN_THE_IMAGE.contains(&name.as_str()))
        .map(|name| format!("{}: {name}", source.path))
        .collect()
}

#[track_caller]
fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn imports_go_one_way() {
    none(sources(&["core/src"]).iter().flat_map(import_breaches).collect());
}

#[test]
fn an_import_the_wrong_way_is_found() {
    for (path, text) in [
        ("core/src/encoding/json/reader.rs", "use crate::scope::ScopeSet;"),
        ("core/src/bearer.rs", "fn f() { crate::resource_server::x() }"),
        ("core/src/client/pkce.rs", "use crate::{\n    limits,\n    resource_server::{A, B},\n};"),
        ("core/src/resource_server/mod.rs", "use crate::{encoding::{a, b}, client};"),
    ] {
        assert_eq!(import_breaches(&Source::new(path, text)).len(), 1, "{path}");
    }
    let allowed = Source::new(
        "core/src/client/a.rs",
        "use crate::{scope::{A, client}, limits};\n// crate::resource_server",
    );
    assert!(import_breaches(&allowed).is_empty());
}

#[test]
fn adapters_hold_no_policy() {
    none(sources(&["adapters"]).iter().flat_map(error_word_breaches).collect());
}

#[test]
fn an_error_word_in_an_adapter_is_found() {
    let text = "fn f() -> &'static str { \"invalid_token\" }";
    assert_eq!(error_word_breaches(&Source::new("adapters/tokio/src/a.rs", text)).len(), 1);
    let test = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{ {text} }}");
    assert!(error_word_breaches(&Source::new("adapters/tokio/src/a.rs", &test)).is_empty());
}

#[test]
fn the_image_calls_everything_of_the_client() {
    let image = sources(&["tests/promises/bare_image/src"]);
    let image: Vec<_> = image.iter().map(|file| file.text.as_str()).collect();
    let image = image.concat();
    let client = sources(&["core/src/client", "core/src/dpop"]);
    none(client.iter().flat_map(|source| image_breaches(source, &image)).collect());
}

#[test]
fn what_the_image_does_not_call_is_found() {
    let text =
        "impl<'s> Machine<'s> for Device<'s> {}\n    pub fn react(&self) {}\npub fn write_jws() {}";
    let source = Source::new("core/src/client/device.rs", text);
    assert!(image_breaches(&source, "Device::new(); attempts.react(x)").is_empty());
    assert_eq!(image_breaches(&source, "DeviceGrant::new(); attempts.react(x)").len(), 1);
    assert_eq!(image_breaches(&source, "Device::new(); reactor").len(), 1);
}

#[test]
fn files_are_short() {
    none(
        sources(&["core", "adapters", "examples", "tests"])
            .iter()
            .filter_map(length_breach)
            .collect(),
    );
}

#[test]
fn a_long_file_is_found() {
    let file = |lines: usize| Source::new("a.rs", &"\n".repeat(lines));
    assert!(length_breach(&file(LINES_MAX)).is_none());
    assert!(length_breach(&file(LINES_MAX + 1)).is_some());
}

#[test]
fn sec_583_no_code_steps_outside_of_the_checked_language() {
    none(
        sources(&["core", "adapters", "examples", "tests"])
            .iter()
            .flat_map(unsafe_breaches)
            .collect(),
    );
    let planted = format!("{} {{ f() }}", concat!("un", "safe"));
    assert_eq!(unsafe_breaches(&Source::new("a.rs", &planted)).len(), 1);
    let board = format!("{BOARD_LAYER}led.rs");
    assert_eq!(unsafe_breaches(&Source::new(&board, &planted)).len(), 1);
    let reasoned = format!("// SAFETY: the board maps it.\n{planted}");
    assert!(unsafe_breaches(&Source::new(&board, &reasoned)).is_empty());
    assert_eq!(unsafe_breaches(&Source::new("a.rs", &reasoned)).len(), 1);
    let forbidden = format!("#![forbid({}_code)]", concat!("un", "safe"));
    assert!(unsafe_breaches(&Source::new("a.rs", &forbidden)).is_empty());
}

#[test]
fn every_crate_takes_the_common_lints() {
    let members = fs::read_to_string(top().join("Cargo.toml")).expect("the workspace");
    let members = members.split("members = [").nth(1).and_then(|rest| rest.split(']').next());
    let members: Vec<_> =
        members.expect("a list of members").split('"').skip(1).step_by(2).collect();
    assert!(members.len() > 4, "{members:?}");
    for member in members {
        let manifest =
            fs::read_to_string(top().join(member).join("Cargo.toml")).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}");
    }
}
