//! The engine of a node that doesn't run: how it was left, and its rows where they can be trusted.

use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use stockade_state_machine::Origin;

use super::rows::{InspectedRow, describe, newest_index};
use super::{Members, take};
use crate::applied_row::Position;
use crate::dir_lock::DirLock;
use crate::engine::{Engine, EngineKind};
use crate::engine_dir::{CLEAN, CURRENT, EngineDir, TRUST};
use crate::file::{Files, read_whole};
use crate::log::EntryId;
use crate::{Error, layout, limits, rows};

/// How the engine was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineLeft {
    /// There is none.
    Absent,
    /// One is in force, and its directory is gone.
    Missing,
    /// In order: the node was stopped.
    Clean,
    /// In use by a process that has ended, in this boot of the machine.
    InUse,
    /// In use when the machine went down, copied, or not to be trusted for another reason.
    Distrusted,
}

impl EngineLeft {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Missing => "missing",
            Self::Clean => "clean",
            Self::InUse => "in_use",
            Self::Distrusted => "distrusted",
        }
    }

    /// True where the next start goes on with it, if its rows are whole.
    pub fn may_be_trusted(self) -> bool {
        match self {
            Self::Clean | Self::InUse => true,
            Self::Absent | Self::Missing | Self::Distrusted => false,
        }
    }
}

impl fmt::Display for EngineLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "none yet: the next start builds it",
            Self::Missing => "its directory is gone: the next start rebuilds it",
            Self::Clean => "left in order by a clean stop",
            Self::InUse => {
                "in use when the process ended, in this boot of the machine: the next start checks it"
            }
            Self::Distrusted => {
                "not to be trusted after a power cut or a failure: the next start rebuilds it"
            }
        })
    }
}

/// The engine as its notes describe it. It is a view that can be rebuilt, so its own files are not part of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSummary {
    /// The generation in force.
    pub generation: Option<String>,
    /// How it was left.
    pub left: EngineLeft,
}

/// How the engine was left, by its notes.
pub(crate) fn engine_summary(files: &dyn Files, dir: &Path) -> Result<EngineSummary, Error> {
    let engine_dir = dir.join(layout::ENGINE_DIR);
    let Some(generation) = note(files, &engine_dir, CURRENT)? else {
        return Ok(EngineSummary { generation: None, left: EngineLeft::Absent });
    };
    let io = |source| Error::io(&engine_dir, source);
    let trust = note(files, &engine_dir, TRUST)?.unwrap_or_default();
    let left = if !files.exists(&engine_dir.join(&generation)).map_err(io)? {
        EngineLeft::Missing
    } else if trust == CLEAN {
        EngineLeft::Clean
    } else if !trust.is_empty() && trust == files.boot_mark(&engine_dir).map_err(io)? {
        EngineLeft::InUse
    } else {
        EngineLeft::Distrusted
    };
    Ok(EngineSummary { generation: Some(generation), left })
}

fn note(files: &dyn Files, engine_dir: &Path, name: &str) -> Result<Option<String>, Error> {
    let path = engine_dir.join(name);
    let io = |source| Error::io(&path, source);
    if !files.exists(&path).map_err(io)? {
        return Ok(None);
    }
    let bytes = read_whole(files, &path, limits::MAX_IDENTITY_BYTES).map_err(io)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The applied state of a node that doesn't run, opened as a start would open it, but never rebuilt.
///
/// Invariant: it is left as it was found. A clean stop stays a clean stop; a process that ends before [`Self::close`]
/// leaves it as a crash of a node would.
#[derive(Debug)]
pub struct InspectedState {
    /// The last entry that was applied to it.
    pub applied: Option<EntryId>,
    /// Who was in the cluster then.
    pub members: Members,
    /// Chained over the changes of every entry.
    pub chain: [u8; 32],
    /// How many rows there are.
    pub rows: u64,
    trimmed: Option<Origin>,
    engine: Arc<dyn Engine>,
    engine_dir: EngineDir,
    was_clean: bool,
    _lock: DirLock,
}

impl InspectedState {
    /// Opens it; `None` where the next start would rebuild it.
    pub fn open(files: &Arc<dyn Files>, dir: &Path, cache_bytes: u64) -> Result<Option<Self>, Error> {
        let lock = take(files.as_ref(), dir)?;
        Self::open_locked(files, dir, cache_bytes, lock)
    }

    pub(crate) fn open_locked(
        files: &Arc<dyn Files>,
        dir: &Path,
        cache_bytes: u64,
        lock: DirLock,
    ) -> Result<Option<Self>, Error> {
        let summary = engine_summary(files.as_ref(), dir)?;
        if !summary.left.may_be_trusted() {
            return Ok(None);
        }
        let engine_dir = EngineDir {
            files: Arc::clone(files),
            dir: dir.join(layout::ENGINE_DIR),
            redo_path: dir.join(layout::REDO_FILE),
            kind: EngineKind::Sled,
            cache_bytes,
        };
        let Some((engine, loaded)) = engine_dir.open_trusted()? else { return Ok(None) };
        let fits = newest_index(files.as_ref(), dir)? <= loaded.position.index();
        let Position { log_id, membership, clock: _, chain, ledger: _, trimmed, highest_node_id: _ } =
            loaded.position;
        let state = Self {
            applied: log_id.map(EntryId::from),
            members: Members::of(&membership),
            chain,
            rows: loaded.digest.rows,
            trimmed,
            engine,
            engine_dir,
            was_clean: summary.left == EngineLeft::Clean,
            _lock: lock,
        };
        if fits {
            return Ok(Some(state));
        }
        // A crash came between receiving a snapshot and installing it.
        state.close()?;
        Ok(None)
    }

    /// Visits its rows in the order of their keys.
    pub fn rows(&self, mut visit: impl FnMut(InspectedRow)) -> Result<(), Error> {
        for value in rows::scan(self.engine.as_ref(), Bound::Unbounded) {
            let (key, value) = value?;
            visit(describe(self.trimmed.as_ref(), &key, &value));
        }
        Ok(())
    }

    /// Closes it and notes that it was left in order, where it was found so.
    pub fn close(self) -> Result<(), Error> {
        let Self { engine, engine_dir, was_clean, .. } = self;
        engine.flush()?;
        // It writes to its files when it is dropped: they are synced after that, and only then called clean.
        drop(engine);
        if was_clean { engine_dir.note_clean_stop() } else { Ok(()) }
    }
}
