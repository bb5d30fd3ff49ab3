//! Verifying a data directory that no node uses: every byte of what the node's data is rebuilt from, and whether the parts
//! fit each other. Nothing is changed, and nothing ends it early: all that is wrong is told.
//!
//! The engine is a view that can be thrown away. It isn't read here; how it was left is told, since the next start goes by
//! that.

mod counted;
mod report;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::counted::CountedFile;
pub use self::report::{CheckedFile, FileKind, LogSummary, Verification};
use crate::engine_dir::{CURRENT, TRUST};
use crate::file::{Files, read_whole};
use crate::identity::{self, Identity};
use crate::inspect::{self, SnapshotSummary};
use crate::ledger::{LedgerCheck, LedgerProblem};
use crate::log::{self, EntryId, EntryKind, Examination, Problem, ProblemKind, RecordView};
use crate::rows::Joiner;
use crate::skip::{SkipList, SkippedEntry};
use crate::snapshot::{self, format};
use crate::state_hash::StateHasher;
use crate::{Error, keys, layout, limits, load, quarantine, redo};

/// Verifies a data directory. `progress` is told the bytes read since it was told last. An error says that it can't be
/// looked at: another process uses it, it is no data directory, or the file system fails for a directory. What is wrong
/// with a file stands in the result.
pub fn verify(
    files: &Arc<dyn Files>,
    dir: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Verification, Error> {
    let _lock = inspect::take(files.as_ref(), dir)?;
    let engine = inspect::engine_summary(files.as_ref(), dir)?;
    drop_caches(files.as_ref(), dir)?;
    let mut verifier =
        Verifier { files: files.as_ref(), dir, progress, checked: Vec::new(), notes: Vec::new() };
    let identity = verifier.identity()?;
    let skipped = verifier.small_files()?;
    let snapshots = verifier.snapshots()?;
    let log = verifier.log(&snapshots)?;
    verifier.engine()?;
    verifier.others()?;
    let Verifier { checked, notes, .. } = verifier;
    let snapshot = snapshots.newest;
    Ok(Verification { identity, files: checked, log, snapshot, engine, skipped, notes })
}

/// Has what follows read the disk, where the page cache would show what was written to it.
fn drop_caches(files: &dyn Files, dir: &Path) -> Result<(), Error> {
    for dir in [layout::LOG_DIR, layout::SNAPSHOT_DIR].map(|name| dir.join(name)) {
        for path in files.list(&dir).map_err(|source| Error::io(&dir, source))? {
            // What fails here fails again when the file is read, and is told then.
            let _ = files.open_to_read(&path).and_then(|file| file.drop_cache());
        }
    }
    Ok(())
}

/// A verification on its way.
struct Verifier<'a> {
    files: &'a dyn Files,
    dir: &'a Path,
    progress: &'a mut dyn FnMut(u64),
    checked: Vec<CheckedFile>,
    notes: Vec<String>,
}

/// What the snapshots say, for the log to be held against.
struct Snapshots {
    newest: Option<SnapshotSummary>,
    /// True where the newest one couldn't be read: then what it says can't be held against anything.
    unreadable: bool,
}

/// What of the log matters to the rest.
#[derive(Default)]
struct Seen {
    /// The entry at the snapshot's index, where the log has it.
    at_snapshot: Option<EntryId>,
    membership: bool,
}

impl Verifier<'_> {
    fn len_of(&self, path: &Path) -> u64 {
        // Where it can't be opened, that is the problem that is noted of it.
        self.files.open_to_read(path).and_then(|file| file.len()).unwrap_or(0)
    }

    fn exists(&self, path: &Path) -> Result<bool, Error> {
        self.files.exists(path).map_err(|source| Error::io(path, source))
    }

    fn list(&self, dir: &Path) -> Result<Vec<PathBuf>, Error> {
        self.files.list(dir).map_err(|source| Error::io(dir, source))
    }

    fn add(&mut self, path: &Path, kind: FileKind, records: u64, problem: Option<Problem>) {
        let bytes = self.len_of(path);
        self.checked.push(CheckedFile { path: path.to_owned(), kind, bytes, records, problem });
    }

    /// A small file that was read whole.
    fn add_read<T>(
        &mut self,
        path: &Path,
        kind: FileKind,
        read: Result<T, Error>,
        records: u64,
    ) -> Option<T> {
        let bytes = self.len_of(path);
        (self.progress)(bytes);
        match read {
            Ok(read) => {
                self.add(path, kind, records, None);
                Some(read)
            }
            Err(error) => {
                self.add(path, kind, 0, Some(Problem::of(&error, self.dir)));
                None
            }
        }
    }

    /// A problem of a file that stands in the list already, or of one that is missing.
    fn add_problem(&mut self, kind: FileKind, problem: Problem) {
        let listed = self.checked.iter_mut().find(|file| file.path == problem.file && file.problem.is_none());
        if let Some(file) = listed {
            file.problem = Some(problem);
        } else {
            let path = problem.file.clone();
            self.add(&path, kind, 0, Some(problem));
        }
    }

    fn damage(&mut self, kind: FileKind, file: PathBuf, what: impl Into<String>) {
        let what = what.into();
        self.add_problem(kind, Problem { file, offset: 0, what, kind: ProblemKind::Damage });
    }

    fn identity(&mut self) -> Result<Option<Identity>, Error> {
        let path = self.dir.join(layout::IDENTITY_FILE);
        let restore = self.dir.join(layout::RESTORE_FILE);
        let restoring = self.exists(&restore)?;
        if self.exists(&path)? {
            let read = identity::read(self.files, self.dir);
            let read = self.add_read(&path, FileKind::Identity, read, 1);
            if restoring {
                self.add(&restore, FileKind::Restore, 0, None);
                self.notes.push(
                    "a backup was restored into it; the next start takes the mark of that away".to_owned(),
                );
            }
            return Ok(read.flatten().map(|(identity, _)| identity));
        }
        if restoring {
            let what = "restoring a backup into the directory was broken off; start again with --restore, or empty it";
            self.damage(FileKind::Restore, restore, what);
        } else {
            self.damage(FileKind::Identity, path, "the file is missing, and there is a log beside it");
        }
        Ok(None)
    }

    /// The files that are missing on most days.
    fn small_files(&mut self) -> Result<Vec<SkippedEntry>, Error> {
        let path = self.dir.join(layout::QUARANTINE_FILE);
        if self.exists(&path)? {
            let refused = quarantine::refuse(self.files, self.dir);
            self.add_read(&path, FileKind::Quarantine, refused, 1);
        }
        let path = self.dir.join(layout::SKIP_FILE);
        if !self.exists(&path)? {
            return Ok(Vec::new());
        }
        let read = SkipList::read(self.files, self.dir);
        let count = read.as_ref().map_or(0, |list| count(list.entries().len()));
        let list = self.add_read(&path, FileKind::SkipList, read, count).unwrap_or_default();
        for entry in list.entries() {
            self.notes.push(format!(
                "{entry}, is not executed: an operator has decided so; all nodes must skip it"
            ));
        }
        Ok(list.entries().to_vec())
    }

    fn snapshots(&mut self) -> Result<Snapshots, Error> {
        let mut found = Snapshots { newest: None, unreadable: false };
        for path in self.list(&self.dir.join(layout::SNAPSHOT_DIR))? {
            let extension = path.extension().and_then(|extension| extension.to_str());
            match extension {
                Some(snapshot::EXTENSION) => match self.snapshot(&path) {
                    Ok(summary) => {
                        self.add(&path, FileKind::Snapshot, summary.rows, None);
                        found = Snapshots { newest: Some(summary), unreadable: false };
                    }
                    Err(error) => {
                        self.add(&path, FileKind::Snapshot, 0, Some(Problem::of(&error, self.dir)));
                        // Names sort by index: where the newest is damaged, an older one is not what the log goes on from.
                        found = Snapshots { newest: None, unreadable: true };
                    }
                },
                Some(snapshot::UNFINISHED) => self.add(&path, FileKind::Unfinished, 0, None),
                Some(_) | None => self.add(&path, FileKind::Other, 0, None),
            }
        }
        Ok(found)
    }

    /// Reads a snapshot whole, the state hash included, which is the one thing that its checksums don't vouch for.
    fn snapshot(&mut self, path: &Path) -> Result<SnapshotSummary, Error> {
        let in_file = |error| match error {
            Error::Engine(what) => Error::corrupt(path, 0, what),
            other => other,
        };
        let io = |source| Error::io(path, source);
        let file = CountedFile::new(self.files.open_to_read(path).map_err(io)?);
        let position = format::position(&file, path).map_err(in_file)?;
        let mut joiner = Joiner::default();
        let mut hasher = StateHasher::new(position.trimmed.clone());
        let mut ledger = LedgerCheck::default();
        let contents = format::read(&file, path, |key, row| {
            (self.progress)(file.take_count());
            match joiner.push(key, row)? {
                Some((key, value)) => {
                    check_ledger(&mut ledger, &key, &value)?;
                    hasher.value(&key, &value)
                }
                None => Ok(()),
            }
        });
        (self.progress)(file.take_count());
        let contents = contents.map_err(in_file)?;
        joiner.finish().map_err(in_file)?;
        let bytes = file.bytes().map_err(io)?;
        ledger.end(position.ledger);
        ledger.without_stock_row().iter().for_each(|key| ledger.missing_stock_row(key));
        if let Some(LedgerProblem { revision, position, what }) = ledger.first_problem() {
            return Err(Error::corrupt(path, bytes, format!("ledger entry {revision}/{position}: {what}")));
        }
        if hasher.finish(&position).0 != contents.state_hash {
            return Err(Error::corrupt(path, bytes, "the rows don't have the state hash that the end names"));
        }
        let summary = SnapshotSummary::of(path, bytes, &contents);
        if path.file_stem().and_then(|stem| stem.to_str()) != Some(&format!("{:020}", summary.index())) {
            let what = format!("this is the snapshot of log index {} under another's name", summary.index());
            return Err(Error::corrupt(path, 0, what));
        }
        Ok(summary)
    }

    fn log(&mut self, snapshots: &Snapshots) -> Result<LogSummary, Error> {
        let log_dir = self.dir.join(layout::LOG_DIR);
        let snapshot_index = snapshots.newest.as_ref().map(SnapshotSummary::index);
        let mut seen = Seen::default();
        let mut visit = |record: &RecordView<'_>| {
            (self.progress)(record.bytes());
            // What can't be read of it is told by the examination.
            for entry in record.entries().unwrap_or_default() {
                seen.membership |= entry.kind == EntryKind::Membership;
                if Some(entry.id.index) == snapshot_index {
                    seen.at_snapshot = Some(entry.id);
                }
            }
            ControlFlow::Continue(())
        };
        let found = log::examine(self.files, &log_dir, &mut visit)?;
        self.add_log(&found, &log_dir)?;
        if let Err(error) = identity::check_log(self.files, self.dir) {
            self.add_problem(FileKind::Other, Problem::of(&error, self.dir));
        }
        self.hold_together(&found, snapshots, &seen);
        let purged = found.purged.map(|purged| purged.index);
        let left = found.last.is_some_and(|last| Some(last.index) > purged);
        let first_of =
            found.segments.iter().filter_map(|segment| segment.first_entry).map(|first| first.index).min();
        let first = left.then(|| purged.map_or(first_of, |purged| Some(purged + 1))).flatten();
        let Examination { last, purged, committed, vote, .. } = found;
        Ok(LogSummary { first, last, purged, committed, vote })
    }

    fn add_log(&mut self, found: &Examination, log_dir: &Path) -> Result<(), Error> {
        let watermark = log::watermark_path(log_dir);
        if self.exists(&watermark)? {
            let sound_slots = found.watermark.map_or(0, |watermark| watermark.sound_slots);
            // A raise that the power cut short leaves one of the two, and that is what there are two for.
            let problem = (sound_slots == 1).then(|| Problem {
                file: watermark.clone(),
                offset: 0,
                what: "one of its two slots is not sound; the other one counts".to_owned(),
                kind: ProblemKind::TornTail,
            });
            let bytes = self.len_of(&watermark);
            (self.progress)(bytes);
            self.add(&watermark, FileKind::Watermark, count(sound_slots), problem);
        }
        for segment in &found.segments {
            (self.progress)(segment.file_bytes.saturating_sub(segment.used_bytes));
            self.add(&segment.path, FileKind::Segment, segment.records, segment.problem.clone());
        }
        for problem in &found.problems {
            let kind = if problem.file == watermark { FileKind::Watermark } else { FileKind::Segment };
            self.add_problem(kind, problem.clone());
        }
        for path in self.list(log_dir)? {
            if !self.checked.iter().any(|file| file.path == path) {
                let ours = ["new", "tmp"]
                    .iter()
                    .any(|suffix| path.extension().is_some_and(|found| found == *suffix))
                    || path.file_name().is_some_and(|name| name == "spare");
                self.add(&path, if ours { FileKind::Unfinished } else { FileKind::Other }, 0, None);
            }
        }
        Ok(())
    }

    /// Snapshot and log must lead up to each other.
    fn hold_together(&mut self, found: &Examination, snapshots: &Snapshots, seen: &Seen) {
        let index_of = |id: Option<EntryId>| id.map_or(0, |id| id.index);
        let purged = index_of(found.purged);
        if snapshots.unreadable {
            return;
        }
        let Some(snapshot) = &snapshots.newest else {
            if purged > 0 {
                let what = format!(
                    "the log begins after entry {purged}, and there is no snapshot of what was before"
                );
                self.damage(FileKind::Other, self.dir.join(layout::SNAPSHOT_DIR), what);
            } else if !seen.membership && found.last.is_some() {
                self.notes
                    .push("the log names no members: the node was not part of a cluster yet".to_owned());
            }
            return;
        };
        let index = snapshot.index();
        if purged > index {
            let what =
                format!("the log begins after entry {purged}, the newest snapshot is of entry {index}");
            self.damage(FileKind::Snapshot, snapshot.file.clone(), what);
        }
        let in_log = if purged == index {
            found.purged
        } else {
            seen.at_snapshot.filter(|_| purged < index && index <= index_of(found.last))
        };
        if let (Some(in_log), Some(last)) = (in_log, snapshot.last)
            && in_log != last
        {
            let what = format!("it is of entry {last}, where the log has entry {in_log}");
            self.damage(FileKind::Snapshot, snapshot.file.clone(), what);
        }
        if snapshot.members.is_empty() && !seen.membership {
            self.notes.push("neither the snapshot nor the log names members".to_owned());
        }
    }

    /// The engine's notes and the redo file. All of it can be rebuilt, and the next start does so where it must.
    fn engine(&mut self) -> Result<(), Error> {
        let engine_dir = self.dir.join(layout::ENGINE_DIR);
        for name in [CURRENT, TRUST] {
            let path = engine_dir.join(name);
            if self.exists(&path)? {
                let read = read_whole(self.files, &path, limits::MAX_IDENTITY_BYTES);
                let read = read
                    .map_err(|source| Error::io(&path, source))
                    .and_then(|bytes| readable(&path, name, &bytes));
                self.add_read(&path, FileKind::EngineNote, read, 1);
            }
        }
        let path = self.dir.join(layout::REDO_FILE);
        if !self.exists(&path)? {
            return Ok(());
        }
        match redo::read(self.files, &path) {
            Ok(Some(rows)) => {
                self.add_read(&path, FileKind::Redo, Ok(()), count(rows.len()));
            }
            Ok(None) => {
                let what =
                    "it ends within its rows: a crash came while it was written, before any of them counted";
                let (file, offset) = (path.clone(), self.len_of(&path));
                let torn = Problem { file, offset, what: what.to_owned(), kind: ProblemKind::TornTail };
                self.add(&path, FileKind::Redo, 0, Some(torn));
            }
            Err(error) => {
                self.add_read::<()>(&path, FileKind::Redo, Err(error), 0);
            }
        }
        Ok(())
    }

    /// What else lies in the directory.
    fn others(&mut self) -> Result<(), Error> {
        let known = [
            layout::LOCK_FILE,
            layout::IDENTITY_FILE,
            layout::QUARANTINE_FILE,
            layout::RESTORE_FILE,
            layout::SKIP_FILE,
            layout::LOG_DIR,
            layout::SNAPSHOT_DIR,
            layout::ENGINE_DIR,
            layout::REDO_FILE,
        ];
        for path in self.list(self.dir)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !known.contains(&name) {
                let unfinished = path.extension().is_some_and(|extension| extension == "tmp");
                self.add(&path, if unfinished { FileKind::Unfinished } else { FileKind::Other }, 0, None);
            }
        }
        Ok(())
    }
}

/// Takes a row into the check of the ledger, where it is of the ledger or of the stock that it leads to.
fn check_ledger(check: &mut LedgerCheck, key: &[u8], value: &[u8]) -> Result<(), Error> {
    if let Some(first) = keys::ledger_row_of(key) {
        check.row(first, value);
    } else if key.first() == Some(&keys::STOCK) {
        let (key, stock) = load::stock_row(key, value)?;
        check.compare(&key, &stock);
    }
    Ok(())
}

/// A note of the engine's directory is a word that was written whole.
fn readable(path: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let sound = match std::str::from_utf8(bytes) {
        Ok(text) if name == CURRENT => text.parse::<u64>().is_ok(),
        Ok(text) => !text.contains(char::is_control),
        Err(_) => false,
    };
    if sound {
        return Ok(());
    }
    let what = "it is not what was written; remove the directory that it stands in: the next start rebuilds the engine";
    Err(Error::corrupt(path, 0, what))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
