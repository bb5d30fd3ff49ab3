//! Every crate says first what it is: its root file begins with a `//!` line.

use super::Finding;
use super::tree::Tree;

const CHECK: &str = "crate-docs";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let is_root = |path: &str| {
        let in_source = path.strip_suffix("/src/lib.rs").or_else(|| path.strip_suffix("/src/main.rs"));
        in_source.is_some_and(|crate_path| tree.files.contains_key(&format!("{crate_path}/Cargo.toml")))
    };
    tree.ending(".rs")
        .filter(|(path, text)| is_root(path) && !text.starts_with("//! "))
        .map(|(path, _)| {
            Finding::error(CHECK, path, 1, "begin with a //! comment: what the crate is, what it deliberately doesn't know, where to start")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::fixture;
    use super::*;

    #[test]
    fn a_crate_without_a_first_word_is_found() {
        let (_directory, tree) = fixture::tree(&[
            ("crates/a/Cargo.toml", ""),
            ("crates/a/src/lib.rs", "mod x;\n"),
            ("crates/a/src/x.rs", "fn f() {}\n"),
            ("crates/b/Cargo.toml", ""),
            ("crates/b/src/main.rs", "//! The binary.\n"),
        ]);
        let files: Vec<_> = check(&tree).into_iter().map(|finding| finding.file).collect();
        assert_eq!(files, ["crates/a/src/lib.rs"]);
    }
}
