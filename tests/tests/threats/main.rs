//! No threat is silent: `threats.toml` says of each id what covers it, why it does not apply, or what is
//! open, and whatever it names is there.
#![forbid(unsafe_code)]

mod requirements;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// What is said of one id.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// What covers it, in the forms that [`Tree::lacks`] knows.
    #[serde(default)]
    tests: Vec<String>,
    /// What is missing, beside the tests or instead of them.
    open: Option<String>,
    /// Why there is nothing to cover.
    not_applicable: Option<String>,
}

type Rows = BTreeMap<String, Row>;

/// One row of the catalogue: whether a fuzz target has to own it.
type Catalogue = BTreeMap<String, bool>;

/// What there is to be named.
#[derive(Default)]
struct Tree {
    /// Test functions by crate, module and name, and whether they are ignored.
    functions: BTreeMap<String, bool>,
    /// Scenarios as `topic:name`, and their ids.
    scenarios: BTreeMap<String, BTreeSet<String>>,
    /// Fuzz targets that have seeds.
    fuzz_targets: BTreeSet<String>,
    /// Scripts of `tests/run`.
    steps: BTreeSet<String>,
    /// Files with examples that must not compile.
    refused_examples: BTreeSet<String>,
}

impl Tree {
    fn load() -> Self {
        let top = top();
        let mut tree = Self::default();
        let example = "examples/microcontroller/src";
        let own = ["tests/src", "tests/tests", "tests/promises"];
        for folder in ["core/src", "adapters", example].into_iter().chain(own) {
            for path in files(&top.join(folder), "rs") {
                let text = read(&path);
                let path = relative(&path, &top);
                tree.functions.extend(functions(&module(&path), &text));
                if text.contains("```compile_fail") {
                    tree.refused_examples.insert(path);
                }
            }
        }
        for path in files(&top.join("tests/scenarios"), "toml") {
            tree.scenarios.extend(scenarios(&stem(&path), &read(&path)));
        }
        let targets = files(&top.join("core/fuzz/fuzz_targets"), "rs");
        let has_seeds = |target: &String| {
            fs::read_dir(top.join("core/fuzz/seeds").join(target))
                .is_ok_and(|mut seeds| seeds.next().is_some())
        };
        tree.fuzz_targets = targets.iter().map(|path| stem(path)).filter(has_seeds).collect();
        tree.steps = files(&top.join("tests/steps"), "sh").iter().map(|path| stem(path)).collect();
        tree
    }

    /// Why `name` covers nothing of `id`.
    ///
    /// | Form | Names |
    /// | --- | --- |
    /// | `crate::module::function` | a test, as Cargo prints it; an integration test's file is a module |
    /// | `scenario:topic:name` | a case of `scenarios/topic.toml` that has this id |
    /// | `fuzz:target` | a fuzz target with seeds |
    /// | `step:name` | a script of `tests/run` |
    /// | `doc:path` | a file with an example that must not compile |
    fn lacks(&self, id: &str, name: &str) -> Option<&'static str> {
        let (kind, rest) = match name.split_once(':') {
            Some((kind, rest)) if !rest.starts_with(':') => (kind, rest),
            _ => ("function", name),
        };
        let is_there = match kind {
            "function" => match self.functions.get(name) {
                Some(true) => return Some("is ignored"),
                found => found.is_some(),
            },
            "scenario" => match self.scenarios.get(rest) {
                Some(ids) if !ids.contains(id) => return Some("is a case of other ids"),
                found => found.is_some(),
            },
            "fuzz" => self.fuzz_targets.contains(rest),
            "step" => self.steps.contains(rest),
            "doc" => self.refused_examples.contains(rest),
            _ => return Some("has an unknown form"),
        };
        (!is_there).then_some("is not there")
    }
}

/// What is wrong with the list itself and with what it names.
fn faults(rows: &Rows, tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, row) in rows {
        let reasons = [&row.open, &row.not_applicable];
        for reason in reasons.into_iter().flatten() {
            if reason.trim().len() < 12 {
                faults.push(format!("{id}: {reason:?} is no reason"));
            }
        }
        match (row.tests.is_empty(), &row.open, &row.not_applicable) {
            (true, None, None) => faults.push(format!("{id}: silent")),
            (false, _, Some(_)) | (_, Some(_), Some(_)) => {
                faults.push(format!("{id}: not applicable, and yet tested or open"));
            }
            _ => {}
        }
        let mut named = BTreeSet::new();
        for name in &row.tests {
            if !named.insert(name) {
                faults.push(format!("{id}: {name} is named twice"));
            }
            faults.extend(tree.lacks(id, name).map(|why| format!("{id}: {name} {why}")));
        }
    }
    faults
}

/// What the list leaves out of the catalogue, and what it has beyond it.
fn gaps(rows: &Rows, catalogue: &Catalogue) -> Vec<String> {
    let mut gaps = Vec::new();
    for (id, &wants_fuzzing) in catalogue {
        match rows.get(id) {
            None => gaps.push(format!("{id}: silent")),
            Some(row) if wants_fuzzing && row.open.is_none() && row.not_applicable.is_none() => {
                if !row.tests.iter().any(|name| name.starts_with("fuzz:")) {
                    gaps.push(format!("{id}: a row marked P owns a fuzz target"));
                }
            }
            Some(_) => {}
        }
    }
    gaps.extend(
        rows.keys()
            .filter(|id| !catalogue.contains_key(*id))
            .map(|id| format!("{id}: not catalogued")),
    );
    gaps
}

/// Reads the rows of the catalogue: `| id | … | how | see |`.
fn catalogue(text: &str) -> Catalogue {
    let mut ids = Catalogue::new();
    for line in text.lines() {
        let columns: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let id = columns[0];
        if ["SEC-", "LIM-", "INV-"].iter().any(|series| id.starts_with(series)) {
            let how = columns.get(columns.len().saturating_sub(2)).unwrap_or(&"");
            let wants_fuzzing = id.starts_with("SEC-") && how.split(' ').any(|kind| kind == "P");
            assert!(ids.insert(id.to_owned(), wants_fuzzing).is_none(), "{id} is catalogued twice");
        }
    }
    ids
}

/// The tests of one file, by their names behind `module`, and whether they are ignored.
fn functions(module: &str, text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut inner: Vec<(usize, &str)> = Vec::new();
    let mut attributes: Vec<&str> = Vec::new();
    for line in text.lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if code.starts_with("#[") {
            attributes.push(code);
            continue;
        }
        if code.is_empty() || code.starts_with("//") {
            continue;
        }
        if code == "}" {
            inner.retain(|&(at, _)| at < indent);
        } else if let Some(name) =
            code.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {"))
        {
            inner.push((indent, name));
        }
        let code = code.strip_prefix("async ").unwrap_or(code);
        let is_test = |line: &&str| {
            ["#[test]", "#[tokio::test]", "#[tokio::test("].iter().any(|it| line.starts_with(it))
        };
        if let Some(rest) = code.strip_prefix("fn ")
            && attributes.iter().any(is_test)
        {
            let name = &rest[..rest.find('(').unwrap_or(rest.len())];
            let path = inner.iter().map(|(_, name)| *name).chain([name]);
            let path = path.fold(module.to_owned(), |path, part| format!("{path}::{part}"));
            found.push((path, attributes.iter().any(|line| line.starts_with("#[ignore"))));
        }
        attributes.clear();
    }
    found
}

/// `core/src/jwt/key.rs` is `core::jwt::key`, `adapters/tokio/tests/protect.rs` is `tokio::protect`.
fn module(path: &str) -> String {
    let parts: Vec<_> = path.trim_end_matches(".rs").split('/').collect();
    let is_root = |&at: &usize| matches!(parts[at], "src" | "tests" | "promises");
    let root = (1..parts.len()).find(is_root).expect("a source file of a crate");
    let inside = parts[root + 1..].iter().filter(|part| !matches!(**part, "mod" | "lib" | "main"));
    inside.fold(parts[root - 1].to_owned(), |path, part| format!("{path}::{part}"))
}

/// The cases of one topic and their ids.
fn scenarios(topic: &str, text: &str) -> Vec<(String, BTreeSet<String>)> {
    let file: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("{topic}: {error}"));
    let cases = file.get("case").and_then(toml::Value::as_array).into_iter().flatten();
    let read = |case: &toml::Value| {
        let name = case["name"].as_str().expect("a name");
        let ids = case["id"].as_array().expect("ids").iter();
        (format!("{topic}:{name}"), ids.map(|id| id.as_str().expect("an id").to_owned()).collect())
    };
    cases.map(read).collect()
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn stem(path: &Path) -> String {
    path.file_stem().and_then(|stem| stem.to_str()).expect("plain names").to_owned()
}

fn relative(path: &Path, top: &Path) -> String {
    path.strip_prefix(top).expect("below the top").to_str().expect("plain names").replace('\\', "/")
}

/// All files below `folder` with this ending, but for what was built.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|own| own == ending) {
            found.push(path);
        }
    }
    found
}

fn rows() -> Rows {
    toml::from_str(&read(&top().join("tests/threats.toml")))
        .expect("each id once, each with its row")
}

fn row(tests: &[&str]) -> Row {
    Row { tests: tests.iter().map(|&name| name.to_owned()).collect(), ..Row::default() }
}

#[test]
fn what_is_named_is_there() {
    let (rows, tree) = (rows(), Tree::load());
    assert!(
        tree.functions.len() > 500 && tree.fuzz_targets.len() > 10,
        "found where this test looks"
    );
    let faults = faults(&rows, &tree);
    assert!(faults.is_empty(), "{faults:#?}");

    let count = |is: fn(&Row) -> bool| rows.values().filter(|row| is(row)).count();
    let open: Vec<_> =
        rows.iter().filter(|(_, row)| row.open.is_some()).map(|(id, _)| id.as_str()).collect();
    // Past the capture of passing tests, so that every run says it.
    let said = writeln!(
        io::stdout(),
        "threats: {} covered, {} in part, {} not applicable, {} open",
        count(|row| !row.tests.is_empty() && row.open.is_none()),
        count(|row| !row.tests.is_empty() && row.open.is_some()),
        count(|row| row.not_applicable.is_some()),
        count(|row| row.tests.is_empty() && row.open.is_some()),
    );
    said.expect("an open standard output");
    println!("{} ids with something open: {}", open.len(), open.join(" "));
}

#[test]
fn a_planted_fault_is_found() {
    let functions = [("core::a".to_owned(), false), ("core::b".to_owned(), true)];
    let scenarios = [("t:c".to_owned(), BTreeSet::from(["SEC-001".to_owned()]))];
    let tree = Tree { functions: functions.into(), scenarios: scenarios.into(), ..Tree::default() };
    let check = |row: Row, expected: &[&str]| {
        assert_eq!(faults(&Rows::from([("SEC-001".to_owned(), row)]), &tree), expected);
    };
    check(row(&["core::a", "scenario:t:c"]), &[]);
    check(row(&["core::b"]), &["SEC-001: core::b is ignored"]);
    check(row(&["core::c"]), &["SEC-001: core::c is not there"]);
    check(row(&["a"]), &["SEC-001: a is not there"]);
    check(row(&["scenario:t:d"]), &["SEC-001: scenario:t:d is not there"]);
    check(
        row(&["fuzz:t", "step:t"]),
        &["SEC-001: fuzz:t is not there", "SEC-001: step:t is not there"],
    );
    check(row(&["doc:t"]), &["SEC-001: doc:t is not there"]);
    check(row(&["todo:t"]), &["SEC-001: todo:t has an unknown form"]);
    check(row(&["core::a", "core::a"]), &["SEC-001: core::a is named twice"]);
    check(row(&[]), &["SEC-001: silent"]);
    let reason = || Some("for a good reason".to_owned());
    check(Row { open: reason(), ..row(&["core::a"]) }, &[]);
    check(Row { not_applicable: reason(), ..row(&[]) }, &[]);
    check(Row { open: Some("later".to_owned()), ..row(&[]) }, &["SEC-001: \"later\" is no reason"]);
    let both = "SEC-001: not applicable, and yet tested or open";
    check(Row { not_applicable: reason(), ..row(&["core::a"]) }, &[both]);
    check(Row { not_applicable: reason(), open: reason(), ..row(&[]) }, &[both]);
    let other = faults(&Rows::from([("SEC-002".to_owned(), row(&["scenario:t:c"]))]), &tree);
    assert_eq!(other, ["SEC-002: scenario:t:c is a case of other ids"]);
}

#[test]
fn no_id_is_silent() {
    let path = top().join("../shared/spec/threats.md");
    let Ok(text) = fs::read_to_string(&path) else {
        println!("skipped: the catalogue is not at ../shared/spec/threats.md");
        return;
    };
    let catalogue = catalogue(&text);
    assert!(catalogue.len() > 300, "{} ids", catalogue.len());
    let gaps = gaps(&rows(), &catalogue);
    assert!(gaps.is_empty(), "{gaps:#?}");
}

#[test]
fn a_planted_gap_is_found() {
    let catalogue = catalogue(
        "| Id | Case | Expected | How | See |\n|---|---|---|---|---|\n\
         | SEC-001 | a \\| b | refuse | U P | – |\n| SEC-002 | P | refuse | U I | RFC 1 |\n| LIM-1 | x | 1 | – | 414 |",
    );
    assert_eq!(
        catalogue.into_iter().collect::<Vec<_>>(),
        [("LIM-1".to_owned(), false), ("SEC-001".to_owned(), true), ("SEC-002".to_owned(), false)]
    );
    let check = |id: &str, row: Row, expected: &[&str]| {
        let catalogue = Catalogue::from([("SEC-001".to_owned(), true)]);
        assert_eq!(gaps(&Rows::from([(id.to_owned(), row)]), &catalogue), expected);
    };
    check("SEC-001", row(&["core::a", "fuzz:a"]), &[]);
    check("SEC-001", row(&["core::a"]), &["SEC-001: a row marked P owns a fuzz target"]);
    check("SEC-003", row(&["core::a"]), &["SEC-001: silent", "SEC-003: not catalogued"]);
}

#[test]
fn an_id_twice_is_found() {
    let once = "[SEC-001]\ntests = ['a']\n";
    assert!(toml::from_str::<Rows>(once).is_ok());
    assert!(toml::from_str::<Rows>(&once.repeat(2)).is_err());
    assert!(toml::from_str::<Rows>("[SEC-001]\ntest = ['a']\n").is_err());
}

#[test]
fn tests_are_found_as_cargo_names_them() {
    for (path, expected) in [
        ("core/src/jwt/key.rs", "core::jwt::key"),
        ("core/src/jwt/mod.rs", "core::jwt"),
        ("core/src/jwt/tests/header.rs", "core::jwt::tests::header"),
        ("adapters/tokio/tests/protect.rs", "tokio::protect"),
        ("tests/tests/threats.rs", "tests::threats"),
        ("tests/promises/source.rs", "tests::source"),
    ] {
        assert_eq!(module(path), expected);
    }
    let text = "#[test]\nfn a() {\n    if x {\n    }\n}\n\nfn shared() {}\n\nmod tests {\n    #[test]\n    // why\n    \
                #[ignore = \"x\"]\n    fn b() {}\n    proptest! {\n        #[test]\n        fn c(x: u8) {}\n    }\n}\n\
                #[tokio::test(flavor = \"x\")]\nasync fn d() {}\n#[cfg(x)]\nfn e() {}\n";
    let found = functions("m", text);
    let found: Vec<_> = found.iter().map(|(name, ignored)| (name.as_str(), *ignored)).collect();
    assert_eq!(
        found,
        [("m::a", false), ("m::tests::b", true), ("m::tests::c", false), ("m::d", false)]
    );
}
