//! What stands at the top level. Settings of tools are dot files.

use std::collections::BTreeSet;
use std::fs;

use super::Finding;
use super::tree::Tree;

const CHECK: &str = "layout";

const VISIBLE: &[&str] =
    &["Cargo.lock", "Cargo.toml", "README.md", "crates", "deploy", "docs", "proto", "tests"];

/// Made by a build and ignored by git.
const IGNORED: &str = "target";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    // Asked of the directory itself: an empty directory has no file in the tree.
    let entries = match fs::read_dir(&tree.root) {
        Ok(entries) => entries,
        Err(error) => return vec![Finding::error(CHECK, ".", 1, format!("reading the top level: {error}"))],
    };
    let names: BTreeSet<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let surplus = names
        .iter()
        .filter(|name| !name.starts_with('.') && *name != IGNORED && !VISIBLE.contains(&name.as_str()))
        .map(|name| {
            let message = format!(
                "visible at the top level stand only {}: move it below one of them",
                VISIBLE.join(", ")
            );
            Finding::error(CHECK, name, 1, message)
        });
    let missing = VISIBLE
        .iter()
        .filter(|name| !names.contains(**name))
        .map(|name| Finding::error(CHECK, name, 1, "is missing at the top level: make it"));
    surplus.chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::fixture;
    use super::*;

    #[test]
    fn what_is_surplus_and_what_is_missing_is_found() {
        let (_directory, tree) = fixture::tree(&[
            ("Cargo.lock", ""),
            ("Cargo.toml", ""),
            ("README.md", ""),
            ("crates/a", ""),
            ("docs/a", ""),
            ("proto/a", ""),
            ("tests/a", ""),
            ("target/a", ""),
            (".hidden", ""),
            ("scripts/a", ""),
        ]);
        let files: Vec<_> = check(&tree).into_iter().map(|finding| finding.file).collect();
        assert_eq!(files, ["scripts", "deploy"]);
    }
}
