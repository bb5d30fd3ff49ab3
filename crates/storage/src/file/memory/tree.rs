//! Names and directories, and the changes to them that a power cut may still take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::seeded::Seeded;

/// Which name leads to which file.
#[derive(Clone, Default)]
pub(super) struct Tree {
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) dirs: BTreeSet<PathBuf>,
}

/// A change of a directory.
#[derive(Clone)]
pub(super) enum Change {
    Create {
        path: PathBuf,
        inode: u64,
    },
    /// Belongs to the directory of the new name.
    Rename {
        from: PathBuf,
        to: PathBuf,
        inode: u64,
    },
    Remove {
        path: PathBuf,
    },
    /// Belongs to the directory above; what was in it was removed before.
    RemoveDir {
        path: PathBuf,
    },
}

impl Change {
    fn dir(&self) -> &Path {
        let (Self::Create { path, .. }
        | Self::Rename { to: path, .. }
        | Self::Remove { path }
        | Self::RemoveDir { path }) = self;
        parent_of(path)
    }

    fn inode(&self) -> Option<u64> {
        match self {
            Self::Create { inode, .. } | Self::Rename { inode, .. } => Some(*inode),
            Self::Remove { .. } | Self::RemoveDir { .. } => None,
        }
    }
}

impl Tree {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Create { path, inode } => {
                if self.has_dir(parent_of(path)) {
                    self.names.insert(path.clone(), *inode);
                }
            }
            Change::Rename { from, to, inode } => {
                if self.names.get(from) == Some(inode) {
                    self.names.remove(from);
                }
                self.names.insert(to.clone(), *inode);
            }
            Change::Remove { path } => drop(self.names.remove(path)),
            Change::RemoveDir { path } => {
                self.names.retain(|name, _| !name.starts_with(path));
                self.dirs.retain(|dir| !dir.starts_with(path));
            }
        }
    }

    pub(super) fn has_dir(&self, dir: &Path) -> bool {
        dir.as_os_str().is_empty() || dir == Path::new("/") || self.dirs.contains(dir)
    }
}

/// The names that programs see, and those that the disk has.
///
/// Invariant: `now` is `durable` with all of `journal` done to it. A directory is durable from the moment it is made, as
/// with the real file system's `create_dir` here.
#[derive(Clone, Default)]
pub(super) struct Trees {
    pub(super) now: Tree,
    durable: Tree,
    /// In the order in which it happened. A file system keeps that order within a directory.
    journal: Vec<Change>,
}

impl Trees {
    /// All of it on the disk.
    pub(super) fn settled(tree: Tree) -> Self {
        Self { durable: tree.clone(), now: tree, journal: Vec::new() }
    }

    pub(super) fn change(&mut self, change: Change) {
        self.now.apply(&change);
        self.journal.push(change);
    }

    /// Makes a directory, and those above it.
    pub(super) fn make_dir(&mut self, path: &Path) {
        let missing: Vec<_> = path.ancestors().take_while(|dir| !self.now.has_dir(dir)).collect();
        for dir in missing.into_iter().rev() {
            self.sync(parent_of(dir));
            self.now.dirs.insert(dir.to_owned());
            self.durable.dirs.insert(dir.to_owned());
        }
    }

    /// Makes what happened in a directory durable.
    pub(super) fn sync(&mut self, dir: &Path) {
        let mut left: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.journal) {
            if change.dir() != dir {
                left.push(change);
                continue;
            }
            self.durable.apply(&change);
            if let Change::RemoveDir { path } = &change {
                // What happened in it before can't come back any more.
                left.retain(|earlier| !earlier.dir().starts_with(path));
            }
        }
        self.journal = left;
    }

    /// The power is cut: of each directory's changes those that were not synced are gone, all but some first ones where
    /// `torn` says so.
    pub(super) fn lose_unsynced(&mut self, torn: Option<&mut Seeded>) {
        let journal = std::mem::take(&mut self.journal);
        if let Some(seeded) = torn {
            let mut reached: BTreeMap<&Path, usize> = BTreeMap::new();
            for change in &journal {
                *reached.entry(change.dir()).or_default() += 1;
            }
            for count in reached.values_mut() {
                *count = seeded.up_to(*count);
            }
            for change in &journal {
                let left = reached.get_mut(change.dir()).expect("every directory was counted");
                if *left > 0 {
                    *left -= 1;
                    self.durable.apply(change);
                }
            }
        }
        self.now = self.durable.clone();
    }

    /// The power is cut after everything had reached the disk.
    pub(super) fn keep_unsynced(&mut self) {
        self.journal.clear();
        self.durable = self.now.clone();
    }

    /// True where a name leads to a file, or could after a power cut.
    pub(super) fn leads_to(&self, inode: u64) -> bool {
        let named = |tree: &Tree| tree.names.values().any(|named| *named == inode);
        named(&self.now)
            || named(&self.durable)
            || self.journal.iter().any(|change| change.inode() == Some(inode))
    }
}

/// The directory that a path stands in.
pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
