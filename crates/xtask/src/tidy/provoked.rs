//! Every reason that docs/reference/errors.md lists is provoked somewhere: what the log decides by a script of the state
//! machine, whose expected output shows the refusal; the others by the test that stands here.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

const CHECK: &str = "provoked";
const PAGE: &str = "docs/reference/errors.md";
const SCRIPTS: &str = "crates/state-machine/tests/scripts/";

/// Refusals of the state machine that callers know by another name.
const OTHER_NAMES: &[(&str, &str)] =
    &[("MALFORMED", "INVALID_ARGUMENT"), ("RESERVATION_SETTLED", "ILLEGAL_TRANSITION")];

/// Reasons of nodes rather than of the log: the file with the test, and what must stand in it.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("UNAUTHENTICATED", "tests/security.rs", "UNAUTHENTICATED"),
    ("PERMISSION_DENIED", "tests/security.rs", "PERMISSION_DENIED"),
    ("REQUEST_TOO_LARGE", "crates/gateway/tests/cluster.rs", "REQUEST_TOO_LARGE"),
    ("PAGE_TOKEN_INVALID", "crates/gateway/tests/cluster.rs", "PAGE_TOKEN_INVALID"),
    ("CURSOR_COMPACTED", "crates/gateway/src/status/tests.rs", "Failure::LogPurged"),
    ("SHUTTING_DOWN", "crates/gateway/tests/cluster.rs", "SHUTTING_DOWN"),
    ("NODE_REMOVED", "crates/gateway/tests/membership.rs", "NODE_REMOVED"),
    ("STORAGE_FULL", "crates/gateway/tests/full_disk.rs", "STORAGE_FULL"),
    ("NO_LEADER", "crates/gateway/src/route.rs", "Failure::NoLeader"),
    ("OVERLOADED", "crates/gateway/src/route.rs", "Err(Failure::Overloaded)"),
    ("DEADLINE_EXCEEDED", "crates/client/tests/client.rs", "DEADLINE_EXCEEDED"),
    ("OUTCOME_UNKNOWN", "crates/client/tests/client.rs", "OUTCOME_UNKNOWN"),
    ("REVISION_AHEAD", "crates/gateway/tests/ledger.rs", "REVISION_AHEAD"),
    ("MEMBERSHIP_CHANGING", "crates/consensus/tests/membership.rs", "RefusalKind::Changing"),
    ("MEMBERSHIP_ID_USED", "crates/gateway/tests/membership.rs", "MEMBERSHIP_ID_USED"),
    ("MEMBERSHIP_NODE_UNKNOWN", "crates/gateway/tests/membership.rs", "MEMBERSHIP_NODE_UNKNOWN"),
    ("MEMBERSHIP_NODE_UNFIT", "crates/gateway/tests/membership.rs", "MEMBERSHIP_NODE_UNFIT"),
    ("MEMBERSHIP_LEARNER_BEHIND", "crates/consensus/tests/membership.rs", "RefusalKind::LearnerBehind"),
    ("MEMBERSHIP_QUORUM_AT_RISK", "crates/consensus/tests/membership.rs", "RefusalKind::QuorumAtRisk"),
    ("INTERNAL", "crates/gateway/src/status/tests.rs", "Failure::Internal"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.files.get(PAGE) else { return Vec::new() };
    let scripted = scripted(tree);
    let missing = reasons(page).filter_map(|(line, reason)| {
        let why = not_provoked(tree, &scripted, reason)?;
        Some(Finding::error(CHECK, PAGE, line, format!("{reason}: {why}")))
    });
    missing.collect()
}

/// The reasons of the page's table, with their lines.
fn reasons(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let rows = (1..).zip(page.lines());
    rows.filter_map(|(line, text)| Some((line, text.strip_prefix("| `")?.split_once('`')?.0)))
}

fn not_provoked(tree: &Tree, scripted: &BTreeSet<String>, reason: &str) -> Option<String> {
    if scripted.contains(reason) {
        return None;
    }
    let Some((_, file, text)) = ELSEWHERE.iter().find(|(known, _, _)| *known == reason) else {
        return Some(format!(
            "no script under {SCRIPTS} provokes it: write one, or name the test that does in provoked.rs"
        ));
    };
    let is_there = tree.files.get(*file).is_some_and(|test| test.contains(text));
    (!is_there)
        .then(|| format!("{file} has no {text} any more: name the test that provokes it in provoked.rs"))
}

/// The names, as callers know them, of all refusals in the expected outputs of scripts.
fn scripted(tree: &Tree) -> BTreeSet<String> {
    let scripts = tree.ending(".txt").filter(|(path, _)| path.starts_with(SCRIPTS));
    let refusals = scripts.flat_map(|(_, script)| script.lines()).filter_map(|line| {
        let (_, refusal) = line.split_once(" REJECTED ")?;
        Some(refusal.split(|letter: char| !letter.is_ascii_alphanumeric()).next()?.to_owned())
    });
    refusals.map(|variant| reason_of(&variant)).collect()
}

/// `InsufficientStock` as `INSUFFICIENT_STOCK`, unless it has another name.
fn reason_of(variant: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    let other = OTHER_NAMES.iter().find(|(of_log, _)| *of_log == name);
    other.map_or(name, |(_, reason)| (*reason).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tree::fixture::tree;
    use super::*;

    const SCRIPT: (&str, &str) = (
        "crates/state-machine/tests/scripts/a.txt",
        "x\n---\n@1 REJECTED InsufficientStock line=1\n@2 REJECTED Malformed(\"x\")\n@3 REJECTED NotFound(Sku(\"A\"))\n",
    );

    fn found(rows: &str, more: &[(&str, &str)]) -> Vec<String> {
        let page = format!("| reason | code |\n|---|---|\n{rows}");
        let files: Vec<_> = [(PAGE, page.as_str()), SCRIPT].into_iter().chain(more.iter().copied()).collect();
        let (_directory, tree) = tree(&files);
        check(&tree).into_iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect()
    }

    #[test]
    fn a_reason_that_a_script_shows_is_provoked() {
        let rows = "| `INSUFFICIENT_STOCK` | x |\n| `INVALID_ARGUMENT` | x |\n| `NOT_FOUND` | x |\n";
        assert_eq!(found(rows, &[]), Vec::<String>::new());
    }

    #[test]
    fn a_reason_without_a_script_is_named_with_its_line() {
        let found = found("| `NOT_FOUND` | x |\n| `SKU_IN_USE` | x |\n", &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("4: SKU_IN_USE: no script"), "{found:?}");
    }

    #[test]
    fn a_reason_of_nodes_needs_the_test_that_is_named() {
        let row = "| `STORAGE_FULL` | x |\n";
        let file = "crates/gateway/tests/full_disk.rs";
        assert_eq!(found(row, &[(file, "assert_eq!(reason, \"STORAGE_FULL\")")]), Vec::<String>::new());
        assert!(found(row, &[(file, "")])[0].contains("has no STORAGE_FULL"));
    }
}
