//! Where the engine lives, and whether it can be trusted at a start.
//!
//! Each generation has a directory of its own; the file `CURRENT` names the one in force and is switched as a whole.
//! The file `TRUST` says how the engine was left. sled is trusted after a clean stop, and after a crash of the process
//! alone: same boot of the machine, same directory. Otherwise it is rebuilt from snapshot and log.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::{self, Engine, EngineKind};
use crate::file::{Files, read_whole, write_whole};
use crate::load::{self, Loaded};
use crate::snapshot::SnapshotFile;
use crate::{Error, limits, redo};

pub(crate) const CURRENT: &str = "CURRENT";
pub(crate) const TRUST: &str = "TRUST";
pub(crate) const CLEAN: &str = "clean";
/// sled's directory of large values.
const SLED_BLOBS: &str = "blobs";

/// An engine, and what a scan of it found.
pub(crate) type Opened = (Arc<dyn Engine>, Loaded);

/// The engine's place on disk.
#[derive(Debug, Clone)]
pub(crate) struct EngineDir {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
    pub(crate) redo_path: PathBuf,
    pub(crate) kind: EngineKind,
    pub(crate) cache_bytes: u64,
}

impl EngineDir {
    /// Opens the engine if it can be trusted and is whole; `None`, with the reason logged, where it has to be rebuilt.
    pub(crate) fn open_trusted(&self) -> Result<Option<Opened>, Error> {
        let Some(generation) = self.current()? else { return Ok(None) };
        self.remove_others(&generation)?;
        let trust = self.read(TRUST)?.unwrap_or_default();
        let boot_mark = self.boot_mark()?;
        if trust != CLEAN && (boot_mark.is_empty() || trust != boot_mark) {
            tracing::warn!("the machine went down while the node ran: the applied state is rebuilt");
            return Ok(None);
        }
        // sled may panic on what it finds, wherever it finds it.
        let opened = catch_unwind(AssertUnwindSafe(|| self.open_generation(&generation)));
        match opened.unwrap_or_else(|_| Err(Error::Engine("sled panicked".to_owned()))) {
            Ok(opened) => Ok(Some(opened)),
            Err(error) => {
                tracing::warn!(%error, "the applied state is not whole: it is rebuilt");
                Ok(None)
            }
        }
    }

    fn open_generation(&self, generation: &str) -> Result<Opened, Error> {
        // Opening it writes to it: from here on it is trusted in this boot of the machine only.
        self.note_running()?;
        let engine = engine::open(self.kind, &self.dir.join(generation), self.cache_bytes)?;
        if let Some(rows) = redo::read(self.files.as_ref(), &self.redo_path)? {
            tracing::info!(rows = rows.len(), "finishing the window that a crash interrupted");
            for batch in rows.chunks(limits::ENGINE_BATCH_ROWS) {
                engine.write(batch)?;
            }
            engine.flush()?;
        }
        redo::remove(self.files.as_ref(), &self.redo_path)?;
        let loaded = load::load(engine.as_ref(), self.kind == EngineKind::Sled)?;
        Ok((engine, loaded))
    }

    /// Makes a new generation from a snapshot, or from nothing, and puts it in force.
    pub(crate) fn rebuild(&self, snapshot: Option<&SnapshotFile>) -> Result<Opened, Error> {
        self.files.create_dir(&self.dir).map_err(|source| Error::io(&self.dir, source))?;
        let number = self.current()?.and_then(|name| name.parse::<u64>().ok()?.checked_add(1)).unwrap_or(1);
        let generation = number.to_string();
        let dir = self.dir.join(&generation);
        // A crash during an earlier attempt may have left it half made.
        self.remove_dir(&dir)?;
        redo::remove(self.files.as_ref(), &self.redo_path)?;
        let engine = engine::open(self.kind, &dir, self.cache_bytes)?;
        let loaded = if let Some(snapshot) = snapshot {
            tracing::info!(
                index = snapshot.position().index(),
                bytes = snapshot.len(),
                "rebuilding from a snapshot"
            );
            snapshot.pour_into(engine.as_ref())?
        } else {
            Loaded::nothing()
        };
        // Between these steps neither the old generation nor the unsynced new one may pass as left in order.
        self.write(TRUST, "")?;
        self.write(CURRENT, &generation)?;
        self.note_running()?;
        self.remove_others(&generation)?;
        Ok((engine, loaded))
    }

    /// Removes every generation but one: what a crash left, and what was in force before.
    fn remove_others(&self, generation: &str) -> Result<(), Error> {
        for path in self.files.list(&self.dir).map_err(|source| Error::io(&self.dir, source))? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name != generation && name.parse::<u64>().is_ok() {
                self.remove_dir(&path)?;
            }
        }
        Ok(())
    }

    /// Notes that the engine is in use: trusted again only in this boot of the machine.
    fn note_running(&self) -> Result<(), Error> {
        let boot_mark = self.boot_mark()?;
        self.write(TRUST, &boot_mark)
    }

    /// Notes that everything is in the engine. Its files are synced first: the note may outlive a power cut.
    pub(crate) fn note_clean_stop(&self) -> Result<(), Error> {
        if self.kind == EngineKind::Memory {
            return Ok(());
        }
        let Some(generation) = self.current()? else { return Ok(()) };
        let dir = self.dir.join(generation);
        for path in self.files.list(&dir).map_err(|source| Error::io(&dir, source))? {
            // sled keeps large values in a directory; ours are never large enough to be there.
            if path.file_name().is_some_and(|name| name == SLED_BLOBS) {
                continue;
            }
            let synced = self.files.open(&path).and_then(|file| file.sync());
            synced.map_err(|source| Error::io(&path, source))?;
        }
        self.files.sync_dir(&dir).map_err(|source| Error::io(&dir, source))?;
        self.write(TRUST, CLEAN)
    }

    /// Makes the next start rebuild the engine.
    pub(crate) fn distrust(&self) {
        // Removing needs no room, which may be just what is missing.
        let path = self.dir.join(TRUST);
        let gone = self
            .write(TRUST, "")
            .or_else(|_| self.files.remove(&path).map_err(|source| Error::io(&path, source)));
        if let Err(error) = gone {
            tracing::error!(%error, "could not note that the applied state must be rebuilt");
        }
    }

    /// Bytes of the files of the engine that is in force; 0 where it has none.
    pub(crate) fn bytes(&self) -> Result<u64, Error> {
        let Some(generation) = self.current()? else { return Ok(0) };
        let dir = self.dir.join(generation);
        let mut bytes = 0_u64;
        for path in self.files.list(&dir).map_err(|source| Error::io(&dir, source))? {
            if path.file_name().is_some_and(|name| name == SLED_BLOBS) {
                continue;
            }
            match self.files.open(&path).and_then(|file| file.len()) {
                Ok(len) => bytes = bytes.saturating_add(len),
                // sled removes its older metadata as it goes.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(Error::io(&path, source)),
            }
        }
        Ok(bytes)
    }

    /// The generation in force. What is no number was never written by a node: as a path it could lead anywhere, so it counts
    /// as none, and the engine is rebuilt.
    fn current(&self) -> Result<Option<String>, Error> {
        let Some(name) = self.read(CURRENT)? else { return Ok(None) };
        if !name.parse::<u64>().is_ok_and(|number| number.to_string() == name) {
            tracing::warn!(file = %self.dir.join(CURRENT).display(), "it names no engine: the applied state is rebuilt");
            return Ok(None);
        }
        Ok(Some(name))
    }

    fn boot_mark(&self) -> Result<String, Error> {
        self.files.boot_mark(&self.dir).map_err(|source| Error::io(&self.dir, source))
    }

    fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let path = self.dir.join(name);
        let io = |source| Error::io(&path, source);
        if !self.files.exists(&path).map_err(io)? {
            return Ok(None);
        }
        let bytes = match read_whole(self.files.as_ref(), &path, limits::MAX_IDENTITY_BYTES) {
            // The engine can always be made anew: no reason to refuse the start.
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                tracing::warn!(file = %path.display(), %error, "it is damaged and says nothing");
                return Ok(None);
            }
            read => read.map_err(io)?,
        };
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.dir.join(name);
        write_whole(self.files.as_ref(), &path, text.as_bytes()).map_err(|source| Error::io(&path, source))
    }

    fn remove_dir(&self, dir: &Path) -> Result<(), Error> {
        self.files.remove_dir(dir).map_err(|source| Error::io(dir, source))
    }
}
