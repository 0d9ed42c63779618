//! Whether the client's table of requirements has each of them, and names tests that are there.

use std::{collections::BTreeSet, fs};

use super::{Tree, read, top};

const TABLE: &str = "core/src/client/requirements.md";
/// The matrix, where it is beside the project.
const MATRIX: &str = "../shared/spec/authorization.md";
/// Who can meet a row.
const WHO: [&str; 5] = ["core", "tokio", "embassy", "cli", "both"];

/// The cells of each row that has an id in its first column; a cell may hold several ids.
fn rows(text: &str) -> Vec<(Vec<&str>, Vec<&str>)> {
    let is_id = |id: &&str| {
        id.split_once('-').is_some_and(|(series, number)| {
            series.bytes().all(|byte| byte.is_ascii_uppercase())
                && number.len() == 2
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    text.lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").map(str::trim).collect::<Vec<&str>>())
        .filter_map(|cells| {
            let ids: Vec<&str> = cells.first()?.split(", ").filter(is_id).collect();
            (!ids.is_empty()).then_some((ids, cells))
        })
        .collect()
}

fn ids<'t>(rows: &[(Vec<&'t str>, Vec<&'t str>)]) -> Vec<&'t str> {
    rows.iter().flat_map(|(ids, _)| ids.iter().copied()).collect()
}

/// What is wrong with the rows.
fn faults(text: &str, tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (ids, cells) in rows(text) {
        let id = ids[0];
        let &[_, level, what, by, shown] = cells.as_slice() else {
            faults.push(format!("{id}: {} cells", cells.len()));
            continue;
        };
        if level.is_empty() || what.is_empty() || !WHO.contains(&by) {
            faults.push(format!("{id}: {level:?}, {what:?}, {by:?}"));
        }
        let named: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            faults.push(format!("{id}: shown by nothing"));
        }
        let lacking = |name: &&str| tree.lacks(id, name).map(|why| format!("{id}: {name} {why}"));
        faults.extend(named.iter().filter_map(lacking));
    }
    faults
}

/// The rows of the matrix that are the client's.
fn of_the_client(matrix: &str) -> BTreeSet<&str> {
    // In these series the matrix does not say whose a row is.
    let servers = ["LG-07", "LG-10", "CC-04", "CC-08"];
    let is_ours = |(ids, cells): &(Vec<&str>, Vec<&str>)| match ids[0].split('-').next() {
        Some("CL") => true,
        Some("LG" | "CC") => !servers.contains(&ids[0]),
        Some("EM" | "DP" | "WF") => cells.get(1) == Some(&"CL"),
        _ => false,
    };
    rows(matrix).iter().filter(|row| is_ours(row)).map(|(ids, _)| ids[0]).collect()
}

#[test]
fn each_row_is_there_once_and_shown_by_tests() {
    let table = read(&top().join(TABLE));
    let (rows, tree) = (rows(&table), Tree::load());
    let listed = ids(&rows);
    let distinct: BTreeSet<&str> = listed.iter().copied().collect();
    assert!(listed.len() == distinct.len() && listed.len() > 60, "{} rows", listed.len());
    let faults = faults(&table, &tree);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_planted_fault_is_found() {
    let functions = [("core::a".to_owned(), false)];
    let tree = Tree { functions: functions.into(), ..Tree::default() };
    let check = |row: &str, expected: &[&str]| assert_eq!(faults(row, &tree), expected, "{row}");
    check("| CL-01 | MUST | all | core | `core::a` |", &[]);
    check("| CL-01 | MUST | all | core | `core::b` |", &["CL-01: core::b is not there"]);
    check("| CL-01 | MUST | all | core | it is |", &["CL-01: shown by nothing"]);
    check("| CL-01 | MUST | all | nobody | `core::a` |", &["CL-01: \"MUST\", \"all\", \"nobody\""]);
    check("| CL-01 | MUST | `core::a` |", &["CL-01: 3 cells"]);
    let matrix = "| Id | L |\n| CL-01 | MUST | x |\n| EM-01 | CL | x |\n| EM-02 | AS | x |\n| LG-10 | x | y |";
    assert_eq!(of_the_client(matrix), BTreeSet::from(["CL-01", "EM-01"]));
}

#[test]
fn the_table_has_what_the_matrix_has() {
    let Ok(matrix) = fs::read_to_string(top().join(MATRIX)) else {
        println!("skipped: the matrix is not at {MATRIX}");
        return;
    };
    let table = read(&top().join(TABLE));
    let listed: BTreeSet<&str> = ids(&rows(&table)).into_iter().collect();
    assert_eq!(listed, of_the_client(&matrix));
}
