//! Snapshots: the applied state in one verified file. With the log after it, the root from which all else is rebuilt.

mod format;

use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use openraft::storage::SnapshotMeta;
use openraft::type_config::alias::SnapshotMetaOf;
use parking_lot::Mutex;

pub(crate) use self::format::Contents;
use self::format::SnapshotWriter;
use crate::applied_row::Position;
use crate::engine::{Engine, RowWrite};
use crate::file::{File, Files};
use crate::{Error, TypeConfig, keys, limits, rows, state_hash};

const EXTENSION: &str = "snapshot";
const UNFINISHED: &str = "tmp";

/// A snapshot file of which every byte was checked.
#[derive(Debug, Clone)]
pub struct SnapshotFile {
    path: PathBuf,
    /// Removes the file with the last clone, unless it was published.
    unpublished: Option<Arc<Unpublished>>,
    file: Arc<dyn File>,
    len: u64,
    contents: Arc<Contents>,
}

impl SnapshotFile {
    fn verify(files: &dyn Files, path: &Path) -> Result<Self, Error> {
        let io = |source| Error::io(path, source);
        let file = files.open(path).map_err(io)?;
        let contents = format::read(file.as_ref(), path, |_, _| Ok(()))?;
        let len = file.len().map_err(io)?;
        Ok(Self { path: path.to_owned(), unpublished: None, file, len, contents: Arc::new(contents) })
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

    /// What openraft wants to know of it.
    pub fn meta(&self) -> SnapshotMetaOf<TypeConfig> {
        SnapshotMeta {
            last_log_id: self.position().log_id,
            last_membership: self.position().membership.clone(),
        }
    }

    pub(crate) fn position(&self) -> &Position {
        &self.contents.position
    }

    /// Writes all its rows into an empty engine, the applied row last.
    pub(crate) fn pour_into(&self, engine: &dyn Engine) -> Result<(), Error> {
        let mut batch: Vec<RowWrite> = Vec::with_capacity(limits::ENGINE_BATCH_ROWS);
        let mut applied: Vec<RowWrite> = Vec::new();
        format::read(self.file.as_ref(), &self.path, |key, value| {
            let row = (key.to_vec(), Some(Bytes::copy_from_slice(value)));
            if keys::is_applied(key) {
                applied.push(row);
                return Ok(());
            }
            batch.push(row);
            if batch.len() >= limits::ENGINE_BATCH_ROWS {
                engine.write(&batch)?;
                batch.clear();
            }
            Ok(())
        })?;
        batch.append(&mut applied);
        engine.write(&batch)?;
        engine.flush()
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
    /// Opens the directory, removes what a crash left unfinished, and verifies the newest snapshot. Damage in it is an
    /// error: the log before it is gone.
    pub(crate) fn open(files: Arc<dyn Files>, dir: PathBuf) -> Result<Self, Error> {
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
        let current = newest.map(|path| SnapshotFile::verify(files.as_ref(), &path)).transpose()?;
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
        Ok(SnapshotReceiver { unpublished, file, offset: 0 })
    }

    fn create(&self) -> io::Result<(Arc<Unpublished>, Arc<dyn File>)> {
        let number = self.0.unfinished.fetch_add(1, Ordering::Relaxed);
        let path = self.0.dir.join(format!("{number}.{UNFINISHED}"));
        let file = self.0.files.create(&path)?;
        let files = Arc::clone(&self.0.files);
        Ok((Arc::new(Unpublished { files, path, published: AtomicBool::new(false) }), file))
    }

    /// Writes a snapshot of an engine that nobody writes to meanwhile, verifies and publishes it.
    pub(crate) fn build(&self, engine: &dyn Engine, position: &Position) -> Result<SnapshotFile, Error> {
        let (unpublished, file) = self.create().map_err(|source| Error::io(&self.0.dir, source))?;
        let path = unpublished.path.clone();
        let applied = rows::get(engine, keys::APPLIED)?
            .ok_or_else(|| Error::Engine("no applied row to make a snapshot of".to_owned()))?;
        let mut writer = SnapshotWriter::begin(file.as_ref(), &path, &applied)?;
        for row in engine.scan(Bound::Unbounded) {
            let (key, value) = row?;
            writer.row(&key, &value)?;
        }
        let (state_hash, _) = state_hash::full(engine, position)?;
        writer.finish(state_hash)?;
        // What is verified must come from the disk, not from the memory that was written from.
        file.drop_cache().map_err(|source| Error::io(&path, source))?;
        let verified = SnapshotFile::verify(self.0.files.as_ref(), &path)?;
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
        let path = self.0.dir.join(format!("{index:020}.{EXTENSION}"));
        if path != snapshot.path {
            files.rename(&snapshot.path, &path).map_err(|source| Error::io(&path, source))?;
            // The log is purged next: without this a power cut could take the name, and with it the snapshot.
            files.sync_dir(&self.0.dir).map_err(|source| Error::io(&self.0.dir, source))?;
        }
        if let Some(unpublished) = &snapshot.unpublished {
            unpublished.published.store(true, Ordering::Relaxed);
        }
        let snapshot = SnapshotFile { path, unpublished: None, ..snapshot };
        *self.0.current.lock() = Some(snapshot.clone());
        self.remove_old()?;
        Ok(snapshot)
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
}

impl SnapshotReceiver {
    /// Takes the next piece.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(self.offset, bytes)?;
        self.offset += u64::try_from(bytes.len()).map_err(io::Error::other)?;
        Ok(())
    }

    /// Makes the file safe and checks every byte of it. It becomes the node's snapshot when openraft installs it.
    pub fn finish(self) -> Result<SnapshotFile, Error> {
        let path = &self.unpublished.path;
        // Installing it drops the log and the engine that it replaces.
        self.file.sync().map_err(|source| Error::io(path, source))?;
        let verified = SnapshotFile::verify(self.unpublished.files.as_ref(), path)?;
        Ok(SnapshotFile { unpublished: Some(self.unpublished), ..verified })
    }
}
