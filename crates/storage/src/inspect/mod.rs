//! Looking at a data directory that no node uses: what its files hold, piece by piece, in words.
//!
//! Nothing here mends anything. What is damaged is told as an error that names file and offset; what can't be decoded is
//! shown as such, for it may be just what somebody is looking for.

mod commands;
mod rows;
mod state;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use commands::{CommandsInWords, RequestInWords, commands_in_words};
pub(crate) use rows::newest_index;
pub use rows::{InspectedRow, InspectedSnapshot, RowKind, SnapshotSummary};
pub(crate) use state::engine_summary;
pub use state::{EngineLeft, EngineSummary, InspectedState};

use crate::applied_row::StoredMembership;
use crate::dir_lock::DirLock;
use crate::file::Files;
use crate::log::{self, Examination, RecordView};
use crate::{Error, layout};

/// Passes every sound record of the log to `visit`, in order, until that breaks off; says what is wrong with the log.
pub fn inspect_log(
    files: &Arc<dyn Files>,
    dir: &Path,
    visit: &mut dyn FnMut(&RecordView<'_>) -> ControlFlow<()>,
) -> Result<Examination, Error> {
    let _lock = take(files.as_ref(), dir)?;
    log::examine(files.as_ref(), &dir.join(layout::LOG_DIR), visit)
}

/// Who is in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    /// Ids of the voters; two groups while the membership changes.
    pub voters: Vec<Vec<u64>>,
    /// Every node's id and peer address, learners included.
    pub nodes: Vec<(u64, String)>,
}

impl Members {
    pub(crate) fn of(membership: &StoredMembership) -> Self {
        let membership = membership.membership();
        Self {
            voters: membership.get_joint_config().iter().map(|ids| ids.iter().copied().collect()).collect(),
            nodes: membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect(),
        }
    }

    /// True where nobody votes: the node was never part of a cluster.
    pub fn is_empty(&self) -> bool {
        self.voters.iter().all(Vec::is_empty)
    }
}

/// Takes a data directory for as long as the result lives, so that no node starts on it meanwhile.
pub(crate) fn take(files: &dyn Files, dir: &Path) -> Result<DirLock, Error> {
    let exists = |path: PathBuf| files.exists(&path).map_err(|source| Error::io(&path, source));
    // Asked first, since the lock's file is made where it is missing: in a directory that isn't ours it has no business.
    if !exists(dir.join(layout::IDENTITY_FILE))? && !exists(dir.join(layout::LOG_DIR))? {
        let source = io::Error::new(io::ErrorKind::NotFound, "there is no data directory of a node here");
        return Err(Error::io(dir, source));
    }
    DirLock::take(files, dir)
}
