//! The files of a workspace, read once for all checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The files of a workspace.
#[derive(Debug)]
pub(super) struct Tree {
    /// Where it is.
    pub(super) root: PathBuf,
    /// Text by path from the top level, with slashes; empty for what is no UTF-8.
    pub(super) files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads every file but those of git, of the build and of Python's caches.
    pub(super) fn load(root: &Path) -> anyhow::Result<Self> {
        let mut tree = Self { root: root.to_owned(), files: BTreeMap::new() };
        tree.read_directory(root, "")?;
        Ok(tree)
    }

    fn read_directory(&mut self, directory: &Path, prefix: &str) -> anyhow::Result<()> {
        let entries = fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                let skipped = path == "target" || name == ".git" || name == "__pycache__" || name == ".venv";
                if !skipped {
                    self.read_directory(&entry.path(), &format!("{path}/"))?;
                }
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).with_context(|| format!("reading {path}"))?;
                self.files.insert(path, String::from_utf8(bytes).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// The files whose names end so, in order.
    pub(super) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .filter(move |(path, _)| path.ends_with(end))
    }

    /// True where a file or a directory has this path.
    pub(super) fn has(&self, path: &str) -> bool {
        let directory = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.keys().any(|file| file.starts_with(&directory))
    }
}

/// True where a path has this extension, written in small letters as all of ours are.
pub(super) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
pub(super) mod fixture {
    use super::*;

    /// A workspace in a directory of its own, which lives as long as the first part.
    pub(crate) fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = Tree::load(directory.path()).unwrap();
        (directory, tree)
    }

    #[test]
    fn build_output_and_git_are_not_read() {
        let (_directory, tree) =
            tree(&[("target/a", ""), (".git/b", ""), ("crates/x/target/c", ""), ("docs/d.md", "")]);
        assert_eq!(tree.files.keys().collect::<Vec<_>>(), ["crates/x/target/c", "docs/d.md"]);
        assert!(tree.has("docs") && tree.has("docs/d.md") && !tree.has("doc"));
    }
}
