//! Whether the table of requirements has each of them, and names modules that are there.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

const TABLE: &str = include_str!("requirements.md");
/// The matrix, where it is beside the project.
const MATRIX: &str = "../../../shared/spec/authorization.md";

/// The rows of the matrix that are the authorization server's.
const ROWS: [(&str, &[RangeInclusive<u32>]); 7] = [
    (
        "AS",
        &[
            1..=15,
            20..=25,
            30..=45,
            50..=71,
            80..=98,
            110..=114,
            120..=127,
            130..=132,
            140..=146,
            150..=152,
        ],
    ),
    ("LG", &[1..=10]),
    ("PX", &[1..=7]),
    ("CC", &[1..=8]),
    ("EM", &[4..=14, 17..=17, 20..=20]),
    ("DP", &[5..=8]),
    ("WF", &[2..=4]),
];

fn expected() -> BTreeSet<String> {
    let ids = |(prefix, ranges): &(&str, &[RangeInclusive<u32>])| -> Vec<String> {
        let numbers = ranges.iter().cloned().flatten();
        numbers.map(|number| format!("{prefix}-{number:02}")).collect()
    };
    ROWS.iter().flat_map(ids).collect()
}

/// Ids in the first column of the tables of `text`, as often as they are there.
fn ids(text: &str) -> Vec<String> {
    let is_id = |id: &&str| {
        id.split_once('-').is_some_and(|(prefix, number)| {
            prefix.len() == 2
                && prefix.bytes().all(|b| b.is_ascii_uppercase())
                && number.bytes().all(|b| b.is_ascii_digit())
        })
    };
    text.lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|row| row.split(" |").next())
        .flat_map(|cell| cell.split(", "))
        .filter(is_id)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_table_has_each_row_once() {
    let listed = ids(TABLE);
    let distinct: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), distinct.len(), "a row is there twice");
    let expected = expected();
    assert_eq!(distinct.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(expected.difference(&distinct).collect::<Vec<_>>(), Vec::<&String>::new());
    // What is looked for is found, so a gap would be.
    assert!(!ids(&TABLE.replace("| AS-94 |", "| |")).contains(&"AS-94".to_owned()));
}

#[test]
fn each_row_says_who_meets_it_and_where() {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_word = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    for row in TABLE.lines().filter(|line| !ids(line).is_empty()) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, level, what, by, place] = cells.as_slice() else { panic!("{row}") };
        assert!(!level.is_empty() && !what.is_empty(), "{row}");
        assert!(["engine", "here", "both", "operator", "no", "\u{2013}"].contains(by), "{row}");
        if ["operator", "no", "\u{2013}"].contains(by) {
            assert!(!place.is_empty(), "without a reason: {row}");
        }
        // What is in code marks before any other word is a module.
        let named = place.split('`').skip(1).step_by(2).take_while(|it| is_word(it));
        for module in named.filter(|it| !PARAMETERS.contains(it)) {
            let is_there = modules.join(format!("{module}.rs")).exists()
                || modules.join(module).join("mod.rs").exists();
            assert!(is_there, "no module {module}: {row}");
        }
    }
}

/// Parameters and claims that the last column speaks of.
const PARAMETERS: [&str; 12] = [
    "grant_types",
    "offline_access",
    "jti",
    "sub",
    "cnf",
    "request_uri",
    "application_type",
    "unapproved_software_statement",
    "authorization_grant_profiles_supported",
    "none",
    "dpop_bound_access_tokens",
    "require_pushed_requests",
];

#[test]
fn the_table_has_what_the_matrix_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(MATRIX);
    let Ok(matrix) = std::fs::read_to_string(path) else {
        println!("skipped: the matrix is not at {MATRIX}");
        return;
    };
    let listed = ids(TABLE);
    let server = |id: &String| ["AS-", "LG-", "PX-", "CC-"].iter().any(|it| id.starts_with(it));
    let missing: Vec<String> =
        ids(&matrix).into_iter().filter(|id| server(id) && !listed.contains(id)).collect();
    assert_eq!(missing, Vec::<String>::new());
}
