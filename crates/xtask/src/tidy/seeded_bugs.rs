//! Every seeded bug still fits the sources: who changes them takes their bugs along.

use std::process::Command;

use super::Finding;
use super::tree::Tree;

const CHECK: &str = "seeded-bugs";

/// Finds the patches that can't be applied.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let patches = tree.ending(".patch").filter(|(path, _)| path.starts_with("tests/mutants/"));
    patches.filter_map(|(path, _)| misfit(tree, path)).collect()
}

fn misfit(tree: &Tree, path: &str) -> Option<Finding> {
    let mut apply = Command::new("git");
    // A repository around the workspace has other files in their place.
    apply.env("GIT_CEILING_DIRECTORIES", tree.root.parent().unwrap_or(&tree.root));
    let tried = apply.args(["apply", "--check", path]).current_dir(&tree.root).output();
    let why = match tried {
        Ok(tried) if tried.status.success() => return None,
        Ok(tried) => String::from_utf8_lossy(&tried.stderr).lines().next().unwrap_or_default().to_owned(),
        Err(error) => format!("git does not run: {error}"),
    };
    Some(Finding::error(CHECK, path, 1, format!("does not fit the sources any more: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::fixture::tree;

    const PATCH: &str =
        "bug: two is wrong\n\ndiff --git a/x.rs b/x.rs\n--- a/x.rs\n+++ b/x.rs\n@@ -1 +1 @@\n-one\n+two\n";

    #[test]
    fn a_patch_that_fits_no_more_is_found() {
        let patch = ("tests/mutants/two.patch", PATCH);
        let (_fits, sources) = tree(&[("x.rs", "one\n"), patch]);
        assert_eq!(check(&sources), []);
        let (_changed, sources) = tree(&[("x.rs", "three\n"), patch]);
        let findings = check(&sources);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("patch"), "{:?}", findings[0]);
    }
}
