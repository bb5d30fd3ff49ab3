//! What a disk holds, as bytes to be looked at, damaged and put back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files and directories of a disk. Cheap to clone: contents are shared until they are changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    pub(super) files: BTreeMap<PathBuf, Arc<Vec<u8>>>,
    pub(super) dirs: BTreeSet<PathBuf>,
}

impl Image {
    /// All files, by name, in order.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_path(), bytes.as_slice()))
    }

    /// All directories, by name, in order.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.dirs.iter().map(PathBuf::as_path)
    }

    /// A file's content.
    pub fn bytes(&self, path: &Path) -> Option<&[u8]> {
        self.files.get(path).map(|bytes| bytes.as_slice())
    }

    /// A file's content, to be changed.
    pub fn bytes_mut(&mut self, path: &Path) -> Option<&mut Vec<u8>> {
        self.files.get_mut(path).map(Arc::make_mut)
    }

    /// Puts a file in, replacing what had its name; makes the directories above it.
    pub fn insert(&mut self, path: &Path, bytes: Vec<u8>) {
        let above = path.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty());
        self.dirs.extend(above.map(Path::to_owned));
        self.files.insert(path.to_owned(), Arc::new(bytes));
    }

    /// Takes a file out; false where there is none.
    pub fn remove(&mut self, path: &Path) -> bool {
        self.files.remove(path).is_some()
    }

    /// Takes a directory out, with all in it; false where there is none.
    pub fn remove_dir(&mut self, path: &Path) -> bool {
        self.files.retain(|name, _| !name.starts_with(path));
        let before = self.dirs.len();
        self.dirs.retain(|dir| !dir.starts_with(path));
        self.dirs.len() < before
    }

    /// Gives a file another name, replacing what had it; false where there is none.
    pub fn rename(&mut self, from: &Path, to: &Path) -> bool {
        let Some(bytes) = self.files.remove(from) else { return false };
        self.files.insert(to.to_owned(), bytes);
        true
    }

    /// Exchanges the contents of two files; false where one of them is missing.
    pub fn swap(&mut self, one: &Path, other: &Path) -> bool {
        let (Some(first), Some(second)) = (self.files.get(one), self.files.get(other)) else { return false };
        let (first, second) = (Arc::clone(first), Arc::clone(second));
        self.files.insert(one.to_owned(), second);
        self.files.insert(other.to_owned(), first);
        true
    }

    /// Cuts a file to a length; false where there is none or it is shorter.
    pub fn truncate(&mut self, path: &Path, len: usize) -> bool {
        match self.bytes_mut(path) {
            Some(bytes) if bytes.len() >= len => bytes.truncate(len),
            Some(_) | None => return false,
        }
        true
    }
}
