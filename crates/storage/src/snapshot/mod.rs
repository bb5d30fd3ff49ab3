//! Snapshots: the applied state in one verified file. With the log after it, the root from which all else is rebuilt.

mod adopt;
mod check;
pub(crate) mod format;

use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use openraft::storage::SnapshotMeta;
use openraft::type_config::alias::SnapshotMetaOf;
use parking_lot::Mutex;
use stockade_state_machine::Revision;

pub(crate) use self::check::SnapshotCheck;
pub(crate) use self::format::Contents;
use self::format::SnapshotWriter;
use crate::applied_row::Position;
use crate::engine::{Engine, RowWrite};
use crate::file::{File, Files};
use crate::load::{Loaded, Loader, Progress};
use crate::rows::Joiner;
use crate::state_hash::StateHasher;
use crate::{Error, TypeConfig, keys, limits, rows};

pub(crate) const EXTENSION: &str = "snapshot";
pub(crate) const UNFINISHED: &str = "tmp";

/// A snapshot file of which every byte was checked before it got its name. What the disk does to it later is found by the
/// scrubber, and whenever it is read as a root: all that reads rows checks every byte.
#[derive(Debug, Clone)]
pub struct SnapshotFile {
    path: PathBuf,
    /// Removes the file with the last clone, unless it was published.
    unpublished: Option<Arc<Unpublished>>,
    file: Arc<dyn File>,
    len: u64,
    contents: Arc<Contents>,
}

/// The name of the snapshot of a log index.
fn published_name(index: u64) -> String {
    format!("{index:020}.{EXTENSION}")
}

impl SnapshotFile {
    pub(crate) fn verify(files: &dyn Files, path: &Path) -> Result<Self, Error> {
        Self::verify_while(files, path, || Ok(()))
    }

    /// The same, broken off when `go_on` fails.
    fn verify_while(
        files: &dyn Files,
        path: &Path,
        go_on: impl Fn() -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let io = |source| Error::io(path, source);
        let file = files.open(path).map_err(io)?;
        // A disk that reads megabytes ahead of us has the log's syncs wait behind them.
        file.without_read_ahead();
        let contents = format::read(file.as_ref(), path, |_, _| go_on())?;
        let len = file.len().map_err(io)?;
        Ok(Self { path: path.to_owned(), unpublished: None, file, len, contents: Arc::new(contents) })
    }

    /// A file that got its name in an earlier run. Of a large one the rows are not read: a node whose engine is in order
    /// starts without them, and the scrubber reads them once it serves.
    fn published(files: &dyn Files, path: &Path, check_bytes: u64) -> Result<Self, Error> {
        let io = |source| Error::io(path, source);
        let file = files.open(path).map_err(io)?;
        let len = file.len().map_err(io)?;
        if len <= check_bytes {
            return Self::verify(files, path);
        }
        let contents = format::outline(file.as_ref(), path)?;
        Ok(Self { path: path.to_owned(), unpublished: None, file, len, contents: Arc::new(contents) })
    }

    /// An error where the file doesn't have the name that it is published under: the newest is told by its name.
    fn expect_own_name(&self) -> Result<(), Error> {
        let own = published_name(self.position().index());
        if self.path.file_name().is_some_and(|name| *name == *own) {
            return Ok(());
        }
        Err(Error::corrupt(&self.path, 0, format!("this is {own} under another's name")))
    }

    /// False where the start passed over its rows, see [`limits::SNAPSHOT_CHECK_BYTES`].
    pub(crate) fn was_read_whole(&self) -> bool {
        self.len <= limits::SNAPSHOT_CHECK_BYTES
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    #[allow(clippy::len_without_is_empty, reason = "no snapshot file is empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Up to `max` bytes at an offset; none at the end.
    pub fn read_chunk(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; max];
        let read = self.file.read_at(offset, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }

    /// The last log index that it holds.
    pub fn index(&self) -> Revision {
        Revision::new(self.position().index())
    }

    /// BLAKE3 over the canonical state that it holds.
    pub fn state_hash(&self) -> [u8; 32] {
        self.contents.state_hash
    }

    /// What openraft wants to know of it.
    pub fn meta(&self) -> SnapshotMetaOf<TypeConfig> {
        SnapshotMeta {
            last_log_id: self.position().log_id,
            last_membership: self.position().membership.clone(),
        }
    }

    /// True where both are clones of one snapshot.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.contents, &other.contents)
    }

    pub(crate) fn position(&self) -> &Position {
        &self.contents.position
    }

    /// Writes all its rows into an empty engine, the applied row last, and gives what belongs in memory of them.
    pub(crate) fn pour_into(&self, engine: &dyn Engine) -> Result<Loaded, Error> {
        let mut batch: Vec<RowWrite> = Vec::with_capacity(limits::REBUILD_BATCH_ROWS);
        let mut applied: Vec<RowWrite> = Vec::new();
        let mut memory = Loader::new(self.position());
        let progress = Progress::new("rebuilding the applied state", self.contents.rows);
        format::read(self.file.as_ref(), &self.path, |key, value| {
            memory.row(key, value)?;
            progress.advance(1);
            let row = (Bytes::copy_from_slice(key), Some(Bytes::copy_from_slice(value)));
            if keys::is_applied(key) {
                applied.push(row);
                return Ok(());
            }
            batch.push(row);
            if batch.len() >= limits::REBUILD_BATCH_ROWS {
                engine.write(&batch)?;
                batch.clear();
            }
            Ok(())
        })?;
        let loaded = memory.finish(self.position().clone(), self.contents.digest)?;
        batch.append(&mut applied);
        engine.write(&batch)?;
        engine.flush()?;
        Ok(loaded)
    }
}

/// The snapshots of a node: the newest one, and those that are being received. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SnapshotStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Arc<dyn Files>,
    dir: PathBuf,
    current: Mutex<Option<SnapshotFile>>,
    unfinished: AtomicU64,
}

impl SnapshotStore {
    /// Opens the directory, removes what a crash left unfinished, and checks the newest snapshot: all of one up to `check_bytes`, header
    /// and end of a larger one. Damage is an error: the log before it is gone.
    pub(crate) fn open(files: Arc<dyn Files>, dir: PathBuf, check_bytes: u64) -> Result<Self, Error> {
        let io = |source| Error::io(&dir, source);
        files.create_dir(&dir).map_err(io)?;
        let mut newest: Option<PathBuf> = None;
        for path in files.list(&dir).map_err(io)? {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(EXTENSION) => newest = newest.max(Some(path)),
                Some(UNFINISHED) => files.remove(&path).map_err(io)?,
                _ => {}
            }
        }
        // The newest one's name may not be on the disk yet where the process ended right after giving it. Without this a
        // power cut could take the name after the log was purged on the strength of it.
        files.sync_dir(&dir).map_err(io)?;
        let current =
            newest.map(|path| SnapshotFile::published(files.as_ref(), &path, check_bytes)).transpose()?;
        if let Some(current) = &current {
            current.expect_own_name()?;
        }
        let unfinished = AtomicU64::new(0);
        let store = Self(Arc::new(Inner { files, dir, current: Mutex::new(current), unfinished }));
        store.remove_old()?;
        Ok(store)
    }

    /// The newest snapshot.
    pub fn current(&self) -> Option<SnapshotFile> {
        self.0.current.lock().clone()
    }

    /// Begins to receive a snapshot from a peer.
    pub fn begin(&self) -> io::Result<SnapshotReceiver> {
        let (unpublished, file) = self.create()?;
        Ok(SnapshotReceiver { unpublished, file, offset: 0, handed_over: 0 })
    }

    fn create(&self) -> io::Result<(Arc<Unpublished>, Arc<dyn File>)> {
        let number = self.0.unfinished.fetch_add(1, Ordering::Relaxed);
        let path = self.0.dir.join(format!("{number}.{UNFINISHED}"));
        let file = self.0.files.create(&path)?;
        let files = Arc::clone(&self.0.files);
        Ok((Arc::new(Unpublished { files, path, published: AtomicBool::new(false) }), file))
    }

    /// Writes a snapshot of an engine that nobody writes to meanwhile, verifies and publishes it. Ends with an error soon after
    /// it is given up.
    pub(crate) fn build(
        &self,
        engine: &dyn Engine,
        position: &Position,
        given_up: &AtomicBool,
    ) -> Result<SnapshotFile, Error> {
        let go_on = || {
            if given_up.load(Ordering::Relaxed) {
                return Err(Error::Engine("the snapshot was given up".to_owned()));
            }
            Ok(())
        };
        let (unpublished, file) = self.create().map_err(|source| Error::io(&self.0.dir, source))?;
        let path = unpublished.path.clone();
        let applied = rows::get(engine, keys::APPLIED)?
            .ok_or_else(|| Error::Engine("no applied row to make a snapshot of".to_owned()))?;
        let mut writer = SnapshotWriter::begin(file.as_ref(), &path, &applied)?;
        let (mut joiner, mut hasher) = (Joiner::default(), StateHasher::new(position.trimmed.clone()));
        for row in engine.scan(Bound::Unbounded) {
            let (key, row) = row?;
            writer.row(&key, &row)?;
            if let Some((key, value)) = joiner.push(&key, &row)? {
                hasher.value(&key, &value)?;
            }
        }
        joiner.finish()?;
        let (state_hash, _) = hasher.finish(position);
        writer.finish(state_hash)?;
        // What is verified must come from the disk, not from the memory that was written from.
        file.drop_cache().map_err(|source| Error::io(&path, source))?;
        let verified = SnapshotFile::verify_while(self.0.files.as_ref(), &path, go_on)?;
        // It is read again at the next start at the earliest: what calls read has better use for the memory.
        if let Err(error) = file.drop_cache() {
            tracing::debug!(%error, "the snapshot stays in the page cache");
        }
        if verified.position() != position {
            return Err(Error::Engine(format!(
                "the engine is at {:?}, not at {position:?}",
                verified.position()
            )));
        }
        self.publish(SnapshotFile { unpublished: Some(unpublished), ..verified })
    }

    /// Gives a verified file its name, makes that safe, and removes the ones before it. A file from elsewhere is copied.
    pub(crate) fn publish(&self, snapshot: SnapshotFile) -> Result<SnapshotFile, Error> {
        if snapshot.path.parent() != Some(&self.0.dir) {
            let copied = self.copy(&snapshot)?;
            return self.publish(copied);
        }
        let files = self.0.files.as_ref();
        let index = snapshot.position().index();
        let path = self.0.dir.join(published_name(index));
        if path != snapshot.path {
            files.rename(&snapshot.path, &path).map_err(|source| Error::io(&path, source))?;
            // The log is purged next: without this a power cut could take the name, and with it the snapshot.
            if let Err(source) = files.sync_dir(&self.0.dir) {
                self.discard(&path);
                return Err(Error::io(&self.0.dir, source));
            }
        }
        if let Some(unpublished) = &snapshot.unpublished {
            unpublished.published.store(true, Ordering::Relaxed);
        }
        let snapshot = SnapshotFile { path, unpublished: None, ..snapshot };
        *self.0.current.lock() = Some(snapshot.clone());
        // The new one is in force whether or not the old ones go.
        if let Err(error) = self.remove_old() {
            tracing::warn!(%error, "older snapshots stay until the next one");
        }
        Ok(snapshot)
    }

    /// Takes away a file that got its name and is not in force; unless it has taken the place of the one that is.
    fn discard(&self, path: &Path) {
        if self.current().is_some_and(|current| current.path == path) {
            return;
        }
        if let Err(error) = self.0.files.remove(path) {
            tracing::warn!(path = %path.display(), %error, "a snapshot that is not in force stays until the next one");
        }
    }

    fn copy(&self, snapshot: &SnapshotFile) -> Result<SnapshotFile, Error> {
        let io = |source| Error::io(&self.0.dir, source);
        let mut receiver = self.begin().map_err(io)?;
        while receiver.offset < snapshot.len {
            let chunk = snapshot.read_chunk(receiver.offset, limits::SNAPSHOT_BLOCK_BYTES);
            receiver.write(&chunk.map_err(|source| Error::io(&snapshot.path, source))?).map_err(io)?;
        }
        receiver.finish()
    }

    fn remove_old(&self) -> Result<(), Error> {
        let Some(current) = self.current() else { return Ok(()) };
        let io = |source| Error::io(&self.0.dir, source);
        for path in self.0.files.list(&self.0.dir).map_err(io)? {
            let is_snapshot = path.extension().is_some_and(|extension| extension == EXTENSION);
            if is_snapshot && path < current.path {
                self.0.files.remove(&path).map_err(io)?;
            }
        }
        Ok(())
    }
}

/// A file that goes unless it is published: transfers that break must not fill the disk.
#[derive(Debug)]
struct Unpublished {
    files: Arc<dyn Files>,
    path: PathBuf,
    published: AtomicBool,
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if self.published.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.files.remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "an unfinished snapshot stays until the next start");
        }
    }
}

/// A snapshot that arrives in pieces. Dropped before [`SnapshotReceiver::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct SnapshotReceiver {
    unpublished: Arc<Unpublished>,
    file: Arc<dyn File>,
    offset: u64,
    /// Up to where the disk has been told to begin.
    handed_over: u64,
}

impl SnapshotReceiver {
    /// Takes the next piece.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(self.offset, bytes)?;
        self.offset += u64::try_from(bytes.len()).map_err(io::Error::other)?;
        // As for one of its own making.
        let waiting = self.offset - self.handed_over;
        if waiting >= limits::SNAPSHOT_WRITE_BYTES {
            self.file.begin_write_back(self.handed_over, waiting);
            self.handed_over = self.offset;
        }
        Ok(())
    }

    /// Makes the file safe and checks every byte of it. It becomes the node's snapshot when openraft installs it.
    pub fn finish(self) -> Result<SnapshotFile, Error> {
        let path = &self.unpublished.path;
        // Installing it drops the log and the engine that it replaces.
        self.file.sync().map_err(|source| Error::io(path, source))?;
        // What is verified must come from the disk, not from the memory that was written from.
        self.file.drop_cache().map_err(|source| Error::io(path, source))?;
        let verified = SnapshotFile::verify(self.unpublished.files.as_ref(), path)?;
        Ok(SnapshotFile { unpublished: Some(self.unpublished), ..verified })
    }
}
